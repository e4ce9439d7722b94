//! `fdmap-to CONVENTION PROG...`: turns LISTEN_FD_MAP into what PROG understands, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::convention::{self, CONVENTIONS, Convention, Item, argv};
use listen_fd_map::edit::{
    Chain, invalid, leak, names, parser, pick_all, print, prog, wrong_argument,
};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::rearrange;
use listen_fd_map::sys::{self, Arg, Start};
use std::collections::BTreeSet;
use std::os::fd::RawFd;

const USAGE: &str = "fdmap-to [-k] [-l LABEL,...] CONVENTION PROG...";

const HELP: &str = "
Turns entries of LISTEN_FD_MAP into the variables of another socket-passing convention, takes them
out of the map, and execs PROG.

  -l, --labels LABEL,...  only these entries, in this order; the name of a group is all of it
  -k, --keep-variables    leave the map and its variables, with the numbers that the fds have then
  -h, --help
  -V, --version

Conventions:
";

const EXAMPLES: &str = "
argv: %{LABEL} in PROG's arguments becomes the number of its fd, %% a percent sign.

  listen -tcp:label=web:8080 fdmap-to argv uvicorn --fd '%{web}' app:app
  listen -tcp:label=http:80 -tcp:label=https:443 fdmap-to systemd httpd

fdmap-to(1), fdmap-from(1), listen-fd-map(7)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let mut log = Log {
        command: "fdmap-to",
        silent: false,
    };
    fdmap_to(&start, &mut log).unwrap_or_else(|failure| log.fatal(&failure))
}

/// The exit code of what does not exec.
fn fdmap_to(start: &Start, log: &mut Log) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut keep = false;
    let mut labels = None;
    let convention = loop {
        let Some(argument) = parser.next().map_err(wrong_argument)? else {
            return Err(Failure::Usage(USAGE));
        };
        match argument {
            Short('k') | Long("keep-variables") => keep = true,
            Short('l') | Long("labels") => {
                labels = Some(
                    parser
                        .value()
                        .map_err(wrong_argument)?
                        .to_string_lossy()
                        .into_owned(),
                );
            }
            Short('h') | Long("help") => return print(&help()),
            Short('V') | Long("version") => {
                return print(concat!("fdmap-to ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            Value(name) => break convention::find(name.as_encoded_bytes(), |_| true)?,
            _ => return Err(wrong_argument(argument.unexpected())),
        }
    };
    let prog = prog(&mut parser, start, USAGE)?;
    let mut chain = Chain::new(start)?;
    let Some(export) = convention.export else {
        if labels.is_some() {
            return Err(invalid(
                "argv takes the labels that PROG's arguments name, not -l".to_owned(),
            ));
        }
        let (prog, taken) = arguments(prog, &chain)?;
        leave(&mut chain, taken, keep);
        return Err(chain.exec(&prog));
    };
    let picked = match &labels {
        Some(list) => pick_all(&chain.map, list)?,
        None => (0..chain.map.len()).collect(),
    };
    let items = items(&chain, &picked);
    let rendered = export(&items)?;
    if let Some(first) = rendered.first {
        make_way(&mut chain, &picked, first)?;
    }
    write(&mut chain, convention, rendered.variables, picked, keep)?;
    log.silent = chain.takes_stderr();
    if let Some(nonblock) = rendered.nonblock {
        for item in &items {
            sys::set_nonblock(item.fd, nonblock)
                .map_err(|errno| Failure::System("set O_NONBLOCK", errno))?;
        }
    }
    Err(chain.exec(prog))
}

fn help() -> String {
    let rows = CONVENTIONS.iter();
    let rows: String = rows
        .map(|row| format!("  {:<15} {}\n", row.name, row.variables))
        .collect();
    let rows = rows
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect::<String>();
    format!("usage: {USAGE}\n{HELP}{rows}{EXAMPLES}")
}

fn items(chain: &Chain, picked: &[usize]) -> Vec<Item> {
    let names = names(&chain.map);
    let item = |&at: &usize| {
        let (entry, name) = (chain.map.get(at)?, names.get(at)?);
        Some(Item::new(entry.label.clone(), name.clone(), entry.fd))
    };
    picked.iter().filter_map(item).collect()
}

/// PROG with its arguments filled in, and the places of the labels that they name.
fn arguments(
    prog: &'static [Option<Arg<'static>>],
    chain: &Chain,
) -> Result<(Vec<Option<Arg<'static>>>, Vec<usize>), Failure<'static>> {
    let mut taken = Vec::new();
    let mut list = Vec::new();
    for (at, argument) in prog.iter().flatten().enumerate() {
        let text = argument.bytes();
        let new = if at == 0 {
            text.to_vec()
        } else {
            argv::replace(text, &chain.map, &mut taken).map_err(invalid)?
        };
        list.push(Some(if new == text { *argument } else { leak(new)? }));
    }
    list.push(None);
    Ok((list, taken))
}

/// Numbers the picked entries from `first` up. Entries of the map that are in the way go to the lowest free number.
fn make_way(chain: &mut Chain, picked: &[usize], first: RawFd) -> Result<(), Failure<'static>> {
    let targets: Vec<RawFd> = (first..).take(picked.len()).collect();
    let last = targets.last().copied().unwrap_or(first);
    let chosen: BTreeSet<usize> = picked.iter().copied().collect();
    let mut places: Vec<(usize, RawFd)> = picked.iter().copied().zip(targets).collect();
    let mut free = (3..).filter(|fd| !(first..=last).contains(fd) && !sys::is_open(*fd));
    for (at, entry) in chain.map.iter().enumerate() {
        if (first..=last).contains(&entry.fd) && !chosen.contains(&at) {
            places.extend(free.next().map(|fd| (at, fd)));
        }
    }
    for (at, to) in places {
        let Some(entry) = chain.map.get(at).cloned() else {
            continue;
        };
        if entry.fd != to {
            chain.moves.push((entry.fd, to));
            chain.change(at, &entry.label, to)?;
        }
    }
    rearrange::check(&[], &chain.moves)
}

/// Replaces the convention's variables, stale ones too, and takes the picked entries out of the map.
fn write(
    chain: &mut Chain,
    convention: &Convention,
    variables: Vec<(Vec<u8>, Vec<u8>)>,
    picked: Vec<usize>,
    keep: bool,
) -> Result<(), Failure<'static>> {
    let own = chain
        .variables()
        .into_iter()
        .filter(|name| (convention.owns)(name, &[]));
    own.for_each(|name| chain.unset(&name));
    leave(chain, picked, keep);
    variables
        .iter()
        .try_for_each(|(name, value)| chain.tell(name, value))
}

/// Takes entries out of the map, unless it is kept.
fn leave(chain: &mut Chain, mut taken: Vec<usize>, keep: bool) {
    taken.sort_unstable();
    if !keep {
        taken.into_iter().rev().for_each(|at| drop(chain.take(at)));
    }
}
