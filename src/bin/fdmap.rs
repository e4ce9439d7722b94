//! `fdmap [LABEL]`: what LISTEN_FD_MAP says, for people, for shells and for programs.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::describe;
use listen_fd_map::edit::{Entry, parser, pick, print, read_map, wrong_argument};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::output::{Output, Shown};
use listen_fd_map::sys::{self, Start};
use std::fmt::Write as _;

const USAGE: &str = "fdmap [-j] [LABEL]";

const HELP: &str = "usage: fdmap [-j] [LABEL]

Prints the entries of LISTEN_FD_MAP: label, fd, family, local address, whether it listens, inode.
With LABEL, prints the number of its fd; for a group (web.0, web.1) a number a line.

  -j, --json     an array of objects, null where there is nothing to say
  -h, --help
  -V, --version

Exit status: 0; 1 if LABEL is not there or an fd is closed; 100 if the map is malformed.

  fdmap
  exec daemon --fd \"$(fdmap control)\"

fdmap(1), listen-fd-map(7)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let log = Log {
        command: "fdmap",
        silent: false,
    };
    let mut out = Output::new(1);
    let result = fdmap(&start, &mut out).and_then(|code| match out.finish() {
        Ok(()) => Ok(code),
        Err(errno) => Err(Failure::System("write to standard output", errno)),
    });
    result.unwrap_or_else(|failure| log.fatal(&failure))
}

fn fdmap(start: &Start, out: &mut Output) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let (mut wanted, mut json) = (None, false);
    while let Some(argument) = parser.next().map_err(wrong_argument)? {
        match argument {
            Short('j') | Long("json") => json = true,
            Short('h') | Long("help") => return print(HELP),
            Short('V') | Long("version") => {
                return print(concat!("fdmap ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            Value(label) if wanted.is_none() => wanted = Some(label),
            Value(_) => return Err(Failure::Usage(USAGE)),
            _ => return Err(wrong_argument(argument.unexpected())),
        }
    }
    let map: Vec<Entry> = read_map(start.env)?
        .entries()
        .map(|(_, label, fd)| Entry {
            label: label.to_owned(),
            fd,
        })
        .collect();
    let entries = match &wanted {
        None => map,
        Some(label) => {
            let picked = pick(&map, &label.to_string_lossy());
            let entries: Vec<Entry> = picked
                .iter()
                .filter_map(|&at| map.get(at).cloned())
                .collect();
            if entries.is_empty() {
                let label = Shown(label.as_encoded_bytes());
                let text = format!("label {label} is not in LISTEN_FD_MAP");
                return Err(Failure::NotThere(text.leak()));
            }
            entries
        }
    };
    let rows: Vec<Row> = entries.into_iter().map(Row::new).collect();
    let closed = rows.iter().any(|row| row.inode.is_none());
    match (json, wanted) {
        (true, _) => write_json(&rows, out),
        (false, None) => table(&rows, out),
        (false, Some(_)) => rows
            .iter()
            .for_each(|row| out.put(format!("{}\n", row.entry.fd).as_bytes())),
    }
    Ok(i32::from(closed))
}

/// What is known of an entry.
struct Row {
    entry: Entry,
    family: Option<&'static str>,
    address: Option<Vec<u8>>,
    listening: Option<bool>,
    /// `None` if the fd is closed.
    inode: Option<u64>,
}

impl Row {
    fn new(entry: Entry) -> Row {
        let fd = entry.fd;
        let inode = sys::status(fd).map(|status| status.st_ino).ok();
        let some = |address: &[u8]| (!address.is_empty()).then(|| address.to_vec());
        let (family, address, listening) = match describe::socket(fd) {
            _ if inode.is_none() => (None, None, None),
            Ok(socket) => (
                Some(socket.family.map_or("socket", |family| family.name)),
                some(socket.address.bytes()),
                Some(socket.listening),
            ),
            Err(_) => {
                let mut room = [0; 4096];
                let address = describe::link_of(fd, &mut room).and_then(some);
                (describe::file_family(fd).ok(), address, None)
            }
        };
        Row {
            entry,
            family,
            address,
            listening,
            inode,
        }
    }
}

/// The table for people.
fn table(rows: &[Row], out: &mut Output) {
    let mut lines =
        vec![["LABEL", "FD", "FAMILY", "ADDRESS", "LISTENING", "INODE"].map(str::to_owned)];
    for row in rows {
        let none = || "-".to_owned();
        lines.push([
            row.entry.label.clone(),
            row.entry.fd.to_string(),
            if row.inode.is_none() {
                "closed"
            } else {
                row.family.unwrap_or("-")
            }
            .to_owned(),
            row.address
                .as_ref()
                .map_or_else(none, |address| Shown(address).to_string()),
            row.listening
                .map_or("-", |listening| if listening { "yes" } else { "no" })
                .to_owned(),
            row.inode.map_or_else(none, |inode| inode.to_string()),
        ]);
    }
    if rows.is_empty() {
        return;
    }
    let widths: [usize; 5] = std::array::from_fn(|column| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for [label, fd, family, address, listening, inode] in lines {
        let [a, b, c, d, e] = widths;
        // an Output takes everything
        let _ = writeln!(
            out,
            "{label:a$}  {fd:>b$}  {family:c$}  {address:d$}  {listening:e$}  {inode}"
        );
    }
}

/// RFC 8259. A path that is no UTF-8 has replacement characters.
fn write_json(rows: &[Row], out: &mut Output) {
    let mut text = String::from("[");
    for (at, row) in rows.iter().enumerate() {
        let none = || "null".to_owned();
        let fields = [
            ("label", json_string(&row.entry.label)),
            ("fd", row.entry.fd.to_string()),
            ("family", row.family.map_or_else(none, json_string)),
            (
                "address",
                row.address.as_ref().map_or_else(none, |address| {
                    json_string(&String::from_utf8_lossy(address))
                }),
            ),
            (
                "listening",
                row.listening
                    .map_or_else(none, |listening| listening.to_string()),
            ),
            (
                "inode",
                row.inode.map_or_else(none, |inode| inode.to_string()),
            ),
        ];
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let comma = if at == 0 { "\n " } else { ",\n " };
        text.push_str(&format!("{comma}{{{}}}", fields.join(",")));
    }
    text.push_str(if rows.is_empty() { "]\n" } else { "\n]\n" });
    out.put(text.as_bytes());
}

fn json_string(text: &str) -> String {
    let mut string = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            c if u32::from(c) < 0x20 => string.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => string.push(c),
        }
    }
    string.push('"');
    string
}
