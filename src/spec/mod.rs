//! Socket specs from text. Pure: nothing here asks the system.
//!
//! A spec is written in one argument (`-FAMILY:OPTIONS:ADDRESS`) or in several (`--FAMILY ADDRESS -o OPTION`); `-o`
//! may follow either. [`Written`] is what the command line found, [`Spec::parse`] makes of it what can be bound.
#![forbid(unsafe_code)]

pub mod address;
pub mod error;
pub mod family;
pub mod option;

use crate::argv::{Item, Walk};
use crate::output::Shown;
use address::{Address, cut};
use core::fmt;
use error::{At, Error, Why};
use family::Family;
use option::{OPTIONS, Row, Value, What};

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
pub struct Spec<'a> {
    /// What is made.
    pub family: &'static Family,
    /// Where it is bound.
    pub address: Address<'a>,
    /// The address, as written.
    pub address_text: &'a [u8],
    /// The label, that of the family if the spec has none.
    pub label: &'a [u8],
    /// `user=`
    pub user: Option<&'a [u8]>,
    /// `group=`
    pub group: Option<&'a [u8]>,
    /// `env=`
    pub env: Option<&'a [u8]>,
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
            label: family.name.as_bytes(),
            user: None,
            group: None,
            env: None,
            values: [0; OPTIONS.len()],
            set: 0,
            soft: 0,
        };
        let mut given = 0u64;
        for (at, option) in written.options(parts.list) {
            let (row, bit, value) = look_up(family, &option).map_err(|why| Error { at, why })?;
            if address.is_ok() && !row.addresses.has(&spec.address) {
                return Err(Error {
                    at,
                    why: Why::NotForAddress(row),
                });
            }
            if given & bit != 0 {
                return Err(Error {
                    at,
                    why: Why::Repeated(row),
                });
            }
            given |= bit;
            spec.soft |= if option.soft { bit } else { 0 };
            spec.assign(row, bit, value);
        }
        address.map_err(here)?;
        for (at, row) in OPTIONS.iter().enumerate() {
            let bit = 1 << at;
            if row.default.contain(family) && given & bit == 0 {
                spec.assign(row, bit, Value::Number(1));
            }
        }
        Ok(spec)
    }

    fn assign(&mut self, row: &'static Row, bit: u64, value: Value<'a>) {
        match (row.what, value) {
            (What::Label, Value::Name(label)) => self.label = label,
            (What::User, Value::Name(name)) => self.user = Some(name),
            (What::Group, Value::Name(name)) => self.group = Some(name),
            (What::Env, Value::Name(name)) => self.env = Some(name),
            (_, Value::Number(number)) => {
                if let Some(place) = self.values.get_mut(bit.trailing_zeros() as usize) {
                    *place = number;
                }
            }
            (_, Value::Name(_)) => {}
        }
        self.set |= bit;
    }

    /// The number that the spec gives to the option `what`.
    pub fn number(&self, what: What) -> Option<i32> {
        self.settings()
            .find(|(row, _, _)| row.what == what)
            .map(|(_, number, _)| number)
    }

    /// Whether a refusal of the option `what` is only worth a warning.
    pub fn is_soft(&self, what: What) -> bool {
        self.settings()
            .any(|(row, _, soft)| row.what == what && soft)
    }

    /// Every option that is set: its row, its number (0 for names), and whether it is best effort; in the table's order.
    pub fn settings(&self) -> impl Iterator<Item = (&'static Row, i32, bool)> + use<'_, 'a> {
        let all = OPTIONS.iter().zip(self.values).enumerate();
        all.filter(|(at, _)| self.set & 1 << at != 0)
            .map(|(at, (row, number))| (row, number, self.soft & 1 << at != 0))
    }
}

fn look_up<'a>(
    family: &'static Family,
    option: &OptionText<'a>,
) -> Result<(&'static Row, u64, Value<'a>), Why<'a>> {
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
    Ok((row, 1 << at, value))
}

/// A socket in a message: `tcp 127.0.0.1:80 (label web)`.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The family's name.
    pub family: &'static str,
    /// The address as written.
    pub address: &'a [u8],
    /// The label.
    pub label: &'a [u8],
}

impl<'a> From<&Spec<'a>> for Subject<'a> {
    fn from(spec: &Spec<'a>) -> Self {
        Subject {
            family: spec.family.name,
            address: spec.address_text,
            label: spec.label,
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} (label {})",
            self.family,
            Shown(self.address),
            Shown(self.label)
        )
    }
}
