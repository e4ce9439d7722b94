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
pub type Numbers = Set<RawFd, { 2 * MOST }>;

/// Hands out numbers.
pub struct Places<'a> {
    taken: &'a Numbers,
    /// No number from 3 up to here is both free and unclaimed.
    next: RawFd,
}

impl<'a> Places<'a> {
    /// `taken` has every number that a spec claims.
    pub fn new(taken: &'a Numbers) -> Self {
        Places { taken, next: 3 }
    }

    /// Puts a socket on its number, where no duplicate is left elsewhere. In most cases it is there already.
    ///
    /// # Errors
    /// What fcntl(2) or dup3(2) said, and the socket back.
    pub fn place(
        &mut self,
        socket: OwnedFd,
        claimed: Option<RawFd>,
    ) -> Result<OwnedFd, (Errno, OwnedFd)> {
        let number = socket.as_raw_fd();
        let moved = match claimed {
            Some(claimed) if claimed == number => return Ok(socket),
            Some(claimed) => sys::duplicate_onto(&socket, claimed),
            None if self.is_usable(number) => return Ok(socket),
            None => self.lowest(&socket),
        };
        moved.map_err(|errno| (errno, socket))
    }

    fn lowest(&mut self, socket: &OwnedFd) -> Result<OwnedFd, Errno> {
        loop {
            while self.taken.contains(self.next) {
                self.next += 1;
            }
            let copy = sys::duplicate_from(socket, self.next)?;
            self.next = copy.as_raw_fd().saturating_add(1);
            if self.is_usable(copy.as_raw_fd()) {
                return Ok(copy);
            }
        }
    }

    fn is_usable(&self, number: RawFd) -> bool {
        number > 2 && !self.taken.contains(number)
    }

    /// The number that a socket would get now, for `-n`; each call gives the next.
    pub fn foresee(&mut self, claimed: Option<RawFd>) -> RawFd {
        claimed.unwrap_or_else(|| {
            while self.taken.contains(self.next) || sys::is_open(self.next) {
                self.next += 1;
            }
            self.next += 1;
            self.next - 1
        })
    }
}
