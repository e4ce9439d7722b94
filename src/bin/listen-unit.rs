//! `listen-unit FILE.socket... PROG...`: binds what systemd .socket files describe, adds it to LISTEN_FD_MAP, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use lexopt::prelude::*;
use listen_fd_map::edit::{invalid, new_labels, next_option, parser, print, rest, wrong_argument};
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::output::Shown;
use listen_fd_map::run;
use listen_fd_map::sys::{self, List, Start};
use listen_fd_map::unit::sockets::{self, Note};
use listen_fd_map::unit::{Request, arguments, find};

const USAGE: &str = "listen-unit [-eanv] [-d FD] [-l LABEL,...] [--accept] [--user] [--root DIR] [--] FILE.socket... PROG...";

const HELP: &str = "
Binds what systemd's .socket files describe, as systemd would, leaves each socket open on an fd, says in
LISTEN_FD_MAP which is which, and execs PROG. A name without a slash is searched where systemd has its
units, with all drop-ins; a path is read with the .d directory beside it.

  -e, --env               also export <LABEL>_FD
  -a, --addr              also export <LABEL>_ADDR
  -v, --verbose           say what was bound, and which directives are a service manager's
  -n, --dry-run           make nothing, print the specs for listen
  -d, --notify FD         write a newline to FD and close it once every socket is bound
  -l, --labels LABEL,...  the labels, in order (default: FileDescriptorName=, or the unit's name)
      --accept            take units with Accept=yes: PROG accepts connections itself
      --user              search the units of the user's own manager
      --root DIR          search below DIR
  -h, --help
  -V, --version

  listen-unit foo.socket fdmap-to systemd food
  listen-unit -n /lib/systemd/system/foo.socket

listen-unit(1), listen(1), fdmap-to(1)
";

listen_fd_map::main!(run);
listen_fd_map::heap!();

fn run(start: Start) -> i32 {
    let mut log = Log {
        command: "listen-unit",
        silent: !sys::is_open(2),
    };
    listen_unit(&start, &mut log).unwrap_or_else(|failure| log.fatal(&failure))
}

/// The exit code of what does not exec.
fn listen_unit(start: &Start, log: &mut Log) -> Result<i32, Failure<'static>> {
    let mut parser = parser(start);
    let mut request = Request {
        user: false,
        root: None,
        accept: false,
        env: start.env,
    };
    let (mut flags, mut labels) = (vec!["listen-unit".to_owned()], None);
    let mut verbose = false;
    while let Some(option) = next_option(&mut parser)? {
        match option {
            Short('e') | Long("env") => flags.push("-e".to_owned()),
            Short('a') | Long("addr") => flags.push("-a".to_owned()),
            Short('n') | Long("dry-run") => flags.push("-n".to_owned()),
            Short('v') | Long("verbose") => {
                verbose = true;
                flags.push("-v".to_owned());
            }
            Short('d') | Long("notify") => {
                let fd = parser.value().map_err(wrong_argument)?;
                let fd = fd.to_string_lossy().into_owned();
                flags.extend(["-d".to_owned(), fd]);
            }
            Short('l') | Long("labels") => {
                labels = Some(new_labels(&parser.value().map_err(wrong_argument)?)?);
            }
            Long("accept") => request.accept = true,
            Long("user") => request.user = true,
            Long("root") => request.root = Some(parser.value().map_err(wrong_argument)?),
            Short('h') | Long("help") => return print(&format!("usage: {USAGE}\n{HELP}")),
            Short('V') | Long("version") => {
                return print(concat!("listen-unit ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            _ => return Err(wrong_argument(option.unexpected())),
        }
    }
    let (units, prog) = operands(&mut parser, start)?;
    let mut notes = Vec::new();
    let mut sockets = Vec::new();
    for operand in units {
        let unit = find::unit(operand, &request)?;
        sockets.extend(sockets::read(&unit, &request, &mut notes)?);
    }
    for note in &notes {
        match note {
            Note::Warning(text) => log.line("warning", format_args!("{text}")),
            Note::Info(text) if verbose => log.line("info", format_args!("{text}")),
            Note::Info(_) => {}
        }
    }
    let labels = arguments::labels(&sockets, labels, log)?;
    let (args, addresses) = arguments::arguments(flags, &sockets, labels, prog)?;
    run::run(args.leak(), start.env, USAGE, log)
        .map_err(|failure| arguments::placed(failure, &sockets, &addresses))
}

/// The leading operands that end in .socket, and PROG with its arguments. `--` ends the options, and after a file the
/// files.
fn operands(
    parser: &mut lexopt::Parser,
    start: &Start,
) -> Result<(Vec<&'static [u8]>, List), Failure<'static>> {
    let mut rest = rest(parser, start)?;
    let mut units = Vec::new();
    while let [Some(argument), others @ ..] = rest {
        let argument = argument.bytes();
        match argument {
            b"--" if units.is_empty() => {}
            b"--" => return Ok((units, others)),
            unit if unit.ends_with(b".socket") => units.push(unit),
            _ if units.is_empty() => {
                let shown = Shown(argument);
                return Err(invalid(format!(
                    "{shown} is no .socket file, the files come first"
                )));
            }
            [b'-', _, ..] => {
                let shown = Shown(argument);
                return Err(invalid(format!(
                    "{shown}: options come before the files (-- before a PROG that is called so)"
                )));
            }
            _ => break,
        }
        rest = others;
    }
    if units.is_empty() {
        return Err(Failure::Usage(USAGE));
    }
    Ok((units, rest))
}
