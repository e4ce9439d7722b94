//! From a spec to a bound socket: the system calls, in order.
#![forbid(unsafe_code)]

use crate::node::{self, Refused, Wish};
use crate::output::Text;
use crate::spec::address::{ANY, Address};
use crate::spec::family::Addresses;
use crate::spec::option::{self, OPTIONS, V6ONLY_KERNEL, When};
use crate::spec::value::Value;
use crate::work::{Doing, Error, Problem, Work};
use crate::{netns, path, sockopt, special, sys};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{NetlinkAddr, SockaddrIn, SockaddrIn6, UnixAddr, VsockAddr, bind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{OwnedFd, RawFd};

/// Makes what the spec says, on its number.
///
/// # Errors
/// The first step that failed. What it has made in the file system is in the trail.
pub fn open<'a>(work: &mut Work<'a, '_>) -> Result<RawFd, Error<'a>> {
    let fd = match (work.spec.family.addresses, work.spec.address) {
        (Addresses::Fifo, Address::Path(path)) => special::fifo(work, path),
        (Addresses::File, Address::Path(path)) => special::file(work, path),
        (_, Address::Queue(name)) => special::queue(work, name),
        (_, Address::Fd(fd)) => special::adopt(work, fd),
        _ => socket(work),
    }?;
    path::link(work)?;
    Ok(fd)
}

fn socket<'a>(work: &mut Work<'a, '_>) -> Result<RawFd, Error<'a>> {
    let (socket, domain, address) = create(work)?;
    // before there is a node or a name, so that the number is final wherever it is written down
    let socket = work.place(socket)?;
    set_v6only(work, socket, domain, &address)?;
    sockopt::set(work, socket, domain, When::BeforeBind)?;
    match address {
        Address::Path(path) => bind_path(work, socket, path)?,
        address => {
            bind_name(work, socket, &address).map_err(|errno| Error::system(Doing::Bind, errno))?
        }
    }
    sockopt::set(work, socket, domain, When::AfterBind)?;
    if work.spec.family.listens && work.spec.number(option::LISTEN) != Some(0) {
        let backlog = work.spec.number(option::BACKLOG).unwrap_or(-1);
        sys::listen(socket, backlog).map_err(|errno| Error::system(Doing::Listen, errno))?;
    }
    Ok(socket)
}

/// The socket, its domain, and the address that it will have: all addresses are 0.0.0.0 where the kernel has no IPv6.
fn create<'a>(work: &Work<'a, '_>) -> Result<(OwnedFd, i32, Address<'a>), Error<'a>> {
    let address = work.spec.address;
    let (domain, protocol) = match address {
        Address::V4 { .. } => (libc::AF_INET, work.spec.family.protocol),
        Address::Vsock { .. } => (libc::AF_VSOCK, 0),
        Address::Netlink(protocol) => (libc::AF_NETLINK, protocol),
        Address::Path(_) | Address::Abstract(_) => (libc::AF_UNIX, 0),
        _ => (libc::AF_INET6, work.spec.family.protocol),
    };
    match (create_in(work, domain, protocol), address) {
        (Err(error), Address::Any { port })
            if error.problem == Problem::System(Errno::EAFNOSUPPORT)
                && work.spec.number(option::V6ONLY) != Some(1) =>
        {
            let address = Address::V4 { ip: [0; 4], port };
            create_in(work, libc::AF_INET, protocol).map(|socket| (socket, libc::AF_INET, address))
        }
        (socket, address) => socket.map(|socket| (socket, domain, address)),
    }
}

/// socket(2), in the namespace of the spec if it has one.
fn create_in<'a>(work: &Work<'a, '_>, domain: i32, protocol: i32) -> Result<OwnedFd, Error<'a>> {
    let family = work.spec.family;
    let nonblock = if work.spec.number(option::NONBLOCK) == Some(1) {
        libc::SOCK_NONBLOCK
    } else {
        0
    };
    let create = || {
        let made = sys::socket(domain, family.kind | nonblock, protocol);
        made.map_err(|errno| {
            let lacks = match errno {
                Errno::EAFNOSUPPORT => domain != libc::AF_INET6,
                Errno::EPROTONOSUPPORT
                | Errno::ESOCKTNOSUPPORT
                | Errno::EOPNOTSUPP
                | Errno::ENODEV => true,
                _ => false,
            };
            let problem = if lacks && !family.missing.is_empty() {
                Problem::Missing
            } else {
                Problem::System(errno)
            };
            Error {
                doing: Doing::Create,
                problem,
            }
        })
    };
    let Some((Value::Name(name), soft)) = work.spec.given(option::NETNS).next() else {
        return create();
    };
    match netns::within(name, create) {
        // the namespaces were open meanwhile, on the numbers that it could have had
        Ok(made) => {
            sys::duplicate_from(&made?, 3).map_err(|errno| Error::system(Doing::Create, errno))
        }
        Err(netns::Trouble::Enter(errno)) if soft => {
            work.not_applied("netns", errno);
            create()
        }
        Err(netns::Trouble::Enter(errno)) => Err(Error::system(Doing::Enter(name), errno)),
        Err(netns::Trouble::Return(errno)) => Err(Error::system(Doing::Return, errno)),
    }
}

/// IPV6_V6ONLY, for "all addresses" (no), `[::]` (yes), and where it was asked for.
fn set_v6only<'a>(
    work: &Work<'a, '_>,
    socket: RawFd,
    domain: i32,
    address: &Address,
) -> Result<(), Error<'a>> {
    let value = match (work.spec.number(option::V6ONLY), address) {
        _ if domain != libc::AF_INET6 => None,
        (Some(V6ONLY_KERNEL), _) => None,
        (Some(asked), _) => Some(asked),
        (None, Address::Any { .. }) => Some(0),
        (None, Address::V6 { ip, .. }) => (*ip == [0; 16]).then_some(1),
        _ => None,
    };
    let (Some(value), Some(row)) = (value, OPTIONS.get(option::V6ONLY)) else {
        return Ok(());
    };
    let set = sys::set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, value);
    work.check(set, row, b"", work.spec.is_soft(option::V6ONLY))
}

/// bind(2) to what is not in the file system.
fn bind_name(work: &Work, socket: RawFd, address: &Address) -> Result<(), Errno> {
    let port = |written| work.port.unwrap_or(written);
    let v6 = |ip, port, scope| SockaddrIn6::from(SocketAddrV6::new(ip, port, 0, scope));
    match *address {
        Address::Any { port: written } => {
            bind(socket, &v6(Ipv6Addr::UNSPECIFIED, port(written), 0))
        }
        Address::V6 {
            ip,
            zone,
            port: written,
        } => {
            let scope = sockopt::interface(socket, zone)?;
            bind(socket, &v6(Ipv6Addr::from(ip), port(written), scope))
        }
        Address::V4 { ip, port: written } => {
            let address = SocketAddrV4::new(Ipv4Addr::from(ip), port(written));
            bind(socket, &SockaddrIn::from(address))
        }
        Address::Abstract(name) => {
            UnixAddr::new_abstract(name).and_then(|address| bind(socket, &address))
        }
        Address::Vsock { cid, port } => bind(socket, &VsockAddr::new(cid, port)),
        Address::Netlink(_) => bind(socket, &NetlinkAddr::new(0, 0)),
        // these are opened, not bound
        Address::Path(_) | Address::Queue(_) | Address::Fd(_) => Ok(()),
    }
}

/// bind(2) to a path, whose missing directories are made if that was asked for.
fn bind_path<'a>(work: &mut Work<'a, '_>, socket: RawFd, path: &'a [u8]) -> Result<(), Error<'a>> {
    let problem = |problem| Error {
        doing: Doing::Bind,
        problem,
    };
    // sun_path of unix(7)
    let text = Text::<108>::from(path);
    let Some(text) = text.c_str() else {
        return Err(problem(Problem::System(Errno::ENAMETOOLONG)));
    };
    let (wish, mut refused) = (wish(work, 0o777), Refused::default());
    let mut bound = node::bind_path(socket, text, &wish, &mut refused);
    if bound == Err(Problem::System(Errno::ENOENT)) && path::make_parents(work, path)? {
        bound = node::bind_path(socket, text, &wish, &mut refused);
    }
    bound.map_err(problem)?;
    work.trail.bound(path, socket);
    node::give(socket, text, &wish, &mut refused).map_err(problem)?;
    tell(work, &refused);
    Ok(())
}

/// What the spec asks of a node.
pub fn wish(work: &Work, default: u32) -> Wish {
    let spec = work.spec;
    Wish {
        mode: spec.number(option::MODE).map(|mode| mode as u32),
        user: work.names.user,
        group: work.names.group,
        replace: spec.number(option::UNLINK) != Some(0),
        mode_soft: spec.is_soft(option::MODE),
        user_soft: spec.is_soft(option::USER),
        group_soft: spec.is_soft(option::GROUP),
        default,
    }
}

/// Warns of what was refused.
pub fn tell(work: &Work, refused: &Refused) {
    for (option, refused) in [
        ("user", refused.user),
        ("group", refused.group),
        ("mode", refused.mode),
    ] {
        if let Some(errno) = refused {
            work.not_applied(option, errno);
        }
    }
}

/// The port of an internet socket: what the kernel chose where it was asked to.
pub fn port_to_share(work: &Work, socket: RawFd) -> Result<Option<u16>, Errno> {
    if work.spec.family.addresses != Addresses::Inet {
        return Ok(None);
    }
    let mut room = [0; 128];
    // sin_port and sin6_port are in the same place, in network order
    Ok(match sys::local_address(socket, &mut room)? {
        [_, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    })
}

const _: () = assert!(ANY == libc::VMADDR_CID_ANY && ANY == libc::VMADDR_PORT_ANY);
