//! Values of unit files: how systemd.syntax(7), systemd.time(7) and systemd.socket(5) write what `listen` writes its own
//! way. Pure.
#![forbid(unsafe_code)]

/// yes or no
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else {
        is(&["0", "no", "n", "false", "f", "off"]).then_some(false)
    }
}

/// A number as strtol(3) reads it with base 0, with `0b` and `0o` besides.
pub fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

/// A port, or another number that has no leading zero and no minus sign.
pub fn port(text: &str) -> Option<u16> {
    let padded = matches!(text.as_bytes(), [b'0', digit, ..] if digit.is_ascii_digit());
    let port = number(text).filter(|_| !padded)?;
    u16::try_from(port).ok().filter(|&port| port > 0)
}

/// The permission bits, octal up to 07777.
pub fn mode(text: &str) -> Option<u32> {
    let octal = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal)?;
    (mode <= 0o7777).then_some(mode)
}

/// Numbers with units, added up: `1G 512M`, `1min 30s`; each may have a fraction. What a unit stands for is in `units`,
/// the longest first where one begins like another.
fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim_ascii_start();
    let mut total: u64 = 0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let (whole, after) = rest.split_at(end.unwrap_or(rest.len()));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                let end = after.find(|c: char| !c.is_ascii_digit());
                after.split_at(end.unwrap_or(after.len()))
            }
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let after = after.trim_ascii_start();
        let (name, unit) = units
            .iter()
            .find(|(name, _)| after.starts_with(name))
            .copied()?;
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        // digits beyond the fifteenth change nothing that is counted
        let fraction = fraction.get(..15).unwrap_or(fraction);
        let part = match fraction {
            "" => 0,
            digits => {
                let scale = 10_u128.pow(digits.len() as u32);
                let part = digits.parse::<u128>().ok()? * u128::from(unit) / scale;
                u64::try_from(part).ok()?
            }
        };
        total = total
            .checked_add(whole.checked_mul(unit)?)?
            .checked_add(part)?;
        rest = after.get(name.len()..)?.trim_ascii_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// Bytes: powers of 1024, with fractions.
pub fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("E", 1 << 60),
        ("P", 1 << 50),
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
        ("B", 1),
        ("", 1),
    ];
    sum(text, &UNITS)
}

/// Whole seconds, rounded down, and whether there is a fraction of one besides: systemd.time(7).
pub fn seconds(text: &str) -> Option<u64> {
    const SECOND: u64 = 1_000_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    // 365.25 days, and a twelfth of it
    const YEAR: u64 = 31_557_600 * SECOND;
    const MONTH: u64 = 2_629_800 * SECOND;
    const UNITS: [(&str, u64); 30] = [
        ("seconds", SECOND),
        ("second", SECOND),
        ("sec", SECOND),
        ("s", SECOND),
        ("minutes", MINUTE),
        ("minute", MINUTE),
        ("min", MINUTE),
        ("months", MONTH),
        ("month", MONTH),
        ("M", MONTH),
        ("msec", 1000),
        ("ms", 1000),
        ("m", MINUTE),
        ("hours", HOUR),
        ("hour", HOUR),
        ("hr", HOUR),
        ("h", HOUR),
        ("days", DAY),
        ("day", DAY),
        ("d", DAY),
        ("weeks", 7 * DAY),
        ("week", 7 * DAY),
        ("w", 7 * DAY),
        ("years", YEAR),
        ("year", YEAR),
        ("y", YEAR),
        ("usec", 1),
        ("us", 1),
        ("\u{b5}s", 1),
        ("", SECOND),
    ];
    sum(text, &UNITS).map(|microseconds| microseconds / SECOND)
}

/// Words divided by white space; quotes hold one together: systemd.syntax(7). `None` where a quote does not end.
pub fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_ascii_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// An absolute path without doubled, `.` and trailing slashes; `None` for a relative one, or one with `..`.
pub fn simplified(path: &str) -> Option<String> {
    let parts = || path.split('/').filter(|part| !matches!(*part, "" | "."));
    if !path.starts_with('/') || parts().any(|part| part == "..") {
        return None;
    }
    let simple: String = parts().map(|part| format!("/{part}")).collect();
    Some(if simple.is_empty() {
        "/".to_owned()
    } else {
        simple
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_and_numbers_are_those_of_systemd() {
        for (text, want) in [("Yes", Some(true)), ("T", Some(true)), ("oFF", Some(false))] {
            assert_eq!(boolean(text), want);
        }
        assert_eq!(boolean("2"), None);
        for (text, want) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("-1", Some(-1)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0b11", Some(3)),
            ("0o17", Some(15)),
            ("", None),
            ("-", None),
            ("--1", None),
            ("0x", None),
            ("09", None),
            ("1 ", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
        for (text, want) in [
            ("80", Some(80)),
            ("0x50", Some(80)),
            ("+80", Some(80)),
            ("0o120", Some(80)),
            ("0b1010000", Some(80)),
            ("0", None),
            ("080", None),
            ("65536", None),
            ("-1", None),
        ] {
            assert_eq!(port(text), want, "{text}");
        }
        for (text, want) in [
            ("0666", Some(0o666)),
            ("7777", Some(0o7777)),
            ("00000600", Some(0o600)),
            ("10000", None),
            ("0o600", None),
            ("+600", None),
            ("", None),
        ] {
            assert_eq!(mode(text), want, "{text}");
        }
    }

    #[test]
    fn sizes_and_times_add_up() {
        for (text, want) in [
            ("8M", Some(8 << 20)),
            ("1.5K", Some(1536)),
            ("1G 512 M", Some((1 << 30) + (512 << 20))),
            ("100", Some(100)),
            ("7B", Some(7)),
            (".5K", Some(512)),
            ("8m", None),
            ("", None),
            ("K", None),
            ("-1", None),
            ("99999E", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
        for (text, want) in [
            ("10", Some(10)),
            ("1min 30s", Some(90)),
            ("2h5m", Some(7500)),
            ("1500ms", Some(1)),
            ("1.5 hours", Some(5400)),
            ("1M", Some(2_629_800)),
            ("3 w", Some(3 * 604_800)),
            ("1x", None),
            ("infinity", None),
        ] {
            assert_eq!(seconds(text), want, "{text}");
        }
    }

    #[test]
    fn words_and_paths_are_taken_apart() {
        let list = |text| words(text).map(|words| words.join("|"));
        assert_eq!(
            list(" /a  '/b c' \"/d\"/e ").as_deref(),
            Some("/a|/b c|/d/e")
        );
        assert_eq!(list("''").as_deref(), Some(""));
        assert_eq!(list("'a"), None);
        assert_eq!(simplified("/a//b/./c/").as_deref(), Some("/a/b/c"));
        assert_eq!(simplified("/").as_deref(), Some("/"));
        assert_eq!((simplified("a"), simplified("/a/../b")), (None, None));
    }
}
