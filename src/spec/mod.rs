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
use crate::output::Shown;
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
    written: Written<'a>,
    list: &'a [u8],
    /// Numbers by place in [`OPTIONS`]; valid where `set` has the place's bit.
    values: [i32; OPTIONS.len()],
    /// Given, or a default.
    set: u64,
    /// Best effort.
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
            values: [0; OPTIONS.len()],
            set: 0,
            soft: 0,
        };
        for (at, option) in written.options(parts.list) {
            spec.add(&option, address.is_ok())
                .map_err(|why| Error { at, why })?;
        }
        address.map_err(here)?;
        spec.check().map_err(here)?;
        for (at, row) in OPTIONS.iter().enumerate() {
            if row.default.contain(family) && spec.set & 1 << at == 0 {
                spec.assign(row, at, Value::Number(1));
            }
        }
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
        self.assign(row, at, value);
        Ok(())
    }

    /// What options mean for each other and for the address.
    fn check(&mut self) -> Result<(), Why<'a>> {
        if let Some(count) = self.number(What::Count) {
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
            let at = option::REUSEPORT;
            if let Some(row) = OPTIONS.get(at) {
                if self.set & 1 << at == 0 {
                    self.assign(row, at, Value::Number(1));
                } else if self.values.get(at) == Some(&0) {
                    return Err(Why::Conflict(
                        "count= makes reuseport sockets, reuseport=no cannot be",
                    ));
                }
            }
        }
        let links = matches!(self.address, Address::Path(path) if !path.starts_with(b"/"))
            && self.given(option::SYMLINK).next().is_some();
        if links {
            return Err(Why::Conflict(
                "symlink= needs an address that begins with /, because a link is not read from this directory",
            ));
        }
        let v4 = matches!(self.address, Address::V4 { .. });
        let v6only =
            matches!(self.address, Address::V6 { .. }) && self.number(What::V6only) == Some(1);
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

    fn assign(&mut self, row: &'static Row, at: usize, value: Value<'a>) {
        match (row.what, value) {
            (What::Label, Value::Name(label)) => self.name = label,
            (What::User, Value::Name(name)) => self.user = Some(name),
            (What::Group, Value::Name(name)) => self.group = Some(name),
            (What::Env, Value::Name(name)) => self.env = Some(name),
            (_, Value::Number(number)) => {
                if let Some(place) = self.values.get_mut(at) {
                    *place = number;
                }
            }
            // read again where it is used
            (_, Value::Name(_)) => {}
        }
        self.set |= 1 << at;
    }

    /// How many sockets it makes.
    pub fn count(&self) -> usize {
        self.number(What::Count).map_or(1, |count| count as usize)
    }

    /// The labels of its sockets.
    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + Clone + use<'a> {
        let (name, is_group) = (self.name, self.number(What::Count).is_some());
        (0..self.count() as u32).map(move |member| match is_group {
            true => Label::member(name, member),
            false => Label::new(name),
        })
    }

    /// The number that the spec claims for its socket number `member`.
    pub fn claims(&self, member: usize) -> Option<i32> {
        let first = self.number(What::Fd)?;
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
            .filter(|_| self.number(What::Fd) != self.adopts())
    }

    /// Whether `fd` is one that it claims or adopts.
    pub fn takes(&self, fd: i32) -> bool {
        let claimed = self
            .number(What::Fd)
            .and_then(|first| fd.checked_sub(first));
        let is_member =
            claimed.is_some_and(|at| usize::try_from(at).is_ok_and(|at| at < self.count()));
        is_member || self.adopts() == Some(fd)
    }

    /// How many things it may make in the file system at most.
    pub fn traces(&self) -> usize {
        let slashes = |path: &[u8]| path.iter().filter(|&&b| b == b'/').count();
        let parents = |path| {
            if self.number(What::Dirmode).is_some() {
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

    /// The number that the spec gives to the option `what`.
    pub fn number(&self, what: What) -> Option<i32> {
        let at = self.place(what)?;
        self.values.get(at).copied()
    }

    /// Whether a refusal of the option `what` is only worth a warning.
    pub fn is_soft(&self, what: What) -> bool {
        self.place(what).is_some_and(|at| self.soft & 1 << at != 0)
    }

    fn place(&self, what: What) -> Option<usize> {
        self.places()
            .find(|&at| OPTIONS.get(at).is_some_and(|row| row.what == what))
    }

    /// The places of the options that are set.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let mut rest = self.set;
        core::iter::from_fn(move || {
            let at = (rest != 0).then_some(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(at)
        })
    }

    /// The values that were given for the option at the place `at` of [`OPTIONS`], and whether each is best effort.
    pub fn given(&self, at: usize) -> impl Iterator<Item = (Value<'a>, bool)> + use<'a> {
        let row = OPTIONS.get(at).filter(|_| self.set & 1 << at != 0);
        let options = row.map(|row| {
            let options = self.written.options(self.list);
            options
                .map(|(_, option)| option)
                .filter(move |option| option.name == row.name.as_bytes())
                .filter_map(|option| Some((row.takes.parse(option.value)?, option.soft)))
        });
        options.into_iter().flatten()
    }

    /// Every option that is set and `wanted`: its row, its value, and whether it is best effort; in the table's order, and repeated
    /// ones in the order written.
    pub fn settings<F: Fn(What) -> bool>(
        &self,
        wanted: F,
    ) -> impl Iterator<Item = (&'static Row, Value<'a>, bool)> + use<'_, 'a, F> {
        let rows = self
            .places()
            .filter_map(|at| Some((at, OPTIONS.get(at)?, self.values.get(at)?)))
            .filter(move |(_, row, _)| wanted(row.what));
        rows.flat_map(|(at, row, &number)| {
            let is_number = !row.repeats && row.takes.is_number();
            let one = is_number.then_some((Value::Number(number), self.soft & 1 << at != 0));
            let read = (!is_number).then(|| self.given(at));
            one.into_iter()
                .chain(read.into_iter().flatten())
                .map(move |(value, soft)| (row, value, soft))
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
        let number = self.member.checked_sub(1);
        let digit = move |power: u32| {
            let digits = number?.checked_div(power)?;
            (digits > 0 || power == 1).then_some(b'0' + (digits % 10) as u8)
        };
        let digits = [100_000, 10_000, 1000, 100, 10, 1];
        self.name
            .iter()
            .copied()
            .chain(number.map(|_| b'.'))
            .chain(digits.into_iter().filter_map(digit))
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
