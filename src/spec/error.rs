//! What can be wrong with a spec, and what to type instead.
#![forbid(unsafe_code)]

use super::address::PROTOCOLS;
use super::family::{FAMILIES, Family};
use super::option::{OPTIONS, Row, Which};
use super::value::Takes;
use crate::output::Shown;
use core::fmt;

/// A spec that cannot be: the argument as it was written, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Error<'a> {
    /// The offending argument.
    pub at: At<'a>,
    /// What is wrong with it.
    pub why: Why<'a>,
}

/// The arguments that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// One argument, verbatim.
    One(&'a [u8]),
    /// An option and its value.
    Two(&'a [u8], &'a [u8]),
}

/// What is wrong.
#[derive(Debug)]
pub enum Why<'a> {
    /// No family is called so.
    UnknownFamily(&'a [u8]),
    /// There is only one colon.
    OneColon(&'static Family, &'a [u8]),
    /// An address where the options belong.
    MisplacedAddress(&'static Family, &'a [u8], &'a [u8]),
    /// Nothing between two commas, or nothing before `=`.
    EmptyOption,
    /// No option is called so.
    UnknownOption(&'static Family, &'a [u8]),
    /// The option exists, but not for this family.
    NotForFamily(&'static Family, &'static Row),
    /// The option exists, but not for such an address.
    NotForAddress(&'static Row),
    /// The option was there already.
    Repeated(&'static Row),
    /// A value that the option does not take.
    BadValue(&'static Row, Option<&'a [u8]>),
    /// The address is missing.
    NoAddress,
    /// `[` without `]`.
    NoBracket,
    /// An address without a port.
    NoPort(&'a [u8]),
    /// An IPv6 address and a port without brackets or slash.
    NoBrackets(&'a [u8]),
    /// A name where only numbers are taken.
    NotNumeric(&'a [u8]),
    /// Not an IPv6 address.
    NoV6(&'a [u8]),
    /// A zone that no interface can be called.
    BadZone(&'a [u8]),
    /// Not a port.
    BadPort(&'a [u8]),
    /// Not recognizable as a path.
    NoPath(&'a [u8]),
    /// A path or name that is too long: its length in bytes, and the most.
    LongPath(usize, usize),
    /// `@` alone.
    EmptyName,
    /// Not an address of vsock(7).
    NoVsock(&'a [u8]),
    /// Not a protocol of netlink(7).
    NoProtocol(&'a [u8]),
    /// Not the name of a message queue.
    NoQueue(&'a [u8]),
    /// Not the number of an fd.
    NoFd(&'a [u8]),
    /// Options that contradict each other or the address.
    Conflict(&'static str),
}

// Rows and families are compared by name: each has its name once.
impl PartialEq for Why<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Why::NoPath(a), Why::NoPath(b)) => a == b,
            (Why::LongPath(a, b), Why::LongPath(c, d)) => (a, b) == (c, d),
            _ => core::mem::discriminant(self) == core::mem::discriminant(other),
        }
    }
}

impl Eq for Why<'_> {}

impl fmt::Display for Error<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

impl fmt::Display for At<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::One(argument) => write!(f, "{}", Shown(argument)),
            At::Two(option, value) => write!(f, "{} {}", Shown(option), Shown(value)),
        }
    }
}

impl fmt::Display for Why<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Why::UnknownFamily(name) => {
                write!(f, "unknown family {}", Shown(name))?;
                match nearest(name, FAMILIES.iter().map(|family| family.name)) {
                    Some(near) => write!(f, ", did you mean {near}?"),
                    None => {
                        f.write_str(", there are")?;
                        list(f, FAMILIES.iter().map(|family| family.name))
                    }
                }
            }
            Why::OneColon(family, rest) => {
                // an option, or several, and perhaps an address after a comma
                let comma = rest.iter().rposition(|&b| b == b',');
                let last = comma.map_or(rest, |comma| rest.get(comma + 1..).unwrap_or_default());
                let (options, address) = match (comma, last) {
                    (_, last) if last.contains(&b'=') => (rest, &b"ADDRESS"[..]),
                    (Some(comma), last) => (rest.get(..comma).unwrap_or_default(), last),
                    (None, last) => (&b""[..], last),
                };
                let (options, address) = (Shown(options), Shown(address));
                let family = family.name;
                write!(
                    f,
                    "a second colon is missing, write -{family}:{options}:{address}"
                )
            }
            Why::MisplacedAddress(family, options, address) => {
                let colon = if address.is_empty() { "" } else { ":" };
                let (options, address) = (Shown(options), Shown(address));
                write!(
                    f,
                    "the address goes after the second colon, write -{}::{options}{colon}{address}",
                    family.name
                )
            }
            Why::EmptyOption => f.write_str("an empty option"),
            Why::UnknownOption(family, name) => {
                write!(f, "unknown option {} for {}", Shown(name), family.name)?;
                match nearest(name, super::option::of(family).map(|row| row.name)) {
                    Some(near) => write!(f, ", did you mean {near}?"),
                    None => write!(f, " (listen -h {} lists them)", family.name),
                }
            }
            Why::NotForFamily(family, row) => {
                write!(
                    f,
                    "option {} is not for {}, only for",
                    row.name, family.name
                )?;
                list(f, row.families.iter().map(|has| has.name))
            }
            Why::NotForAddress(row) => {
                let whose = match row.addresses {
                    Which::All => "addresses",
                    Which::V6 => "IPv6 addresses only",
                    Which::Paths => "paths, not for abstract names",
                    Which::NoPaths => "abstract names, not for paths",
                };
                write!(f, "option {} is for {whose}", row.name)
            }
            Why::Repeated(row) => write!(f, "option {} is given twice", row.name),
            Why::BadValue(row, value) => {
                write!(f, "option {} takes ", row.name)?;
                takes(f, &row.takes)?;
                match value {
                    None => write!(f, ": {}=...", row.name),
                    Some(b"") => f.write_str(", not an empty value"),
                    Some(value) => write!(f, ", not {}", Shown(value)),
                }
            }
            Why::NoAddress => f.write_str("the address is missing"),
            Why::NoBracket => f.write_str("a [ without its ]"),
            Why::NoPort(address) => {
                let address = Shown(address);
                write!(f, "the port is missing, write {address}:PORT")
            }
            Why::NoBrackets(address) => {
                let at = address.iter().rposition(|&b| b == b':').unwrap_or(0);
                let host = Shown(address.get(..at).unwrap_or_default());
                let port = Shown(address.get(at + 1..).unwrap_or_default());
                write!(
                    f,
                    "an IPv6 address needs brackets, write [{host}]:{port} or {host}/{port}"
                )
            }
            Why::NotNumeric(host) => {
                let host = Shown(host);
                write!(
                    f,
                    "{host} is no address: addresses are numeric, like 127.0.0.1:80, [::1]:80 or 80"
                )
            }
            Why::NoV6(host) => write!(f, "{} is no IPv6 address", Shown(host)),
            Why::BadZone(zone) => write!(f, "{} is no name of an interface", Shown(zone)),
            Why::BadPort(b"") => f.write_str("the port is missing"),
            Why::BadPort(port) => {
                write!(f, "a port is a number from 0 to 65535, not {}", Shown(port))
            }
            Why::NoPath(path) => {
                write!(
                    f,
                    "a path begins with /, ./ or ../, an abstract name with @: write ./{}",
                    Shown(path)
                )
            }
            Why::LongPath(len, most) => {
                write!(
                    f,
                    "{len} bytes are too long, such a name has at most {most}"
                )
            }
            Why::EmptyName => f.write_str("an abstract name has at least one byte after the @"),
            Why::NoVsock(text) => write!(
                f,
                "{} is no vsock address, write PORT or CID:PORT in numbers",
                Shown(text)
            ),
            Why::NoProtocol(text) => {
                let names = || PROTOCOLS.iter().map(|(name, _)| *name);
                write!(f, "{} is no protocol of netlink", Shown(text))?;
                match nearest(text, names()) {
                    Some(near) => write!(f, ", did you mean {near}?"),
                    None => {
                        f.write_str(", there are")?;
                        list(f, names())?;
                        f.write_str(" and numbers below 32")
                    }
                }
            }
            Why::NoQueue(name) => {
                let name = name.strip_prefix(b"/").unwrap_or(name);
                write!(
                    f,
                    "the name of a message queue is one slash and no other: /"
                )?;
                let name = name.split(|&b| b == b'/').next_back().unwrap_or_default();
                write!(f, "{}", Shown(if name.is_empty() { b"name" } else { name }))
            }
            Why::NoFd(text) => write!(f, "{} is no number of an fd", Shown(text)),
            Why::Conflict(text) => f.write_str(text),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'static str>) -> fmt::Result {
    let mut separator = " ";
    for name in names {
        write!(f, "{separator}{name}")?;
        separator = ", ";
    }
    Ok(())
}

fn takes(f: &mut fmt::Formatter<'_>, takes: &Takes) -> fmt::Result {
    match takes {
        Takes::Flag(more) => {
            f.write_str("yes or no")?;
            more.iter()
                .try_for_each(|(word, _)| write!(f, " or {word}"))
        }
        Takes::Word(words) => {
            let mut separator = "";
            words.iter().try_for_each(|(word, _)| {
                write!(f, "{separator}{word}")?;
                separator = " or ";
                Ok(())
            })
        }
        Takes::Number(least, most) => write!(f, "a number from {least} to {most}"),
        Takes::Bits(most) => write!(f, "a number from 0 to {most}, or 0x and hexadecimal digits"),
        Takes::Size(most) => write!(
            f,
            "a number of bytes from 1 to {most}, perhaps with K, M or G"
        ),
        Takes::Mode => f.write_str("an octal mode up to 7777"),
        Takes::Label => {
            f.write_str("a label, 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -")
        }
        Takes::Variable => {
            f.write_str("a variable's name, letters, digits and _ (and not LISTEN_FD_MAP)")
        }
        Takes::Owner => f.write_str("a name or a number"),
        Takes::Interface => f.write_str("the name of a network interface, at most 15 bytes"),
        Takes::Congestion => f.write_str("the name of an algorithm, at most 15 bytes"),
        Takes::Group => f.write_str("a multicast group, like 239.1.2.3 or [ff02::fb%eth0]"),
        Takes::Name => f.write_str("a name or a path"),
        Takes::Path => f.write_str("a path, at most 4095 bytes"),
    }
}

/// What some call what is called otherwise here.
const ALSO_CALLED: [(&[u8], &str); 6] = [
    (b"gid", "group"),
    (b"name", "label"),
    (b"owner", "user"),
    (b"perm", "mode"),
    (b"uid", "user"),
    (b"unix-stream", "unix"),
];

/// The name that `text` was probably meant to be: what is also called so, or at most two edits away from it, with or without
/// the prefix of the C name, and less than half of it changed.
pub fn nearest(text: &[u8], names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let other = ALSO_CALLED.iter().find(|(other, _)| *other == text);
    let text = match text {
        [b'S' | b's', b'O' | b'o', b'_', rest @ ..] => rest,
        [b'T' | b't', b'C' | b'c', b'P' | b'p', b'_', rest @ ..] => rest,
        [b'I' | b'i', b'P' | b'p', b'_', rest @ ..] => rest,
        [b'I' | b'i', b'P' | b'p', b'V' | b'v', b'6', b'_', rest @ ..] => rest,
        text => text,
    };
    let text = other.map_or(text, |(_, name)| name.as_bytes());
    names
        .map(|name| (distance(text, name.as_bytes()), name))
        .min_by_key(|&(edits, _)| edits)
        .filter(|&(edits, name)| edits <= 2 && edits * 2 < name.len())
        .map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment);
/// words that are too long for the tables are far from everything.
fn distance(a: &[u8], b: &[u8]) -> usize {
    const ROOM: usize = 32;
    if a.len() >= ROOM || b.len() >= ROOM {
        return ROOM;
    }
    let get = |row: &[usize; ROOM], at: usize| row.get(at).copied().unwrap_or(ROOM);
    let mut before = [0; ROOM];
    let mut last: [usize; ROOM] = core::array::from_fn(|at| at);
    for (i, x) in a.iter().enumerate() {
        let mut row = [i + 1; ROOM];
        for (j, y) in b.iter().enumerate() {
            let mut edits = get(&last, j) + usize::from(!x.eq_ignore_ascii_case(y));
            edits = edits.min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                edits = edits.min(get(&before, j - 1) + 1);
            }
            if let Some(place) = row.get_mut(j + 1) {
                *place = edits;
            }
        }
        (before, last) = (last, row);
    }
    get(&last, b.len())
}

/// Whether a word is written like an address: what an option never is.
pub fn looks_like_address(word: &[u8]) -> bool {
    let known = |row: &Row| word.starts_with(row.name.as_bytes());
    let begins = matches!(word, [b'[' | b'/' | b'.' | b'*' | b'@' | b'0'..=b'9', ..]);
    begins && !OPTIONS.iter().any(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_the_name_that_was_meant() {
        let names = || {
            [
                "label",
                "fd",
                "mode",
                "reuseaddr",
                "reuseport",
                "unix-dgram",
            ]
            .into_iter()
        };
        for (slip, name) in [
            ("labl", Some("label")),
            ("lable", Some("label")),
            ("mod", Some("mode")),
            ("reuse-port", Some("reuseport")),
            ("unixdgram", Some("unix-dgram")),
            ("resueaddr", Some("reuseaddr")),
            ("x", None),
            ("", None),
            ("xy", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(slip.as_bytes(), names()), name, "{slip}");
        }
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"ca", b"abc"), 3);
        assert_eq!(distance(&[b'x'; 40], b"label"), 32);
    }
}
