//! What a command has made in the file system, in order, so that it can be removed again where a later step fails.
#![forbid(unsafe_code)]

use crate::node;
use crate::output::Text;
use crate::spec::value::LONGEST_PATH;
use crate::sys::{self, Buffer, Memory, NoMemory};
use core::ffi::CStr;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::lstat;
use nix::unistd::{UnlinkatFlags, unlink, unlinkat};
use std::os::fd::RawFd;

/// A path with its NUL.
pub type PathText = Text<{ LONGEST_PATH + 1 }>;

/// What was made, in order.
pub struct Trail<'a> {
    made: Buffer<'a, Trace<'a>>,
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

/// How it is known again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As the node that a socket was bound to.
    Socket,
    /// By device and inode.
    Inode,
    /// As a queue, which has nothing but its name.
    Queue,
}

impl<'a> Trail<'a> {
    /// Nothing yet, of at most `most` things.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub fn new(memory: &mut Memory<'a>, most: usize) -> Result<Self, NoMemory> {
        let made = memory.buffer(most)?;
        Ok(Trail { made })
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
        // the plan said how many there are at most
        self.made.push(Trace {
            path,
            kind,
            socket,
            inode,
        });
    }

    /// Removes everything, last things first. Nothing tells of a failure: another one was found before.
    #[cold]
    pub fn undo(&mut self) {
        for trace in self.made.part().iter().rev() {
            let path = PathText::from(trace.path);
            match (path.c_str(), trace.kind) {
                (Some(path), Kind::Socket) => node::remove(trace.socket, path),
                (Some(path), Kind::Inode) => remove(path, trace.inode),
                (Some(name), Kind::Queue) => drop(sys::unlink_queue(name)),
                (None, _) => {}
            }
        }
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
