//! `-h`: what the tables say, on one screen.
#![forbid(unsafe_code)]

use crate::output::Output;
use crate::spec::family::{FAMILIES, Families, Family};
use crate::spec::option::{self, OPTIONS};
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

Families (listen -h FAMILY says more), and the options of each:
 ";

const LISTEN_TAIL: &str = "
  listen -tcp::80 PROG
  listen -udp::53 -tcp::53 -tcp:label=tls:853 \\
         -unix:label=control,mode=0600:/run/dns/control chpst -u dns PROG
  listen --unix /run/app.sock -o user=app -o mode=0600 PROG

listen(1), listen-spec(5), listen-fd-map(7)
";

/// Sets of families that have a name.
const NAMED: [(Families, &str); 4] = [
    (Families::ALL, "all"),
    (Families::SOCKETS, "all sockets"),
    (Families::INET, "tcp, udp, mptcp, sctp, udplite"),
    (Families::UNIX_ALL, "unix, unix-dgram, unix-seqpacket"),
];

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
    for family in &FAMILIES {
        write!(out, " {}", family.name)?;
    }
    out.write_str("\n\n")?;
    for (at, row) in OPTIONS.iter().enumerate() {
        let same = |other: &&option::Row| other.families == row.families;
        let before = OPTIONS.iter().take(at);
        if before.clone().any(|other| same(&other)) {
            continue;
        }
        // what has the same families stands together
        out.write_str("  ")?;
        match NAMED.iter().find(|(families, _)| *families == row.families) {
            Some((_, name)) => out.write_str(name)?,
            None => {
                let mut separator = "";
                row.families.iter().try_for_each(|family| {
                    write!(out, "{separator}{}", family.name)?;
                    separator = ", ";
                    Ok(())
                })?;
            }
        }
        out.write_str(":")?;
        OPTIONS
            .iter()
            .filter(same)
            .try_for_each(|row| write!(out, " {}", row.name))?;
        out.write_str("\n")?;
    }
    out.write_str(LISTEN_TAIL)
}

fn one(family: &Family, out: &mut Output) -> core::fmt::Result {
    let (name, addresses) = (family.name, family.addresses.help());
    writeln!(out, "-{name}:OPTIONS:ADDRESS\n\naddresses: {addresses}\n")?;
    option::of(family).try_for_each(|row| writeln!(out, "  {:<12} {}", row.name, row.help))
}
