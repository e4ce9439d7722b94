//! The syntax of unit files: bytes to assignments. Pure; the rules are those of systemd.syntax(7).
#![forbid(unsafe_code)]

use super::text_of;

/// The longest line, continued ones counted whole, in bytes.
pub const LONGEST_LINE: usize = 65_536;

/// A `KEY=VALUE` of the section `[Socket]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The number of the line, from 1; of a continued one, that of its end.
    pub line: usize,
    /// What is before the equals sign.
    pub key: String,
    /// What is after it.
    pub value: String,
}

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The assignments of `[Socket]`, in order.
    pub assignments: Vec<Assignment>,
    /// What is ignored, by line, and worth telling.
    pub ignored: Vec<(usize, String)>,
}

/// A line with which nothing can be done: its number, and why.
pub type Error = (usize, String);

/// The sections of a .socket file: what counts here, and what is the manager's.
const SOCKET: &str = "Socket";
const OTHERS: [&str; 2] = ["Unit", "Install"];

/// Reads a file.
///
/// # Errors
/// The first line with which nothing can be done.
pub fn parse(bytes: &[u8]) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let mut section = Section::None;
    let mut continued: Option<Vec<u8>> = None;
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut number = 0;
    for raw in text.split(|&b| b == b'\n') {
        number += 1;
        if matches!(raw.trim_ascii_start().first(), Some(b'#' | b';')) {
            continue;
        }
        let mut line = continued.take().unwrap_or_default();
        line.extend(raw.strip_suffix(b"\r").unwrap_or(raw));
        if line.len() > LONGEST_LINE {
            let why = format!("the line has more than {LONGEST_LINE} bytes");
            return Err((number, why));
        }
        // an odd number of backslashes at the end, as far as the whole line tells
        if line.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1 {
            line.pop();
            line.push(b' ');
            continued = Some(line);
        } else {
            read_line(number, &line, &mut section, &mut contents)?;
        }
    }
    if let Some(line) = continued {
        read_line(number, &line, &mut section, &mut contents)?;
    }
    Ok(contents)
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Before any header.
    None,
    Socket,
    Other,
}

fn read_line(
    number: usize,
    line: &[u8],
    section: &mut Section,
    contents: &mut Contents,
) -> Result<(), Error> {
    let line = line.trim_ascii();
    let Ok(text) = std::str::from_utf8(line) else {
        return Err((number, format!("not UTF-8: {}", text_of(line))));
    };
    if text.contains('\0') {
        return Err((number, "a NUL byte".to_owned()));
    }
    let mut ignore = |why: String| contents.ignored.push((number, why));
    if text.is_empty() {
        return Ok(());
    }
    if let Some(header) = text.strip_prefix('[') {
        let Some(name) = header.strip_suffix(']') else {
            let why = format!("a section without its ]: {}", text_of(line));
            return Err((number, why));
        };
        *section = if name == SOCKET {
            Section::Socket
        } else {
            if !OTHERS.contains(&name) && !name.starts_with("X-") {
                ignore(format!("unknown section [{}]", text_of(name.as_bytes())));
            }
            Section::Other
        };
        return Ok(());
    }
    match (*section, text.split_once('=')) {
        (Section::Other, _) => {}
        (Section::None, _) => ignore("a line before any [Socket]".to_owned()),
        (Section::Socket, None | Some(("", _))) => {
            ignore(format!("no KEY=VALUE: {}", text_of(line)));
        }
        (Section::Socket, Some((key, value))) => contents.assignments.push(Assignment {
            line: number,
            key: key.trim_ascii().to_owned(),
            value: value.trim_ascii().to_owned(),
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let contents = parse(text.as_bytes()).unwrap();
        let assignments = contents.assignments.into_iter();
        assignments.map(|a| (a.line, a.key, a.value)).collect()
    }

    fn all(pairs: &[(usize, &str, &str)]) -> Vec<(usize, String, String)> {
        let owned = |&(line, key, value): &(usize, &str, &str)| (line, key.into(), value.into());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn keys_and_values_are_trimmed_and_sections_repeat() {
        let text = "\u{feff}# c\r\n[Socket]\r\n A = b c \r\n;x\n[Unit]\nA=no\n[X-y]\nz\n[Socket]\nB=\nC= x # y";
        let want = [(3, "A", "b c"), (10, "B", ""), (11, "C", "x # y")];
        assert_eq!(pairs(text), all(&want));
        assert!(parse(text.as_bytes()).unwrap().ignored.is_empty());
    }

    #[test]
    fn an_odd_backslash_continues_a_line_over_comments() {
        let text = "[Socket]\nA=1\\\n# no\n   2\\\n;no\\\n3\nB=x\\\\\nC=\\\n\nD=y\\";
        let want = [
            (6, "A", "1    2 3"),
            (7, "B", "x\\\\"),
            (9, "C", ""),
            (10, "D", "y"),
        ];
        assert_eq!(pairs(text), all(&want));
    }

    #[test]
    fn what_is_no_assignment_is_told_and_ignored() {
        let text = "A=b\n[ Socket ]\nC=d\n[Socket]\nfoo\n=x\n";
        let contents = parse(text.as_bytes()).unwrap();
        assert!(contents.assignments.is_empty());
        let lines: Vec<usize> = contents.ignored.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 5, 6]);
    }

    #[test]
    fn what_cannot_be_text_is_an_error_with_its_line() {
        let long = format!("[Socket]\nA={}\n", "x".repeat(LONGEST_LINE));
        let endless = format!("[Socket]\nA=\\\n{}", "x\\\n".repeat(LONGEST_LINE));
        for (text, line) in [
            (&b"[Socket]\nA=\xff\n"[..], 2),
            (b"[Socket\n", 1),
            (b"[Socket]\n\nA=\0\n", 3),
            (long.as_bytes(), 2),
            (endless.as_bytes(), 32_769),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{}", text_of(text));
        }
    }
}
