//! The command line of `listen`, argument by argument: options and specs in any order, then PROG.
//!
//! `listen` walks its arguments itself instead of with lexopt, because `-FAMILY:OPTIONS:ADDRESS` is no option in
//! lexopt's sense, and because walking is all that it costs: the same walk is taken twice, to check and to bind.
#![forbid(unsafe_code)]

use crate::output::Shown;
use crate::spec::Written;
use crate::spec::address::cut;
use crate::spec::error::nearest;
use crate::spec::family::{self, FAMILIES, Family};
use crate::{map, sys::Arg};
use core::fmt;

/// A walk over the arguments; where it ends, PROG begins.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    rest: &'a [Option<Arg<'a>>],
    /// The letters of a cluster (`-ev`) that are still to come.
    cluster: &'a [u8],
    ended: bool,
}

/// What an argument, or an argument and its value, says.
pub enum Item<'a> {
    /// An option without a value.
    Flag(Flag),
    /// `-d FD`
    Notify(i32),
    /// `-h`, `-h FAMILY`
    Help(Option<&'static Family>),
    /// A spec; its options that follow are items of their own.
    Spec(Written<'a>),
    /// `-o OPTION`, which belongs to the spec before it.
    Option(&'a [u8]),
}

/// The options without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Export `<LABEL>_FD`.
    Env,
    /// Export `<LABEL>_ADDR`.
    Addr,
    /// Say what was bound.
    Verbose,
    /// Make nothing.
    DryRun,
    /// Print the version.
    Version,
}

#[derive(Clone, Copy)]
enum Kind {
    Flag(Flag),
    Notify,
    Help,
    Option,
}

/// Every option of `listen` that is no spec, by letter and by name.
const OPTIONS: [(u8, &str, Kind); 8] = [
    (b'e', "env", Kind::Flag(Flag::Env)),
    (b'a', "addr", Kind::Flag(Flag::Addr)),
    (b'v', "verbose", Kind::Flag(Flag::Verbose)),
    (b'n', "dry-run", Kind::Flag(Flag::DryRun)),
    (b'V', "version", Kind::Flag(Flag::Version)),
    (b'd', "notify", Kind::Notify),
    (b'h', "help", Kind::Help),
    (b'o', "option", Kind::Option),
];

/// What may follow the dash of an option that is no spec, a bit each: its letter, or another dash.
const MAY_BE_OPTION: u128 = {
    let (mut letters, mut at) = (1 << b'-', 0);
    while at < OPTIONS.len() {
        letters |= 1 << OPTIONS[at].0;
        at += 1;
    }
    letters
};

/// An argument that `listen` cannot take.
#[derive(Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// Not an option's letter.
    UnknownLetter(u8),
    /// A family where a spec needs its colons.
    NoColons(&'static Family),
    /// Neither an option nor a family.
    UnknownLong(&'a [u8]),
    /// An option that needs a value has none.
    NoValue(&'static str),
    /// An option that takes no value has one.
    Value(&'static str),
    /// The value of `-d`.
    BadFd(&'a [u8]),
    /// The family of `-h`.
    UnknownFamily(&'a [u8]),
}

impl fmt::Display for Error<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = || {
            OPTIONS
                .iter()
                .map(|row| row.1)
                .chain(FAMILIES.iter().map(|row| row.name))
        };
        match *self {
            Error::UnknownLetter(letter) => write!(f, "unknown option -{}", Shown(&[letter])),
            Error::NoColons(family) => {
                let name = family.name;
                write!(
                    f,
                    "-{name} alone is no spec, write -{name}::ADDRESS or --{name} ADDRESS"
                )
            }
            Error::UnknownLong(name) => {
                write!(f, "unknown option --{}", Shown(name))?;
                nearest(name, names()).map_or(Ok(()), |near| write!(f, ", did you mean --{near}?"))
            }
            Error::NoValue(name) => write!(f, "option {name} needs a value"),
            Error::Value(name) => write!(f, "option --{name} takes no value"),
            Error::BadFd(text) => write!(
                f,
                "option -d takes the number of an open fd, not {}",
                Shown(text)
            ),
            Error::UnknownFamily(name) => {
                write!(f, "unknown family {}, there are", Shown(name))?;
                FAMILIES
                    .iter()
                    .try_for_each(|family| write!(f, " {}", family.name))
            }
        }
    }
}

impl<'a> Walk<'a> {
    /// Begins after the program's own name.
    pub fn new(args: &'a [Option<Arg<'a>>]) -> Self {
        Walk::after(args.get(1..).unwrap_or_default())
    }

    /// Goes on with what is left.
    pub fn after(rest: &'a [Option<Arg<'a>>]) -> Self {
        Walk {
            rest,
            cluster: b"",
            ended: false,
        }
    }

    /// PROG and its arguments with the terminating `None`, once the walk has ended.
    pub fn prog(&self) -> &'a [Option<Arg<'a>>] {
        self.rest
    }

    fn first(&self) -> Option<Arg<'a>> {
        self.rest.first().copied().flatten()
    }

    fn peek(&self) -> Option<&'a [u8]> {
        self.first().map(Arg::bytes)
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let argument = self.peek()?;
        self.skip();
        Some(argument)
    }

    /// A spec, and what follows it. Most are followed by another, or by PROG, which need not be looked at for options.
    fn spec(&self, argument: &'a [u8], separate: Option<&'a [u8]>) -> Item<'a> {
        let rest = match self.first().map(Arg::start) {
            Some([b'-', letter]) if MAY_BE_OPTION & 1u128 << (letter & 127) != 0 => self.rest,
            _ => &[],
        };
        Item::Spec(Written {
            argument,
            separate,
            rest,
        })
    }

    fn long(&mut self, argument: &'a [u8]) -> Result<Item<'a>, Error<'a>> {
        let text = argument.get(2..).unwrap_or_default();
        let (name, value) = match cut(text, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if let Some(family) = family::find(name) {
            let separate = match value {
                Some(_) => None,
                None => Some(self.take().ok_or(Error::NoValue(family.name))?),
            };
            return Ok(self.spec(argument, separate));
        }
        let row = OPTIONS.iter().find(|row| row.1.as_bytes() == name);
        let &(_, name, kind) = row.ok_or(Error::UnknownLong(name))?;
        match (kind, value) {
            (Kind::Flag(_) | Kind::Help, Some(_)) => Err(Error::Value(name)),
            (Kind::Flag(flag), None) => Ok(Item::Flag(flag)),
            (Kind::Help, None) => self.help(),
            (Kind::Notify | Kind::Option, _) => self.value(name, kind, value),
        }
    }

    /// The next letter of a cluster.
    fn letter(&mut self, letter: u8) -> Result<Item<'a>, Error<'a>> {
        let row = OPTIONS.iter().find(|row| row.0 == letter);
        let &(_, name, kind) = row.ok_or(Error::UnknownLetter(letter))?;
        match kind {
            Kind::Flag(flag) => Ok(Item::Flag(flag)),
            Kind::Help => self.help(),
            Kind::Notify | Kind::Option => {
                let attached = core::mem::take(&mut self.cluster);
                self.value(name, kind, Some(attached).filter(|value| !value.is_empty()))
            }
        }
    }

    fn value(
        &mut self,
        name: &'static str,
        kind: Kind,
        value: Option<&'a [u8]>,
    ) -> Result<Item<'a>, Error<'a>> {
        let value = value.or_else(|| self.take()).ok_or(Error::NoValue(name))?;
        match kind {
            Kind::Notify => map::parse_fd(value)
                .map(Item::Notify)
                .ok_or(Error::BadFd(value)),
            _ => Ok(Item::Option(value)),
        }
    }

    fn help(&mut self) -> Result<Item<'a>, Error<'a>> {
        match self.peek().filter(|word| !word.starts_with(b"-")) {
            None => Ok(Item::Help(None)),
            Some(name) => family::find(name)
                .map(|family| Item::Help(Some(family)))
                .ok_or(Error::UnknownFamily(name)),
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Item<'a>, Error<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let [letter, rest @ ..] = self.cluster {
            self.cluster = rest;
            return Some(self.letter(*letter));
        }
        if self.ended {
            return None;
        }
        match self.peek()? {
            b"--" => {
                self.skip();
                self.ended = true;
                None
            }
            argument if argument.starts_with(b"--") => {
                self.skip();
                Some(self.long(argument))
            }
            argument if argument.len() > 1 && argument.starts_with(b"-") => {
                self.skip();
                if cut(argument, b':').is_some() {
                    return Some(Ok(self.spec(argument, None)));
                }
                let [_, letters @ ..] = argument else {
                    return None;
                };
                if let Some(family) = family::find(letters) {
                    return Some(Err(Error::NoColons(family)));
                }
                self.cluster = letters;
                self.next()
            }
            _ => {
                self.ended = true;
                None
            }
        }
    }
}
