//! What a daemon may be handed besides sockets: FIFOs, files, message queues, and fds that are open already.
#![forbid(unsafe_code)]

use crate::bind::{tell, wish};
use crate::node::{self, Refused, Wish, same};
use crate::path;
use crate::spec::option::{self, OPTIONS};
use crate::spec::value::Value;
use crate::sys;
use crate::sys::QueueSize;
use crate::trail::PathText;
use crate::work::{Doing, Error, Problem, Work};
use core::ffi::CStr;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::libc;
use nix::sys::stat::{Mode, lstat};
use nix::unistd::{Uid, UnlinkatFlags, mkdir, mkfifo, unlinkat};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Opening failed.
fn failed<'a>(problem: Problem) -> Error<'a> {
    Error {
        doing: Doing::Open,
        problem,
    }
}

fn failed_call<'a>(errno: Errno) -> Error<'a> {
    failed(Problem::System(errno))
}

/// The file on its number, with O_NONBLOCK only if that was asked for: it was opened with it, so as to wait for nobody.
fn finish<'a>(work: &mut Work<'a, '_>, file: OwnedFd) -> Result<RawFd, Error<'a>> {
    if work.spec.number(option::NONBLOCK) != Some(1) {
        sys::set_nonblock(file.as_raw_fd(), false).map_err(failed_call)?;
    }
    work.place(file)
}

/// fifo(7), made if it is missing, opened for reading and writing, so that it outlasts its writers. One that is there
/// stays if it has the owner and mode that are asked for, and is replaced if not: it may have other names, and be
/// somebody else's.
#[cold]
pub fn fifo<'a>(work: &mut Work<'a, '_>, path: &'a [u8]) -> Result<RawFd, Error<'a>> {
    let text = PathText::from(path);
    let text = text.c_str().ok_or(failed_call(Errno::ENAMETOOLONG))?;
    let (wish, mut refused) = (wish(work, 0o666), Refused::default());
    let file = match lstat(text) {
        Ok(there) if there.st_mode & libc::S_IFMT != libc::S_IFIFO => {
            return Err(failed(Problem::Other(there.st_mode, "a FIFO")));
        }
        Ok(there) if suits(&there, &wish) => open_fifo(text, &there)?,
        Ok(there) => fifo_aside(work, path, text, &wish, Some(there), &mut refused)?,
        Err(Errno::ENOENT) if wish.is_owned() => {
            path::make_parents(work, path)?;
            fifo_aside(work, path, text, &wish, None, &mut refused)?
        }
        Err(Errno::ENOENT) => new_fifo(work, path, text, &wish)?,
        Err(errno) => return Err(failed_call(errno)),
    };
    tell(work, &refused);
    for (value, soft) in work.spec.given(option::PIPE_SIZE) {
        if let (Value::Number(size), Some(row)) = (value, OPTIONS.get(option::PIPE_SIZE)) {
            let set = sys::set_pipe_size(file.as_raw_fd(), size);
            work.check(set, row, b"", soft)?;
        }
    }
    finish(work, file)
}

/// Whether a FIFO has the owner and mode that are asked for.
fn suits(there: &libc::stat, wish: &Wish) -> bool {
    let mode =
        !(wish.mode.is_some() || wish.is_owned()) || there.st_mode & 0o7777 == wish.full_mode();
    mode && wish.user.is_none_or(|user| user == there.st_uid)
        && wish.group.is_none_or(|group| group == there.st_gid)
}

/// Opens the FIFO that `there` is.
fn open_fifo<'a>(text: &CStr, there: &libc::stat) -> Result<OwnedFd, Error<'a>> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = open(text, flags, Mode::empty()).map_err(failed_call)?;
    let status = sys::status(file.as_raw_fd()).map_err(failed_call)?;
    if same(&status, there) {
        Ok(file)
    } else {
        Err(failed(Problem::Swapped))
    }
}

/// A FIFO of the caller's, born with its mode.
fn new_fifo<'a>(
    work: &mut Work<'a, '_>,
    path: &'a [u8],
    text: &CStr,
    wish: &Wish,
) -> Result<OwnedFd, Error<'a>> {
    let make = || {
        wish.born(|mode| {
            let mode = mode.unwrap_or(wish.default);
            mkfifo(text, Mode::from_bits_truncate(mode))
        })
    };
    let mut made = make();
    if made == Err(Errno::ENOENT) && path::make_parents(work, path)? {
        made = make();
    }
    made.map_err(failed_call)?;
    let there = path::made_now(work, path, text, libc::S_IFIFO).map_err(failed_call)?;
    if there.st_mode & libc::S_IFMT != libc::S_IFIFO {
        return Err(failed(Problem::Swapped));
    }
    open_fifo(text, &there)
}

/// The name of a FIFO in the directory where it is made aside.
const ASIDE: &CStr = c"fifo";

/// A FIFO that gets another owner, or takes the place of one: made in a directory that nobody else can enter, beside
/// `path`, and moved there when it is as it has to be. So nothing is ever changed that has a name where others can write.
fn fifo_aside<'a>(
    work: &mut Work<'a, '_>,
    path: &'a [u8],
    text: &CStr,
    wish: &Wish,
    old: Option<libc::stat>,
    refused: &mut Refused,
) -> Result<OwnedFd, Error<'a>> {
    let mut name = PathText::from(path);
    name.put(b".listen");
    let name = name.c_str().ok_or(failed_call(Errno::ENAMETOOLONG))?;
    let aside = own_directory(name)?;
    // what a killed start has left; anything else that is called so makes the next step fail
    remove_aside(&aside);
    let made = fifo_in(work, path, aside.as_raw_fd(), text, wish, old, refused);
    // what an exchange has brought, or what did not get its place
    remove_aside(&aside);
    let _ = unlinkat(AT_FDCWD, name, UnlinkatFlags::RemoveDir);
    made
}

/// Removes the FIFO in the directory, and nothing else that has its name.
fn remove_aside(aside: &OwnedFd) {
    match sys::status_at(aside.as_raw_fd(), ASIDE) {
        Ok(there) if there.st_mode & libc::S_IFMT == libc::S_IFIFO => {
            let _ = unlinkat(aside, ASIDE, UnlinkatFlags::NoRemoveDir);
        }
        _ => {}
    }
}

/// A directory that only the caller can enter; one that a killed start has left is as good.
fn own_directory<'a>(name: &CStr) -> Result<OwnedFd, Error<'a>> {
    let made = sys::without_umask(|_| mkdir(name, Mode::S_IRWXU));
    match made {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(failed_call(errno)),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = open(name, flags, Mode::empty()).and_then(|directory| {
        let status = sys::status(directory.as_raw_fd())?;
        Ok((directory, status))
    });
    match opened {
        Ok((directory, status))
            if status.st_uid == Uid::effective().as_raw() && status.st_mode & 0o777 == 0o700 =>
        {
            Ok(directory)
        }
        Ok(_) => Err(failed(Problem::Swapped)),
        Err(errno) => {
            if made.is_ok() {
                let _ = unlinkat(AT_FDCWD, name, UnlinkatFlags::RemoveDir);
            }
            Err(failed_call(errno))
        }
    }
}

fn fifo_in<'a>(
    work: &mut Work<'a, '_>,
    path: &'a [u8],
    aside: RawFd,
    text: &CStr,
    wish: &Wish,
    old: Option<libc::stat>,
    refused: &mut Refused,
) -> Result<OwnedFd, Error<'a>> {
    const NO_REPLACE: u32 = 1;
    const EXCHANGE: u32 = 2;
    sys::make_fifo(aside, ASIDE).map_err(failed_call)?;
    let file = sys::open_at(aside, ASIDE, libc::O_RDWR | libc::O_NONBLOCK).map_err(failed_call)?;
    give(file.as_raw_fd(), wish, refused).map_err(failed)?;
    let status = sys::status(file.as_raw_fd()).map_err(failed_call)?;
    let Some(old) = old else {
        sys::rename_out(aside, ASIDE, text, NO_REPLACE).map_err(failed_call)?;
        work.trail.made(path, &status);
        return Ok(file);
    };
    sys::rename_out(aside, ASIDE, text, EXCHANGE).map_err(failed_call)?;
    let back = sys::status_at(aside, ASIDE);
    if back.is_ok_and(|back| same(&back, &old)) {
        // there was one before, so one stays whatever happens
        return Ok(file);
    }
    // not what it was to replace: everything goes where it was
    let _ = sys::rename_out(aside, ASIDE, text, EXCHANGE);
    Err(failed(Problem::Swapped))
}

/// The owner, and then the mode, of a FIFO or queue that is open. A queue that was there before loses what the group and
/// others have until it has its owner.
fn give(file: RawFd, wish: &Wish, refused: &mut Refused) -> Result<(), Problem> {
    let full = wish.full_mode();
    if wish.is_owned() {
        set_mode(file, full & 0o700, wish, refused)?;
    }
    node::change_owner(file, wish, refused)?;
    set_mode(file, full, wish, refused)
}

fn set_mode(file: RawFd, mode: u32, wish: &Wish, refused: &mut Refused) -> Result<(), Problem> {
    match sys::fchmod(file, mode) {
        Err(errno) if wish.mode_soft => {
            refused.mode = Some(errno);
            Ok(())
        }
        changed => changed.map_err(Problem::Mode),
    }
}

/// A file or device that exists.
#[cold]
pub fn file<'a>(work: &mut Work<'a, '_>, path: &'a [u8]) -> Result<RawFd, Error<'a>> {
    let text = PathText::from(path);
    let text = text.c_str().ok_or(failed_call(Errno::ENAMETOOLONG))?;
    let open = |access| {
        let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        open(text, flags, Mode::empty())
    };
    let writable = work.spec.number(option::WRITABLE) == Some(1);
    let opened = if writable {
        match open(OFlag::O_RDWR) {
            Err(errno) if work.spec.is_soft(option::WRITABLE) => {
                work.not_applied("writable", errno);
                open(OFlag::O_RDONLY)
            }
            opened => opened,
        }
    } else {
        open(OFlag::O_RDONLY)
    };
    // a socket cannot be opened: ENXIO says less than what it is
    let kind = |mode| Problem::Other(mode, "a file or device");
    let file = opened.map_err(|errno| match (errno, lstat(text)) {
        (Errno::ENXIO | Errno::EISDIR, Ok(status)) => failed(kind(status.st_mode)),
        _ => failed_call(errno),
    })?;
    let status = sys::status(file.as_raw_fd()).map_err(failed_call)?;
    match status.st_mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK => finish(work, file),
        _ => Err(failed(kind(status.st_mode))),
    }
}

/// mq_overview(7), made if it is missing, opened for receiving.
#[cold]
pub fn queue<'a>(work: &mut Work<'a, '_>, name: &'a [u8]) -> Result<RawFd, Error<'a>> {
    let text = PathText::from(name);
    let text = text.c_str().ok_or(failed_call(Errno::ENAMETOOLONG))?;
    let (wish, mut refused) = (wish(work, 0o666), Refused::default());
    let nonblock = if work.spec.number(option::NONBLOCK) == Some(1) {
        libc::O_NONBLOCK
    } else {
        0
    };
    let asked = asked_size(work);
    let make = |size| {
        wish.born(|mode| sys::make_queue(text, nonblock, mode.unwrap_or(wish.default), size))
    };
    let made = match make(asked) {
        Err(errno @ (Errno::EINVAL | Errno::EMFILE)) if is_soft_size(work) => {
            work.not_applied("maxmsg, msgsize", errno);
            make(None)
        }
        made => made,
    };
    let queue = match made {
        Ok(queue) => {
            work.trail.queue(name);
            queue
        }
        Err(Errno::EEXIST) => existing(work, text, nonblock)?,
        Err(errno) => return Err(failed_call(errno)),
    };
    if wish.is_owned() || wish.mode.is_some() {
        give(queue.as_raw_fd(), &wish, &mut refused).map_err(failed)?;
    }
    tell(work, &refused);
    work.place(queue)
}

fn is_soft_size(work: &Work) -> bool {
    work.spec.is_soft(option::MAXMSG) || work.spec.is_soft(option::MSGSIZE)
}

/// The size that is asked for, with the kernel's default for what is not: mq_overview(7).
fn asked_size(work: &Work) -> Option<QueueSize> {
    let (messages, bytes) = (
        work.spec.number(option::MAXMSG),
        work.spec.number(option::MSGSIZE),
    );
    if messages.is_none() && bytes.is_none() {
        return None;
    }
    let default = |path, number| read_number(path).unwrap_or(number);
    Some(QueueSize {
        messages: messages.unwrap_or_else(|| default(c"/proc/sys/fs/mqueue/msg_default", 10)),
        bytes: bytes.unwrap_or_else(|| default(c"/proc/sys/fs/mqueue/msgsize_default", 8192)),
    })
}

fn read_number(path: &CStr) -> Option<i32> {
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let mut room = [0; 16];
    let len = nix::unistd::read(&file, &mut room).ok()?;
    crate::map::parse_fd(room.get(..len)?.trim_ascii_end())
}

/// A queue that is there has to be of the size that is asked for.
fn existing<'a>(work: &Work<'a, '_>, name: &CStr, nonblock: i32) -> Result<OwnedFd, Error<'a>> {
    let queue = sys::open_queue(name, nonblock).map_err(failed_call)?;
    let size = sys::queue_size(queue.as_raw_fd()).map_err(failed_call)?;
    let differs = |what, is| work.spec.number(what).is_some_and(|asked| asked != is);
    if differs(option::MAXMSG, size.messages) || differs(option::MSGSIZE, size.bytes) {
        if !is_soft_size(work) {
            return Err(failed(Problem::Size(size)));
        }
        work.not_applied("maxmsg, msgsize", Errno::EEXIST);
    }
    Ok(queue)
}

/// An fd that is open already: moved if another number is claimed, else left where it is.
#[cold]
pub fn adopt<'a>(work: &mut Work<'a, '_>, fd: RawFd) -> Result<RawFd, Error<'a>> {
    let placed = match work.claimed {
        Some(claimed) if claimed != fd => {
            let moved = sys::duplicate_onto(fd, claimed)
                .map_err(|errno| Error::system(Doing::Place, errno))?;
            sys::close(fd);
            work.place(moved)?
        }
        _ => fd,
    };
    // nobody's standard error any more
    work.log.silent |= fd == 2;
    if let (Some(nonblock), Some(row)) = (
        work.spec.number(option::NONBLOCK),
        OPTIONS.get(option::NONBLOCK),
    ) {
        let set = sys::set_nonblock(placed, nonblock == 1);
        work.check(set, row, b"", work.spec.is_soft(option::NONBLOCK))?;
    }
    Ok(placed)
}
