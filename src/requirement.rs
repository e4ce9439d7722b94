//! What `fdmap-check` may ask of an fd, and whether it is so.
#![forbid(unsafe_code)]

use crate::describe::{self, Socket, What};
use crate::edit::invalid;
use crate::failure::Failure;
use crate::map::is_label;
use crate::output::Shown;
use crate::spec::family::{self, Addresses};
use crate::spec::value::{Takes, Value, owner_number};
use crate::sys;
use nix::libc;
use nix::sys::stat::stat;
use std::ffi::CString;
use std::os::fd::RawFd;

/// `LABEL[=KIND[,PROPERTY]...]`
#[derive(Debug)]
pub struct Requirement {
    /// The label, or the name of a group.
    pub label: String,
    /// The family, if one is asked for.
    kind: Option<&'static str>,
    properties: Vec<Property>,
}

#[derive(Debug, PartialEq, Eq)]
enum Property {
    Listening,
    Nonblock,
    V6only,
    Reuseport,
    Port(u32),
    Addr(String),
    Owner(String),
    Group(String),
    Mode(u32),
    Path(Vec<u8>),
}

impl Requirement {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Requirement, String> {
        let shown = || Shown(text);
        let mut halves = text.splitn(2, |&b| b == b'=');
        let label = halves.next().unwrap_or_default();
        let label = std::str::from_utf8(label)
            .ok()
            .filter(|label| is_label(label.as_bytes()));
        let label = label.ok_or_else(|| format!("-l {}: that is no label", shown()))?;
        let mut rest = halves.next();
        let mut words = std::iter::from_fn(|| {
            let (word, after) = next_word(rest?);
            rest = after;
            Some(word)
        });
        let kind = match words.next() {
            None | Some(b"") => None,
            Some(name) => {
                let family = family::find(name).ok_or_else(|| {
                    let names = family::FAMILIES.iter().map(|family| family.name);
                    match crate::spec::error::nearest(name, names) {
                        Some(near) => format!(
                            "-l {}: unknown kind {}, did you mean {near}?",
                            shown(),
                            Shown(name)
                        ),
                        None => format!(
                            "-l {}: unknown kind {} (listen -h lists the families)",
                            shown(),
                            Shown(name)
                        ),
                    }
                })?;
                Some(family.name)
            }
        };
        let properties = words.map(|word| {
            property(word).ok_or_else(|| format!(
                "-l {}: {} is no property: listening, nonblock, v6only, reuseport, port=N, addr=ADDRESS, owner=USER, group=GROUP, mode=OCTAL, path=PATH",
                shown(),
                Shown(word)
            ))
        });
        Ok(Requirement {
            label: label.to_owned(),
            kind,
            properties: properties.collect::<Result<_, _>>()?,
        })
    }

    /// Holds an entry against it: `Err` within is what was wanted and what was found.
    ///
    /// # Errors
    /// An owner that is unknown, a property that the kernel does not tell.
    pub fn check(&self, label: &str, fd: RawFd) -> Result<Result<(), String>, Failure<'static>> {
        let socket = describe::socket(fd).ok();
        if let Some(kind) = self.kind {
            let family = socket
                .as_ref()
                .map(|socket| socket.family.map_or("socket", |family| family.name));
            let found = family
                .or_else(|| describe::file_family(fd).ok())
                .unwrap_or("nothing");
            if found != kind {
                return Ok(Err(format!("{label}: wanted {kind}, found {}", What(fd))));
            }
        }
        for property in &self.properties {
            if let Some((wanted, found)) = property.differs(fd, socket.as_ref())? {
                return Ok(Err(format!(
                    "{label}: wanted {wanted}, found {found} ({})",
                    What(fd)
                )));
            }
        }
        Ok(Ok(()))
    }
}

/// The first word, and what comes after the comma. A path takes all that is left.
fn next_word(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| b == b',') {
        Some(at) if !text.starts_with(b"path=") => {
            let (word, rest) = text.split_at(at);
            (word, rest.get(1..))
        }
        _ => (text, None),
    }
}

fn property(word: &[u8]) -> Option<Property> {
    let mut halves = word.splitn(2, |&b| b == b'=');
    let (name, value) = (halves.next()?, halves.next());
    let text = || {
        value
            .and_then(|value| std::str::from_utf8(value).ok())
            .filter(|text| !text.is_empty())
    };
    Some(match (name, value) {
        (b"listening", None) => Property::Listening,
        (b"nonblock", None) => Property::Nonblock,
        (b"v6only", None) => Property::V6only,
        (b"reuseport", None) => Property::Reuseport,
        (b"port", Some(port)) => Property::Port(crate::spec::value::unsigned(port)?),
        (b"addr", Some(_)) => Property::Addr(text()?.to_owned()),
        (b"owner", Some(_)) => Property::Owner(text()?.to_owned()),
        (b"group", Some(_)) => Property::Group(text()?.to_owned()),
        (b"mode", Some(mode)) => match Takes::Mode.parse(Some(mode))? {
            Value::Number(mode) => Property::Mode(mode as u32),
            Value::Name(_) => return None,
        },
        (b"path", Some(path)) if !path.is_empty() => Property::Path(path.to_vec()),
        _ => return None,
    })
}

impl Property {
    /// What was wanted and what is there, where that is not the same.
    fn differs(
        &self,
        fd: RawFd,
        socket: Option<&Socket>,
    ) -> Result<Option<(String, String)>, Failure<'static>> {
        let flag = |is: bool, wanted: &str, found: &str| {
            (!is).then(|| (wanted.to_owned(), found.to_owned()))
        };
        let set = |level, name| sys::get_int(fd, level, name).is_ok_and(|value| value != 0);
        let same = |name: &str, wanted: &str, found: String| {
            (wanted != found).then(|| (format!("{name} {wanted}"), format!("{name} {found}")))
        };
        Ok(match self {
            Property::Listening => flag(
                socket.is_some_and(|socket| socket.listening),
                "a listening socket",
                "one that is not",
            ),
            Property::Nonblock => {
                let flags = sys::file_flags(fd)
                    .map_err(|errno| Failure::System("read the flags of an fd", errno))?;
                flag(flags & libc::O_NONBLOCK != 0, "O_NONBLOCK", "a blocking fd")
            }
            Property::V6only => flag(
                set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
                "an IPv6-only socket",
                "one that is not",
            ),
            Property::Reuseport => flag(
                set(libc::SOL_SOCKET, libc::SO_REUSEPORT),
                "SO_REUSEPORT",
                "a socket without it",
            ),
            Property::Port(port) => same("port", &port.to_string(), host_and_port(socket).1),
            Property::Addr(wanted) => same(
                "address",
                wanted.trim_matches(['[', ']']),
                host_and_port(socket).0,
            ),
            Property::Path(wanted) => {
                let (wanted, found) = (Shown(wanted).to_string(), path(fd, socket));
                same("path", &wanted, Shown(&found).to_string())
            }
            Property::Owner(user) => {
                let id = id("user", user, sys::user_id)?;
                same("owner", &id, node(fd, socket)?.st_uid.to_string())
            }
            Property::Group(group) => {
                let id = id("group", group, sys::group_id)?;
                same("group", &id, node(fd, socket)?.st_gid.to_string())
            }
            Property::Mode(mode) => {
                let found = node(fd, socket)?.st_mode & 0o7777;
                same("mode", &format!("{mode:04o}"), format!("{found:04o}"))
            }
        })
    }
}

/// The parts of an address: `::1` and `80`, `1` and `1024` of vsock.
fn host_and_port(socket: Option<&Socket>) -> (String, String) {
    let none = || ("none".to_owned(), "none".to_owned());
    let Some(socket) = socket else { return none() };
    let address = String::from_utf8_lossy(socket.address.bytes());
    let has_port = socket
        .family
        .is_some_and(|family| matches!(family.addresses, Addresses::Inet | Addresses::Vsock));
    match address.rsplit_once(':').filter(|_| has_port) {
        Some((host, port)) => (host.trim_matches(['[', ']']).to_owned(), port.to_owned()),
        None => (
            if address.is_empty() {
                none().0
            } else {
                address.into_owned()
            },
            none().1,
        ),
    }
}

fn path(fd: RawFd, socket: Option<&Socket>) -> Vec<u8> {
    let mut room = [0; 4096];
    match socket {
        Some(socket) => socket.address.bytes().to_vec(),
        None => describe::link_of(fd, &mut room)
            .unwrap_or_default()
            .to_vec(),
    }
}

/// The node of a unix socket's path, or the file that is open.
fn node(fd: RawFd, socket: Option<&Socket>) -> Result<libc::stat, Failure<'static>> {
    let is_path = |socket: &&Socket| {
        let is_unix = socket
            .family
            .is_some_and(|family| family.addresses == Addresses::Unix);
        is_unix && !socket.address.bytes().starts_with(b"@") && !socket.address.bytes().is_empty()
    };
    let status = match socket.filter(is_path) {
        Some(socket) => CString::new(socket.address.bytes())
            .map_err(|_| nix::errno::Errno::EINVAL)
            .and_then(|path| stat(path.as_c_str())),
        None => sys::status(fd),
    };
    status.map_err(|errno| Failure::System("look at the socket's path", errno))
}

fn id(
    what: &str,
    name: &str,
    ask: fn(&core::ffi::CStr) -> Result<Option<u32>, nix::errno::Errno>,
) -> Result<String, Failure<'static>> {
    if let Some(number) = owner_number(name.as_bytes()) {
        return Ok(number.to_string());
    }
    let text = CString::new(name).map_err(|_| invalid("a name has a NUL byte".to_owned()))?;
    match ask(&text) {
        Ok(Some(id)) => Ok(id.to_string()),
        Ok(None) => Err(invalid(format!(
            "unknown {what} {}",
            Shown(name.as_bytes())
        ))),
        Err(errno) => Err(Failure::System("look up a user or group", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read() {
        let of = |text: &str| Requirement::parse(text.as_bytes()).unwrap();
        let all = of("a=unix,listening,nonblock,mode=0600,owner=root,path=/a,b=c");
        assert_eq!((all.label.as_str(), all.kind), ("a", Some("unix")));
        assert_eq!(
            all.properties,
            [
                Property::Listening,
                Property::Nonblock,
                Property::Mode(0o600),
                Property::Owner("root".to_owned()),
                Property::Path(b"/a,b=c".to_vec()),
            ]
        );
        assert_eq!(of("a").properties, []);
        assert_eq!(
            of("a=,port=80,addr=::1").properties,
            [Property::Port(80), Property::Addr("::1".to_owned())]
        );
        for bad in [
            "",
            "-a",
            "a=tpc",
            "a=tcp,",
            "a=tcp,listen",
            "a=tcp,port=x",
            "a=tcp,mode=9",
            "a=tcp,listening=1",
            "a=unix,path=",
        ] {
            assert!(Requirement::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            Requirement::parse(b"a=tpc").unwrap_err(),
            "-l a=tpc: unknown kind tpc, did you mean tcp?"
        );
    }
}
