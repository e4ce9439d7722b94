//! The map that a command begins with: the value of LISTEN_FD_MAP in the environment.
#![forbid(unsafe_code)]

use crate::map::{self, ParseError, Problem};
use crate::output::Shown;
use crate::sys::{self, Arg};
use core::ffi::CStr;
use core::fmt;

/// The name of the variable.
pub const VARIABLE: &[u8] = b"LISTEN_FD_MAP";

/// The inherited map: well formed by entry, of which each fd is open.
#[derive(Clone, Copy)]
pub struct Inherited<'a> {
    /// The value; empty if the variable is unset.
    pub text: &'a str,
    /// Where in the environment the variable is, if it is set.
    pub place: Option<usize>,
}

/// An inherited map that cannot be added to.
#[derive(Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// The variable is in the environment more than once.
    Twice,
    /// Not a map.
    Malformed(ParseError, &'a [u8]),
    /// An entry whose fd is closed.
    Stale(&'a str, i32),
}

impl fmt::Display for Error<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Twice => {
                return f.write_str(
                    "the inherited environment has more than one LISTEN_FD_MAP, unset it",
                );
            }
            Error::Malformed(error, text) => {
                write!(
                    f,
                    "the inherited LISTEN_FD_MAP has {error}: {}",
                    Shown(text)
                )?;
            }
            Error::Stale(label, fd) => {
                write!(
                    f,
                    "the inherited LISTEN_FD_MAP is stale: {label}={fd}, but fd {fd} is not open"
                )?;
            }
        }
        f.write_str(" (unset it to begin with an empty map)")
    }
}

impl<'a> Inherited<'a> {
    /// Finds the map in the environment and checks each entry's form. That labels and fds are unique is checked by who
    /// collects them.
    pub fn find(env: &'a [Option<Arg<'a>>]) -> Result<Self, Error<'a>> {
        let mut found = env
            .iter()
            .enumerate()
            .filter_map(|(place, variable)| Some((place, variable.as_ref()?.value_of(VARIABLE)?)));
        let Some((place, value)) = found.next() else {
            return Ok(Inherited {
                text: "",
                place: None,
            });
        };
        if found.next().is_some() {
            return Err(Error::Twice);
        }
        let bytes = value.to_bytes();
        let text = CStr::to_str(value).map_err(|error| {
            Error::Malformed(
                ParseError::at(error.valid_up_to(), Problem::NotAscii),
                bytes,
            )
        })?;
        for entry in map::entries(text) {
            entry.map_err(|error| Error::Malformed(error, bytes))?;
        }
        Ok(Inherited {
            text,
            place: Some(place),
        })
    }

    /// Labels and fds in order, and the byte at which each entry begins.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &'a str, i32)> + use<'a> {
        map::entries(self.text)
            .filter_map(Result::ok)
            .map(|entry| (entry.at, entry.label, entry.fd))
    }

    /// What is said where the map is no map.
    pub fn malformed(&self, error: ParseError) -> Error<'a> {
        Error::Malformed(error, self.text.as_bytes())
    }

    /// What is said where the entry at byte `at` repeats a label (or else an fd).
    pub fn repeated(&self, at: usize, label: bool) -> Error<'a> {
        let problem = if label {
            Problem::LabelTwice
        } else {
            Problem::FdTwice
        };
        self.malformed(ParseError::at(at, problem))
    }

    /// Asks the kernel whether each fd is open.
    pub fn check_open(&self) -> Result<(), Error<'a>> {
        match self.entries().find(|&(_, _, fd)| !sys::is_open(fd)) {
            Some((_, label, fd)) => Err(Error::Stale(label, fd)),
            None => Ok(()),
        }
    }
}
