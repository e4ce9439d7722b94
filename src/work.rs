//! The making of one socket: what it needs, and what is said where a step of it fails.
#![forbid(unsafe_code)]

use crate::describe;
use crate::failure::Log;
use crate::holder;
use crate::output::Shown;
use crate::place::{Numbers, Places};
use crate::spec::address::Address;
use crate::spec::family::{Addresses, Family};
use crate::spec::option::Row;
use crate::spec::{Spec, Subject};
use crate::sys::QueueSize;
use crate::trail::Trail;
use core::fmt;
use nix::errno::Errno;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

/// The names of a spec that were looked up before anything was made.
#[derive(Clone, Copy, Debug)]
pub struct LookedUp {
    /// `user=`
    pub user: Option<u32>,
    /// `group=`
    pub group: Option<u32>,
}

impl LookedUp {
    /// Nothing had to be looked up.
    pub const NOTHING: LookedUp = LookedUp {
        user: None,
        group: None,
    };
}

/// What the making of one socket needs.
pub struct Work<'a, 'b> {
    /// What is asked for.
    pub spec: &'b Spec<'a>,
    /// Who the names of the spec are.
    pub names: LookedUp,
    /// The number that its fd has to have.
    pub claimed: Option<RawFd>,
    /// The port, where another member of the group has it already.
    pub port: Option<u16>,
    /// Where fds go.
    pub places: &'b mut Places,
    /// The numbers that are spoken for.
    pub taken: &'b Numbers<'a>,
    /// What was made in the file system.
    pub trail: &'b mut Trail<'a>,
    /// Where warnings go.
    pub log: &'b mut Log,
}

impl<'a> Work<'a, '_> {
    /// Puts an fd on its number. From here on it stays open, whatever happens: the trail knows nodes by it.
    pub fn place(&mut self, file: OwnedFd) -> Result<RawFd, Error<'a>> {
        let placed = self.places.place(file, self.claimed, self.taken);
        let fd = placed
            .map_err(|errno| Error::system(Doing::Place, errno))?
            .into_raw_fd();
        // what is on 2 now is nobody's standard error
        self.log.silent |= fd == 2;
        Ok(fd)
    }

    /// Says that something is not quite as it was asked for.
    #[cold]
    pub fn warn(&self, text: fmt::Arguments) {
        let (family, address) = (self.spec.family.name, Shown(self.spec.address_text()));
        self.log
            .line("warning", format_args!("{family}:{address}: {text}"));
    }

    /// The result of setting an option: fatal, or for a best-effort one a warning.
    pub fn check(
        &self,
        result: Result<(), Errno>,
        row: &'static Row,
        value: &'a [u8],
        soft: bool,
    ) -> Result<(), Error<'a>> {
        match result {
            Err(errno) if soft => {
                self.not_applied(row.name, errno);
                Ok(())
            }
            result => result.map_err(|errno| Error::system(Doing::Set(row, value), errno)),
        }
    }

    /// Warns of a best-effort option that was refused.
    #[cold]
    pub fn not_applied(&self, option: &str, errno: Errno) {
        self.warn(format_args!("{option}~ not applied: {}", errno.desc()));
    }
}

/// Why a socket could not be made.
#[derive(Clone, Copy, Debug)]
pub struct Error<'a> {
    /// What was being done.
    pub doing: Doing<'a>,
    /// What came of it.
    pub problem: Problem,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A system call failed.
    System(Errno),
    /// The mode cannot be set.
    Mode(Errno),
    /// The owner cannot be changed.
    Owner(Errno),
    /// The kernel was built without the family.
    Missing,
    /// A socket that is open somewhere has the path.
    InUse,
    /// Something has the path, and `unlink=never` was said.
    Never,
    /// The path is something else, its st_mode tells what, than this.
    Other(u32, &'static str),
    /// Whether the path is in use cannot be found out.
    CannotTell(Errno),
    /// Which node was bound cannot be found out: a kernel without unix_diag, and no CAP_NET_ADMIN.
    Unknown(Errno),
    /// The path was something else a moment after it was made.
    Swapped,
    /// The queue is there already, with this size.
    Size(QueueSize),
}

impl Problem {
    #[cold]
    fn describe(&self, f: &mut fmt::Formatter<'_>, path: &[u8], family: &Family) -> fmt::Result {
        let path = Shown(path);
        match self {
            Problem::System(errno) | Problem::Mode(errno) | Problem::Owner(errno) => {
                f.write_str(errno.desc())
            }
            Problem::Missing => write!(f, "kernel support is missing ({})", family.missing),
            Problem::InUse => {
                f.write_str("Address already in use (a running program has this socket open)")
            }
            Problem::Never => write!(
                f,
                "Address already in use (unlink=never, and {path} exists)"
            ),
            Problem::Other(mode, wanted) => {
                let kind = describe::kind(*mode);
                write!(f, "{path} is {kind}, not {wanted}, and is left alone")
            }
            Problem::CannotTell(errno) => {
                write!(f, "cannot tell whether {path} is in use: {}", errno.desc())
            }
            Problem::Unknown(errno) => write!(
                f,
                "cannot tell which node was bound, so its owner stays ({}; needs CAP_NET_ADMIN, or unix_diag in the kernel)",
                errno.desc()
            ),
            Problem::Swapped => write!(f, "{path} was replaced by somebody else meanwhile"),
            Problem::Size(size) => {
                let (messages, bytes) = (size.messages, size.bytes);
                write!(
                    f,
                    "it exists with maxmsg={messages},msgsize={bytes}, and is left alone"
                )
            }
        }
    }
}

/// A step on the way of a socket.
#[derive(Clone, Copy, Debug)]
pub enum Doing<'a> {
    /// socket(2)
    Create,
    /// setns(2) into this namespace
    Enter(&'a [u8]),
    /// setns(2) back
    Return,
    /// setsockopt(2) of an option, and its value if that is a text
    Set(&'static Row, &'a [u8]),
    /// bind(2) and what belongs to it
    Bind,
    /// open(2), mq_open(3)
    Open,
    /// mkdir(2) of this directory
    Directory(&'a [u8]),
    /// symlink(2) of this link
    Link(&'a [u8]),
    /// listen(2)
    Listen,
    /// getsockname(2)
    Name,
    /// dup3(2) or fcntl(2)
    Place,
}

impl<'a> Error<'a> {
    /// A system call failed.
    pub fn system(doing: Doing<'a>, errno: Errno) -> Self {
        Error {
            doing,
            problem: Problem::System(errno),
        }
    }

    /// The whole message, less the command's name.
    #[cold]
    pub fn describe(&self, f: &mut fmt::Formatter<'_>, subject: &Subject) -> fmt::Result {
        match (self.problem, self.doing) {
            (Problem::Owner(_), _) => write!(f, "unable to change the owner of {subject}: ")?,
            (Problem::Mode(_), _) => write!(f, "unable to set the mode of {subject}: ")?,
            (_, Doing::Create) => write!(f, "unable to create {subject}: ")?,
            (_, Doing::Enter(name)) => {
                let name = Shown(name);
                write!(
                    f,
                    "unable to enter network namespace {name} for {subject}: "
                )?;
            }
            (_, Doing::Return) => {
                write!(f, "unable to come back from the namespace of {subject}: ")?;
            }
            (_, Doing::Set(row, b"")) => write!(f, "unable to set {} on {subject}: ", row.name)?,
            (_, Doing::Set(row, value)) => {
                let value = Shown(value);
                write!(f, "unable to set {}={value} on {subject}: ", row.name)?;
            }
            (_, Doing::Bind) => write!(f, "unable to bind {subject}: ")?,
            (_, Doing::Open) => write!(f, "unable to open {subject}: ")?,
            (_, Doing::Directory(path)) => {
                write!(
                    f,
                    "unable to make directory {} for {subject}: ",
                    Shown(path)
                )?;
            }
            (_, Doing::Link(path)) => {
                write!(f, "unable to make link {} to {subject}: ", Shown(path))?;
            }
            (_, Doing::Listen) => write!(f, "unable to listen on {subject}: ")?,
            (_, Doing::Name) => write!(f, "unable to read the address of {subject}: ")?,
            (_, Doing::Place) => write!(f, "unable to place the fd of {subject}: ")?,
        }
        let path = match self.doing {
            Doing::Link(path) => path,
            _ => subject.address_text,
        };
        if let (Doing::Bind | Doing::Listen, Problem::InUse | Problem::System(Errno::EADDRINUSE)) =
            (self.doing, self.problem)
        {
            if let Some(holder) = subject
                .address_here()
                .and_then(|address| holder::of(subject.family, &address))
            {
                return write!(f, "Address already in use by {holder}");
            }
        }
        self.problem.describe(f, path, subject.family)?;
        match self.hint(subject) {
            Hint::None => Ok(()),
            Hint::Text(text) => write!(f, " ({text})"),
            Hint::Needs(capability) => write!(f, " (that needs {capability})"),
        }
    }

    /// What is known to help.
    #[cold]
    fn hint(&self, of: &Subject) -> Hint {
        let errno = match self.problem {
            Problem::Owner(Errno::EPERM) => return Hint::Needs("root or CAP_CHOWN"),
            Problem::System(errno) => errno,
            _ => return Hint::None,
        };
        let text = match (self.doing, errno) {
            (_, Errno::EMFILE) if of.family.addresses == Addresses::Queue => {
                "ulimit -q limits the bytes of queues"
            }
            (_, Errno::EMFILE) => "raise the open-file limit: ulimit -n",
            (Doing::Enter(_), Errno::EPERM) => return Hint::Needs("CAP_SYS_ADMIN"),
            (Doing::Enter(_), Errno::EINVAL) => "that is no network namespace",
            (Doing::Enter(_), Errno::ENOENT) => "ip netns list shows those that have a name",
            (Doing::Set(row, _), Errno::EPERM | Errno::EACCES) if !row.needs.is_empty() => {
                return Hint::Needs(row.needs);
            }
            (Doing::Set(row, _), errno) => set_hint(row, errno),
            (Doing::Create, errno) => create_hint(of, errno),
            (Doing::Bind | Doing::Listen, errno) => of
                .address()
                .map_or("", |address| bind_hint(&address, errno)),
            (Doing::Open, errno) => open_hint(of, errno),
            _ => "",
        };
        if text.is_empty() {
            Hint::None
        } else {
            Hint::Text(text)
        }
    }
}

enum Hint {
    None,
    Text(&'static str),
    Needs(&'static str),
}

fn set_hint(row: &Row, errno: Errno) -> &'static str {
    match (errno, row.name) {
        (Errno::ENOPROTOOPT | Errno::EOPNOTSUPP, _) => "this kernel lacks it for such a socket",
        (Errno::ENOENT, "congestion") => {
            "sysctl net.ipv4.tcp_available_congestion_control lists those there are"
        }
        (Errno::ENOBUFS, "join") => "sysctl net.ipv4.igmp_max_memberships limits these",
        (Errno::ENODEV, "join") => "no interface, or no route to the group: write GROUP%IF",
        (Errno::EPERM, "pipe-size") => "sysctl fs.pipe-max-size limits it",
        _ => "",
    }
}

fn create_hint(of: &Subject, errno: Errno) -> &'static str {
    match errno {
        Errno::ENOPROTOOPT if of.family.name == "mptcp" => "sysctl net.mptcp.enabled is 0",
        Errno::EAFNOSUPPORT if of.family.addresses == Addresses::Inet => "this kernel has no IPv6",
        _ => "",
    }
}

fn bind_hint(address: &Address, errno: Errno) -> &'static str {
    match (errno, address) {
        (
            Errno::EACCES,
            Address::Any { port } | Address::V4 { port, .. } | Address::V6 { port, .. },
        ) if *port < 1024 => "a port below 1024 needs root or CAP_NET_BIND_SERVICE",
        (Errno::EACCES, Address::Vsock { port, .. }) if *port < 1024 => {
            "a port below 1024 needs root or CAP_NET_BIND_SERVICE"
        }
        (Errno::EADDRNOTAVAIL, Address::Vsock { .. }) => "this machine has no such context id",
        (Errno::EACCES | Errno::EROFS, Address::Path(_)) => "its directory cannot be written to",
        (Errno::ENOENT, Address::Path(_)) => "its directory does not exist, dirmode= makes it",
        (Errno::EADDRINUSE, Address::Abstract(_)) => "a running program has this name",
        (Errno::EADDRINUSE, _) => "another socket has it, ss -lnp shows whose",
        (Errno::EADDRNOTAVAIL, _) => "no interface here has this address",
        (
            Errno::EINVAL,
            Address::V6 {
                ip: [0xfe, 0x80..=0xbf, ..],
                zone: [],
                ..
            },
        ) => "a link-local address needs its interface: [fe80::1%eth0]:80",
        _ => "",
    }
}

fn open_hint(of: &Subject, errno: Errno) -> &'static str {
    match (errno, of.family.name) {
        (Errno::ENOENT, "fifo") => "its directory does not exist, dirmode= makes it",
        (Errno::ENOENT, "file") => "a file is never made",
        (Errno::ENOSPC, "mqueue") => "sysctl fs.mqueue.queues_max limits these",
        (Errno::ENOSYS, "mqueue") => "this kernel has no message queues",
        (Errno::EINVAL, "mqueue") => {
            "sysctl fs.mqueue.msg_max and msgsize_max limit these; more needs CAP_SYS_RESOURCE"
        }
        _ => "",
    }
}
