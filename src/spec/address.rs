//! Addresses from text.
#![forbid(unsafe_code)]

use super::error::Why;
use super::family::Addresses;
use super::value::{LONGEST_PATH, unsigned};
use crate::output::{Shown, Text};
use crate::{ip, map};
use core::fmt::Write as _;

/// The address of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// All addresses, IPv6 and IPv4.
    Any {
        /// 0 lets the kernel choose.
        port: u16,
    },
    /// One IPv4 address, or 0.0.0.0.
    V4 {
        /// In network order.
        ip: [u8; 4],
        /// 0 lets the kernel choose.
        port: u16,
    },
    /// One IPv6 address, or `[::]`.
    V6 {
        /// In network order.
        ip: [u8; 16],
        /// The name or number of an interface, empty if there is none: RFC 4007, section 11.
        zone: &'a [u8],
        /// 0 lets the kernel choose.
        port: u16,
    },
    /// A path: of 1 to 107 bytes for a socket, 1 to 4095 for others.
    Path(&'a [u8]),
    /// An abstract name of 1 to 107 bytes, without the `@`.
    Abstract(&'a [u8]),
    /// A context id and a port: vsock(7).
    Vsock {
        /// [`ANY`] is all of this machine's.
        cid: u32,
        /// [`ANY`] lets the kernel choose.
        port: u32,
    },
    /// A protocol of netlink(7).
    Netlink(i32),
    /// The name of a message queue, with its slash.
    Queue(&'a [u8]),
    /// An fd that is open already.
    Fd(i32),
}

/// VMADDR_CID_ANY and VMADDR_PORT_ANY of vsock(7).
pub const ANY: u32 = u32::MAX;

/// The protocols of netlink(7), by the names that systemd.socket(5) has too: linux/netlink.h.
pub const PROTOCOLS: [(&str, i32); 18] = [
    ("route", 0),
    ("usersock", 2),
    ("sock-diag", 4),
    ("inet-diag", 4),
    ("nflog", 5),
    ("xfrm", 6),
    ("selinux", 7),
    ("iscsi", 8),
    ("audit", 9),
    ("fib-lookup", 10),
    ("connector", 11),
    ("netfilter", 12),
    ("kobject-uevent", 15),
    ("generic", 16),
    ("scsitransport", 18),
    ("ecryptfs", 19),
    ("rdma", 20),
    ("crypto", 21),
];

/// The most protocols that netlink has: MAX_LINKS of linux/netlink.h.
const MOST_PROTOCOLS: i32 = 32;

impl Address<'_> {
    /// Whether the compact form can hold it: a path has to look like one there.
    pub fn is_compact(&self) -> bool {
        !matches!(self, Address::Path(path) if !looks_like_path(path))
    }

    /// Whether `text` is what the kernel will call this address; false where it is the kernel that chooses.
    pub fn is_written(&self, text: &[u8]) -> bool {
        let mut own = Text::<128>::new();
        // the longest of these has 64 bytes, and a path 107
        let _ = match *self {
            Address::Any { port: 0 }
            | Address::V4 { port: 0, .. }
            | Address::V6 { port: 0, .. } => return false,
            Address::Any { port } => write!(own, "[::]:{port}"),
            Address::V4 { ip, port } => write!(own, "{}:{port}", ip::V4(ip)),
            Address::V6 { ip, zone: [], port } => write!(own, "[{}]:{port}", ip::V6(ip)),
            Address::V6 { ip, zone, port } => {
                write!(own, "[{}%{}]:{port}", ip::V6(ip), Shown(zone))
            }
            Address::Path(path) => return path == text,
            Address::Abstract(name) => return text.strip_prefix(b"@") == Some(name),
            Address::Vsock { port: ANY, .. } => return false,
            Address::Vsock { cid, port } => write!(own, "{cid}:{port}"),
            Address::Netlink(_) | Address::Queue(_) | Address::Fd(_) => return false,
        };
        own.bytes() == text
    }
}

/// The longest path or abstract name of a socket, in bytes: `sun_path` of unix(7) less one.
const LONGEST_SOCKET: usize = 107;

/// The longest name of a queue, in bytes, with its slash: NAME_MAX of mq_overview(7) and one.
const LONGEST_QUEUE: usize = 256;

/// The longest name of an interface, in bytes: IFNAMSIZ less one.
const LONGEST_INTERFACE: usize = 15;

/// Reads an address. In the compact form a path has to look like one.
pub fn parse(kind: Addresses, text: &[u8], compact: bool) -> Result<Address<'_>, Why<'_>> {
    match (kind, text) {
        (_, []) => Err(Why::NoAddress),
        (Addresses::Inet, _) => parse_inet(text),
        (Addresses::Unix, [b'@', name @ ..]) => match name.len() {
            0 => Err(Why::EmptyName),
            1..=LONGEST_SOCKET => Ok(Address::Abstract(name)),
            long => Err(Why::LongPath(long, LONGEST_SOCKET)),
        },
        (Addresses::Unix, path) => parse_path(path, compact, LONGEST_SOCKET),
        (Addresses::Fifo | Addresses::File, path) => parse_path(path, compact, LONGEST_PATH),
        (Addresses::Vsock, _) => parse_vsock(text),
        (Addresses::Netlink, _) => parse_protocol(text),
        (Addresses::Queue, [b'/', name @ ..]) if !name.is_empty() && !name.contains(&b'/') => {
            match text.len() {
                2..=LONGEST_QUEUE => Ok(Address::Queue(text)),
                long => Err(Why::LongPath(long, LONGEST_QUEUE)),
            }
        }
        (Addresses::Queue, name) => Err(Why::NoQueue(name)),
        (Addresses::Fd, number) => map::parse_fd(number)
            .map(Address::Fd)
            .ok_or(Why::NoFd(number)),
    }
}

fn parse_path(path: &[u8], compact: bool, longest: usize) -> Result<Address<'_>, Why<'_>> {
    if compact && !looks_like_path(path) {
        Err(Why::NoPath(path))
    } else if path.len() > longest {
        Err(Why::LongPath(path.len(), longest))
    } else {
        Ok(Address::Path(path))
    }
}

fn parse_vsock(text: &[u8]) -> Result<Address<'_>, Why<'_>> {
    let (cid, port) = cut(text, b':').unwrap_or((b"", text));
    let cid = match cid {
        b"" | b"*" => Some(ANY),
        number => unsigned(number),
    };
    match (cid, unsigned(port)) {
        (Some(cid), Some(port)) => Ok(Address::Vsock { cid, port }),
        _ => Err(Why::NoVsock(text)),
    }
}

fn parse_protocol(text: &[u8]) -> Result<Address<'_>, Why<'_>> {
    let named = PROTOCOLS.iter().find(|(name, _)| name.as_bytes() == text);
    named
        .map(|&(_, protocol)| protocol)
        .or_else(|| map::parse_fd(text).filter(|&number| number < MOST_PROTOCOLS))
        .map(Address::Netlink)
        .ok_or(Why::NoProtocol(text))
}

fn looks_like_path(text: &[u8]) -> bool {
    text.starts_with(b"/") || text.starts_with(b"./") || text.starts_with(b"../")
}

fn parse_inet(text: &[u8]) -> Result<Address<'_>, Why<'_>> {
    // what most have, and what is wrong with the others further on
    if let Some((host, port)) = cut(text, b':') {
        if let (Some(ip), Ok(port)) = (ip::parse_v4(host), parse_port(port)) {
            return Ok(Address::V4 { ip, port });
        }
    }
    if let [b'[', inside @ ..] = text {
        let (host, rest) = cut(inside, b']').ok_or(Why::NoBracket)?;
        let port = rest.strip_prefix(b":").ok_or(Why::NoPort(text))?;
        return parse_v6(host, port);
    }
    if let Some(slash) = text.iter().rposition(|&b| b == b'/') {
        let host = text.get(..slash).unwrap_or_default();
        let port = text.get(slash + 1..).unwrap_or_default();
        return if host.contains(&b':') {
            parse_v6(host, port)
        } else {
            parse_v4(host, port)
        };
    }
    match cut(text, b':') {
        Some((host, port)) if !port.contains(&b':') => parse_v4(host, port),
        Some(_) => Err(Why::NoBrackets(text)),
        None if ip::parse_v4(text).is_some() => Err(Why::NoPort(text)),
        None if text.iter().all(u8::is_ascii_digit) => parse_v4(b"", text),
        None => Err(Why::NotNumeric(text)),
    }
}

fn parse_v4<'a>(host: &'a [u8], port: &'a [u8]) -> Result<Address<'a>, Why<'a>> {
    let ip = match host {
        b"" | b"*" => None,
        host => Some(ip::parse_v4(host).ok_or(Why::NotNumeric(host))?),
    };
    let port = parse_port(port)?;
    Ok(ip.map_or(Address::Any { port }, |ip| Address::V4 { ip, port }))
}

fn parse_v6<'a>(host: &'a [u8], port: &'a [u8]) -> Result<Address<'a>, Why<'a>> {
    let (host, zone) = match cut(host, b'%') {
        Some((_, zone)) if !is_interface(zone) => return Err(Why::BadZone(zone)),
        Some(both) => both,
        None => (host, &[][..]),
    };
    let ip = ip::parse_v6(host).ok_or(Why::NoV6(host))?;
    Ok(Address::V6 {
        ip,
        zone,
        port: parse_port(port)?,
    })
}

/// Whether an interface may be called so, or have this number.
pub fn is_interface(name: &[u8]) -> bool {
    (1..=LONGEST_INTERFACE).contains(&name.len())
        && name
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"/:%".contains(b))
}

fn parse_port(text: &[u8]) -> Result<u16, Why<'_>> {
    ip::decimal(text, 5)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(Why::BadPort(text))
}

/// What stands before and after the first `byte`.
pub fn cut(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V6_ONE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

    #[test]
    fn every_form_of_an_internet_address_is_read() {
        let mut link_local = V6_ONE;
        link_local[..2].copy_from_slice(&[0xfe, 0x80]);
        let v6 = |ip, zone, port| Address::V6 { ip, zone, port };
        for (text, address) in [
            ("53", Address::Any { port: 53 }),
            ("0", Address::Any { port: 0 }),
            ("65535", Address::Any { port: 65535 }),
            (":53", Address::Any { port: 53 }),
            ("*:53", Address::Any { port: 53 }),
            ("*/53", Address::Any { port: 53 }),
            (
                "1.2.3.4:53",
                Address::V4 {
                    ip: [1, 2, 3, 4],
                    port: 53,
                },
            ),
            (
                "1.2.3.4/53",
                Address::V4 {
                    ip: [1, 2, 3, 4],
                    port: 53,
                },
            ),
            (
                "0.0.0.0:53",
                Address::V4 {
                    ip: [0; 4],
                    port: 53,
                },
            ),
            ("[::1]:53", v6(V6_ONE, b"", 53)),
            ("::1/53", v6(V6_ONE, b"", 53)),
            ("[::]:53", v6([0; 16], b"", 53)),
            ("::/53", v6([0; 16], b"", 53)),
            ("[fe80::1%eth0]:53", v6(link_local, b"eth0", 53)),
            ("fe80::1%eth0.7/53", v6(link_local, b"eth0.7", 53)),
            ("[fe80::1%2]:53", v6(link_local, b"2", 53)),
        ] {
            assert_eq!(
                parse(Addresses::Inet, text.as_bytes(), true),
                Ok(address),
                "{text}"
            );
        }
    }

    #[test]
    fn paths_and_abstract_names_are_read() {
        let long = [b'/'; 107];
        let unix = |text, compact| parse(Addresses::Unix, text, compact);
        for path in [
            &b"/run/x"[..],
            b"./x",
            b"../x",
            b"./@name",
            b"/a,b:c=d",
            b"/\xff\n",
            &long,
        ] {
            assert_eq!(unix(path, true), Ok(Address::Path(path)));
            assert_eq!(unix(path, false), Ok(Address::Path(path)));
        }
        assert_eq!(unix(b"run/x", false), Ok(Address::Path(b"run/x")));
        assert_eq!(unix(b"@name", true), Ok(Address::Abstract(b"name")));
        assert_eq!(unix(b"@name", false), Ok(Address::Abstract(b"name")));
        assert_eq!(unix(b"run/x", true), Err(Why::NoPath(b"run/x")));
        assert_eq!(unix(&[b'/'; 108], true), Err(Why::LongPath(108, 107)));
        assert_eq!(unix(b"@", false), Err(Why::EmptyName));
        assert_eq!(unix(b"", false), Err(Why::NoAddress));
        let mut name = [b'n'; 109];
        name[0] = b'@';
        assert_eq!(unix(&name, true), Err(Why::LongPath(108, 107)));
        assert_eq!(
            unix(&name[..108], true),
            Ok(Address::Abstract(&name[1..108]))
        );
    }

    #[test]
    fn addresses_of_other_families_are_read() {
        let vsock = |cid, port| Ok(Address::Vsock { cid, port });
        for (text, address) in [
            ("1024", vsock(ANY, 1024)),
            ("*:1024", vsock(ANY, 1024)),
            (":1024", vsock(ANY, 1024)),
            ("1:1024", vsock(1, 1024)),
            ("4294967295:4294967295", vsock(ANY, ANY)),
            ("4294967296", Err(Why::NoVsock(b""))),
            ("1:", Err(Why::NoVsock(b""))),
            ("host:1", Err(Why::NoVsock(b""))),
            ("1:2:3", Err(Why::NoVsock(b""))),
        ] {
            assert_eq!(
                parse(Addresses::Vsock, text.as_bytes(), true),
                address,
                "{text}"
            );
        }
        for (text, address) in [
            ("route", Ok(Address::Netlink(0))),
            ("kobject-uevent", Ok(Address::Netlink(15))),
            ("31", Ok(Address::Netlink(31))),
            ("32", Err(Why::NoProtocol(b""))),
            ("uevent", Err(Why::NoProtocol(b""))),
        ] {
            assert_eq!(
                parse(Addresses::Netlink, text.as_bytes(), true),
                address,
                "{text}"
            );
        }
        let longest = [&b"/"[..], &[b'q'; 255]].concat();
        for (text, address) in [
            (&b"/q"[..], Ok(Address::Queue(b"/q"))),
            (&longest, Ok(Address::Queue(&longest))),
            (b"/", Err(Why::NoQueue(b""))),
            (b"q", Err(Why::NoQueue(b""))),
            (b"/q/r", Err(Why::NoQueue(b""))),
        ] {
            assert_eq!(parse(Addresses::Queue, text, true), address);
        }
        let long = [&longest[..], b"q"].concat();
        assert_eq!(
            parse(Addresses::Queue, &long, true),
            Err(Why::LongPath(257, 256))
        );
        assert_eq!(parse(Addresses::Fd, b"7", true), Ok(Address::Fd(7)));
        assert_eq!(
            parse(Addresses::Fd, b"2147483648", true),
            Err(Why::NoFd(b""))
        );
        assert_eq!(parse(Addresses::Fd, b"stdin", true), Err(Why::NoFd(b"")));
        let path = [b'/'; 4095];
        assert_eq!(
            parse(Addresses::Fifo, &path, true),
            Ok(Address::Path(&path))
        );
        assert_eq!(
            parse(Addresses::File, &[b'/'; 4096], true),
            Err(Why::LongPath(4096, 4095))
        );
        assert_eq!(parse(Addresses::File, b"x", true), Err(Why::NoPath(b"x")));
        assert_eq!(parse(Addresses::File, b"x", false), Ok(Address::Path(b"x")));
    }
}
