//! The entries of `LISTEN_FD_MAP` as sockets of the standard library, each taken once.

use crate::map::{FdMap, ParseError};
use std::ffi::{OsString, c_int};
use std::fmt;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener};

/// The variable.
const VARIABLE: &str = "LISTEN_FD_MAP";

/// What this process was given, and has not taken yet.
///
/// ```no_run
/// use listen_fd_map::Sockets;
/// use std::net::{TcpListener, UdpSocket};
///
/// # fn main() -> Result<(), listen_fd_map::Error> {
/// // SAFETY: the first thing in main, so nobody else owns these fds.
/// let mut sockets = unsafe { Sockets::from_env() }?;
/// let web: TcpListener = sockets.take("web")?;
/// let dns: Vec<UdpSocket> = sockets.take_group("dns")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sockets {
    map: String,
    taken: Vec<RawFd>,
}

impl Sockets {
    /// Reads `LISTEN_FD_MAP` from the environment. Unset and empty are the empty map.
    ///
    /// The variable stays in the environment, and what is not taken stays open, for the programs that this one executes.
    ///
    /// # Safety
    /// Nothing else in this process owns the fds that the map names, or will: call this once, before anything else
    /// reads the map or takes over fds by their number.
    ///
    /// # Errors
    /// A map that is malformed.
    pub unsafe fn from_env() -> Result<Sockets, Error> {
        // SAFETY: what the caller promises.
        unsafe { Sockets::from_text(std::env::var_os(VARIABLE).unwrap_or_default()) }
    }

    /// The same from a value that came another way.
    ///
    /// # Safety
    /// As for [`Sockets::from_env`].
    ///
    /// # Errors
    /// A map that is malformed.
    pub unsafe fn from_text(value: OsString) -> Result<Sockets, Error> {
        let map = value.into_string().map_err(Error::NotText)?;
        FdMap::parse(&map).map_err(Error::Malformed)?;
        Ok(Sockets {
            map,
            taken: Vec::new(),
        })
    }

    /// The map, with what was taken already.
    pub fn map(&self) -> FdMap<'_> {
        // it was well formed when it came
        FdMap::parse(&self.map).unwrap_or_default()
    }

    /// Takes the entry `label` as a socket of its kind, or as an [`OwnedFd`], whatever it is. It is close-on-exec then.
    ///
    /// # Errors
    /// A label that is not there or was taken, an fd that is closed, a socket of another kind. Nothing is taken then.
    pub fn take<T: Kind>(&mut self, label: &str) -> Result<T, Error> {
        let fd = self.map().get(label).ok_or_else(|| self.absent(label))?;
        self.check::<T>(label, fd)?;
        Ok(self.own(fd))
    }

    /// Takes the group `label`: `label.0`, `label.1` and so on, or the one entry that is called so.
    ///
    /// # Errors
    /// As for [`Sockets::take`], for the first member that cannot be taken. Nothing is taken then.
    pub fn take_group<T: Kind>(&mut self, label: &str) -> Result<Vec<T>, Error> {
        if self.map().get(label).is_some() {
            return Ok(vec![self.take(label)?]);
        }
        let members: Vec<RawFd> = self.map().group(label).collect();
        if members.is_empty() {
            return Err(self.absent(label));
        }
        for (number, &fd) in members.iter().enumerate() {
            self.check::<T>(&format!("{label}.{number}"), fd)?;
        }
        Ok(members.into_iter().map(|fd| self.own(fd)).collect())
    }

    fn check<T: Kind>(&self, label: &str, fd: RawFd) -> Result<(), Error> {
        let label = label.to_owned();
        if self.taken.contains(&fd) {
            return Err(Error::Taken { label });
        }
        // SAFETY: no memory is passed.
        if unsafe { fcntl(fd, F_GETFD, 0) } < 0 {
            return Err(Error::Closed { label, fd });
        }
        let found = Found::of(fd);
        if !T::fits(found) {
            let found = found.to_string();
            return Err(Error::Kind {
                label,
                fd,
                expected: T::EXPECTED,
                found,
            });
        }
        Ok(())
    }

    /// An fd that was checked.
    fn own<T: Kind>(&mut self, fd: RawFd) -> T {
        self.taken.push(fd);
        // SAFETY: it is open, nobody else owns it (from_env), and it was not taken before.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: no memory is passed. It cannot fail on an fd that is open.
        unsafe { fcntl(owned.as_raw_fd(), F_SETFD, FD_CLOEXEC) };
        T::from(owned)
    }

    fn absent(&self, label: &str) -> Error {
        Error::Absent {
            label: label.to_owned(),
            map: self.map.clone(),
        }
    }
}

/// Why an entry could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The variable is not text.
    NotText(OsString),
    /// The variable is no map.
    Malformed(ParseError),
    /// The map does not have the label.
    Absent {
        /// What was asked for.
        label: String,
        /// The map.
        map: String,
    },
    /// The entry was taken before.
    Taken {
        /// What was asked for.
        label: String,
    },
    /// The fd is not open.
    Closed {
        /// What was asked for.
        label: String,
        /// Its fd.
        fd: RawFd,
    },
    /// The fd is something else.
    Kind {
        /// What was asked for.
        label: String,
        /// Its fd.
        fd: RawFd,
        /// What was expected of it.
        expected: &'static str,
        /// What the kernel says that it is.
        found: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotText(value) => write!(f, "{VARIABLE} is not ASCII: {value:?}"),
            Error::Malformed(error) => write!(f, "{VARIABLE} has {error}"),
            Error::Absent { label, map } if map.is_empty() => {
                write!(f, "{VARIABLE} has no {label}: it is empty")
            }
            Error::Absent { label, map } => write!(f, "{VARIABLE} has no {label}: it is {map}"),
            Error::Taken { label } => write!(f, "{label} of {VARIABLE} was taken already"),
            Error::Closed { label, fd } => write!(f, "{label} of {VARIABLE}: fd {fd} is not open"),
            Error::Kind {
                label,
                fd,
                expected,
                found,
            } => write!(
                f,
                "{label} of {VARIABLE}: fd {fd} should be {expected} and is {found}"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Malformed(error) => Some(error),
            _ => None,
        }
    }
}

/// What an entry can be taken as.
pub trait Kind: From<OwnedFd> + sealed::Fits {}

mod sealed {
    pub trait Fits {
        const EXPECTED: &'static str;
        fn fits(found: super::Found) -> bool;
    }
}

macro_rules! kinds {
    ($($kind:ty, $expected:literal, $found:pat,)*) => {$(
        impl Kind for $kind {}
        impl sealed::Fits for $kind {
            const EXPECTED: &'static str = $expected;
            fn fits(found: Found) -> bool {
                matches!(found, $found)
            }
        }
    )*};
}

kinds! {
    OwnedFd, "an fd", _,
    TcpListener, "a listening tcp socket", Found { domain: AF_INET | AF_INET6, kind: SOCK_STREAM, protocol: TCP | MPTCP, listens: 1 },
    UdpSocket, "a udp socket", Found { domain: AF_INET | AF_INET6, kind: SOCK_DGRAM, protocol: UDP, .. },
    UnixListener, "a listening unix stream socket", Found { domain: AF_UNIX, kind: SOCK_STREAM, listens: 1, .. },
    UnixDatagram, "a unix datagram socket", Found { domain: AF_UNIX, kind: SOCK_DGRAM, .. },
}

/// What the kernel says of an fd: SO_DOMAIN, SO_TYPE, SO_PROTOCOL and SO_ACCEPTCONN of socket(7), -1 where it says nothing.
#[derive(Clone, Copy)]
pub struct Found {
    domain: c_int,
    kind: c_int,
    protocol: c_int,
    listens: c_int,
}

impl Found {
    fn of(fd: RawFd) -> Found {
        Found {
            domain: option(fd, SO_DOMAIN),
            kind: option(fd, SO_TYPE),
            protocol: option(fd, SO_PROTOCOL),
            listens: option(fd, SO_ACCEPTCONN),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.domain, self.kind, self.protocol) {
            (-1, ..) => return f.write_str("no socket"),
            (AF_INET | AF_INET6, _, TCP) => "tcp",
            (AF_INET | AF_INET6, _, MPTCP) => "mptcp",
            (AF_INET | AF_INET6, _, UDP) => "udp",
            (AF_UNIX, SOCK_STREAM, _) => "unix stream",
            (AF_UNIX, SOCK_DGRAM, _) => "unix datagram",
            (AF_UNIX, SOCK_SEQPACKET, _) => "unix seqpacket",
            (domain, kind, protocol) => {
                return write!(
                    f,
                    "a socket of domain {domain}, type {kind}, protocol {protocol}"
                );
            }
        };
        match (self.kind, self.listens) {
            (SOCK_DGRAM, _) => write!(f, "a {name} socket"),
            (_, 1) => write!(f, "a listening {name} socket"),
            _ => write!(f, "a {name} socket that does not listen"),
        }
    }
}

/// getsockopt(2) of an int.
fn option(fd: RawFd, name: c_int) -> c_int {
    let (mut value, mut len) = (-1, 4);
    // SAFETY: both pointers are of variables that outlive the call, and the length is that of the value.
    let done = unsafe { getsockopt(fd, SOL_SOCKET, name, &raw mut value, &raw mut len) };
    if done == 0 { value } else { -1 }
}

// The standard library links the C library; these two of its functions need no further crate.
// SAFETY: as fcntl(2) and getsockopt(2) declare them.
unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_int, len: *mut u32) -> c_int;
}

// include/uapi/linux/fcntl.h, socket.h and in.h
const F_GETFD: c_int = 1;
const F_SETFD: c_int = 2;
const FD_CLOEXEC: c_int = 1;
const AF_UNIX: c_int = 1;
const AF_INET: c_int = 2;
const AF_INET6: c_int = 10;
const SOCK_SEQPACKET: c_int = 5;
const TCP: c_int = 6;
const UDP: c_int = 17;
const MPTCP: c_int = 262;

/// include/uapi/asm-generic/socket.h, and arch/mips, where these differ; sparc is left out.
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
mod constants {
    use std::ffi::c_int;
    pub const SOCK_STREAM: c_int = 1;
    pub const SOCK_DGRAM: c_int = 2;
    pub const SOL_SOCKET: c_int = 1;
    pub const SO_TYPE: c_int = 3;
    pub const SO_ACCEPTCONN: c_int = 30;
    pub const SO_PROTOCOL: c_int = 38;
    pub const SO_DOMAIN: c_int = 39;
}

#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
mod constants {
    use std::ffi::c_int;
    pub const SOCK_STREAM: c_int = 2;
    pub const SOCK_DGRAM: c_int = 1;
    pub const SOL_SOCKET: c_int = 0xffff;
    pub const SO_TYPE: c_int = 0x1008;
    pub const SO_ACCEPTCONN: c_int = 0x1009;
    pub const SO_PROTOCOL: c_int = 0x1028;
    pub const SO_DOMAIN: c_int = 0x1029;
}

use constants::{
    SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
};
