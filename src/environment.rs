//! The environment of the next program. Pure: names and strings, in order.
#![forbid(unsafe_code)]

use crate::output::Digits;
use crate::set::Key;
use crate::spec::Label;
use crate::sys::{Arg, Buffer};
use core::ffi::CStr;
use core::fmt::{self, Write as _};

/// The name of a variable that tells of one socket.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// The label or name that it is made of.
    pub of: Label<'a>,
    /// How.
    pub kind: Kind,
}

/// How a variable is named, and what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `<LABEL>_FD`, the number of the fd
    Fd,
    /// `<LABEL>_ADDR`, the local address
    Addr,
    /// The name as it is, the number of the fd
    Named,
}

impl<'a> Variable<'a> {
    /// `<LABEL>_FD`
    pub fn fd(label: Label<'a>) -> Self {
        Variable {
            of: label,
            kind: Kind::Fd,
        }
    }

    /// `<LABEL>_ADDR`
    pub fn addr(label: Label<'a>) -> Self {
        Variable {
            of: label,
            kind: Kind::Addr,
        }
    }

    /// The variable called `name`.
    pub fn named(name: &'a [u8]) -> Self {
        Variable {
            of: Label::new(name),
            kind: Kind::Named,
        }
    }
}

/// The label in upper case, what is neither a letter nor a digit turned into `_`, and `_` before a digit.
impl Key for Variable<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let suffix: &[u8] = match self.kind {
            Kind::Fd => b"_FD",
            Kind::Addr => b"_ADDR",
            Kind::Named => b"",
        };
        let verbatim = self.kind == Kind::Named;
        let prefix = !verbatim && self.of.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let fold = move |b: u8| match b {
            b if verbatim => b,
            b if b.is_ascii_alphanumeric() => b.to_ascii_uppercase(),
            _ => b'_',
        };
        prefix
            .then_some(b'_')
            .into_iter()
            .chain(self.of.bytes().map(fold))
            .chain(suffix.iter().copied())
    }
}

impl fmt::Display for Variable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes()
            .try_for_each(|byte| f.write_char(char::from(byte)))
    }
}

/// The longest string that execve(2) takes, in bytes without its NUL: MAX_ARG_STRLEN less one.
pub const LONGEST: usize = 131_071;

/// `NAME=value` strings, one after the other, in a room that was measured before.
pub struct Strings<'a>(Buffer<'a, u8>);

impl<'a> Strings<'a> {
    /// No string yet.
    pub fn new(room: Buffer<'a, u8>) -> Self {
        Strings(room)
    }

    /// Adds bytes to the string that is being written.
    pub fn put(&mut self, bytes: impl IntoIterator<Item = u8>) {
        // end() tells where there was no room
        bytes.into_iter().for_each(|byte| {
            self.0.push(byte);
        });
    }

    /// Adds the number of an fd.
    pub fn put_fd(&mut self, fd: i32) {
        self.put(Digits::new(fd.unsigned_abs()));
    }

    /// What was written since the last end.
    pub fn written(&self) -> &[u8] {
        &self.0
    }

    /// Takes back what was written since the last end.
    pub fn drop_written(&mut self) {
        self.0.clear();
    }

    /// Ends the string; `None` if the room was too small for it.
    pub fn end(&mut self) -> Option<Arg<'a>> {
        if !self.0.push(0) {
            return None;
        }
        CStr::from_bytes_with_nul(self.0.part()).ok().map(Arg::from)
    }
}

/// The list that execve(2) is given.
pub struct Environment<'a>(Buffer<'a, Option<Arg<'a>>>);

impl<'a> Environment<'a> {
    /// What was inherited (the list with its terminating `None`), in its order; `map` takes the place of an inherited one,
    /// or else the end. The room has a place more than `inherited` has, and one for each variable that is to come.
    pub fn new(
        mut room: Buffer<'a, Option<Arg<'a>>>,
        inherited: &[Option<Arg<'a>>],
        place: Option<usize>,
        map: Arg<'a>,
    ) -> Self {
        let (_, variables) = inherited.split_last().unwrap_or((&None, &[]));
        room.extend(variables);
        match place.and_then(|place| room.get_mut(place)) {
            Some(inherited_map) => *inherited_map = Some(map),
            None => {
                room.push(Some(map));
            }
        }
        Environment(room)
    }

    /// Adds a variable at the end.
    pub fn push(&mut self, variable: Arg<'a>) {
        self.0.push(Some(variable));
    }

    /// The list with its terminating `None`.
    pub fn finish(mut self) -> &'a [Option<Arg<'a>>] {
        self.0.push(None);
        self.0.part()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Memory;

    #[test]
    fn variables_are_named_after_labels() {
        for (variable, name) in [
            (Variable::fd(Label::new(b"tls")), "TLS_FD"),
            (Variable::addr(Label::new(b"tls")), "TLS_ADDR"),
            (Variable::fd(Label::new(b"web.0")), "WEB_0_FD"),
            (Variable::fd(Label::new(b"a@b-c")), "A_B_C_FD"),
            (Variable::fd(Label::new(b"9p")), "_9P_FD"),
            (Variable::fd(Label::new(b"_x")), "_X_FD"),
            (Variable::named(b"lower_9"), "lower_9"),
        ] {
            assert_eq!(variable.to_string(), name);
        }
    }

    #[test]
    fn the_map_takes_the_place_of_an_inherited_one_or_comes_last() {
        let list = |strings: &[&'static CStr]| -> Vec<Option<Arg<'static>>> {
            strings
                .iter()
                .map(|&string| Some(Arg::from(string)))
                .chain([None])
                .collect()
        };
        let texts = |env: &[Option<Arg>]| -> Vec<String> {
            env.iter()
                .flatten()
                .map(|arg| String::from_utf8(arg.bytes().to_vec()).unwrap())
                .collect()
        };
        let map = Arg::from(c"LISTEN_FD_MAP=a=3");
        for (inherited, place, want) in [
            (
                list(&[c"A=1", c"LISTEN_FD_MAP=", c"B"]),
                Some(1),
                vec!["A=1", "LISTEN_FD_MAP=a=3", "B", "X=1"],
            ),
            (
                list(&[c"A=1", c"A=2"]),
                None,
                vec!["A=1", "A=2", "LISTEN_FD_MAP=a=3", "X=1"],
            ),
            (list(&[]), None, vec!["LISTEN_FD_MAP=a=3", "X=1"]),
        ] {
            let room = Memory::new().buffer(inherited.len() + 2).unwrap();
            let mut env = Environment::new(room, &inherited, place, map);
            env.push(Arg::from(c"X=1"));
            let list = env.finish();
            assert_eq!(texts(list), want);
            assert!(list.last().is_some_and(Option::is_none));
        }
    }

    #[test]
    fn strings_end_with_nul_and_never_leave_their_room() {
        let mut strings = Strings::new(Memory::new().buffer(12).unwrap());
        strings.put(*b"A_FD=");
        strings.put_fd(17);
        assert_eq!(strings.end().map(Arg::bytes), Some(&b"A_FD=17"[..]));
        strings.put(*b"LONG=");
        assert!(strings.end().is_none());
    }
}
