//! The environment of the next program. Pure: names and strings, in order.
#![forbid(unsafe_code)]

use crate::inherited::VARIABLE;
use crate::set::Key;
use crate::spec::Label;
use crate::sys::Arg;
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

/// How a variable is named, and what it tells. 0 is not among the values, so that a table without variables is all
/// zeroes and takes no room in the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `<LABEL>_FD`, the number of the fd
    Fd = 1,
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
pub struct Strings<'a> {
    free: &'a mut [u8],
    len: usize,
}

impl<'a> Strings<'a> {
    /// No string yet.
    pub fn new(room: &'a mut [u8]) -> Self {
        Strings { free: room, len: 0 }
    }

    /// Adds bytes to the string that is being written.
    pub fn put(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            if let Some(place) = self.free.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    /// Adds a number.
    pub fn put_number(&mut self, number: i32) {
        // put() does not fail
        let _ = write!(self, "{number}");
    }

    /// What was written since the last end.
    pub fn written(&self) -> &[u8] {
        self.free.get(..self.len).unwrap_or_default()
    }

    /// Takes back what was written since the last end.
    pub fn drop_written(&mut self) {
        self.len = 0;
    }

    /// Ends the string; `None` if the room was too small for it.
    pub fn end(&mut self) -> Option<Arg<'a>> {
        let room = core::mem::take(&mut self.free);
        let (string, rest) =
            room.split_at_mut_checked(core::mem::take(&mut self.len).checked_add(1)?)?;
        self.free = rest;
        *string.last_mut()? = 0;
        CStr::from_bytes_with_nul(string).ok().map(Arg::from)
    }
}

impl fmt::Write for Strings<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.bytes());
        Ok(())
    }
}

/// The list that execve(2) is given.
pub struct Environment<'a, 'b> {
    list: &'b mut [Option<Arg<'a>>],
    len: usize,
}

impl<'a, 'b> Environment<'a, 'b> {
    /// What was inherited, in its order; `map` takes the place of an inherited map or else comes after it. The room has
    /// two places more than `inherited` has, and one for each variable that is to come.
    pub fn new(
        room: &'b mut [Option<Arg<'a>>],
        inherited: &[Option<Arg<'a>>],
        map: Arg<'a>,
    ) -> Self {
        let mut env = Environment { list: room, len: 0 };
        let mut map = Some(map);
        for &variable in inherited.iter().flatten() {
            let is_map = variable.value_of(VARIABLE).is_some();
            env.push(if is_map {
                map.take().unwrap_or(variable)
            } else {
                variable
            });
        }
        if let Some(map) = map {
            env.push(map);
        }
        env
    }

    /// Adds a variable at the end.
    pub fn push(&mut self, variable: Arg<'a>) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Some(variable);
            self.len += 1;
        }
    }

    /// The list with its terminating `None`.
    pub fn finish(self) -> &'b [Option<Arg<'a>>] {
        match self.list.get_mut(self.len) {
            Some(place) => *place = None,
            None => return &[],
        }
        self.list.get(..=self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (inherited, want) in [
            (
                list(&[c"A=1", c"LISTEN_FD_MAP=", c"B"]),
                vec!["A=1", "LISTEN_FD_MAP=a=3", "B", "X=1"],
            ),
            (
                list(&[c"A=1", c"A=2"]),
                vec!["A=1", "A=2", "LISTEN_FD_MAP=a=3", "X=1"],
            ),
            (list(&[]), vec!["LISTEN_FD_MAP=a=3", "X=1"]),
        ] {
            let mut room = vec![None; inherited.len() + 2];
            let mut env = Environment::new(&mut room, &inherited, map);
            env.push(Arg::from(c"X=1"));
            let list = env.finish();
            assert_eq!(texts(list), want);
            assert!(list.last().is_some_and(Option::is_none));
        }
    }

    #[test]
    fn strings_end_with_nul_and_never_leave_their_room() {
        let mut room = [b'x'; 12];
        let mut strings = Strings::new(&mut room);
        strings.put(*b"A_FD=");
        strings.put_number(17);
        assert_eq!(strings.end().map(Arg::bytes), Some(&b"A_FD=17"[..]));
        strings.put(*b"LONG=");
        assert!(strings.end().is_none());
    }
}
