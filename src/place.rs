//! Where the fds go: claimed numbers exactly, every other socket the lowest free number from 3 up that nobody claims.
#![forbid(unsafe_code)]

use crate::set::Set;
use crate::sys;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The most sockets that one command makes. A longer list would not fit into the map either, whose entries have at
/// least 8 bytes on average once there are so many.
pub const MOST: usize = 16_384;

/// Numbers that are spoken for.
pub type Numbers<'a> = Set<'a, RawFd>;

/// Hands out numbers. `taken` has, in each call, every number that a spec claims.
pub struct Places {
    /// No number from 3 up to here is both free and unclaimed.
    next: RawFd,
}

impl Places {
    /// The lowest free number comes first.
    pub fn new() -> Self {
        Places { next: 3 }
    }

    /// Puts a socket on its number, where no duplicate is left elsewhere. In most cases it is there already.
    ///
    /// # Errors
    /// What fcntl(2) or dup3(2) said.
    pub fn place(
        &mut self,
        socket: OwnedFd,
        claimed: Option<RawFd>,
        taken: &Numbers,
    ) -> Result<OwnedFd, Errno> {
        let number = socket.as_raw_fd();
        match claimed {
            Some(claimed) if claimed == number => Ok(socket),
            Some(claimed) => sys::duplicate_onto(number, claimed),
            None if is_usable(number, taken) => Ok(socket),
            None => self.lowest(&socket, taken),
        }
    }

    fn lowest(&mut self, socket: &OwnedFd, taken: &Numbers) -> Result<OwnedFd, Errno> {
        loop {
            while taken.contains(self.next) {
                self.next += 1;
            }
            let copy = sys::duplicate_from(socket, self.next)?;
            self.next = copy.as_raw_fd().saturating_add(1);
            if is_usable(copy.as_raw_fd(), taken) {
                return Ok(copy);
            }
        }
    }

    /// The number that a socket would get now, for `-n`; each call gives the next.
    pub fn foresee(&mut self, claimed: Option<RawFd>, taken: &Numbers) -> RawFd {
        claimed.unwrap_or_else(|| {
            while taken.contains(self.next) || sys::is_open(self.next) {
                self.next += 1;
            }
            self.next += 1;
            self.next - 1
        })
    }
}

impl Default for Places {
    fn default() -> Self {
        Places::new()
    }
}

fn is_usable(number: RawFd, taken: &Numbers) -> bool {
    number > 2 && !taken.contains(number)
}
