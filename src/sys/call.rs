//! System calls by the kernel's own numbers.

use super::Arg;
use core::ffi::{CStr, c_int, c_uint};
use core::mem::size_of_val;
use core::ptr;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// execve(2). It returns only to say why it failed. EINVAL if a list is not terminated by `None`.
pub fn execve(path: &CStr, argv: &[Option<Arg>], env: &[Option<Arg>]) -> Errno {
    if !matches!((argv.last(), env.last()), (Some(None), Some(None))) {
        return Errno::EINVAL;
    }
    // SAFETY: Option<Arg> is a pointer to a C string or null, and both lists end in null.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr().cast(), env.as_ptr().cast()) };
    Errno::last()
}

/// socket(2) by the kernel's own numbers, without close-on-exec unless `kind` has SOCK_CLOEXEC.
pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(domain, kind, protocol) })
}

/// Takes over an fd that a system call returned, or its error.
fn owned(fd: c_int) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel just made this fd; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// listen(2) with any backlog: nix refuses those above 4096. -1 is the kernel's maximum, net.core.somaxconn.
pub fn listen(socket: RawFd, backlog: c_int) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::listen(socket, backlog) }).map(drop)
}

/// setsockopt(2) of an option that is an int.
pub fn set_int(socket: RawFd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    set_bytes(socket, level, name, &value.to_ne_bytes())
}

/// setsockopt(2) of an option that is a text or a structure of the kernel's.
pub fn set_bytes(socket: RawFd, level: c_int, name: c_int, value: &[u8]) -> Result<(), Errno> {
    let (at, len) = (value.as_ptr(), value.len() as libc::socklen_t);
    // SAFETY: the kernel reads `len` bytes of `value`.
    Errno::result(unsafe { libc::setsockopt(socket, level, name, at.cast(), len) }).map(drop)
}

/// getsockopt(2) of an option that is an int.
pub fn get_int(fd: RawFd, level: c_int, name: c_int) -> Result<c_int, Errno> {
    let mut value: c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`.
    Errno::result(unsafe {
        libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// getsockname(2) into `room`: the bytes of the sockaddr, cut off where `room` ends.
pub fn local_address(fd: RawFd, room: &mut [u8; 128]) -> Result<&[u8], Errno> {
    let mut len = room.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `room`.
    Errno::result(unsafe { libc::getsockname(fd, room.as_mut_ptr().cast(), &raw mut len) })?;
    room.get(..(len as usize).min(128)).ok_or(Errno::EINVAL)
}

/// Whether a file is open on the number `fd`.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: no memory is passed; any number may be asked about.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// F_DUPFD of fcntl(2): a duplicate on the lowest free number from `least` up, without close-on-exec.
pub fn duplicate_from(file: &OwnedFd, least: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, least) })
}

/// F_DUPFD_CLOEXEC of fcntl(2): a duplicate on the lowest free number from 3 up, for a moment.
pub fn duplicate_aside(file: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 3) })
}

/// dup3(2): a duplicate on exactly `number`, whatever is open there, without close-on-exec.
pub fn duplicate_onto(file: RawFd, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed. That nothing else owns `number` is what placement checked.
    owned(unsafe { libc::dup3(file, number, 0) })
}

/// close(2) of a number.
pub fn close(fd: RawFd) {
    // SAFETY: no memory is passed. The fds closed here (that of -d, one that is moved) belong to the command line.
    unsafe { libc::close(fd) };
}

/// write(2) in which a reader that is gone is EPIPE and never a death by SIGPIPE; signals are as before afterwards.
pub fn write(fd: RawFd, text: &[u8]) -> Result<usize, Errno> {
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let mut mask = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&sigpipe), Some(&mut mask))?;
    let was_pending = sigpipe_is_pending();
    // SAFETY: the kernel reads `text.len()` bytes of `text`.
    let written = Errno::result(unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) });
    if written == Err(Errno::EPIPE) && !was_pending && sigpipe_is_pending() {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both pointers are to live values; a null siginfo is allowed.
        unsafe { libc::sigtimedwait(sigpipe.as_ref(), ptr::null_mut(), &raw const now) };
    }
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)?;
    written.map(|n| n as usize)
}

fn sigpipe_is_pending() -> bool {
    let mut set = core::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigpending fills the set, sigismember reads it.
    unsafe {
        libc::sigpending(set.as_mut_ptr()) == 0
            && libc::sigismember(set.as_ptr(), libc::SIGPIPE) == 1
    }
}

/// The number of the network interface `name` in the namespace of `socket`: SIOCGIFINDEX of netdevice(7). ENODEV if
/// there is none.
pub fn interface_index(socket: RawFd, name: &[u8]) -> Result<u32, Errno> {
    // struct ifreq: the name with its NUL, then a union of 24 bytes, of which an int is used here
    #[repr(C)]
    struct Request {
        name: [u8; libc::IF_NAMESIZE],
        index: c_int,
        rest: [u8; 20],
    }
    let mut request = Request {
        name: [0; libc::IF_NAMESIZE],
        index: 0,
        rest: [0; 20],
    };
    if name.len() >= request.name.len() {
        return Err(Errno::ENODEV);
    }
    for (place, byte) in request.name.iter_mut().zip(name) {
        *place = *byte;
    }
    // SAFETY: the kernel reads and writes one struct ifreq, which Request is. The request's type differs between C
    // libraries.
    Errno::result(unsafe { libc::ioctl(socket, libc::SIOCGIFINDEX as _, &raw mut request) })?;
    Ok(request.index as u32)
}

/// The name of the network interface `index`, into `room`: if_indextoname(3).
pub fn interface_name(index: u32, room: &mut [u8; libc::IF_NAMESIZE]) -> Option<&[u8]> {
    // SAFETY: the room has IF_NAMESIZE bytes, the most that is written.
    let name = unsafe { libc::if_indextoname(index as c_uint, room.as_mut_ptr().cast()) };
    if name.is_null() {
        None
    } else {
        room.split(|&b| b == 0).next()
    }
}

/// The node of a bound unix socket as an O_PATH fd, whatever its path has become since: ioctl SIOCUNIXFILE
/// (Linux 4.14, net/unix/af_unix.c). EPERM without CAP_NET_ADMIN.
pub fn bound_node(socket: RawFd) -> Result<OwnedFd, Errno> {
    const SIOCUNIXFILE: u64 = 0x89e0;
    // SAFETY: no memory is passed. The request's type differs between C libraries.
    owned(unsafe { libc::ioctl(socket, SIOCUNIXFILE as _, 0) })
}

/// Does `act` under a umask of 0, and tells it the mask that is there before and afterwards: umask(2), which cannot be asked
/// without being set. Nothing forks here, so nobody else sees it. nix's own can panic.
pub fn without_umask<T>(act: impl FnOnce(u32) -> T) -> T {
    // SAFETY: no memory is passed.
    let inherited = unsafe { libc::umask(0) };
    let done = act(inherited);
    // SAFETY: as above.
    unsafe { libc::umask(inherited) };
    done
}

/// fchmod(2); on a socket it is the mode that its node will be born with (less the umask). nix's own borrows the fd in a
/// way that can panic.
pub fn fchmod(file: RawFd, mode: u32) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fchmod(file, mode) }).map(drop)
}

/// The mode of the file that an O_PATH fd stands for: fchmodat2(2) with AT_EMPTY_PATH, since Linux 6.6.
pub fn change_mode(node: &OwnedFd, mode: u32) -> Result<(), Errno> {
    const SYS_FCHMODAT2: libc::c_long = 452;
    // SAFETY: the path is an empty C string.
    let done = unsafe {
        libc::syscall(
            SYS_FCHMODAT2,
            node.as_raw_fd(),
            c"".as_ptr(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

/// The owner of the file that an fd stands for, an O_PATH one too: fchownat(2) with AT_EMPTY_PATH. `None` leaves as it is.
pub fn change_owner(node: RawFd, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
    let (user, group) = (user.unwrap_or(u32::MAX), group.unwrap_or(u32::MAX));
    // SAFETY: the path is an empty C string.
    let done = unsafe { libc::fchownat(node, c"".as_ptr(), user, group, libc::AT_EMPTY_PATH) };
    Errno::result(done).map(drop)
}

/// The text of a symbolic link, cut off where `room` ends: readlink(2).
pub fn read_link<'a>(path: &CStr, room: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    // SAFETY: the kernel writes at most `room.len()` bytes to `room`.
    let len = unsafe { libc::readlink(path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let len = Errno::result(len)? as usize;
    room.get(..len).ok_or(Errno::EINVAL)
}

/// mkfifoat(3) of `name` in a directory, readable and writable for the caller alone.
pub fn make_fifo(directory: RawFd, name: &CStr) -> Result<(), Errno> {
    // SAFETY: the name is a C string.
    Errno::result(unsafe { libc::mkfifoat(directory, name.as_ptr(), 0o600) }).map(drop)
}

/// The next entries of a directory, none at its end: getdents64(2). The length of what was put into `room`, in bytes.
pub fn read_directory(directory: RawFd, room: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes no more than the room has.
    let len = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory,
            room.as_mut_ptr(),
            room.len(),
        )
    };
    Errno::result(len).map(|len| len as usize)
}

/// openat(2) of `name` in a directory, never by a symbolic link, without close-on-exec.
pub fn open_at(directory: RawFd, name: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a C string.
    owned(unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_NOFOLLOW) })
}

/// fstatat(2) of `name` in a directory, not by a symbolic link.
pub fn status_at(directory: RawFd, name: &CStr) -> Result<libc::stat, Errno> {
    let mut status = core::mem::MaybeUninit::<libc::stat>::zeroed();
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the name is a C string; the kernel fills the structure.
    let done = unsafe { libc::fstatat(directory, name.as_ptr(), status.as_mut_ptr(), flags) };
    Errno::result(done)?;
    // SAFETY: fstatat succeeded.
    Ok(unsafe { status.assume_init() })
}

/// renameat2(2) of `name` in the directory `from` to `to`, which is not there (RENAME_NOREPLACE), or is exchanged for it
/// (RENAME_EXCHANGE). Linux 3.15; nix has it for glibc alone.
pub fn rename_out(from: RawFd, name: &CStr, to: &CStr, flags: c_uint) -> Result<(), Errno> {
    let (call, here) = (libc::SYS_renameat2, libc::AT_FDCWD);
    // SAFETY: both names are C strings.
    let done = unsafe { libc::syscall(call, from, name.as_ptr(), here, to.as_ptr(), flags) };
    Errno::result(done).map(drop)
}

/// fstat(2) of a number.
pub fn status(fd: RawFd) -> Result<libc::stat, Errno> {
    let mut status = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel fills the structure; where it fails, zeroes are never looked at.
    Errno::result(unsafe { libc::fstat(fd, status.as_mut_ptr()) })?;
    // SAFETY: fstat succeeded.
    Ok(unsafe { status.assume_init() })
}

/// The magic number of the file system that a file is on: fstatfs(2).
pub fn file_system(fd: RawFd) -> Result<u64, Errno> {
    let mut status = core::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the kernel fills the structure; where it fails, zeroes are never looked at.
    Errno::result(unsafe { libc::fstatfs(fd, status.as_mut_ptr()) })?;
    // SAFETY: fstatfs succeeded.
    Ok(unsafe { status.assume_init() }.f_type as u64)
}

/// The access mode and flags that fcntl(2) F_GETFL tells.
pub fn file_flags(fd: RawFd) -> Result<c_int, Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}

/// F_SETFL of fcntl(2): sets or clears O_NONBLOCK.
pub fn set_nonblock(fd: RawFd, nonblock: bool) -> Result<(), Errno> {
    let old = file_flags(fd)?;
    let new = if nonblock {
        old | libc::O_NONBLOCK
    } else {
        old & !libc::O_NONBLOCK
    };
    if new == old {
        return Ok(());
    }
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFL, new) }).map(drop)
}

/// F_SETPIPE_SZ of fcntl(2): the capacity of a pipe in bytes, rounded up by the kernel.
pub fn set_pipe_size(fd: RawFd, size: c_int) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETPIPE_SZ, size) }).map(drop)
}

/// The most messages of a queue, and its longest message in bytes: struct mq_attr of mq_getattr(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSize {
    /// mq_maxmsg
    pub messages: i32,
    /// mq_msgsize
    pub bytes: i32,
}

/// mq_open(3) with O_CREAT and O_EXCL, without close-on-exec. No size is the kernel's default.
pub fn make_queue(
    name: &CStr,
    flags: c_int,
    mode: u32,
    size: Option<QueueSize>,
) -> Result<OwnedFd, Errno> {
    let mut attributes = queue_attributes();
    let mut pointer = ptr::null();
    if let Some(size) = size {
        attributes.mq_maxmsg = size.messages as _;
        attributes.mq_msgsize = size.bytes as _;
        pointer = &raw const attributes;
    }
    let flags = flags | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: the name is a C string, `pointer` is null or to a value that lives until the call returns.
    inheritable(unsafe { libc::mq_open(name.as_ptr(), flags, mode as libc::mode_t, pointer) })
}

/// mq_open(3) of a queue that exists, without close-on-exec.
pub fn open_queue(name: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a C string.
    inheritable(unsafe { libc::mq_open(name.as_ptr(), flags) })
}

/// Takes over a queue, which is an fd on Linux that mq_open(3) has made close-on-exec.
fn inheritable(queue: libc::mqd_t) -> Result<OwnedFd, Errno> {
    let queue = owned(queue)?;
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, 0) })?;
    Ok(queue)
}

/// mq_getattr(3)
pub fn queue_size(queue: RawFd) -> Result<QueueSize, Errno> {
    let mut attributes = queue_attributes();
    // SAFETY: the library writes one struct mq_attr.
    Errno::result(unsafe { libc::mq_getattr(queue, &raw mut attributes) })?;
    Ok(QueueSize {
        messages: attributes.mq_maxmsg as i32,
        bytes: attributes.mq_msgsize as i32,
    })
}

fn queue_attributes() -> libc::mq_attr {
    // SAFETY: numbers, of which zero is one.
    unsafe { core::mem::zeroed() }
}

/// mq_unlink(3)
pub fn unlink_queue(name: &CStr) -> Result<(), Errno> {
    // SAFETY: the name is a C string.
    Errno::result(unsafe { libc::mq_unlink(name.as_ptr()) }).map(drop)
}

/// The inode number of a pidfd of the process `pid`, where the kernel gives each process one of its own (pidfs, Linux 6.9):
/// pidfd_open(2).
pub fn pidfd_id(pid: u32) -> Option<u64> {
    // PID_FS_MAGIC of linux/magic.h
    const PIDFS: u64 = 0x5049_4446;
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let pidfd = owned(c_int::try_from(fd).ok()?).ok()?;
    let is_own = file_system(pidfd.as_raw_fd()).ok()? == PIDFS;
    is_own.then(|| status(pidfd.as_raw_fd()).map(|status| status.st_ino).ok())?
}
