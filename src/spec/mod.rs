//! Socket specs from text. Pure: nothing here asks the system.
//!
//! A spec is written in one argument (`-FAMILY:OPTIONS:ADDRESS`) or in several (`--FAMILY ADDRESS -o OPTION`); `-o`
//! may follow either. [`Written`] is what the command line found, [`Spec::parse`] makes of it what can be bound.
#![forbid(unsafe_code)]

pub mod address;
pub mod error;
pub mod family;
pub mod option;
mod table;
pub mod value;

use crate::argv::{Item, Walk};
use crate::map::LONGEST_LABEL;
use crate::output::{Digits, Shown};
use crate::set::Key;
use crate::sys::Arg;
use address::{Address, cut};
use core::fmt;
use error::{At, Error, Why};
use family::{Addresses, Family};
use option::{OPTIONS, Row, What};
use value::Value;

/// A spec as it stands on the command line.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// The argument that begins it, verbatim.
    pub argument: &'a [u8],
    /// The address, where it is an argument of its own (`--tcp 53`).
    pub separate: Option<&'a [u8]>,
    /// What follows on the command line, where that may be a `-o`.
    pub rest: &'a [Option<Arg<'a>>],
}

/// The parts of a spec, before any is understood.
pub struct Parts<'a> {
    /// The family.
    pub family: &'static Family,
    /// Options between the colons, not yet split.
    pub list: &'a [u8],
    /// The address.
    pub address: &'a [u8],
}

impl<'a> Written<'a> {
    /// Whether it is of the form `-FAMILY:OPTIONS:ADDRESS`.
    pub fn is_compact(&self) -> bool {
        !self.argument.starts_with(b"--")
    }

    /// Tells the parts apart.
    pub fn parts(&self) -> Result<Parts<'a>, Error<'a>> {
        let parts = if self.is_compact() {
            compact_parts(self.argument)
        } else {
            self.separate_parts()
        };
        parts.map_err(|why| Error { at: self.at(), why })
    }

    fn separate_parts(&self) -> Result<Parts<'a>, Why<'a>> {
        let argument = self.argument.strip_prefix(b"--").unwrap_or(self.argument);
        let (name, joined) = match cut(argument, b'=') {
            Some((name, address)) => (name, Some(address)),
            None => (argument, None),
        };
        let family = family::find(name).ok_or(Why::UnknownFamily(name))?;
        let address = joined.or(self.separate).ok_or(Why::NoAddress)?;
        Ok(Parts {
            family,
            list: b"",
            address,
        })
    }

    /// The arguments, for a message.
    pub fn at(&self) -> At<'a> {
        self.separate.map_or(At::One(self.argument), |address| {
            At::Two(self.argument, address)
        })
    }

    /// Every option in the order written.
    pub fn options(&self) -> Options<'a> {
        self.options_after(self.parts().map_or(b"", |parts| parts.list))
    }

    /// First those of `list`, which stands between the colons, then those of `-o`.
    fn options_after(&self, list: &'a [u8]) -> Options<'a> {
        Options {
            at: self.at(),
            list: if list.is_empty() { None } else { Some(list) },
            rest: Walk::after(self.rest),
        }
    }
}

/// The options of a spec, and the argument that each is in.
#[derive(Clone)]
pub struct Options<'a> {
    at: At<'a>,
    list: Option<&'a [u8]>,
    rest: Walk<'a>,
}

impl<'a> Iterator for Options<'a> {
    type Item = (At<'a>, OptionText<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(list) = self.list {
            let comma = divide(list, b',');
            let text = comma.map_or(list, |comma| list.get(..comma).unwrap_or_default());
            self.list = comma.and_then(|comma| list.get(comma + 1..));
            return Some((self.at, OptionText::new(text)));
        }
        loop {
            match self.rest.next()? {
                Ok(Item::Option(text)) => {
                    return Some((At::Two(b"-o", text), OptionText::new(text)));
                }
                Ok(Item::Spec(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

fn compact_parts(argument: &[u8]) -> Result<Parts<'_>, Why<'_>> {
    let (name, rest) = cut(argument.get(1..).unwrap_or_default(), b':').unwrap_or((argument, b""));
    let family = family::find(name).ok_or(Why::UnknownFamily(name))?;
    let Some(colon) = divide(rest, b':') else {
        // the last bracket decides whether one is open
        let bracket = rest.iter().rfind(|b| b"[]".contains(b));
        return Err(match bracket {
            Some(b'[') => Why::NoBracket,
            _ => Why::OneColon(family, rest),
        });
    };
    let list = rest.get(..colon).unwrap_or_default();
    let address = rest.get(colon + 1..).unwrap_or_default();
    if error::looks_like_address(list) {
        return Err(Why::MisplacedAddress(family, list, address));
    }
    Ok(Parts {
        family,
        list,
        address,
    })
}

/// Where the first `byte` is that stands outside `[...]`, which commas and colons do not divide.
fn divide(text: &[u8], byte: u8) -> Option<usize> {
    let (before, _) = cut(text, byte)?;
    if cut(before, b'[').is_none() {
        return Some(before.len());
    }
    let mut open = false;
    text.iter().position(|&b| {
        open = b == b'[' || open && b != b']';
        b == byte && !open
    })
}

/// One option as written, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionText<'a> {
    /// The option, verbatim.
    pub text: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// Its value, `None` where there is no `=`.
    pub value: Option<&'a [u8]>,
    /// Best effort: `NAME~=VALUE` or `NAME~`.
    pub soft: bool,
}

impl<'a> OptionText<'a> {
    /// Divides `NAME[~][=VALUE]`.
    pub fn new(text: &'a [u8]) -> Self {
        let (name, value) = match cut(text, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let soft = name.strip_suffix(b"~");
        OptionText {
            text,
            name: soft.unwrap_or(name),
            value,
            soft: soft.is_some(),
        }
    }
}

/// What options that nobody gives are set to, where they are.
const DEFAULT: i32 = 1;

/// A spec that can be bound: every option is one that its family and address have, every value in its range.
#[derive(Clone, Copy)]
pub struct Spec<'a> {
    /// What is made.
    pub family: &'static Family,
    /// Where it is bound.
    pub address: Address<'a>,
    /// The label, that of the family if the spec has none; with `count=` the name of the group.
    pub name: &'a [u8],
    /// The number that its first fd is to have.
    pub fd: Option<i32>,
    /// What it was read from, and is read from again for what few specs have.
    pub written: Written<'a>,
    /// The places in [`OPTIONS`] that are given, a bit each.
    given: u64,
    /// Those, and those that are set where nobody gives them.
    set: u64,
}

impl<'a> Spec<'a> {
    /// Reads a spec.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(written: &Written<'a>) -> Result<Spec<'a>, Error<'a>> {
        let parts = written.parts()?;
        let family = parts.family;
        let here = |why| Error {
            at: written.at(),
            why,
        };
        let address = address::parse(family.addresses, parts.address, written.is_compact());
        let mut spec = Spec {
            family,
            // what is wrong with an address is said after what is wrong with the options before it
            address: *address.as_ref().unwrap_or(&Address::Path(b"")),
            name: family.name.as_bytes(),
            fd: None,
            written: *written,
            given: 0,
            set: 0,
        };
        for (at, option) in written.options_after(parts.list) {
            spec.add(&option, address.is_ok())
                .map_err(|why| Error { at, why })?;
        }
        address.map_err(here)?;
        spec.set = spec.given | option::defaults(family);
        spec.check().map_err(here)?;
        Ok(spec)
    }

    fn add(&mut self, option: &OptionText<'a>, address_known: bool) -> Result<(), Why<'a>> {
        let (row, at, value) = look_up(self.family, option)?;
        if address_known && !row.addresses.has(&self.address) {
            return Err(Why::NotForAddress(row));
        }
        if self.given >> at & 1 != 0 && !row.repeats {
            return Err(Why::Repeated(row));
        }
        self.given |= 1 << at;
        // the others are read again where they are used
        match (row.what, value) {
            (What::Label, Value::Name(label)) => self.name = label,
            (What::Fd, Value::Number(fd)) => self.fd = Some(fd),
            _ => {}
        }
        Ok(())
    }

    /// What options mean for each other and for the address.
    fn check(&mut self) -> Result<(), Why<'a>> {
        if let Some(count) = self.number(option::COUNT) {
            if self.has(option::ENV) {
                return Err(Why::Conflict(
                    "env= is for one socket, not for the group that count= makes (-e exports them all)",
                ));
            }
            if Label::member(self.name, count as u32 - 1).len() > LONGEST_LABEL {
                return Err(Why::Conflict(
                    "the label is too long for a group, whose members are called LABEL.0, LABEL.1, ...",
                ));
            }
            if self.number(option::REUSEPORT) == Some(0) {
                return Err(Why::Conflict(
                    "count= makes reuseport sockets, reuseport=no cannot be",
                ));
            }
            self.set |= 1 << option::REUSEPORT;
        }
        let relative = matches!(self.address, Address::Path(path) if !path.starts_with(b"/"));
        if relative && self.has(option::SYMLINK) {
            return Err(Why::Conflict(
                "symlink= needs an address that begins with /, because a link is not read from this directory",
            ));
        }
        let v4 = matches!(self.address, Address::V4 { .. });
        let v6only =
            matches!(self.address, Address::V6 { .. }) && self.number(option::V6ONLY) == Some(1);
        for (group, _) in self.given(option::JOIN) {
            let Value::Name(group) = group else { continue };
            match value::Group::parse(group).map(|group| group.ip) {
                Some(value::GroupAddress::V6(_)) if v4 => {
                    return Err(Why::Conflict(
                        "an IPv6 group can only be joined on an IPv6 address, or on all addresses",
                    ));
                }
                Some(value::GroupAddress::V4(_)) if v6only => {
                    return Err(Why::Conflict("an IPv4 group cannot be joined with v6only"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many sockets it makes.
    pub fn count(&self) -> usize {
        self.number(option::COUNT).map_or(1, |count| count as usize)
    }

    /// The labels of its sockets.
    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + Clone + use<'a> {
        let (name, count) = (self.name, self.number(option::COUNT));
        (0..count.map_or(1, |count| count as u32)).map(move |member| match count {
            Some(_) => Label::member(name, member),
            None => Label::new(name),
        })
    }

    /// The number that the spec claims for its socket number `member`.
    pub fn claims(&self, member: usize) -> Option<i32> {
        i32::try_from(member).ok()?.checked_add(self.fd?)
    }

    /// The number of the fd that it adopts.
    pub fn adopts(&self) -> Option<i32> {
        match self.address {
            Address::Fd(fd) => Some(fd),
            _ => None,
        }
    }

    /// The number that an adopted fd leaves, or keeps where nothing is claimed.
    pub fn moves_from(&self) -> Option<i32> {
        self.adopts().filter(|_| self.fd != self.adopts())
    }

    /// Whether `fd` is one that it claims or adopts.
    pub fn takes(&self, fd: i32) -> bool {
        let claimed = self.fd.and_then(|first| fd.checked_sub(first));
        let is_member =
            claimed.is_some_and(|at| usize::try_from(at).is_ok_and(|at| at < self.count()));
        is_member || self.adopts() == Some(fd)
    }

    /// How many things it may make in the file system at most.
    pub fn traces(&self) -> usize {
        let (Address::Path(path) | Address::Queue(path)) = self.address else {
            return 0;
        };
        let makes_parents = self.has(option::DIRMODE);
        let traces = |path: &[u8]| {
            let parents = path.iter().filter(|&&b| b == b'/' && makes_parents);
            1 + parents.count()
        };
        let mut most = traces(path);
        for (value, _) in self.given(option::SYMLINK) {
            if let Value::Name(link) = value {
                most += traces(link);
            }
        }
        most
    }

    /// The address, as written.
    pub fn address_text(&self) -> &'a [u8] {
        self.written.parts().map_or(b"", |parts| parts.address)
    }

    /// Whether its sockets have an address to tell of, as far as the family tells.
    pub fn has_address(&self) -> bool {
        !matches!(self.family.addresses, Addresses::Netlink | Addresses::Queue)
    }

    /// Whether the option at the place `at` of [`OPTIONS`] is given, or set by default.
    pub fn has(&self, at: usize) -> bool {
        self.set >> at & 1 != 0
    }

    /// The number that the spec gives to the option at the place `at` of [`OPTIONS`].
    #[inline] // most options are not set
    pub fn number(&self, at: usize) -> Option<i32> {
        match (self.has(at), self.is_given(at)) {
            (false, _) => None,
            (true, false) => Some(DEFAULT),
            (true, true) => self.given_number(at),
        }
    }

    fn given_number(&self, at: usize) -> Option<i32> {
        match self.given(at).next()? {
            (Value::Number(number), _) => Some(number),
            (Value::Name(_), _) => None,
        }
    }

    /// The text that the spec gives to the option at the place `at` of [`OPTIONS`].
    pub fn text(&self, at: usize) -> Option<&'a [u8]> {
        match self.given(at).next()? {
            (Value::Name(text), _) => Some(text),
            (Value::Number(_), _) => None,
        }
    }

    fn is_given(&self, at: usize) -> bool {
        self.given >> at & 1 != 0
    }

    /// Whether a refusal of the option at the place `at` of [`OPTIONS`] is only worth a warning.
    pub fn is_soft(&self, at: usize) -> bool {
        self.given(at).any(|(_, soft)| soft)
    }

    /// The values that were given for the option at the place `at` of [`OPTIONS`], and whether each is best effort.
    #[inline] // most options are not given
    pub fn given(&self, at: usize) -> Given<'a> {
        Given(if self.is_given(at) {
            OPTIONS.get(at).map(|row| (row, self.written.options()))
        } else {
            None
        })
    }

    /// Tells every option that is set and has its bit in `wanted`: its row, its value, and whether it is best effort; in the
    /// table's order, and repeated ones in the order written.
    ///
    /// # Errors
    /// The first that `tell` returns.
    pub fn settings<E>(
        &self,
        wanted: u64,
        mut tell: impl FnMut(&'static Row, Value<'a>, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.set & wanted;
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let Some(row) = OPTIONS.get(at) else { break };
            if self.is_given(at) {
                self.given(at)
                    .try_for_each(|(value, soft)| tell(row, value, soft))?;
            } else {
                tell(row, Value::Number(DEFAULT), false)?;
            }
        }
        Ok(())
    }
}

/// The values of one option of a spec, and whether each is best effort.
pub struct Given<'a>(Option<(&'static Row, Options<'a>)>);

impl<'a> Iterator for Given<'a> {
    type Item = (Value<'a>, bool);

    #[inline] // most have none
    fn next(&mut self) -> Option<Self::Item> {
        let (row, options) = self.0.as_mut()?;
        next_of(row, options)
    }
}

fn next_of<'a>(row: &Row, options: &mut Options<'a>) -> Option<(Value<'a>, bool)> {
    let (_, option) = options.find(|(_, option)| option.name == row.name.as_bytes())?;
    Some((row.takes.parse(option.value)?, option.soft))
}

fn look_up<'a>(
    family: &'static Family,
    option: &OptionText<'a>,
) -> Result<(&'static Row, usize, Value<'a>), Why<'a>> {
    if option.name.is_empty() {
        return Err(Why::EmptyOption);
    }
    let (at, row) = option::find(option.name).ok_or(Why::UnknownOption(family, option.name))?;
    if !row.families.contain(family) {
        return Err(Why::NotForFamily(family, row));
    }
    let value = row
        .takes
        .parse(option.value)
        .ok_or(Why::BadValue(row, option.value))?;
    Ok((row, at, value))
}

/// The label of one socket: a name, or a member of the group of that name.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    name: &'a [u8],
    /// 0 for a name alone, else the member's number and 1.
    member: u32,
}

impl<'a> Label<'a> {
    /// `NAME`
    pub fn new(name: &'a [u8]) -> Self {
        Label { name, member: 0 }
    }

    /// `NAME.MEMBER`
    pub fn member(name: &'a [u8], member: u32) -> Self {
        Label {
            name,
            member: member.saturating_add(1),
        }
    }
}

impl Label<'_> {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self.member {
            0 => self.name.len(),
            _ => self.bytes().count(),
        }
    }
}

/// The bytes of the label.
impl Key for Label<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let suffix = match self.member.checked_sub(1) {
            Some(member) => Digits::after_dot(member),
            None => Digits::none(),
        };
        self.name.iter().copied().chain(suffix)
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(self.name))?;
        match self.member.checked_sub(1) {
            Some(member) => write!(f, ".{member}"),
            None => Ok(()),
        }
    }
}

/// A socket in a message: `tcp 127.0.0.1:80 (label web)`.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The family.
    pub family: &'static Family,
    /// The address as written.
    pub address_text: &'a [u8],
    /// The label.
    pub label: Label<'a>,
    /// Whether it is in a network namespace of its own.
    elsewhere: bool,
}

impl<'a> Subject<'a> {
    /// The address.
    pub fn address(&self) -> Option<Address<'a>> {
        address::parse(self.family.addresses, self.address_text, false).ok()
    }

    /// The address, if it is one of this network namespace.
    pub fn address_here(&self) -> Option<Address<'a>> {
        self.address().filter(|_| !self.elsewhere)
    }

    /// The socket called `label` of `spec`.
    pub fn new(spec: &Spec<'a>, label: Label<'a>) -> Self {
        Subject {
            family: spec.family,
            address_text: spec.address_text(),
            label,
            elsewhere: spec.has(option::NETNS),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} (label {})",
            self.family.name,
            Shown(self.address_text),
            self.label
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_groups_are_numbered() {
        let text = |label: Label| String::from_utf8(label.bytes().collect()).unwrap();
        for (label, want) in [
            (Label::new(b"web"), "web"),
            (Label::member(b"web", 0), "web.0"),
            (Label::member(b"web", 10), "web.10"),
            (Label::member(b"web", 16_383), "web.16383"),
        ] {
            assert_eq!(
                (text(label), label.to_string()),
                (want.to_owned(), want.to_owned())
            );
        }
    }
}
