//! The system calls that nix lacks (or cannot make without a heap), the entry point, and memory without a heap.
//!
//! This is the one module of the crate that may be unsafe. What it offers is safe to call; numbers of fds are
//! plain [`RawFd`]s here, because which number holds what is exactly what these programs are about.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_uint};
use core::marker::PhantomData;
use core::mem::size_of_val;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

// panic is abort, but Rust's standard library asks for libgcc_s all the same, and loading it costs a fifth of the
// start-up. The static half of the same library has what little is referenced.
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh")]
unsafe extern "C" {}

unsafe extern "C" {
    static environ: *const Option<Arg<'static>>;
}

/// Defines the C entry point of a command: `main!(run)` with `fn run(start: Start) -> i32`.
///
/// Rust's own start-up code would ignore SIGPIPE and open /dev/null on closed fds 0 to 2, and the next program of the
/// chain would inherit both.
#[macro_export]
macro_rules! main {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(_argc: core::ffi::c_int, argv: $crate::sys::Argv) -> core::ffi::c_int {
            $run($crate::sys::start(argv))
        }
    };
}

/// What C hands to `main` as argv. Nothing but the C start-up code can make one.
#[repr(transparent)]
pub struct Argv(*const Option<Arg<'static>>);

/// The arguments and the environment that the process began with, each with its terminating `None`.
pub struct Start {
    /// argv, the program's own name included.
    pub args: &'static [Option<Arg<'static>>],
    /// The environment, in order, duplicates and entries without `=` included.
    pub env: &'static [Option<Arg<'static>>],
}

/// Wraps argv and environ for [`main!`].
pub fn start(argv: Argv) -> Start {
    // SAFETY: only the C start-up code makes an Argv, with the kernel's argv; environ is the kernel's too, because no
    // program that uses this module calls setenv or putenv. Both stay as they are as long as the process lives.
    unsafe {
        Start {
            args: terminated(argv.0),
            env: terminated(environ),
        }
    }
}

/// # Safety
/// `list` is null, or points to pointers to C strings, ended by a null pointer, that live and do not change for
/// as long as the process does.
unsafe fn terminated(list: *const Option<Arg<'static>>) -> &'static [Option<Arg<'static>>] {
    if list.is_null() {
        return &[None];
    }
    let mut len = 0;
    // SAFETY: every element up to the terminating None may be read, and so may the slice of them.
    unsafe {
        while (*list.add(len)).is_some() {
            len += 1;
        }
        core::slice::from_raw_parts(list, len + 1)
    }
}

/// A C string of argv or of the environment: one pointer wide, so that a slice of `Option<Arg>` is what execve takes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Arg<'a>(NonNull<c_char>, PhantomData<&'a CStr>);

impl<'a> Arg<'a> {
    /// The string as Rust's C string; its length is counted on each call.
    pub fn c_str(self) -> &'a CStr {
        // SAFETY: an Arg points to a C string that lives for 'a: From<&CStr> and the kernel are its only sources.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }
    }

    /// The bytes of the string, without the terminating NUL.
    pub fn bytes(self) -> &'a [u8] {
        self.c_str().to_bytes()
    }

    /// The value, if this is the environment string `name=value`. Reads no further than the names agree.
    pub fn value_of(self, name: &[u8]) -> Option<&'a CStr> {
        let mut at = self.0.as_ptr();
        for &byte in name.iter().chain(b"=") {
            // SAFETY: bytes are compared one by one and `name` has no NUL that could agree with the terminating one
            // and lead beyond it: a NUL in `name` ends the loop.
            unsafe {
                if *at as u8 != byte || byte == 0 {
                    return None;
                }
                at = at.add(1);
            }
        }
        // SAFETY: `at` is within the string or at its NUL.
        Some(unsafe { CStr::from_ptr(at) })
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Arg(NonNull::from(text).cast(), PhantomData)
    }
}

// SAFETY: an Arg is a shared reference to bytes that do not change.
unsafe impl Send for Arg<'_> {}

/// Static memory that is handed out once. Pages that nobody touches cost nothing.
pub struct Static<T>(UnsafeCell<T>, AtomicBool);

// SAFETY: take() gives the only reference to one caller, whichever thread it is on.
unsafe impl<T: Send> Sync for Static<T> {}

impl<T> Static<T> {
    /// Memory that begins as `value`.
    pub const fn new(value: T) -> Self {
        Static(UnsafeCell::new(value), AtomicBool::new(false))
    }

    /// The memory, the first time; `None` ever after.
    // clippy fears a second &mut from the same &self; the flag is what prevents it
    #[allow(clippy::mut_from_ref)]
    pub fn take(&'static self) -> Option<&'static mut T> {
        // SAFETY: the flag lets one caller through, so this reference is the only one.
        (!self.1.swap(true, Ordering::AcqRel)).then(|| unsafe { &mut *self.0.get() })
    }
}

/// Memory of which all bytes may be zero.
///
/// # Safety
/// Zero bytes are a value of the type.
pub unsafe trait Zeroed {}
// SAFETY: 0 is a number.
unsafe impl Zeroed for u8 {}
// SAFETY: a null pointer is None.
unsafe impl Zeroed for Option<Arg<'_>> {}

/// Room for `len` values: `room`, or fresh memory from mmap(2) where that is too small or given away.
// as in Static::take
#[allow(clippy::mut_from_ref)]
pub fn room<T: Zeroed + Send, const LEN: usize>(
    room: &'static Static<[T; LEN]>,
    len: usize,
) -> Result<&'static mut [T], Errno> {
    if len <= LEN {
        if let Some(room) = room.take() {
            return Ok(room);
        }
    }
    let start = anonymous(len.saturating_mul(size_of::<T>()))?;
    // SAFETY: fresh, aligned to a page, never unmapped, and zero bytes are values of T.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), len) })
}

fn anonymous(len: usize) -> Result<*mut libc::c_void, Errno> {
    let (prot, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping touches no memory that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), len.max(1), prot, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        Err(Errno::last())
    } else {
        Ok(start)
    }
}

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
pub fn listen(socket: &OwnedFd, backlog: c_int) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// setsockopt(2) of an option that is an int.
pub fn set_int(socket: &OwnedFd, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    let (at, len) = (&raw const value, size_of_val(&value) as libc::socklen_t);
    // SAFETY: the kernel reads `len` bytes of `value`, which lives until the call returns.
    Errno::result(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, at.cast(), len) })
        .map(drop)
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

/// dup3(2): a duplicate on exactly `number`, whatever is open there, without close-on-exec.
pub fn duplicate_onto(file: &OwnedFd, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed. That nothing else owns `number` is what placement checked.
    owned(unsafe { libc::dup3(file.as_raw_fd(), number, 0) })
}

/// close(2) of a number.
pub fn close(fd: RawFd) {
    // SAFETY: no memory is passed. The fds closed here (that of -d) belong to the command line.
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

/// The user id of a name, `None` if there is no such user. getpwnam(3) may use a heap and open files of its own.
pub fn user_id(name: &CStr) -> Result<Option<u32>, Errno> {
    // SAFETY: the name is a C string; the record is read before any other call to the user database.
    found(|| unsafe {
        libc::getpwnam(name.as_ptr())
            .as_ref()
            .map(|record| record.pw_uid)
    })
}

/// The group id of a name, `None` if there is no such group; see [`user_id`].
pub fn group_id(name: &CStr) -> Result<Option<u32>, Errno> {
    // SAFETY: as in user_id.
    found(|| unsafe {
        libc::getgrnam(name.as_ptr())
            .as_ref()
            .map(|record| record.gr_gid)
    })
}

/// "Not found" may leave any of these in errno: getpwnam(3), ERRORS.
fn found(look_up: impl Fn() -> Option<u32>) -> Result<Option<u32>, Errno> {
    Errno::clear();
    match (look_up(), Errno::last()) {
        (Some(id), _) => Ok(Some(id)),
        (
            None,
            Errno::UnknownErrno | Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM,
        ) => Ok(None),
        (None, errno) => Err(errno),
    }
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

/// umask(2): sets the mask and returns the one before. nix's own can panic.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no memory is passed.
    unsafe { libc::umask(mask) }
}

/// fchmod(2) on a socket, which is the mode that its node will be born with (less the umask). nix's own borrows the fd
/// in a way that can panic.
pub fn change_socket_mode(socket: &OwnedFd, mode: u32) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fchmod(socket.as_raw_fd(), mode) }).map(drop)
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

/// The owner of the file that an O_PATH fd stands for: fchownat(2) with AT_EMPTY_PATH. `None` leaves as it is.
pub fn change_owner(node: &OwnedFd, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
    let (user, group) = (user.unwrap_or(u32::MAX), group.unwrap_or(u32::MAX));
    // SAFETY: the path is an empty C string.
    let done = unsafe {
        libc::fchownat(
            node.as_raw_fd(),
            c"".as_ptr(),
            user,
            group,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

/// The text of a symbolic link, cut off where `room` ends: readlink(2).
pub fn read_link<'a>(path: &CStr, room: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    // SAFETY: the kernel writes at most `room.len()` bytes to `room`.
    let len = unsafe { libc::readlink(path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let len = Errno::result(len)? as usize;
    room.get(..len).ok_or(Errno::EINVAL)
}

/// fstat(2) of a number.
pub fn status(fd: RawFd) -> Result<libc::stat, Errno> {
    let mut status = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel fills the structure; where it fails, zeroes are never looked at.
    Errno::result(unsafe { libc::fstat(fd, status.as_mut_ptr()) })?;
    // SAFETY: fstat succeeded.
    Ok(unsafe { status.assume_init() })
}

/// The access mode and flags that fcntl(2) F_GETFL tells.
pub fn file_flags(fd: RawFd) -> Result<c_int, Errno> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}
