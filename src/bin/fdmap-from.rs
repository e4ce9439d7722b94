//! `fdmap-from CONVENTION PROG...`: turns another convention's variables into LISTEN_FD_MAP, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::convention::{self, CONVENTIONS, Convention, Found};
use listen_fd_map::edit::{Chain, Entry, invalid, new_labels, parser, print, prog, wrong_argument};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::naming::{grouped, sanitize};
use listen_fd_map::sys::Start;
use std::collections::BTreeSet;
use std::os::fd::RawFd;

const USAGE: &str = "fdmap-from [-eark] [-l LABEL,...] CONVENTION PROG...";

const HELP: &str = "
Turns the variables of another socket-passing convention into entries of LISTEN_FD_MAP, unsets them,
and execs PROG. Where they are not there, PROG gets everything as it is.

  -l, --labels LABEL,...  the labels, in order (default: the convention's names, or its own)
  -e, --env               also export <LABEL>_FD of the new entries
  -a, --addr              also export <LABEL>_ADDR
  -r, --required          an error if the variables are not there
  -k, --keep-variables    leave them where they are
  -h, --help
  -V, --version

Conventions:
";

const EXAMPLES: &str = "
  fdmap-from systemd sh -c 'exec daemon --fd \"$(fdmap web)\"'
  fdmap-from -l tls,control vars daemon

fdmap-from(1), fdmap-to(1), listen-fd-map(7)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let log = Log {
        command: "fdmap-from",
        silent: false,
    };
    fdmap_from(&start).unwrap_or_else(|failure| log.fatal(&failure))
}

#[derive(Default)]
struct Options {
    env: bool,
    addr: bool,
    required: bool,
    keep: bool,
    labels: Option<Vec<String>>,
}

/// The exit code of what does not exec.
fn fdmap_from(start: &Start) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut options = Options::default();
    let convention = loop {
        let Some(argument) = parser.next().map_err(wrong_argument)? else {
            return Err(Failure::Usage(USAGE));
        };
        match argument {
            Short('e') | Long("env") => options.env = true,
            Short('a') | Long("addr") => options.addr = true,
            Short('r') | Long("required") => options.required = true,
            Short('k') | Long("keep-variables") => options.keep = true,
            Short('l') | Long("labels") => {
                options.labels = Some(new_labels(&parser.value().map_err(wrong_argument)?)?);
            }
            Short('h') | Long("help") => return print(&help()),
            Short('V') | Long("version") => {
                return print(concat!("fdmap-from ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            Value(name) => {
                break convention::find(name.as_encoded_bytes(), |row| row.import.is_some())?;
            }
            _ => return Err(wrong_argument(argument.unexpected())),
        }
    };
    let prog = prog(&mut parser, start, USAGE)?;
    let mut chain = Chain::new(start)?;
    import(&mut chain, convention, &options)?;
    Err(chain.exec(prog))
}

fn help() -> String {
    let rows = CONVENTIONS.iter().filter(|row| row.import.is_some());
    let rows: String = rows
        .map(|row| format!("  {:<15} {}\n", row.name, row.variables))
        .collect();
    format!("usage: {USAGE}\n{HELP}{rows}{EXAMPLES}")
}

/// Adds what the convention's variables say, and unsets them.
fn import(
    chain: &mut Chain,
    convention: &Convention,
    options: &Options,
) -> Result<(), Failure<'static>> {
    let Some(import) = convention.import else {
        return Ok(());
    };
    let given = options.labels.as_deref();
    let fds = match import(chain, given)? {
        Found::Nothing if options.required => {
            let what = match convention.name {
                "fd0" => "fd 0 is no socket".to_owned(),
                name => format!(
                    "the variables of {name} are not set ({})",
                    convention.variables
                ),
            };
            return Err(invalid(format!("{what}, and -r was given")));
        }
        Found::NotOurs(why) if options.required => {
            return Err(invalid(format!("{why}, and -r was given")));
        }
        Found::Nothing => return Ok(()),
        Found::NotOurs(_) => Vec::new(),
        Found::Fds(fds) => {
            let labels = name(&fds, convention.name, given)?;
            labels
                .into_iter()
                .zip(fds)
                .map(|(label, (_, fd))| Entry { label, fd })
                .collect()
        }
    };
    if !options.keep {
        let own = chain
            .variables()
            .into_iter()
            .filter(|name| (convention.owns)(name, given.unwrap_or_default()));
        own.for_each(|name| chain.unset(&name));
    }
    let mut new = Vec::new();
    for entry in fds {
        chain.add(entry.clone())?;
        let fd = entry.fd;
        new.push((entry, fd));
    }
    chain.export(&new, options.env, options.addr)
}

/// The labels of what was found. A name that repeats is the name of a group.
fn name(
    fds: &[(Option<Vec<u8>>, RawFd)],
    convention: &str,
    given: Option<&[String]>,
) -> Result<Vec<String>, Failure<'static>> {
    if let Some(given) = given.filter(|given| given.len() != fds.len()) {
        return Err(invalid(format!(
            "-l has {} labels for {} fds",
            given.len(),
            fds.len()
        )));
    }
    let mut seen = BTreeSet::new();
    if let Some((_, fd)) = fds.iter().find(|(_, fd)| !seen.insert(fd)) {
        return Err(invalid(format!("{convention} has fd {fd} twice")));
    }
    let names: Vec<String> = match given {
        Some(given) => given.to_vec(),
        None => {
            let name = |name: &Option<Vec<u8>>| {
                name.as_ref()
                    .map_or_else(|| convention.to_owned(), |name| sanitize(name))
            };
            fds.iter().map(|(of, _)| name(of)).collect()
        }
    };
    grouped(&names)
}
