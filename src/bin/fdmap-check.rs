//! `fdmap-check -l LABEL[=KIND[,PROPERTY]...]... PROG...`: execs PROG only if LISTEN_FD_MAP has what it needs.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::edit::{
    Chain, invalid, next_option, not_there, parser, pick, print, prog, wrong_argument,
};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::requirement::Requirement;
use listen_fd_map::sys::Start;
use std::collections::BTreeSet;

const USAGE: &str = "fdmap-check [-x] -l LABEL[=KIND[,PROPERTY]...]... PROG...";

const HELP: &str = "usage: fdmap-check [-x] -l LABEL[=KIND[,PROPERTY]...]... PROG...

Execs PROG only if LISTEN_FD_MAP has what it needs; else says what was wanted and what was found, and exits 1.

  -l, --label LABEL[=KIND[,PROPERTY]...]  an entry, or each of a group
  -x, --exact    no other entries
  -h, --help
  -V, --version

KIND is a family of listen, or empty. PROPERTY: listening nonblock v6only reuseport port=N addr=ADDRESS
owner=USER group=GROUP mode=OCTAL, and at the end path=PATH, which takes the rest.

  fdmap-check -l web=tcp,listening,port=80 -l control=unix,mode=0600,path=/run/d/control daemon

fdmap-check(1), fdmap(1), listen-fd-map(7)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let log = Log {
        command: "fdmap-check",
        silent: false,
    };
    fdmap_check(&start).unwrap_or_else(|failure| log.fatal(&failure))
}

/// The exit code of what does not exec.
fn fdmap_check(start: &Start) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut exact = false;
    let mut requirements = Vec::new();
    while let Some(argument) = next_option(&mut parser)? {
        match argument {
            Short('x') | Long("exact") => exact = true,
            Short('l') | Long("label") => {
                let text = parser.value().map_err(wrong_argument)?;
                requirements.push(Requirement::parse(text.as_encoded_bytes()).map_err(invalid)?);
            }
            Short('h') | Long("help") => return print(HELP),
            Short('V') | Long("version") => {
                return print(concat!("fdmap-check ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            _ => return Err(wrong_argument(argument.unexpected())),
        }
    }
    let prog = prog(&mut parser, start, USAGE)?;
    let mut chain = Chain::new(start)?;
    let mut named = BTreeSet::new();
    for requirement in &requirements {
        let picked = pick(&chain.map, &requirement.label);
        if picked.is_empty() {
            return Err(not_as_wanted(not_there(&chain.map, &requirement.label)));
        }
        for at in picked {
            named.insert(at);
            if let Some(entry) = chain.map.get(at) {
                requirement
                    .check(&entry.label, entry.fd)?
                    .map_err(not_as_wanted)?;
            }
        }
    }
    let mut entries = chain.map.iter().enumerate();
    if let Some((_, other)) = entries.find(|(at, _)| exact && !named.contains(at)) {
        let label = &other.label;
        return Err(not_as_wanted(format!(
            "LISTEN_FD_MAP has {label}, which no -l names (-x)"
        )));
    }
    Err(chain.exec(prog))
}

fn not_as_wanted(text: String) -> Failure<'static> {
    Failure::NotThere(text.leak())
}
