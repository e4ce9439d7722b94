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
use crate::output::{Shown, digits};
use crate::set::Key;
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
    /// What follows on the command line, `-o` options first.
    pub rest: Walk<'a>,
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

    /// Every option in the order written, first those between the colons, then those of `-o`.
    pub fn options(
        &self,
        list: &'a [u8],
    ) -> impl Iterator<Item = (At<'a>, OptionText<'a>)> + Clone + use<'a> {
        let (this, mut rest) = (*self, self.rest);
        let listed = List(if list.is_empty() { None } else { Some(list) });
        let following = core::iter::from_fn(move || {
            loop {
                match rest.next()? {
                    Ok(Item::Option(text)) => return Some(text),
                    Ok(Item::Spec(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        });
        listed
            .map(move |text| (this.at(), OptionText::new(text)))
            .chain(following.map(|text| (At::Two(b"-o", text), OptionText::new(text))))
    }
}

fn compact_parts(argument: &[u8]) -> Result<Parts<'_>, Why<'_>> {
    let (name, rest) = cut(argument.get(1..).unwrap_or_default(), b':').unwrap_or((argument, b""));
    let family = family::find(name).ok_or(Why::UnknownFamily(name))?;
    let mut depth = Depth::default();
    let Some(colon) = rest.iter().position(|&b| depth.outside(b) && b == b':') else {
        return Err(if depth.open {
            Why::NoBracket
        } else {
            Why::OneColon(family, rest)
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

/// Follows `[...]`: inside, commas and colons divide nothing.
#[derive(Default)]
struct Depth {
    open: bool,
}

impl Depth {
    /// Takes the next byte; whether it is outside brackets.
    fn outside(&mut self, byte: u8) -> bool {
        match byte {
            b'[' => self.open = true,
            b']' => self.open = false,
            _ => {}
        }
        !self.open
    }
}

/// The options between the colons, divided at commas outside `[...]`.
#[derive(Clone)]
struct List<'a>(Option<&'a [u8]>);

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let list = self.0?;
        let mut depth = Depth::default();
        let Some(comma) = list.iter().position(|&b| depth.outside(b) && b == b',') else {
            return self.0.take();
        };
        self.0 = list.get(comma + 1..);
        list.get(..comma)
    }
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
    /// The address, as written.
    pub address_text: &'a [u8],
    /// The label, that of the family if the spec has none; with `count=` the name of the group.
    pub name: &'a [u8],
    /// `user=`
    pub user: Option<&'a [u8]>,
    /// `group=`
    pub group: Option<&'a [u8]>,
    /// `env=`
    pub env: Option<&'a [u8]>,
    /// What it was read from.
    pub written: Written<'a>,
    /// Its options between the colons.
    pub list: &'a [u8],
    /// The places in [`OPTIONS`] that are given, or set by default, a bit each.
    set: u64,
    /// Those that are best effort.
    soft: u64,
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
            address_text: parts.address,
            name: family.name.as_bytes(),
            user: None,
            group: None,
            env: None,
            written: *written,
            list: parts.list,
            set: 0,
            soft: 0,
        };
        for (at, option) in written.options(parts.list) {
            spec.add(&option, address.is_ok())
                .map_err(|why| Error { at, why })?;
        }
        address.map_err(here)?;
        spec.check().map_err(here)?;
        spec.set |= option::defaults(family);
        Ok(spec)
    }

    fn add(&mut self, option: &OptionText<'a>, address_known: bool) -> Result<(), Why<'a>> {
        let (row, at, value) = look_up(self.family, option)?;
        if address_known && !row.addresses.has(&self.address) {
            return Err(Why::NotForAddress(row));
        }
        if self.set & 1 << at != 0 && !row.repeats {
            return Err(Why::Repeated(row));
        }
        self.soft |= u64::from(option.soft) << at;
        self.set |= 1 << at;
        match (row.what, value) {
            (What::Label, Value::Name(label)) => self.name = label,
            (What::User, Value::Name(name)) => self.user = Some(name),
            (What::Group, Value::Name(name)) => self.group = Some(name),
            (What::Env, Value::Name(name)) => self.env = Some(name),
            // read again where it is used
            _ => {}
        }
        Ok(())
    }

    /// What options mean for each other and for the address.
    fn check(&mut self) -> Result<(), Why<'a>> {
        if let Some(count) = self.number(option::COUNT) {
            if self.env.is_some() {
                return Err(Why::Conflict(
                    "env= is for one socket, not for the group that count= makes (-e exports them all)",
                ));
            }
            if Label::member(self.name, count as u32 - 1).bytes().count() > LONGEST_LABEL {
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
        let (name, is_group) = (self.name, self.number(option::COUNT).is_some());
        (0..self.count() as u32).map(move |member| match is_group {
            true => Label::member(name, member),
            false => Label::new(name),
        })
    }

    /// The number that the spec claims for its socket number `member`.
    pub fn claims(&self, member: usize) -> Option<i32> {
        let first = self.number(option::FD)?;
        i32::try_from(member).ok()?.checked_add(first)
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
        self.adopts()
            .filter(|_| self.number(option::FD) != self.adopts())
    }

    /// Whether `fd` is one that it claims or adopts.
    pub fn takes(&self, fd: i32) -> bool {
        let claimed = self
            .number(option::FD)
            .and_then(|first| fd.checked_sub(first));
        let is_member =
            claimed.is_some_and(|at| usize::try_from(at).is_ok_and(|at| at < self.count()));
        is_member || self.adopts() == Some(fd)
    }

    /// How many things it may make in the file system at most.
    pub fn traces(&self) -> usize {
        let slashes = |path: &[u8]| path.iter().filter(|&&b| b == b'/').count();
        let parents = |path| {
            if self.number(option::DIRMODE).is_some() {
                slashes(path)
            } else {
                0
            }
        };
        let own = match self.address {
            Address::Path(path) | Address::Queue(path) => 1 + parents(path),
            _ => 0,
        };
        let links = self.given(option::SYMLINK).map(|(value, _)| match value {
            Value::Name(link) => 1 + parents(link),
            Value::Number(_) => 0,
        });
        own + links.sum::<usize>()
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
    pub fn number(&self, at: usize) -> Option<i32> {
        if !self.has(at) {
            return None;
        }
        match self.given(at).next() {
            Some((Value::Number(number), _)) => Some(number),
            Some((Value::Name(_), _)) => None,
            None => Some(DEFAULT),
        }
    }

    /// Whether a refusal of the option at the place `at` of [`OPTIONS`] is only worth a warning.
    pub fn is_soft(&self, at: usize) -> bool {
        self.soft >> at & 1 != 0
    }

    /// The places among `wanted` of the options that are set.
    fn places(&self, wanted: u64) -> impl Iterator<Item = usize> + use<> {
        let mut rest = self.set & wanted;
        core::iter::from_fn(move || {
            let at = (rest != 0).then_some(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(at)
        })
    }

    /// The values that were given for the option at the place `at` of [`OPTIONS`], and whether each is best effort.
    pub fn given(&self, at: usize) -> impl Iterator<Item = (Value<'a>, bool)> + use<'a> {
        let row = OPTIONS.get(at).filter(|_| self.has(at));
        let options = row.map(|row| {
            let options = self.written.options(self.list);
            options
                .map(|(_, option)| option)
                .filter(move |option| option.name == row.name.as_bytes())
                .filter_map(|option| Some((row.takes.parse(option.value)?, option.soft)))
        });
        options.into_iter().flatten()
    }

    /// Every option that is set and has its bit in `wanted`: its row, its value, and whether it is best effort; in the table's
    /// order, and repeated ones in the order written.
    pub fn settings(
        &self,
        wanted: u64,
    ) -> impl Iterator<Item = (&'static Row, Value<'a>, bool)> + use<'_, 'a> {
        self.places(wanted).flat_map(|at| {
            let mut given = self.given(at).peekable();
            let default = match given.peek() {
                Some(_) => None,
                None => Some((Value::Number(DEFAULT), false)),
            };
            let values = default.into_iter().chain(given);
            values.filter_map(move |(value, soft)| Some((OPTIONS.get(at)?, value, soft)))
        })
    }
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

/// The bytes of the label.
impl Key for Label<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let member = self.member.checked_sub(1);
        let suffix = member.map(|member| [b'.'].into_iter().chain(digits(member)));
        self.name
            .iter()
            .copied()
            .chain(suffix.into_iter().flatten())
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
}

impl<'a> Subject<'a> {
    /// The address.
    pub fn address(&self) -> Option<Address<'a>> {
        address::parse(self.family.addresses, self.address_text, false).ok()
    }

    /// The socket called `label` of `spec`.
    pub fn new(spec: &Spec<'a>, label: Label<'a>) -> Self {
        Subject {
            family: spec.family,
            address_text: spec.address_text,
            label,
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
