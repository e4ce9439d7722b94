//! Addresses of `Listen...=`: from systemd's forms to a family and an address of a spec. Pure.
#![forbid(unsafe_code)]

use super::value::{number, port, simplified};
use crate::spec::address::{self, Address, PROTOCOLS};
use crate::spec::family::{Addresses, FAMILIES, Family};
use crate::{ip, spec::address::is_interface};

/// A socket as a spec of `listen` has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The family.
    pub family: &'static Family,
    /// The address.
    pub address: String,
    /// The multicast groups of a netlink socket: bit N - 1 is group N.
    pub groups: u32,
}

/// The families that a directive makes; none where it is not one of `Listen...=`.
pub fn families(directive: &str) -> impl Iterator<Item = &'static Family> + Clone + use<'_> {
    FAMILIES
        .iter()
        .filter(move |family| !directive.is_empty() && family.directive == directive)
}

/// Reads the value of `directive`. `protocol` is that of `SocketProtocol=`; `has_v6` is whether the kernel has IPv6.
///
/// # Errors
/// What is wrong with it.
pub fn parse(
    directive: &str,
    text: &str,
    protocol: Option<&str>,
    has_v6: bool,
) -> Result<Target, String> {
    let Some(first) = families(directive).next() else {
        return Err("it makes no socket".to_owned());
    };
    let of = |kind: Addresses| families(directive).filter(move |family| family.addresses == kind);
    let target = |family, address| Target {
        family,
        address,
        groups: 0,
    };
    let found = match first.addresses {
        Addresses::Fifo | Addresses::File | Addresses::Queue => {
            let path = simplified(text).ok_or("an absolute path without .. is wanted")?;
            target(first, without_var(&path))
        }
        Addresses::Netlink => netlink(first, text)?,
        _ if text.starts_with(['/', '@']) => {
            let family = of(Addresses::Unix).next().unwrap_or(first);
            target(family, unix(text)?)
        }
        _ if text.starts_with("vsock:") => match of(Addresses::Vsock).next() {
            Some(family) => target(family, vsock(text)?),
            None => return Err(format!("{directive} takes no vsock address")),
        },
        _ => {
            let named = of(Addresses::Inet).find(|family| Some(family.name) == protocol);
            let Some(family) = named.or(of(Addresses::Inet).next()) else {
                return Err(format!("{directive} takes a path or @name"));
            };
            target(family, inet(text, has_v6)?)
        }
    };
    // what a spec cannot say, none can be made of
    let (kind, address) = (found.family.addresses, found.address.as_bytes());
    match address::parse(kind, address, true) {
        Ok(_) => Ok(found),
        Err(why) => Err(why.to_string()),
    }
}

/// `/var/run` is `/run`, whatever the link there says.
fn without_var(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/var") else {
        return path.to_owned();
    };
    let run = rest.trim_start_matches('/');
    match run.strip_prefix("run") {
        Some(below) if rest.starts_with('/') && below.starts_with('/') => {
            format!("/run/{}", below.trim_start_matches('/'))
        }
        _ => path.to_owned(),
    }
}

fn unix(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.split('/').any(|part| part == "..") {
        return Err("a path without .. is wanted".to_owned());
    }
    if text.len() < 2 {
        return Err("a path or @name of at least 2 bytes is wanted".to_owned());
    }
    Ok(without_var(text))
}

fn vsock(text: &str) -> Result<String, String> {
    let parts = text
        .strip_prefix("vsock:")
        .and_then(|rest| rest.split_once(':'));
    let unsigned = |text| number(text).and_then(|number| u32::try_from(number).ok());
    let read = parts.and_then(|(cid, port)| {
        let cid = match cid {
            "" => address::ANY,
            cid => unsigned(cid)?,
        };
        Some((cid, unsigned(port).filter(|&port| port != address::ANY)?))
    });
    match read {
        Some((address::ANY, port)) => Ok(format!("*:{port}")),
        Some((cid, port)) => Ok(format!("{cid}:{port}")),
        None => Err("vsock:CID:PORT is wanted, in numbers, or vsock::PORT".to_owned()),
    }
}

fn inet(text: &str, has_v6: bool) -> Result<String, String> {
    let wanted = || {
        let address = "a port, ADDRESS:PORT or [ADDRESS]:PORT in numbers, a path or @name";
        format!("{address} is wanted (a port from 1 to 65535)")
    };
    if let Some(port) = port(text) {
        let host = if has_v6 { "[::]" } else { "0.0.0.0" };
        return Ok(format!("{host}:{port}"));
    }
    let (host, rest) = text.rsplit_once(':').ok_or_else(wanted)?;
    let (digits, zone) = match rest.split_once('%') {
        Some((port, zone)) => (port, Some(zone)),
        None => (rest, None),
    };
    let port = port(digits).ok_or_else(wanted)?;
    if zone.is_some_and(|zone| !is_interface(zone.as_bytes())) {
        return Err("what is after the % is no name of an interface".to_owned());
    }
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match (inside, zone) {
        (Some(v6), _) if ip::parse_v6(v6.as_bytes()).is_some() => {
            let zone = zone.map_or(String::new(), |zone| format!("%{zone}"));
            Ok(format!("[{v6}{zone}]:{port}"))
        }
        (None, None) if ip::parse_v4(host.as_bytes()).is_some() => Ok(format!("{host}:{port}")),
        _ => Err(wanted()),
    }
}

/// `PROTOCOL [GROUPS]`
fn netlink(family: &'static Family, text: &str) -> Result<Target, String> {
    let wanted = "PROTOCOL is wanted, or PROTOCOL and a bit mask of groups";
    let mut words = text.split_ascii_whitespace();
    let (Some(protocol), groups, None) = (words.next(), words.next(), words.next()) else {
        return Err(wanted.to_owned());
    };
    let groups = match groups.map(number) {
        None => Some(0),
        Some(groups) => groups.and_then(|groups| u32::try_from(groups).ok()),
    };
    let is_name = PROTOCOLS.iter().any(|(name, _)| *name == protocol);
    let address = match number(protocol) {
        Some(number) if !is_name => number.to_string(),
        _ => protocol.to_owned(),
    };
    Ok(Target {
        family,
        address,
        groups: groups.ok_or(wanted)?,
    })
}

/// Whether an address is that of all IPv6 ones, `[::]`.
pub fn is_unspecified_v6(address: &Address) -> bool {
    matches!(address, Address::V6 { ip, .. } if *ip == [0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_those_of_specs() {
        for (directive, text, want) in [
            ("ListenStream", "80", "tcp [::]:80"),
            ("ListenStream", "0x50", "tcp [::]:80"),
            ("ListenStream", "0.0.0.0:80", "tcp 0.0.0.0:80"),
            ("ListenDatagram", "[::1]:80", "udp [::1]:80"),
            ("ListenStream", "[fe80::1]:80%eth0", "tcp [fe80::1%eth0]:80"),
            ("ListenStream", "/run//b/c d", "unix /run//b/c d"),
            ("ListenStream", "/var/run/x", "unix /run/x"),
            ("ListenStream", "/var//run/x", "unix /run/x"),
            ("ListenStream", "/var/runner", "unix /var/runner"),
            ("ListenDatagram", "@a b", "unix-dgram @a b"),
            ("ListenSequentialPacket", "/s", "unix-seqpacket /s"),
            ("ListenStream", "vsock::22", "vsock *:22"),
            ("ListenDatagram", "vsock:2:0x16", "vsock-dgram 2:22"),
            ("ListenFIFO", "/var/run/a//b/", "fifo /run/a/b"),
            ("ListenSpecial", "/dev/x", "file /dev/x"),
            ("ListenMessageQueue", "/q", "mqueue /q"),
            ("ListenNetlink", "route", "netlink route"),
            ("ListenNetlink", "0x10", "netlink 16"),
        ] {
            let target = parse(directive, text, None, true).unwrap();
            let got = format!("{} {}", target.family.name, target.address);
            assert_eq!((got.as_str(), target.groups), (want, 0), "{text}");
        }
        let name = |directive, protocol| {
            let target = parse(directive, "80", protocol, false).unwrap();
            format!("{} {}", target.family.name, target.address)
        };
        assert_eq!(name("ListenStream", Some("sctp")), "sctp 0.0.0.0:80");
        assert_eq!(name("ListenStream", Some("udplite")), "tcp 0.0.0.0:80");
        assert_eq!(
            name("ListenDatagram", Some("udplite")),
            "udplite 0.0.0.0:80"
        );
        let groups = |text| parse("ListenNetlink", text, None, true).map(|target| target.groups);
        assert_eq!(groups("route  1361"), Ok(1361));
        assert_eq!(groups("route 0xffffffff"), Ok(u32::MAX));
    }

    #[test]
    fn what_systemd_rejects_is_rejected() {
        for (directive, text) in [
            ("ListenStream", "0"),
            ("ListenStream", "0080"),
            ("ListenStream", "*:80"),
            ("ListenStream", ":80"),
            ("ListenStream", "127.1:80"),
            ("ListenStream", "127.0.0.1"),
            ("ListenStream", "127.0.0.1:http"),
            ("ListenStream", "127.0.0.1:80%lo"),
            ("ListenStream", "::1:80"),
            ("ListenStream", "[fe80::1%lo]:80"),
            ("ListenStream", "[::1]:"),
            ("ListenStream", "\"127.0.0.1:80\""),
            ("ListenStream", "127.0.0.1:80 127.0.0.1:81"),
            ("ListenStream", "/"),
            ("ListenStream", "@"),
            ("ListenStream", "/run/../x"),
            ("ListenStream", "\"/run/x\""),
            ("ListenStream", "run/x"),
            ("ListenStream", "vsock:22"),
            ("ListenStream", "vsock:-1:22"),
            ("ListenStream", "vsock::4294967295"),
            ("ListenSequentialPacket", "vsock::22"),
            ("ListenSequentialPacket", "80"),
            ("ListenNetlink", ""),
            ("ListenNetlink", "nosuch"),
            ("ListenNetlink", "route 1 2"),
            ("ListenNetlink", "route -1"),
            ("ListenFIFO", "run/x"),
            ("ListenFIFO", "/run/../x"),
            ("ListenMessageQueue", "q"),
            ("ListenMessageQueue", "/a/b"),
            ("KeepAlive", "80"),
        ] {
            assert!(
                parse(directive, text, None, true).is_err(),
                "{directive}={text}"
            );
        }
        let long = format!("/{}", "a".repeat(107));
        assert!(parse("ListenStream", &long, None, true).is_err());
    }
}
