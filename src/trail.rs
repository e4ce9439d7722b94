//! What a command has made in the file system, in order, so that it can be removed again where a later step fails.
#![forbid(unsafe_code)]

use crate::output::Text;
use crate::spec::value::LONGEST_PATH;
use crate::{node, sys};
use core::ffi::CStr;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::lstat;
use nix::unistd::{UnlinkatFlags, unlink, unlinkat};
use std::os::fd::RawFd;

/// The most that one command leaves a trail of.
pub const ROOM: usize = 65_536;

/// A path with its NUL.
pub type PathText = Text<{ LONGEST_PATH + 1 }>;

/// What was made, in order.
pub struct Trail<'a> {
    made: [Option<Trace<'a>>; ROOM],
    len: usize,
}

#[derive(Clone, Copy)]
struct Trace<'a> {
    path: &'a [u8],
    kind: Kind,
    /// Of a [`Kind::Socket`].
    socket: RawFd,
    /// Device and inode, of a [`Kind::Inode`].
    inode: (u64, u64),
}

/// How it is known again. 0 is not among the values, so that an empty trail is all zeroes and takes no room in the binary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As the node that a socket was bound to.
    Socket = 1,
    /// By device and inode.
    Inode,
    /// As a queue, which has nothing but its name.
    Queue,
}

impl<'a> Trail<'a> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Trail {
            made: [None; ROOM],
            len: 0,
        }
    }

    /// `socket` was bound to `path`.
    pub fn bound(&mut self, path: &'a [u8], socket: RawFd) {
        self.push(path, Kind::Socket, socket, (0, 0));
    }

    /// A FIFO, directory or link was made.
    pub fn made(&mut self, path: &'a [u8], status: &libc::stat) {
        self.push(path, Kind::Inode, -1, (status.st_dev, status.st_ino));
    }

    /// A queue was made.
    pub fn queue(&mut self, name: &'a [u8]) {
        self.push(name, Kind::Queue, -1, (0, 0));
    }

    fn push(&mut self, path: &'a [u8], kind: Kind, socket: RawFd, inode: (u64, u64)) {
        // a plan that could need more room was refused
        if let Some(place) = self.made.get_mut(self.len) {
            *place = Some(Trace {
                path,
                kind,
                socket,
                inode,
            });
            self.len += 1;
        }
    }

    /// Removes everything, last things first. Nothing tells of a failure: another one was found before.
    pub fn undo(&mut self) {
        let made = self.made.get_mut(..self.len).unwrap_or_default();
        for trace in made.iter_mut().rev().filter_map(Option::take) {
            let path = PathText::from(trace.path);
            match (path.c_str(), trace.kind) {
                (Some(path), Kind::Socket) => node::remove(trace.socket, path),
                (Some(path), Kind::Inode) => remove(path, trace.inode),
                (Some(name), Kind::Queue) => drop(sys::unlink_queue(name)),
                (None, _) => {}
            }
        }
        self.len = 0;
    }
}

impl Default for Trail<'_> {
    fn default() -> Self {
        Trail::new()
    }
}

fn remove(path: &CStr, inode: (u64, u64)) {
    match lstat(path) {
        Ok(status) if (status.st_dev, status.st_ino) == inode => {
            let _ = if status.st_mode & libc::S_IFMT == libc::S_IFDIR {
                unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir)
            } else {
                unlink(path)
            };
        }
        _ => {}
    }
}
