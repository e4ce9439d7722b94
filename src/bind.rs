//! From a spec to a bound socket: the system calls, in order, and what is made of their errors.
#![forbid(unsafe_code)]

use crate::node::{self, Problem, Wish};
use crate::output::{Shown, Text};
use crate::spec::address::Address;
use crate::spec::option::{V6ONLY_KERNEL, What, When};
use crate::spec::{Spec, Subject};
use crate::sys;
use core::fmt;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{SockaddrIn, SockaddrIn6, UnixAddr, bind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The names of a spec that were looked up before anything was made.
#[derive(Clone, Copy, Debug)]
pub struct LookedUp {
    /// `user=`
    pub user: Option<u32>,
    /// `group=`
    pub group: Option<u32>,
    /// The zone of an IPv6 address, 0 if there is none.
    pub scope: u32,
}

impl LookedUp {
    /// Nothing had to be looked up.
    pub const NOTHING: LookedUp = LookedUp {
        user: None,
        group: None,
        scope: 0,
    };
}

/// Why a socket could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was being done: "bind", "set reuseport on".
    pub doing: Doing,
    /// The error.
    pub problem: Problem,
    /// What is known to help, "" if nothing is.
    pub hint: &'static str,
}

/// A step on the way of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// socket(2)
    Create,
    /// setsockopt(2) of the option of this name
    Set(&'static str),
    /// bind(2) and what belongs to it
    Bind,
    /// listen(2)
    Listen,
    /// getsockname(2)
    Name,
    /// dup3(2) or fcntl(2)
    Place,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doing::Create => "create",
            Doing::Set(option) => return write!(f, "set {option} on"),
            Doing::Bind => "bind",
            Doing::Listen => "listen on",
            Doing::Name => "read the address of",
            Doing::Place => "place the fd of",
        })
    }
}

impl Error {
    /// A system call failed.
    pub fn system(doing: Doing, errno: Errno) -> Self {
        let hint = match errno {
            Errno::EMFILE => " (raise the open-file limit: ulimit -n)",
            _ => "",
        };
        Error {
            doing,
            problem: Problem::Bind(errno),
            hint,
        }
    }

    fn bind(spec: &Spec, problem: Problem) -> Self {
        Error {
            doing: Doing::Bind,
            problem,
            hint: bind_hint(&spec.address, problem),
        }
    }

    /// The whole message, less the command's name.
    pub fn describe(&self, f: &mut fmt::Formatter<'_>, subject: &Subject) -> fmt::Result {
        let path = Shown(subject.address);
        match self.problem {
            Problem::Owner(_) => write!(f, "unable to change the owner of {subject}: ")?,
            Problem::Mode(_) => write!(f, "unable to set the mode of {subject}: ")?,
            _ => write!(f, "unable to {} {subject}: ", self.doing)?,
        }
        match self.problem {
            Problem::Bind(errno) | Problem::Mode(errno) | Problem::Owner(errno) => {
                f.write_str(errno.desc())?
            }
            Problem::InUse => {
                f.write_str("Address already in use (a running program has this socket open)")?
            }
            Problem::Never => write!(
                f,
                "Address already in use (unlink=never, and {path} exists)"
            )?,
            Problem::NoSocket(kind) => {
                write!(f, "{path} is {kind}, not a socket, and is left alone")?
            }
            Problem::CannotTell(errno) => {
                write!(f, "cannot tell whether {path} is in use: {}", errno.desc())?;
            }
            Problem::Unknown(errno) => write!(
                f,
                "cannot tell which node was bound, so its owner stays ({}; needs CAP_NET_ADMIN, or unix_diag in the kernel)",
                errno.desc()
            )?,
            Problem::Swapped => write!(f, "{path} was replaced by somebody else meanwhile")?,
        }
        f.write_str(self.hint)
    }
}

fn bind_hint(address: &Address, problem: Problem) -> &'static str {
    let (errno, owner) = match problem {
        Problem::Bind(errno) => (errno, false),
        Problem::Owner(errno) => (errno, true),
        _ => return "",
    };
    match (errno, address) {
        (Errno::EPERM, _) if owner => " (that needs root or CAP_CHOWN)",
        (
            Errno::EACCES,
            Address::Any { port } | Address::V4 { port, .. } | Address::V6 { port, .. },
        ) if *port < 1024 => " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)",
        (Errno::EACCES | Errno::EROFS, Address::Path(_)) => " (its directory cannot be written to)",
        (Errno::ENOENT, Address::Path(_)) => " (its directory does not exist)",
        (Errno::EADDRINUSE, Address::Abstract(_)) => " (a running program has this name)",
        (Errno::EADDRINUSE, _) => " (another socket has it, ss -lnp shows whose)",
        (Errno::EADDRNOTAVAIL, _) => " (no interface here has this address)",
        (
            Errno::EINVAL,
            Address::V6 {
                ip: [0xfe, 0x80..=0xbf, ..],
                zone: [],
                ..
            },
        ) => " (a link-local address needs its interface: [fe80::1%eth0]:80)",
        _ => "",
    }
}

/// What a spec said to try, and what the kernel refused: `refused(option, errno)`.
pub type Warn<'a> = &'a mut dyn FnMut(&'static str, Errno);

/// Makes, binds and listens.
///
/// # Errors
/// The first step that failed; nothing is left of the socket then.
pub fn open(spec: &Spec, names: &LookedUp, warn: Warn) -> Result<OwnedFd, Error> {
    let (socket, address) = create(spec, &spec.address)?;
    set_v6only(&socket, spec, &address, warn)?;
    for (row, number, soft) in spec.settings() {
        if let What::Option(When::BeforeBind, level, name) = row.what {
            check(
                sys::set_int(&socket, level, name, number),
                row.name,
                soft,
                warn,
            )?;
        }
    }
    bind_address(&socket, spec, &address, names, warn)
        .map_err(|problem| Error::bind(spec, problem))?;
    if spec.family.listens && spec.number(What::Listen) != Some(0) {
        let backlog = spec.number(What::Backlog).unwrap_or(-1);
        if let Err(errno) = sys::listen(&socket, backlog) {
            forget(spec, socket.as_raw_fd());
            return Err(Error {
                doing: Doing::Listen,
                ..Error::bind(spec, Problem::Bind(errno))
            });
        }
    }
    Ok(socket)
}

/// The result of setting an option: fatal, or for a best-effort one a warning.
fn check(
    result: Result<(), Errno>,
    option: &'static str,
    soft: bool,
    warn: Warn,
) -> Result<(), Error> {
    match result {
        Err(errno) if soft => {
            warn(option, errno);
            Ok(())
        }
        result => result.map_err(|errno| Error::system(Doing::Set(option), errno)),
    }
}

/// The socket, and the address that it will have: all addresses are 0.0.0.0 where the kernel has no IPv6.
fn create<'a>(spec: &Spec, address: &Address<'a>) -> Result<(OwnedFd, Address<'a>), Error> {
    let domain = match address {
        Address::Any { .. } | Address::V6 { .. } => libc::AF_INET6,
        Address::V4 { .. } => libc::AF_INET,
        Address::Path(_) | Address::Abstract(_) => libc::AF_UNIX,
    };
    let nonblock = if spec.number(What::Nonblock) == Some(1) {
        libc::SOCK_NONBLOCK
    } else {
        0
    };
    match (
        sys::socket(domain, spec.family.kind | nonblock, spec.family.protocol),
        *address,
    ) {
        (Ok(socket), address) => {
            // 0 to 2 were closed then: a message that comes meanwhile must not go to the socket
            let low = socket.as_raw_fd() <= 2;
            let socket = if low {
                sys::duplicate_from(&socket, 3)
            } else {
                Ok(socket)
            };
            Ok((
                socket.map_err(|errno| Error::system(Doing::Create, errno))?,
                address,
            ))
        }
        (Err(Errno::EAFNOSUPPORT), Address::Any { port })
            if spec.number(What::V6only) != Some(1) =>
        {
            create(spec, &Address::V4 { ip: [0; 4], port })
        }
        (Err(errno), _) => {
            let no_v6 = errno == Errno::EAFNOSUPPORT && domain == libc::AF_INET6;
            let error = Error::system(Doing::Create, errno);
            Err(if no_v6 {
                Error {
                    hint: " (this kernel has no IPv6)",
                    ..error
                }
            } else {
                error
            })
        }
    }
}

/// IPV6_V6ONLY, for "all addresses" (no), `[::]` (yes), and where it was asked for.
fn set_v6only(socket: &OwnedFd, spec: &Spec, address: &Address, warn: Warn) -> Result<(), Error> {
    let value = match (spec.number(What::V6only), address) {
        (_, Address::V4 { .. } | Address::Path(_) | Address::Abstract(_)) => None,
        (Some(V6ONLY_KERNEL), _) => None,
        (Some(asked), _) => Some(asked),
        (None, Address::Any { .. }) => Some(0),
        (None, Address::V6 { ip, .. }) => (*ip == [0; 16]).then_some(1),
    };
    let Some(value) = value else { return Ok(()) };
    let set = sys::set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, value);
    check(set, "v6only", spec.is_soft(What::V6only), warn)
}

fn bind_address(
    socket: &OwnedFd,
    spec: &Spec,
    address: &Address,
    names: &LookedUp,
    warn: Warn,
) -> Result<(), Problem> {
    let fd = socket.as_raw_fd();
    let v6 = |ip: Ipv6Addr, port| SockaddrIn6::from(SocketAddrV6::new(ip, port, 0, names.scope));
    match *address {
        Address::Any { port } => bind(fd, &v6(Ipv6Addr::UNSPECIFIED, port)),
        Address::V6 { ip, port, .. } => bind(fd, &v6(Ipv6Addr::from(ip), port)),
        Address::V4 { ip, port } => bind(
            fd,
            &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::from(ip), port)),
        ),
        Address::Abstract(name) => {
            UnixAddr::new_abstract(name).and_then(|address| bind(fd, &address))
        }
        Address::Path(path) => {
            let path = path_text(path);
            let path = path.c_str().ok_or(Problem::Bind(Errno::ENAMETOOLONG))?;
            let refused = node::bind_path(socket, path, &wish(spec, names))?;
            for (option, refused) in [
                ("user", refused.user),
                ("group", refused.group),
                ("mode", refused.mode),
            ] {
                if let Some(errno) = refused {
                    warn(option, errno);
                }
            }
            return Ok(());
        }
    }
    .map_err(Problem::Bind)
}

fn wish(spec: &Spec, names: &LookedUp) -> Wish {
    Wish {
        mode: spec.number(What::Mode).map(|mode| mode as u32),
        user: names.user,
        group: names.group,
        replace: spec.number(What::Unlink) != Some(0),
        mode_soft: spec.is_soft(What::Mode),
        user_soft: spec.is_soft(What::User),
        group_soft: spec.is_soft(What::Group),
    }
}

/// A path with its NUL: sun_path of unix(7).
fn path_text(path: &[u8]) -> Text<108> {
    Text::from(path)
}

/// Removes what a socket on the number `socket`, which will not be used, has left in the file system.
pub fn forget(spec: &Spec, socket: RawFd) {
    if let Address::Path(path) = spec.address {
        if let Some(path) = path_text(path).c_str() {
            node::remove(socket, path);
        }
    }
}
