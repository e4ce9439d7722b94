//! Addresses from text.
#![forbid(unsafe_code)]

use super::error::Why;
use super::family::Addresses;
use crate::ip;
use crate::output::{Shown, Text};
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
    /// A path of 1 to 107 bytes.
    Path(&'a [u8]),
    /// An abstract name of 1 to 107 bytes, without the `@`.
    Abstract(&'a [u8]),
}

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
        };
        own.bytes() == text
    }
}

/// The longest path or abstract name, in bytes: `sun_path` of unix(7) less one.
const LONGEST_PATH: usize = 107;

/// Reads an address. In the compact form a path has to look like one.
pub fn parse(kind: Addresses, text: &[u8], compact: bool) -> Result<Address<'_>, Why<'_>> {
    match (kind, text) {
        (_, []) => Err(Why::NoAddress),
        (Addresses::Inet, _) => parse_inet(text),
        (Addresses::Unix, [b'@', name @ ..]) => match name.len() {
            0 => Err(Why::EmptyName),
            1..=LONGEST_PATH => Ok(Address::Abstract(name)),
            long => Err(Why::LongPath(long)),
        },
        (Addresses::Unix, path) if compact && !looks_like_path(path) => Err(Why::NoPath(path)),
        (Addresses::Unix, path) if path.len() > LONGEST_PATH => Err(Why::LongPath(path.len())),
        (Addresses::Unix, path) => Ok(Address::Path(path)),
    }
}

fn looks_like_path(text: &[u8]) -> bool {
    text.starts_with(b"/") || text.starts_with(b"./") || text.starts_with(b"../")
}

fn parse_inet(text: &[u8]) -> Result<Address<'_>, Why<'_>> {
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
        Some((_, zone)) if !is_zone(zone) => return Err(Why::BadZone(zone)),
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

/// 1 to 15 bytes (IFNAMSIZ less one) that may name an interface.
fn is_zone(zone: &[u8]) -> bool {
    (1..=15).contains(&zone.len())
        && zone
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
        assert_eq!(unix(&[b'/'; 108], true), Err(Why::LongPath(108)));
        assert_eq!(unix(b"@", false), Err(Why::EmptyName));
        assert_eq!(unix(b"", false), Err(Why::NoAddress));
        let mut name = [b'n'; 109];
        name[0] = b'@';
        assert_eq!(unix(&name, true), Err(Why::LongPath(108)));
        assert_eq!(
            unix(&name[..108], true),
            Ok(Address::Abstract(&name[1..108]))
        );
    }
}
