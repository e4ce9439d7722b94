//! The values of options from text.
#![forbid(unsafe_code)]

use super::address::{cut, is_interface};
use crate::{ip, map};

/// The values that an option takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Takes {
    /// yes or no, and perhaps further words; the word alone means yes.
    Flag(&'static [(&'static str, i32)]),
    /// One of these words.
    Word(&'static [(&'static str, i32)]),
    /// A decimal number from the first to the second.
    Number(i32, i32),
    /// A number from 0 to this, decimal or after `0x` hexadecimal.
    Bits(u32),
    /// A number of bytes from 1 to this, perhaps with K, M or G for powers of 1024.
    Size(i32),
    /// An octal mode, 0 to 07777.
    Mode,
    /// A label of the map.
    Label,
    /// The name of an environment variable.
    Variable,
    /// The name or number of a user or group.
    Owner,
    /// The name of a network interface.
    Interface,
    /// The name of an algorithm of congestion control.
    Congestion,
    /// A multicast group, perhaps with an interface: `239.1.2.3%eth0`, `[ff02::fb%eth0]`.
    Group,
    /// A path, or a name without a slash.
    Name,
    /// A path.
    Path,
}

const YES_NO: [(&str, i32); 8] = [
    ("yes", 1),
    ("no", 0),
    ("true", 1),
    ("false", 0),
    ("on", 1),
    ("off", 0),
    ("1", 1),
    ("0", 0),
];

/// The longest path in bytes: PATH_MAX of limits.h, less the NUL.
pub const LONGEST_PATH: usize = 4095;

/// The longest name of an algorithm in bytes: TCP_CA_NAME_MAX of net/tcp.h, less the NUL.
const LONGEST_CONGESTION: usize = 15;

/// A value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, a mode, or what a word stands for (yes is 1, no is 0). Unsigned ones above 2^31 are their 32 bits.
    Number(i32),
    /// A label, or the name of something else.
    Name(&'a [u8]),
}

impl Takes {
    /// Reads a value; `None` as text is an option without `=`.
    pub fn parse<'a>(&self, text: Option<&'a [u8]>) -> Option<Value<'a>> {
        let word = |words: &[(&str, i32)], text: &[u8]| {
            words
                .iter()
                .find(|(word, _)| word.as_bytes() == text)
                .map(|&(_, value)| value)
        };
        let Some(text) = text else {
            return matches!(self, Takes::Flag(_)).then_some(Value::Number(1));
        };
        let number = match self {
            Takes::Flag(more) => word(&YES_NO, text).or_else(|| word(more, text)),
            Takes::Word(words) => word(words, text),
            Takes::Number(least, most) => {
                map::parse_fd(text).filter(|number| (least..=most).contains(&number))
            }
            Takes::Bits(most) => parse_bits(text)
                .filter(|bits| bits <= most)
                .map(|bits| bits as i32),
            Takes::Size(most) => parse_size(text).filter(|size| (1..=*most).contains(size)),
            Takes::Mode => parse_mode(text),
            names => return names.is_name(text).then_some(Value::Name(text)),
        };
        number.map(Value::Number)
    }

    /// Whether the values are numbers, or words that stand for numbers.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Takes::Flag(_)
                | Takes::Word(_)
                | Takes::Number(..)
                | Takes::Bits(_)
                | Takes::Size(_)
                | Takes::Mode
        )
    }

    fn is_name(&self, text: &[u8]) -> bool {
        match self {
            Takes::Label => map::is_label(text),
            Takes::Variable => is_variable(text),
            Takes::Owner => is_owner(text),
            Takes::Interface => is_interface(text),
            Takes::Congestion => {
                (1..=LONGEST_CONGESTION).contains(&text.len())
                    && text.iter().all(u8::is_ascii_graphic)
            }
            Takes::Group => Group::parse(text).is_some(),
            _ => (1..=LONGEST_PATH).contains(&text.len()),
        }
    }
}

/// A multicast group to join: RFC 1112, RFC 4291 section 2.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its address.
    pub ip: GroupAddress,
    /// The name or number of the interface, empty to let the routing table choose.
    pub interface: &'a [u8],
}

/// The address of a multicast group, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupAddress {
    /// 224.0.0.0/4
    V4([u8; 4]),
    /// ff00::/8
    V6([u8; 16]),
}

impl<'a> Group<'a> {
    /// Reads `ADDRESS[%INTERFACE]`, in brackets or not.
    pub fn parse(text: &'a [u8]) -> Option<Group<'a>> {
        let inside = match text.strip_prefix(b"[") {
            Some(inside) => inside.strip_suffix(b"]")?,
            None => text,
        };
        let (host, interface) = match cut(inside, b'%') {
            Some((host, interface)) => (host, Some(interface)),
            None => (inside, None),
        };
        if !interface.is_none_or(is_interface) {
            return None;
        }
        let ip = match (ip::parse_v4(host), ip::parse_v6(host)) {
            (Some(ip @ [224..=239, ..]), _) => GroupAddress::V4(ip),
            (_, Some(ip @ [0xff, ..])) => GroupAddress::V6(ip),
            _ => return None,
        };
        Some(Group {
            ip,
            interface: interface.unwrap_or_default(),
        })
    }
}

fn parse_mode(text: &[u8]) -> Option<i32> {
    let digit = |b: &u8| (b'0'..=b'7').contains(b).then(|| i32::from(b - b'0'));
    let mode = match text {
        [] => return None,
        digits if digits.len() > 6 => return None,
        digits => digits
            .iter()
            .try_fold(0, |mode, b| Some(mode << 3 | digit(b)?))?,
    };
    (mode <= 0o7777).then_some(mode)
}

/// Decimal, or hexadecimal after `0x`.
fn parse_bits(text: &[u8]) -> Option<u32> {
    match text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")) {
        Some(digits) if (1..=8).contains(&digits.len()) => digits
            .iter()
            .try_fold(0, |bits, &b| Some(bits << 4 | char::from(b).to_digit(16)?)),
        Some(_) => None,
        None => unsigned(text),
    }
}

/// Bytes; K, M and G are powers of 1024.
fn parse_size(text: &[u8]) -> Option<i32> {
    let (digits, shift) = match text {
        [digits @ .., b'K' | b'k'] => (digits, 10),
        [digits @ .., b'M' | b'm'] => (digits, 20),
        [digits @ .., b'G' | b'g'] => (digits, 30),
        digits => (digits, 0),
    };
    map::parse_fd(digits)?.checked_mul(1 << shift)
}

/// A decimal number of 32 bits without leading zeros.
pub fn unsigned(text: &[u8]) -> Option<u32> {
    match ip::decimal(text, 9) {
        Some(number) => Some(number),
        None if text.len() == 10 => {
            let (head, last) = (
                ip::decimal(text.get(..9)?, 9)?,
                ip::decimal(text.get(9..)?, 1)?,
            );
            head.checked_mul(10)?.checked_add(last)
        }
        None => None,
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`, except the map itself.
fn is_variable(text: &[u8]) -> bool {
    text.first().is_some_and(|b| !b.is_ascii_digit())
        && text.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
        && text != b"LISTEN_FD_MAP"
}

/// All digits is a number, below 2^32 - 1 (which means "leave it" to chown(2)); anything else is a name.
fn is_owner(text: &[u8]) -> bool {
    !text.is_empty() && (!text.iter().all(u8::is_ascii_digit) || owner_number(text).is_some())
}

/// The number, if a user or group was given as one.
pub fn owner_number(text: &[u8]) -> Option<u32> {
    unsigned(text).filter(|&number| number < u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(takes: &Takes, text: &str) -> Option<i32> {
        match takes.parse(Some(text.as_bytes())) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn flags_and_words_are_taken_as_they_stand() {
        let flag = Takes::Flag(&[("kernel", 2)]);
        for yes in ["yes", "true", "on", "1"] {
            assert_eq!(number(&flag, yes), Some(1));
        }
        for no in ["no", "false", "off", "0"] {
            assert_eq!(number(&flag, no), Some(0));
        }
        assert_eq!(number(&flag, "kernel"), Some(2));
        assert_eq!(flag.parse(None), Some(Value::Number(1)));
        for bad in ["", "YES", "2", "y", "yes "] {
            assert_eq!(number(&flag, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_taken_up_to_their_borders() {
        for (takes, text, value) in [
            (Takes::Number(1, 10), "1", Some(1)),
            (Takes::Number(1, 10), "10", Some(10)),
            (Takes::Number(1, 10), "0", None),
            (Takes::Number(1, 10), "11", None),
            (Takes::Number(1, 10), "", None),
            (Takes::Number(1, 10), "-1", None),
            (Takes::Number(1, 10), "+1", None),
            (Takes::Bits(u32::MAX), "0", Some(0)),
            (Takes::Bits(u32::MAX), "4294967295", Some(-1)),
            (Takes::Bits(u32::MAX), "4294967296", None),
            (Takes::Bits(u32::MAX), "0xffffffff", Some(-1)),
            (Takes::Bits(u32::MAX), "0x100000000", None),
            (Takes::Bits(u32::MAX), "0XaB", Some(0xab)),
            (Takes::Bits(u32::MAX), "0x", None),
            (Takes::Bits(255), "0xff", Some(255)),
            (Takes::Bits(255), "256", None),
            (Takes::Size(i32::MAX), "1", Some(1)),
            (Takes::Size(i32::MAX), "64K", Some(65536)),
            (Takes::Size(i32::MAX), "8m", Some(8 << 20)),
            (Takes::Size(i32::MAX), "1G", Some(1 << 30)),
            (Takes::Size(i32::MAX), "2G", None),
            (Takes::Size(i32::MAX), "2147483647", Some(i32::MAX)),
            (Takes::Size(i32::MAX), "2147483648", None),
            (Takes::Size(i32::MAX), "0", None),
            (Takes::Size(i32::MAX), "K", None),
            (Takes::Size(i32::MAX), "1.5K", None),
            (Takes::Mode, "0", Some(0)),
            (Takes::Mode, "600", Some(0o600)),
            (Takes::Mode, "0600", Some(0o600)),
            (Takes::Mode, "7777", Some(0o7777)),
            (Takes::Mode, "007777", Some(0o7777)),
            (Takes::Mode, "", None),
            (Takes::Mode, "8", None),
            (Takes::Mode, "0o600", None),
            (Takes::Mode, "10000", None),
            (Takes::Mode, "0000000", None),
            (Takes::Mode, "u+w", None),
        ] {
            assert_eq!(number(&takes, text), value, "{takes:?} {text:?}");
        }
    }

    #[test]
    fn names_are_taken_where_they_can_be_names() {
        let name = |takes: &Takes, text: &'static str| takes.parse(Some(text.as_bytes())).is_some();
        for (takes, text, good) in [
            (Takes::Variable, "A", true),
            (Takes::Variable, "_a1", true),
            (Takes::Variable, "1a", false),
            (Takes::Variable, "", false),
            (Takes::Variable, "a-b", false),
            (Takes::Variable, "LISTEN_FD_MAP", false),
            (Takes::Owner, "0", true),
            (Takes::Owner, "4294967294", true),
            (Takes::Owner, "4294967295", false),
            (Takes::Owner, "99999999999", false),
            (Takes::Owner, "www", true),
            (Takes::Owner, "", false),
            (Takes::Interface, "eth0.7", true),
            (Takes::Interface, "abcdefghijklmno", true),
            (Takes::Interface, "abcdefghijklmnop", false),
            (Takes::Interface, "", false),
            (Takes::Congestion, "bbr", true),
            (Takes::Congestion, "abcdefghijklmnop", false),
            (Takes::Congestion, "", false),
            (Takes::Group, "239.1.2.3", true),
            (Takes::Group, "239.1.2.3%lo", true),
            (Takes::Group, "[ff02::fb%eth0]", true),
            (Takes::Group, "ff02::fb%2", true),
            (Takes::Group, "[239.1.2.3]", true),
            (Takes::Group, "[ff02::fb", false),
            (Takes::Group, "ff02::fb%", false),
            (Takes::Group, "fe80::1", false),
            (Takes::Group, "240.0.0.0", false),
            (Takes::Group, "223.255.255.255", false),
            (Takes::Group, "all-hosts", false),
            (Takes::Path, "/run/x", true),
            (Takes::Path, "", false),
            (Takes::Name, "blue", true),
            (Takes::Name, "", false),
        ] {
            assert_eq!(name(&takes, text), good, "{takes:?} {text:?}");
        }
        for takes in [
            Takes::Number(1, 10),
            Takes::Bits(1),
            Takes::Size(1),
            Takes::Mode,
            Takes::Label,
            Takes::Owner,
            Takes::Path,
            Takes::Word(&[("stale", 1)]),
        ] {
            assert_eq!(takes.parse(None), None, "{takes:?} needs a value");
        }
        assert_eq!(Takes::Path.parse(Some(&[b'/'; LONGEST_PATH + 1])), None);
    }
}
