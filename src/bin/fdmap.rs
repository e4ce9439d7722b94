//! `fdmap [LABEL]`: what LISTEN_FD_MAP says, for people and for shells.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::describe;
use listen_fd_map::edit::{invalid, parser, pick, read_map};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::inherited::Inherited;
use listen_fd_map::output::{Output, Shown};
use listen_fd_map::sys::{self, Start};
use std::fmt::Write as _;

const USAGE: &str = "fdmap [LABEL]";

const HELP: &str = "usage: fdmap [LABEL]

Prints the entries of LISTEN_FD_MAP: label, fd, family, local address, whether it listens, inode.
With LABEL, prints the number of its fd; for a group (web.0, web.1) a number a line.

  -h, --help
  -V, --version

Exit status: 0; 1 if LABEL is not there or an fd is closed; 100 if the map is malformed.

  fdmap
  exec daemon --fd \"$(fdmap control)\"

fdmap(1), listen-fd-map(7)
";

listen_fd_map::main!(run);

fn run(start: Start) -> i32 {
    let log = Log {
        command: "fdmap",
        silent: false,
    };
    let mut out = Output::new(1);
    let result = fdmap(&start, &log, &mut out).and_then(|code| match out.finish() {
        Ok(()) => Ok(code),
        Err(errno) => Err(Failure::System("write to standard output", errno)),
    });
    result.unwrap_or_else(|failure| log.fatal(&failure))
}

fn fdmap(start: &Start, log: &Log, out: &mut Output) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut wanted = None;
    while let Some(argument) = parser.next().map_err(|error| invalid(error.to_string()))? {
        match argument {
            Short('h') | Long("help") => {
                out.put(HELP.as_bytes());
                return Ok(0);
            }
            Short('V') | Long("version") => {
                out.put(concat!("fdmap ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
                return Ok(0);
            }
            Value(label) if wanted.is_none() => wanted = Some(label),
            Value(_) => return Err(Failure::Usage(USAGE)),
            _ => return Err(invalid(argument.unexpected().to_string())),
        }
    }
    let map = read_map(start.env)?;
    let Some(label) = wanted else {
        return Ok(table(&map, out));
    };
    let picked = pick(&map, &label.to_string_lossy());
    if picked.is_empty() {
        let label = Shown(label.as_encoded_bytes());
        log.line(
            "fatal",
            format_args!("label {label} is not in LISTEN_FD_MAP"),
        );
        return Ok(1);
    }
    for (_, fd) in picked {
        // an Output takes everything
        let _ = writeln!(out, "{fd}");
    }
    Ok(0)
}

/// The path or name of a FIFO, file or queue.
fn path_of(fd: i32) -> String {
    let mut room = [0; 4096];
    describe::link_of(fd, &mut room).map_or_else(String::new, |path| Shown(path).to_string())
}

/// The table for people; the exit code.
fn table(map: &Inherited, out: &mut Output) -> i32 {
    let mut rows =
        vec![["LABEL", "FD", "FAMILY", "ADDRESS", "LISTENING", "INODE"].map(str::to_owned)];
    let mut code = 0;
    for (_, label, fd) in map.entries() {
        let Ok(status) = sys::status(fd) else {
            code = 1;
            rows.push([label, &fd.to_string(), "closed", "-", "-", "-"].map(str::to_owned));
            continue;
        };
        let (family, address, listening) = match describe::socket(fd) {
            Ok(socket) => (
                socket.family.map_or("socket", |family| family.name),
                Shown(socket.address.bytes()).to_string(),
                if socket.listening { "yes" } else { "no" },
            ),
            Err(_) => (
                describe::file_family(fd).unwrap_or("file"),
                path_of(fd),
                "-",
            ),
        };
        let address = if address.is_empty() {
            "-".to_owned()
        } else {
            address
        };
        let inode = status.st_ino.to_string();
        rows.push([
            label.to_owned(),
            fd.to_string(),
            family.to_owned(),
            address,
            listening.to_owned(),
            inode,
        ]);
    }
    if rows.len() == 1 {
        return code;
    }
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for [label, fd, family, address, listening, inode] in rows {
        let [a, b, c, d, e] = widths;
        // an Output takes everything
        let _ = writeln!(
            out,
            "{label:a$}  {fd:>b$}  {family:c$}  {address:d$}  {listening:e$}  {inode}"
        );
    }
    code
}
