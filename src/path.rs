//! What stands around a path: its parent directories, and the links to it.
#![forbid(unsafe_code)]

use crate::spec::option;
use crate::spec::value::Value;
use crate::trail::PathText;
use crate::work::{Doing, Error, Problem, Work};
use crate::{node, sys};
use core::ffi::CStr;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::libc;
use nix::sys::stat::{Mode, lstat};
use nix::unistd::{mkdir, symlinkat};
use std::os::fd::AsRawFd;

/// Makes the directories above `path` that are missing, if the spec has `dirmode=`, with exactly that mode; whether it
/// has. Directories that are there stay as they are.
///
/// # Errors
/// The first that cannot be made.
#[cold]
pub fn make_parents<'a>(work: &mut Work<'a, '_>, path: &'a [u8]) -> Result<bool, Error<'a>> {
    let Some(mode) = work.spec.number(option::DIRMODE) else {
        return Ok(false);
    };
    let slashes = path
        .iter()
        .enumerate()
        .filter(|&(at, &b)| at > 0 && b == b'/');
    for (at, _) in slashes {
        let parent = path.get(..at).unwrap_or_default();
        match make_directory(work, parent, mode as u32) {
            Err(errno) if work.spec.is_soft(option::DIRMODE) => work.not_applied("dirmode", errno),
            made => made.map_err(|errno| Error::system(Doing::Directory(parent), errno))?,
        }
    }
    Ok(true)
}

fn make_directory<'a>(work: &mut Work<'a, '_>, path: &'a [u8], mode: u32) -> Result<(), Errno> {
    let text = PathText::from(path);
    let text = text.c_str().ok_or(Errno::ENAMETOOLONG)?;
    match sys::without_umask(|_| mkdir(text, Mode::from_bits_truncate(mode))) {
        Err(Errno::EEXIST) => return Ok(()),
        made => made?,
    }
    made_now(work, path, text, libc::S_IFDIR)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = open(text, flags, Mode::empty())?;
    let status = sys::status(directory.as_raw_fd())?;
    // mkdir(2) takes no set-id bits, and a parent that has its own hands it on
    if status.st_mode & 0o7777 != mode {
        node::change_mode(&directory, mode)?;
    }
    Ok(())
}

/// Notes in the trail what was made at `path` this moment, a file of the type `kind` (S_IFMT of inode(7)), and what it is.
/// Anything else there is somebody else's.
///
/// # Errors
/// It cannot be found out what it is. It is noted all the same if a second try can tell.
pub fn made_now<'a>(
    work: &mut Work<'a, '_>,
    path: &'a [u8],
    text: &CStr,
    kind: u32,
) -> Result<libc::stat, Errno> {
    let first = lstat(text);
    match first.or_else(|_| lstat(text)) {
        Ok(status) if status.st_mode & libc::S_IFMT == kind => work.trail.made(path, &status),
        _ => {}
    }
    first
}

/// Makes the links of `symlink=`. One that is there already and is right stays; anything else that is there stays too,
/// and is an error.
///
/// # Errors
/// The first that cannot be made.
pub fn link<'a>(work: &mut Work<'a, '_>) -> Result<(), Error<'a>> {
    for (value, soft) in work.spec.given(option::SYMLINK) {
        let Value::Name(link) = value else { continue };
        match link_once(work, link) {
            Err(Error {
                problem: Problem::System(errno),
                ..
            }) if soft => work.not_applied("symlink", errno),
            Err(Error {
                problem: Problem::Other(..),
                ..
            }) if soft => work.not_applied("symlink", Errno::EEXIST),
            made => made?,
        }
    }
    Ok(())
}

#[cold]
fn link_once<'a>(work: &mut Work<'a, '_>, link: &'a [u8]) -> Result<(), Error<'a>> {
    let failed = |errno| Error::system(Doing::Link(link), errno);
    let (target, text) = (
        PathText::from(work.spec.address_text()),
        PathText::from(link),
    );
    let (Some(target), Some(text)) = (target.c_str(), text.c_str()) else {
        return Err(failed(Errno::ENAMETOOLONG));
    };
    let make = || symlinkat(target, AT_FDCWD, text);
    let mut made = make();
    if made == Err(Errno::ENOENT) && make_parents(work, link)? {
        made = make();
    }
    match made {
        Ok(()) => made_now(work, link, text, libc::S_IFLNK)
            .map(drop)
            .map_err(failed),
        Err(Errno::EEXIST) if is_link_to(text, target) => Ok(()),
        Err(Errno::EEXIST) => {
            let mode = lstat(text).map_or(0, |status| status.st_mode);
            Err(Error {
                doing: Doing::Link(link),
                problem: Problem::Other(mode, "a link to it"),
            })
        }
        Err(errno) => Err(failed(errno)),
    }
}

fn is_link_to(link: &CStr, target: &CStr) -> bool {
    let mut room = [0; crate::spec::value::LONGEST_PATH + 1];
    sys::read_link(link, &mut room) == Ok(target.to_bytes())
}
