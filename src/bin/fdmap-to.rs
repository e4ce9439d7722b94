//! `fdmap-to CONVENTION PROG...`: turns LISTEN_FD_MAP into what PROG understands, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::convention::argv;
use listen_fd_map::edit::{invalid, leak, parser, read_map, without};
use listen_fd_map::exec::exec;
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::output::{Output, Shown};
use listen_fd_map::sys::{Arg, Start};

const USAGE: &str = "fdmap-to [-k] argv PROG...";

const HELP: &str = "usage: fdmap-to [-k] argv PROG...

Puts fd numbers of LISTEN_FD_MAP into PROG's arguments: %{LABEL} becomes the number of its fd,
%% a percent sign, any other % stands for itself. The entries that were used leave the map.

  -k, --keep-variables  leave the map and its variables as they are
  -h, --help
  -V, --version

  listen -tcp:label=web:8080 fdmap-to argv uvicorn --fd '%{web}' app:app

fdmap-to(1), listen-fd-map(7)
";

listen_fd_map::main!(run);

fn run(start: Start) -> i32 {
    let log = Log {
        command: "fdmap-to",
        silent: false,
    };
    fdmap_to(&start).unwrap_or_else(|failure| log.fatal(&failure))
}

/// The exit code of what does not exec.
fn fdmap_to(start: &Start) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut keep = false;
    let convention = loop {
        let Some(argument) = parser.next().map_err(|error| invalid(error.to_string()))? else {
            return Err(Failure::Usage(USAGE));
        };
        match argument {
            Short('k') | Long("keep-variables") => keep = true,
            Short('h') | Long("help") => return print(HELP),
            Short('V') | Long("version") => {
                return print(concat!("fdmap-to ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            Value(convention) => break convention,
            _ => return Err(invalid(argument.unexpected().to_string())),
        }
    };
    if convention != "argv" {
        let name = Shown(convention.as_encoded_bytes());
        return Err(invalid(format!("unknown convention {name}, there is argv")));
    }
    // lexopt has read whole arguments so far; what it has left is PROG
    let left = parser
        .raw_args()
        .map_err(|error| invalid(error.to_string()))?
        .count();
    let prog = start
        .args
        .get(start.args.len().saturating_sub(left + 1)..)
        .unwrap_or_default();
    let Some((Some(name), arguments)) = prog.split_first() else {
        return Err(Failure::Usage(USAGE));
    };
    let map = read_map(start.env)?;
    map.check_open()?;
    let mut list: Vec<Option<Arg<'static>>> = vec![Some(*name)];
    let mut taken = Vec::new();
    for argument in arguments.iter().flatten() {
        let new = argv::replace(argument.bytes(), &map, &mut taken).map_err(invalid)?;
        list.push(Some(if new == argument.bytes() {
            *argument
        } else {
            leak(new)?
        }));
    }
    list.push(None);
    let env = if keep {
        start.env.to_vec()
    } else {
        without(start.env, &map, &taken)?
    };
    Err(Failure::Exec(exec(&list, &env, start.env)))
}

fn print(text: &str) -> Result<i32, Failure<'static>> {
    let mut out = Output::new(1);
    out.put(text.as_bytes());
    out.finish()
        .map(|()| 0)
        .map_err(|errno| Failure::System("write to standard output", errno))
}
