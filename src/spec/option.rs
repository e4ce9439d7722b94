//! The table of options. All that is known of an option stands in its row: parsing, applying, `-h`, the manual page's
//! test and `listen -n` read it there.
#![forbid(unsafe_code)]

use super::address::Address;
use super::family::{Families, Family};
use crate::{ip, map};
use nix::libc;

/// A row of the table of options.
#[derive(Debug)]
pub struct Row {
    /// The name in specs.
    pub name: &'static str,
    /// The families that have the option.
    pub families: Families,
    /// Which of their addresses have it.
    pub addresses: Which,
    /// The values that it takes.
    pub takes: Takes,
    /// What it is for: a step of our own, or a socket option as it stands.
    pub what: What,
    /// The families where a socket option is set to 1 if the spec does not say otherwise.
    pub default: Families,
    /// The directive of systemd.socket(5) that says the same, "" where there is none.
    pub directive: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// Which addresses of a family an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// IPv6 addresses, and "all addresses", which is an IPv6 socket.
    V6,
    /// Paths, but not abstract names.
    Paths,
}

impl Which {
    /// Whether `address` is among them.
    pub fn has(self, address: &Address) -> bool {
        match self {
            Which::All => true,
            Which::V6 => !matches!(address, Address::V4 { .. }),
            Which::Paths => matches!(address, Address::Path(_)),
        }
    }

    /// What they are, for a message.
    pub fn noun(self) -> &'static str {
        match self {
            Which::All => "addresses",
            Which::V6 => "IPv6 addresses",
            Which::Paths => "paths",
        }
    }
}

/// The values that an option takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Takes {
    /// yes or no, and perhaps further words; the word alone means yes.
    Flag(&'static [(&'static str, i32)]),
    /// One of these words.
    Word(&'static [(&'static str, i32)]),
    /// A decimal number from the first to the second.
    Number(i32, i32),
    /// An octal mode, 0 to 07777.
    Mode,
    /// A label of the map.
    Label,
    /// The name of an environment variable.
    Variable,
    /// The name or number of a user or group.
    Owner,
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

/// A value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, a mode, or what a word stands for (yes is 1, no is 0).
    Number(i32),
    /// A label, or the name of a variable, user or group.
    Name(&'a [u8]),
}

impl Takes {
    /// Reads a value; `None` as text is an option without `=`.
    pub fn parse<'a>(&self, text: Option<&'a [u8]>) -> Option<Value<'a>> {
        let word = |words: &[(&str, i32)], text: &[u8]| {
            words
                .iter()
                .find(|(word, _)| word.as_bytes() == text)
                .map(|&(_, value)| Value::Number(value))
        };
        let Some(text) = text else {
            return matches!(self, Takes::Flag(_)).then_some(Value::Number(1));
        };
        match self {
            Takes::Flag(more) => word(&YES_NO, text).or_else(|| word(more, text)),
            Takes::Word(words) => word(words, text),
            Takes::Number(least, most) => {
                let number = map::parse_fd(text)?;
                (*least..=*most)
                    .contains(&number)
                    .then_some(Value::Number(number))
            }
            Takes::Mode => parse_mode(text).map(Value::Number),
            Takes::Label => map::is_label(text).then_some(Value::Name(text)),
            Takes::Variable => is_variable(text).then_some(Value::Name(text)),
            Takes::Owner => is_owner(text).then_some(Value::Name(text)),
        }
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
    match ip::decimal(text, 9) {
        Some(number) => Some(number),
        None if text.len() == 10 => {
            let (head, last) = (
                ip::decimal(text.get(..9)?, 9)?,
                ip::decimal(text.get(9..)?, 1)?,
            );
            head.checked_mul(10)?
                .checked_add(last)
                .filter(|&number| number < u32::MAX)
        }
        None => None,
    }
}

/// What an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The label in the map.
    Label,
    /// The number of the fd.
    Fd,
    /// A variable with the number of the fd.
    Env,
    /// O_NONBLOCK, from socket(2) on.
    Nonblock,
    /// The second argument of listen(2).
    Backlog,
    /// Whether to call listen(2) at all.
    Listen,
    /// IPV6_V6ONLY: [`V6ONLY_KERNEL`] leaves it to the sysctl.
    V6only,
    /// The permission bits of a path.
    Mode,
    /// The owner of a path.
    User,
    /// The group of a path.
    Group,
    /// Whether a stale node may be replaced.
    Unlink,
    /// setsockopt(2) of an int, as it stands, at this time: level and name.
    Option(When, i32, i32),
}

/// When a socket option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Between socket(2) and bind(2).
    BeforeBind,
}

/// The value of `v6only=kernel`.
pub const V6ONLY_KERNEL: i32 = 2;

/// Every option, in the order in which the kernel is asked for them.
pub static OPTIONS: [Row; 13] = [
    Row {
        name: "label",
        families: Families::ALL,
        addresses: Which::All,
        takes: Takes::Label,
        what: What::Label,
        default: Families::NONE,
        directive: "FileDescriptorName",
        help: "name in LISTEN_FD_MAP (default: the family)",
    },
    Row {
        name: "fd",
        families: Families::ALL,
        addresses: Which::All,
        takes: Takes::Number(0, i32::MAX),
        what: What::Fd,
        default: Families::NONE,
        directive: "",
        help: "exactly this fd number (default: the lowest free one from 3 up)",
    },
    Row {
        name: "env",
        families: Families::ALL,
        addresses: Which::All,
        takes: Takes::Variable,
        what: What::Env,
        default: Families::NONE,
        directive: "",
        help: "also export the fd number in this variable",
    },
    Row {
        name: "nonblock",
        families: Families::ALL,
        addresses: Which::All,
        takes: Takes::Flag(&[]),
        what: What::Nonblock,
        default: Families::NONE,
        directive: "",
        help: "set O_NONBLOCK",
    },
    Row {
        name: "v6only",
        families: Families::INET,
        addresses: Which::V6,
        takes: Takes::Flag(&[("kernel", V6ONLY_KERNEL)]),
        what: What::V6only,
        default: Families::NONE,
        directive: "BindIPv6Only",
        help: "IPV6_V6ONLY: no IPv4 (default: yes for [::], no for all addresses)",
    },
    Row {
        name: "reuseaddr",
        families: Families::ALL,
        addresses: Which::All,
        takes: Takes::Flag(&[]),
        what: What::Option(When::BeforeBind, libc::SOL_SOCKET, libc::SO_REUSEADDR),
        default: Families::TCP,
        directive: "",
        help: "SO_REUSEADDR (default: yes for tcp)",
    },
    Row {
        name: "reuseport",
        families: Families::INET,
        addresses: Which::All,
        takes: Takes::Flag(&[]),
        what: What::Option(When::BeforeBind, libc::SOL_SOCKET, libc::SO_REUSEPORT),
        default: Families::NONE,
        directive: "ReusePort",
        help: "SO_REUSEPORT: several sockets share the port's load",
    },
    Row {
        name: "mode",
        families: Families::UNIX_ALL,
        addresses: Which::Paths,
        takes: Takes::Mode,
        what: What::Mode,
        default: Families::NONE,
        directive: "SocketMode",
        help: "octal permissions, whatever the umask (default: 0777 less umask)",
    },
    Row {
        name: "user",
        families: Families::UNIX_ALL,
        addresses: Which::Paths,
        takes: Takes::Owner,
        what: What::User,
        default: Families::NONE,
        directive: "SocketUser",
        help: "owner, a name or number (default: the caller)",
    },
    Row {
        name: "group",
        families: Families::UNIX_ALL,
        addresses: Which::Paths,
        takes: Takes::Owner,
        what: What::Group,
        default: Families::NONE,
        directive: "SocketGroup",
        help: "group, a name or number (default: the caller's)",
    },
    Row {
        name: "unlink",
        families: Families::UNIX_ALL,
        addresses: Which::Paths,
        takes: Takes::Word(&[("stale", 1), ("never", 0)]),
        what: What::Unlink,
        default: Families::NONE,
        directive: "",
        help: "stale: replace a socket that nobody has open (default); never",
    },
    Row {
        name: "listen",
        families: Families::STREAMS,
        addresses: Which::All,
        takes: Takes::Flag(&[]),
        what: What::Listen,
        default: Families::NONE,
        directive: "",
        help: "no: bind only (default: yes)",
    },
    Row {
        name: "backlog",
        families: Families::STREAMS,
        addresses: Which::All,
        takes: Takes::Number(0, i32::MAX),
        what: What::Backlog,
        default: Families::NONE,
        directive: "Backlog",
        help: "connections that may wait (default: the kernel's maximum)",
    },
];

/// The place of the option called `name` in [`OPTIONS`], and its row.
pub fn find(name: &[u8]) -> Option<(usize, &'static Row)> {
    OPTIONS
        .iter()
        .enumerate()
        .find(|(_, row)| row.name.as_bytes() == name)
}

/// The options that `family` has, in the order of the table.
pub fn of(family: &Family) -> impl Iterator<Item = &'static Row> + Clone {
    OPTIONS.iter().filter(|row| row.families.contain(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_up_to_their_borders() {
        let number = |takes: &Takes, text: &str| match takes.parse(Some(text.as_bytes())) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
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
        let small = Takes::Number(1, 10);
        for (text, value) in [
            ("1", Some(1)),
            ("10", Some(10)),
            ("0", None),
            ("11", None),
            ("", None),
            ("-1", None),
            ("+1", None),
        ] {
            assert_eq!(number(&small, text), value, "{text:?}");
        }
        let modes = [
            ("0", Some(0)),
            ("600", Some(0o600)),
            ("0600", Some(0o600)),
            ("7777", Some(0o7777)),
            ("007777", Some(0o7777)),
        ];
        for (text, value) in modes {
            assert_eq!(number(&Takes::Mode, text), value, "{text:?}");
        }
        for bad in ["", "8", "0o600", "10000", "-1", "0000000", "u+w"] {
            assert_eq!(number(&Takes::Mode, bad), None, "{bad:?}");
        }
        let name = |takes: &Takes, text: &'static str| takes.parse(Some(text.as_bytes())).is_some();
        for (text, good) in [
            ("A", true),
            ("_a1", true),
            ("a_B", true),
            ("1a", false),
            ("", false),
            ("a-b", false),
            ("LISTEN_FD_MAP", false),
        ] {
            assert_eq!(name(&Takes::Variable, text), good, "{text:?}");
        }
        for (text, good) in [
            ("0", true),
            ("4294967294", true),
            ("4294967295", false),
            ("99999999999", false),
            ("www", true),
            ("", false),
        ] {
            assert_eq!(name(&Takes::Owner, text), good, "{text:?}");
        }
        for takes in [
            &small,
            &Takes::Mode,
            &Takes::Label,
            &Takes::Variable,
            &Takes::Owner,
            &Takes::Word(&[("stale", 1)]),
        ] {
            assert_eq!(takes.parse(None), None, "{takes:?} needs a value");
        }
    }

    #[test]
    fn the_table_has_each_name_once_and_fits_the_bit_sets_of_a_spec() {
        for (at, row) in OPTIONS.iter().enumerate() {
            assert_eq!(
                find(row.name.as_bytes()).map(|(found, _)| found),
                Some(at),
                "{}",
                row.name
            );
        }
        assert!(OPTIONS.len() <= 64);
    }
}
