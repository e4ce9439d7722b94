//! Socket options, as the table has them.
#![forbid(unsafe_code)]

use crate::output::Text;
use crate::spec::option::{self, Both, How, Name, Row, What, When};
use crate::spec::value::{Group, GroupAddress, Value, unsigned};
use crate::sys;
use crate::work::{Error, Work};
use nix::errno::Errno;
use nix::libc;
use std::os::fd::RawFd;

/// Sets what is to be set at the time `now` on a socket of the domain `domain`.
///
/// # Errors
/// The first option that the kernel refuses, and that is not best effort.
pub fn set<'a>(
    work: &Work<'a, '_>,
    socket: RawFd,
    domain: i32,
    now: When,
) -> Result<(), Error<'a>> {
    work.spec
        .settings(option::at(now), |row, value, soft| match row.what {
            What::Option(_, how) => one(work, socket, domain, row, how, value, soft),
            _ => Ok(()),
        })
}

fn one<'a>(
    work: &Work<'a, '_>,
    socket: RawFd,
    domain: i32,
    row: &'static Row,
    how: How,
    value: Value<'a>,
    soft: bool,
) -> Result<(), Error<'a>> {
    let int = |(level, name): Name, value| sys::set_int(socket, level, name, value);
    let (done, text) = match (how, value) {
        (How::Int(name), Value::Number(number)) => (int(name, number), &b""[..]),
        (How::Chosen(level), Value::Number(name)) => (int((level, name), 1), &b""[..]),
        (How::Twin(v4, v6, both, other), Value::Number(number)) => {
            let done = match domain {
                libc::AF_INET => int(v4, number),
                libc::AF_INET6 => twin(socket, v4, v6, both, number),
                _ => int(other, number),
            };
            (done, &b""[..])
        }
        (How::Buffer(plain, force, sysctl), Value::Number(bytes)) => {
            let given = buffer(socket, plain, force, bytes);
            if let Ok(given @ 0..) = given {
                if given < bytes {
                    let option = row.name;
                    work.warn(format_args!(
                        "{option} is {given}, not {bytes} (sysctl {sysctl} limits it; more needs CAP_NET_ADMIN)"
                    ));
                }
            }
            (given.map(drop), &b""[..])
        }
        (How::Text((level, name)), Value::Name(text)) => {
            // the kernel takes device names with their NUL
            let room = Text::<16>::from(text);
            let with_nul = room.c_str().map_or(text, |text| text.to_bytes_with_nul());
            (sys::set_bytes(socket, level, name, with_nul), text)
        }
        (How::Membership, Value::Name(text)) => (join(socket, text), text),
        // the table takes numbers for the ones and names for the others
        _ => (Err(Errno::EINVAL), &b""[..]),
    };
    work.check(done, row, text, soft)
}

/// The option for IPv6, and for IPv4 too where an IPv6 socket serves both.
fn twin(socket: RawFd, v4: Name, v6: Name, both: Both, value: i32) -> Result<(), Errno> {
    sys::set_int(socket, v6.0, v6.1, value)?;
    let too = match both {
        Both::No => false,
        Both::Yes => true,
        Both::DualStack => sys::get_int(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)? == 0,
    };
    if too {
        sys::set_int(socket, v4.0, v4.1, value)?;
    }
    Ok(())
}

/// A buffer of so many bytes, with the right to it beyond the limit too; what it is now. socket(7): the kernel doubles
/// the number.
fn buffer(socket: RawFd, plain: Name, force: Name, bytes: i32) -> Result<i32, Errno> {
    let given = || Ok(sys::get_int(socket, plain.0, plain.1)? / 2);
    sys::set_int(socket, plain.0, plain.1, bytes)?;
    if given()? < bytes {
        // where this is refused, what is given tells of it
        let _ = sys::set_int(socket, force.0, force.1, bytes);
    }
    given()
}

/// Joins a group on an interface, or on the one that the routing table chooses: ip(7), ipv6(7).
fn join(socket: RawFd, text: &[u8]) -> Result<(), Errno> {
    let group = Group::parse(text).ok_or(Errno::EINVAL)?;
    let interface = interface(socket, group.interface)?;
    let mut request = Text::<20>::new();
    match group.ip {
        // struct ip_mreqn
        GroupAddress::V4(ip) => {
            request.put(&ip);
            request.put(&[0; 4]);
            request.put(&interface.to_ne_bytes());
            let (level, name) = (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP);
            sys::set_bytes(socket, level, name, request.bytes())
        }
        // struct ipv6_mreq
        GroupAddress::V6(ip) => {
            request.put(&ip);
            request.put(&interface.to_ne_bytes());
            let (level, name) = (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP);
            sys::set_bytes(socket, level, name, request.bytes())
        }
    }
}

/// The number of an interface in the namespace of `socket`; 0 where none is named.
pub fn interface(socket: RawFd, name: &[u8]) -> Result<u32, Errno> {
    match (name, unsigned(name)) {
        (b"", _) => Ok(0),
        (_, Some(number)) => Ok(number),
        (name, None) => sys::interface_index(socket, name),
    }
}
