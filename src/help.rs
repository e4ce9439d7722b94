//! `-h`: what the tables say, on one screen.
#![forbid(unsafe_code)]

use crate::output::Output;
use crate::spec::family::{FAMILIES, Families, Family};
use crate::spec::option;
use core::fmt::Write as _;

/// The usage line of `listen`.
pub const LISTEN_USAGE: &str = "listen [-eanv] [-d FD] SPEC... [--] PROG...";

const LISTEN_HEAD: &str = "
Binds sockets, leaves each open on an fd, says in LISTEN_FD_MAP which is which (web=3,dns=4),
and execs PROG.

  SPEC   -FAMILY:[OPTION[=VALUE]][,OPTION[=VALUE]...]:ADDRESS
         --FAMILY ADDRESS [-o OPTION[=VALUE]]...
         OPTION~=VALUE: if the kernel refuses it, warn and go on

  -e, --env        also export <LABEL>_FD
  -a, --addr       also export <LABEL>_ADDR
  -v, --verbose    say what was bound
  -n, --dry-run    make nothing, print the specs in full
  -d, --notify FD  write a newline to FD and close it once every socket is bound
  -o, --option OPTION[=VALUE]  an option of the spec before it
  -h, --help [FAMILY]          this, or the options of one family
  -V, --version

Families and the names of their options:
";

const LISTEN_TAIL: &str = "
  listen -tcp::80 PROG
  listen -udp::53 -tcp::53 -tcp:label=tls:853 \\
         -unix:label=control,mode=0600:/run/dns/control chpst -u dns PROG
  listen --unix /run/app.sock -o user=app -o mode=0600 PROG

listen(1), listen-spec(5), listen-fd-map(7)
";

/// `listen -h`, `listen -h FAMILY`
pub fn listen(family: Option<&Family>, out: &mut Output) {
    // an Output takes everything
    let _ = match family {
        Some(family) => one(family, out),
        None => all(out),
    };
}

fn all(out: &mut Output) -> core::fmt::Result {
    write!(out, "usage: {LISTEN_USAGE}\n{LISTEN_HEAD}")?;
    let everywhere = |row: &&option::Row| row.families == Families::ALL;
    out.write_str("  all             ")?;
    option::OPTIONS
        .iter()
        .filter(everywhere)
        .try_for_each(|row| write!(out, " {}", row.name))?;
    for family in &FAMILIES {
        write!(out, "\n  {:<16}", family.name)?;
        option::of(family)
            .filter(|row| !everywhere(row))
            .try_for_each(|row| write!(out, " {}", row.name))?;
    }
    write!(out, "\n{LISTEN_TAIL}")
}

fn one(family: &Family, out: &mut Output) -> core::fmt::Result {
    let name = family.name;
    writeln!(
        out,
        "-{name}:OPTIONS:ADDRESS\n\naddresses: {}\n",
        family.help
    )?;
    option::of(family).try_for_each(|row| writeln!(out, "  {:<12} {}", row.name, row.help))
}
