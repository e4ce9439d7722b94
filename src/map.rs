//! `LISTEN_FD_MAP`: which label is which file descriptor.
//!
//! ```text
//! map   = [ entry *( "," entry ) ]
//! entry = label "=" fd
//! label = 1*255( ALPHA / DIGIT / "_" / "." / "-" / "@" )    ; not beginning with "-"
//! fd    = "0" / ( %x31-39 *DIGIT )                          ; at most 2147483647
//! ```
//!
//! The grammar is listen-fd-map(7)'s. Nothing here allocates, calls the system or can panic.
#![forbid(unsafe_code)]

use core::fmt;

/// A well-formed map, borrowed from the text that it was read from.
///
/// ```
/// use listen_fd_map::FdMap;
///
/// let map = FdMap::parse("udp=3,tcp=4,tls=5,control=6")?;
/// assert_eq!(map.get("tls"), Some(5));
/// assert_eq!(map.iter().next(), Some(("udp", 3)));
/// # Ok::<(), listen_fd_map::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdMap<'a> {
    text: &'a str,
}

impl<'a> FdMap<'a> {
    /// Reads the value of `LISTEN_FD_MAP`. The empty text is an empty map.
    ///
    /// Labels and fds are compared pairwise, which needs no memory and is quick for the maps that daemons see.
    ///
    /// # Errors
    /// The first departure from the grammar, or the first label or fd that occurs a second time.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        for entry in entries(text) {
            let entry = entry?;
            let earlier = || {
                entries(text)
                    .map_while(Result::ok)
                    .take_while(|e| e.at < entry.at)
            };
            if earlier().any(|e| e.label == entry.label) {
                return Err(ParseError::at(entry.at, Problem::LabelTwice));
            }
            if earlier().any(|e| e.fd == entry.fd) {
                return Err(ParseError::at(entry.at, Problem::FdTwice));
            }
        }
        Ok(FdMap { text })
    }

    /// The fd of `label`, or `None` if the map has no such label.
    pub fn get(&self, label: &str) -> Option<i32> {
        self.iter()
            .find(|&(name, _)| name == label)
            .map(|(_, fd)| fd)
    }

    /// The fds of the group `name`: those of `name.0`, `name.1` and so on, in the order of their numbers, up to the first
    /// that is not there.
    ///
    /// ```
    /// # use listen_fd_map::FdMap;
    /// let map = FdMap::parse("dns.0=3,web=5,dns.1=4")?;
    /// assert!(map.group("dns").eq([3, 4]));
    /// assert!(map.group("web").eq([]));
    /// # Ok::<(), listen_fd_map::ParseError>(())
    /// ```
    pub fn group(&self, name: &'a str) -> impl Iterator<Item = i32> + Clone + use<'a> {
        let entries = self.iter();
        (0..).map_while(move |number| {
            let member = |label: &str| {
                let of = label
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('.'));
                of.and_then(|text| parse_fd(text.as_bytes())) == Some(number)
            };
            let mut found = entries.clone().filter(|&(label, _)| member(label));
            found.next().map(|(_, fd)| fd)
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text that the map was read from.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Labels and fds in the order of the map, which is the order of binding.
    pub fn iter(&self) -> Iter<'a> {
        Iter(entries(self.text))
    }
}

/// The text that the map was read from, unchanged.
impl fmt::Display for FdMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<'a> IntoIterator for FdMap<'a> {
    type Item = (&'a str, i32);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a map: see [`FdMap::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(Entries<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, i32);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()?.ok().map(|entry| (entry.label, entry.fd))
    }
}

/// Why a text is no map, and where: the offset of the entry in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    at: usize,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    EmptyEntry,
    NoEquals,
    BadLabel,
    BadFd,
    LabelTwice,
    FdTwice,
    #[cfg(feature = "tools")]
    NotAscii,
}

impl ParseError {
    pub(crate) const fn at(at: usize, problem: Problem) -> Self {
        ParseError { at, problem }
    }

    /// The offset, in bytes, of the entry that is wrong.
    pub const fn position(&self) -> usize {
        self.at
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::EmptyEntry => "an empty entry",
            Problem::NoEquals => "an entry without =",
            Problem::BadLabel => "a bad label",
            Problem::BadFd => "a bad fd number",
            Problem::LabelTwice => "a label that was there already",
            Problem::FdTwice => "an fd that was there already",
            #[cfg(feature = "tools")]
            Problem::NotAscii => "a byte that is not ASCII",
        };
        write!(f, "{problem} at byte {}", self.at)
    }
}

impl core::error::Error for ParseError {}

/// One entry and the offset in bytes at which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub at: usize,
    pub label: &'a str,
    pub fd: i32,
}

/// Entries one by one, each checked by itself; that labels and fds are unique is for the caller to check.
pub(crate) fn entries(text: &str) -> Entries<'_> {
    Entries {
        rest: if text.is_empty() { None } else { Some(text) },
        at: 0,
    }
}

/// See [`entries`].
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: Option<&'a str>,
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest?;
        let (entry, rest) = match cut(text, b',') {
            Some((entry, rest)) => (entry, Some(rest)),
            None => (text, None),
        };
        let at = self.at;
        self.rest = rest;
        self.at = at + entry.len() + 1;
        Some(parse_entry(entry, at).map_err(|problem| ParseError::at(at, problem)))
    }
}

/// [`str::split_once`] at an ASCII byte, without a path to a panic.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|b| b == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

fn parse_entry(text: &str, at: usize) -> Result<Entry<'_>, Problem> {
    if text.is_empty() {
        return Err(Problem::EmptyEntry);
    }
    let (label, fd) = cut(text, b'=').ok_or(Problem::NoEquals)?;
    if !is_label(label.as_bytes()) {
        return Err(Problem::BadLabel);
    }
    let fd = parse_fd(fd.as_bytes()).ok_or(Problem::BadFd)?;
    Ok(Entry { at, label, fd })
}

/// The longest label, in bytes.
pub(crate) const LONGEST_LABEL: usize = 255;

/// Whether `text` is a label: 1 to 255 of ASCII letters, digits, `_`, `.`, `-`, `@`, not beginning with `-`.
pub(crate) fn is_label(text: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@');
    text.len() <= LONGEST_LABEL
        && text.first().is_some_and(|&b| b != b'-')
        && text.iter().all(legal)
}

/// A number from 0 to 2147483647 without sign or leading zero.
pub(crate) fn parse_fd(text: &[u8]) -> Option<i32> {
    if text.is_empty() || text.len() > 1 && text.first() == Some(&b'0') {
        return None;
    }
    let digit = |b: &u8| b.is_ascii_digit().then(|| i32::from(b - b'0'));
    text.iter()
        .try_fold(0i32, |n, b| n.checked_mul(10)?.checked_add(digit(b)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_maps_are_read_and_printed_back() {
        let long = format!("{}=1", "x".repeat(255));
        for text in [
            "",
            "a=0",
            "udp=3,tcp=4,tls=5,control=6",
            "A.b-c@d_9=2147483647",
            "0=0",
            "web.0=3,web.1=4",
            &long,
        ] {
            let map = FdMap::parse(text).unwrap();
            assert_eq!(map.to_string(), text);
            let printed: Vec<String> = map
                .iter()
                .map(|(label, fd)| format!("{label}={fd}"))
                .collect();
            assert_eq!(printed.join(","), text);
        }
    }

    #[test]
    fn a_label_is_found_only_under_its_whole_name() {
        let map = FdMap::parse("udp=3,tcp=4").unwrap();
        assert_eq!(map.get("udp"), Some(3));
        assert_eq!(map.get("tcp"), Some(4));
        for absent in ["", "ud", "udpx", "UDP", "udp=3", "3"] {
            assert_eq!(map.get(absent), None, "{absent:?}");
        }
    }

    #[test]
    fn malformed_maps_say_what_is_wrong_and_where() {
        let long = format!("{}=1", "x".repeat(256));
        for (text, message) in [
            (",", "an empty entry at byte 0"),
            ("a=1,", "an empty entry at byte 4"),
            ("a=1,,b=2", "an empty entry at byte 4"),
            ("a", "an entry without = at byte 0"),
            ("a=1,b", "an entry without = at byte 4"),
            ("=1", "a bad label at byte 0"),
            ("-a=1", "a bad label at byte 0"),
            ("a b=1", "a bad label at byte 0"),
            (" a=1", "a bad label at byte 0"),
            ("a=1,ü=2", "a bad label at byte 4"),
            (&long, "a bad label at byte 0"),
            ("a=", "a bad fd number at byte 0"),
            ("a=-1", "a bad fd number at byte 0"),
            ("a=+1", "a bad fd number at byte 0"),
            ("a=01", "a bad fd number at byte 0"),
            ("a=00", "a bad fd number at byte 0"),
            ("a=1 ", "a bad fd number at byte 0"),
            ("a=1=2", "a bad fd number at byte 0"),
            ("a=0x1", "a bad fd number at byte 0"),
            ("a=2147483648", "a bad fd number at byte 0"),
            ("a=99999999999999999999", "a bad fd number at byte 0"),
            ("a=1;b=2", "a bad fd number at byte 0"),
            ("a=1,a=2", "a label that was there already at byte 4"),
            ("a=1,b=2,c=1", "an fd that was there already at byte 8"),
        ] {
            let error = FdMap::parse(text).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
        }
    }
}
