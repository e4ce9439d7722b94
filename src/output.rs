//! Text on its way out without a heap: a buffer in front of an fd, and bytes shown so that a line stays a line.
#![forbid(unsafe_code)]

use crate::sys;
use core::ffi::CStr;
use core::fmt::{self, Write as _};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// A buffer in front of an fd. What fits into it goes out in one write(2), so that lines of several
/// processes do not mix.
pub struct Output {
    fd: RawFd,
    room: [u8; 4096],
    len: usize,
    failed: Option<Errno>,
}

impl Output {
    /// An empty buffer in front of `fd`.
    pub fn new(fd: RawFd) -> Self {
        Output {
            fd,
            room: [0; 4096],
            len: 0,
            failed: None,
        }
    }

    /// Adds bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.len == self.room.len() {
                self.flush();
            }
            if let Some(place) = self.room.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    fn flush(&mut self) {
        let mut rest = self.room.get(..self.len).unwrap_or_default();
        while !rest.is_empty() && self.failed.is_none() {
            match sys::write(self.fd, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(errno) => self.failed = Some(errno),
            }
        }
        self.len = 0;
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first error that write(2) gave; nothing was written after it.
    pub fn finish(mut self) -> Result<(), Errno> {
        self.flush();
        self.failed.map_or(Ok(()), Err)
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// A text in a fixed room; what does not fit is cut off.
#[derive(Clone, Copy)]
pub struct Text<const ROOM: usize> {
    room: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    /// The empty text.
    pub const fn new() -> Self {
        Text {
            room: [0; ROOM],
            len: 0,
        }
    }

    /// Adds bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        for (place, byte) in self.room.iter_mut().skip(self.len).zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }

    /// The text as a C string; `None` if it fills the room, so that its end may be missing.
    pub fn c_str(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(&self.room).ok()
    }
}

impl<const ROOM: usize> Default for Text<ROOM> {
    fn default() -> Self {
        Text::new()
    }
}

impl<const ROOM: usize> From<&[u8]> for Text<ROOM> {
    fn from(bytes: &[u8]) -> Self {
        let mut text = Text::new();
        text.put(bytes);
        text
    }
}

impl<const ROOM: usize> fmt::Write for Text<ROOM> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// The decimal digits of a number.
#[derive(Clone)]
pub struct Digits {
    room: [u8; 11],
    at: usize,
}

impl Digits {
    /// No number, and no digit.
    pub fn none() -> Self {
        Digits {
            room: [b'.'; 11],
            at: 11,
        }
    }

    /// The digits.
    pub fn new(number: u32) -> Self {
        let (mut digits, mut rest) = (Digits::none(), number);
        for place in digits.room.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            digits.at -= 1;
            if rest == 0 {
                break;
            }
        }
        digits
    }

    /// A dot, and the digits.
    pub fn after_dot(number: u32) -> Self {
        let mut digits = Digits::new(number);
        // ten digits leave room for it
        digits.at -= 1;
        digits
    }
}

impl Iterator for Digits {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let digit = self.room.get(self.at).copied()?;
        self.at += 1;
        Some(digit)
    }
}

/// Bytes of the outside world in a message: on one line, and not too many of them.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 300;
        let shown = self.0.get(..MOST).unwrap_or(self.0);
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str(if self.0.len() > MOST { "..." } else { "" })
    }
}

/// Takes the parts of a text, one by one.
pub type Parts<'a> = &'a mut dyn FnMut(&[u8]);

/// Puts one word as a shell reads it back: as it is, or in single quotes. `tell` tells its parts, as often as it is asked.
pub fn put_shell_word(out: &mut Output, tell: &dyn Fn(Parts)) {
    let (mut empty, mut plain) = (true, true);
    tell(&mut |part| {
        empty &= part.is_empty();
        plain &= part
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(b));
    });
    if plain && !empty {
        return tell(&mut |part| out.put(part));
    }
    out.put(b"'");
    tell(&mut |part| {
        for byte in part {
            out.put(match byte {
                b'\'' => b"'\\''",
                byte => core::slice::from_ref(byte),
            });
        }
    });
    out.put(b"'");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 1, 9, 10, 99, 100, 16_383, u32::MAX] {
            let text = |digits: Digits| String::from_utf8(digits.collect()).unwrap();
            assert_eq!(text(Digits::new(number)), number.to_string());
            assert_eq!(text(Digits::after_dot(number)), format!(".{number}"));
        }
        assert_eq!(Digits::none().count(), 0);
    }

    #[test]
    fn shown_bytes_stay_on_one_line_and_are_cut() {
        assert_eq!(Shown(b"/run/x y").to_string(), "/run/x y");
        assert_eq!(
            Shown("\u{fc}\n\t\r\u{85}".as_bytes()).to_string(),
            "ü\\n\\t\\x0d\\x85"
        );
        assert_eq!(Shown(b"a\xff\xfeb").to_string(), "a\\xff\\xfeb");
        assert_eq!(Shown(&[b'x'; 300]).to_string(), "x".repeat(300));
        assert_eq!(
            Shown(&[b'x'; 301]).to_string(),
            format!("{}...", "x".repeat(300))
        );
    }
}
