//! `fdmap-edit EDIT... PROG...`: adds, renames, moves and drops entries of LISTEN_FD_MAP, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::edit::{
    Chain, Entry, invalid, new_label, next_option, not_there, parse_fd, parser, pick, pick_all,
    print, prog, wrong_argument,
};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::output::Shown;
use listen_fd_map::rearrange;
use listen_fd_map::sys::{self, Start};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

const USAGE: &str = "fdmap-edit [-ea] EDIT... PROG...";

const HELP: &str = "usage: fdmap-edit [-ea] EDIT... PROG...

Edits LISTEN_FD_MAP, in the order given, and execs PROG. Nothing is changed before all was checked.

  --add LABEL=FD      an fd that is open already
  --rename OLD=NEW    another label; the name of a group renames its members
  --move LABEL=FD     another number
  --drop LABEL        take it out and close it; the name of a group is all of it
  --keep LABEL,...    drop all others
  -e, --env           export <LABEL>_FD of every entry
  -a, --addr          export <LABEL>_ADDR of every entry
  -h, --help
  -V, --version

  fdmap-edit --rename web=http --move http=3 daemon
  fdmap-edit --add log=2 --drop admin daemon

fdmap-edit(1), fdmap-to(1), listen-fd-map(7)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let mut log = Log {
        command: "fdmap-edit",
        silent: false,
    };
    fdmap_edit(&start, &mut log).unwrap_or_else(|failure| log.fatal(&failure))
}

enum Edit {
    Add(String, RawFd),
    Rename(String, String),
    Move(String, RawFd),
    Drop(String),
    Keep(String),
}

/// The exit code of what does not exec.
fn fdmap_edit(start: &Start, log: &mut Log) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let (mut env, mut addr) = (false, false);
    let mut edits = Vec::new();
    while let Some(argument) = next_option(&mut parser)? {
        match argument {
            Short('e') | Long("env") => env = true,
            Short('a') | Long("addr") => addr = true,
            Short('h') | Long("help") => return print(HELP),
            Short('V') | Long("version") => {
                return print(concat!("fdmap-edit ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            Long("add") => {
                let (label, fd) = number("--add", &value(&mut parser)?)?;
                edits.push(Edit::Add(new_label("--add", &label)?, fd));
            }
            Long("rename") => {
                let (old, new) = pair("--rename OLD=NEW", &value(&mut parser)?)?;
                edits.push(Edit::Rename(old, new_label("--rename", &new)?));
            }
            Long("move") => {
                let (label, fd) = number("--move", &value(&mut parser)?)?;
                edits.push(Edit::Move(label, fd));
            }
            Long("drop") => edits.push(Edit::Drop(value(&mut parser)?)),
            Long("keep") => edits.push(Edit::Keep(value(&mut parser)?)),
            _ => return Err(wrong_argument(argument.unexpected())),
        }
    }
    // what is left begins with PROG, or with the two dashes before it
    let prog = prog(&mut parser, start, USAGE)?;
    let mut model = Model::new(start)?;
    edits.into_iter().try_for_each(|edit| model.apply(edit))?;
    model.settle()?;
    let chain = &mut model.chain;
    let entries: Vec<(Entry, RawFd)> = chain.map.iter().cloned().zip(model.from).collect();
    chain.export(&entries, env, addr)?;
    log.silent = chain.takes_stderr();
    Err(chain.exec(prog))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, Failure<'static>> {
    let value = parser.value().map_err(wrong_argument)?;
    Ok(value.to_string_lossy().into_owned())
}

fn pair(what: &str, text: &str) -> Result<(String, String), Failure<'static>> {
    let pair = text
        .split_once('=')
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
    pair.ok_or_else(|| invalid(format!("write {what}, not {}", Shown(text.as_bytes()))))
}

fn number(option: &str, text: &str) -> Result<(String, RawFd), Failure<'static>> {
    let (label, fd) = pair(&format!("{option} LABEL=FD"), text)?;
    let number = parse_fd(&fd);
    let wrong = || {
        invalid(format!(
            "{option} {}: {} is no number of an fd",
            Shown(text.as_bytes()),
            Shown(fd.as_bytes())
        ))
    };
    Ok((label, number.ok_or_else(wrong)?))
}

/// The map while it is edited.
struct Model {
    chain: Chain,
    /// Where the fd of each entry is now.
    from: Vec<RawFd>,
}

impl Model {
    fn new(start: &Start) -> Result<Model, Failure<'static>> {
        let chain = Chain::new(start)?;
        let from = chain.map.iter().map(|entry| entry.fd).collect();
        Ok(Model { chain, from })
    }

    fn apply(&mut self, edit: Edit) -> Result<(), Failure<'static>> {
        match edit {
            Edit::Add(label, fd) => self.add(label, fd),
            Edit::Rename(old, new) => self.rename(&old, &new),
            Edit::Move(label, fd) => {
                let at = self.one(&label)?;
                let label = self
                    .chain
                    .map
                    .get(at)
                    .map_or(label, |entry| entry.label.clone());
                self.chain.change(at, &label, fd)
            }
            Edit::Drop(label) => {
                let picked = pick_all(&self.chain.map, &label)?;
                self.drop(picked);
                Ok(())
            }
            Edit::Keep(list) => {
                let picked = pick_all(&self.chain.map, &list)?;
                let others = (0..self.chain.map.len()).filter(|at| !picked.contains(at));
                self.drop(others.collect());
                Ok(())
            }
        }
    }

    fn add(&mut self, label: String, fd: RawFd) -> Result<(), Failure<'static>> {
        if !sys::is_open(fd) {
            return Err(invalid(format!("--add {label}={fd}: fd {fd} is not open")));
        }
        if let Some(at) = self.from.iter().position(|&from| from == fd) {
            let other = self.chain.map.get(at).map_or("", |entry| &entry.label);
            return Err(invalid(format!(
                "--add {label}={fd}: fd {fd} is {other} in LISTEN_FD_MAP"
            )));
        }
        if self.chain.closed.contains(&fd) {
            return Err(invalid(format!("--add {label}={fd}: fd {fd} is dropped")));
        }
        self.free(&label)?;
        self.chain.map.push(Entry { label, fd });
        self.from.push(fd);
        Ok(())
    }

    fn free(&self, label: &str) -> Result<(), Failure<'static>> {
        if self.chain.map.iter().any(|entry| entry.label == label) {
            return Err(invalid(format!(
                "label {label} is taken in LISTEN_FD_MAP, choose another"
            )));
        }
        Ok(())
    }

    fn rename(&mut self, old: &str, new: &str) -> Result<(), Failure<'static>> {
        let picked = pick(&self.chain.map, old);
        if picked.is_empty() {
            return Err(invalid(not_there(&self.chain.map, old)));
        }
        for at in picked {
            let Some(entry) = self.chain.map.get(at).cloned() else {
                continue;
            };
            let member = entry.label.strip_prefix(old).unwrap_or_default();
            let label = new_label("--rename", &format!("{new}{member}"))?;
            if label != entry.label {
                self.free(&label)?;
                self.chain.change(at, &label, entry.fd)?;
            }
        }
        Ok(())
    }

    fn one(&self, label: &str) -> Result<usize, Failure<'static>> {
        match pick(&self.chain.map, label).as_slice() {
            [at] => Ok(*at),
            [] => Err(invalid(not_there(&self.chain.map, label))),
            [first, ..] => {
                let first = self.chain.map.get(*first).map_or("", |entry| &entry.label);
                Err(invalid(format!(
                    "{label} is a group, move {first} and so on"
                )))
            }
        }
    }

    fn drop(&mut self, mut picked: Vec<usize>) {
        picked.sort_unstable();
        for at in picked.into_iter().rev() {
            self.chain.take(at);
            self.chain.closed.push(self.from.remove(at));
        }
    }

    /// What moves where, once all edits are known.
    fn settle(&mut self) -> Result<(), Failure<'static>> {
        let mut places = BTreeMap::new();
        for entry in &self.chain.map {
            if let Some(other) = places.insert(entry.fd, &entry.label) {
                return Err(invalid(format!(
                    "fd {} would be {other} and {}",
                    entry.fd, entry.label
                )));
            }
        }
        let moves = self.from.iter().zip(&self.chain.map);
        let moves = moves
            .map(|(&from, entry)| (from, entry.fd))
            .filter(|(from, to)| from != to);
        self.chain.moves = moves.collect();
        rearrange::check(&self.chain.closed, &self.chain.moves)
    }
}
