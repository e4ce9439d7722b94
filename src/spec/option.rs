//! What an option is: a row of the table of options, [`OPTIONS`].
#![forbid(unsafe_code)]

use super::address::Address;
use super::family::{FAMILIES, Families, Family};
pub use super::table::OPTIONS;
use super::value::Takes;

/// A row of the table of options.
#[derive(Debug)]
pub struct Row {
    /// The name in specs.
    pub name: &'static str,
    /// The families that have the option.
    pub families: Families,
    /// Which of their addresses have it.
    pub addresses: Which,
    /// Whether it may stand in a spec more than once.
    pub repeats: bool,
    /// The values that it takes.
    pub takes: Takes,
    /// What it is for: a step of our own, or a socket option as it stands.
    pub what: What,
    /// The families where it is set to 1 if the spec does not say otherwise.
    pub default: Families,
    /// The capability that the kernel wants to see where it says EPERM, "" where it never does.
    pub needs: &'static str,
    /// The directive of systemd.socket(5) that says the same, "" where there is none.
    pub directive: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// Which addresses of a family an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// IPv6 addresses, and "all addresses", which is an IPv6 socket.
    V6,
    /// Paths, but not abstract names.
    Paths,
    /// All but paths.
    NoPaths,
}

impl Which {
    /// Whether `address` is among them.
    pub fn has(self, address: &Address) -> bool {
        match self {
            Which::All => true,
            Which::V6 => !matches!(address, Address::V4 { .. }),
            Which::Paths => !matches!(address, Address::Abstract(_)),
            Which::NoPaths => !matches!(address, Address::Path(_)),
        }
    }
}

/// What an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The label in the map.
    Label,
    /// The number of the fd.
    Fd,
    /// A variable with the number of the fd.
    Env,
    /// O_NONBLOCK, from socket(2) or open(2) on.
    Nonblock,
    /// How many sockets there are in a group.
    Count,
    /// The network namespace of the socket.
    Netns,
    /// The second argument of listen(2).
    Backlog,
    /// Whether to call listen(2) at all.
    Listen,
    /// IPV6_V6ONLY: [`V6ONLY_KERNEL`] leaves it to the sysctl.
    V6only,
    /// The permission bits of a path or queue.
    Mode,
    /// Its owner.
    User,
    /// Its group.
    Group,
    /// Whether a stale node may be replaced.
    Unlink,
    /// The permission bits of parent directories that are made.
    Dirmode,
    /// A symbolic link to the path.
    Symlink,
    /// Whether a file is opened for writing too.
    Writable,
    /// The most messages of a queue.
    Maxmsg,
    /// The longest message of a queue, in bytes.
    Msgsize,
    /// The capacity of a FIFO in bytes: F_SETPIPE_SZ of fcntl(2).
    PipeSize,
    /// A socket option, at this time.
    Option(When, How),
}

/// When a socket option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Between socket(2) and bind(2).
    BeforeBind,
    /// Between bind(2) and listen(2).
    AfterBind,
}

/// A socket option: its level and its name.
pub type Name = (i32, i32);

/// How a socket option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// To the value, an int.
    Int(Name),
    /// To 1, where the value is the option's name and this is the level.
    Chosen(i32),
    /// To the value, an int: the first on an IPv4 socket, the second on an IPv6 one, where the first may be set as well,
    /// the last on any other.
    Twin(Name, Name, Both, Name),
    /// To the value, a text.
    Text(Name),
    /// A buffer of at least so many bytes: the second is for those who may exceed the limit, which this sysctl is.
    Buffer(Name, Name, &'static str),
    /// Membership in a multicast group of ip(7) or ipv6(7).
    Membership,
}

/// Where an IPv6 socket gets the IPv4 option too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Both {
    /// Never.
    No,
    /// Where it takes IPv4 as well.
    DualStack,
    /// Always.
    Yes,
}

/// The value of `v6only=kernel`.
pub const V6ONLY_KERNEL: i32 = 2;

/// The place of the option called `name` in [`OPTIONS`], and its row.
pub fn find(name: &[u8]) -> Option<(usize, &'static Row)> {
    OPTIONS
        .iter()
        .enumerate()
        .find(|(_, row)| row.name.as_bytes() == name)
}

/// The places of options that the code itself asks for, found when this is compiled.
pub const LABEL: usize = place("label");
/// As [`LABEL`].
pub const ENV: usize = place("env");
/// As [`LABEL`].
pub const NONBLOCK: usize = place("nonblock");
/// As [`LABEL`].
pub const COUNT: usize = place("count");
/// As [`LABEL`].
pub const NETNS: usize = place("netns");
/// As [`LABEL`].
pub const V6ONLY: usize = place("v6only");
/// As [`LABEL`].
pub const REUSEPORT: usize = place("reuseport");
/// As [`LABEL`].
pub const MODE: usize = place("mode");
/// As [`LABEL`].
pub const UNLINK: usize = place("unlink");
/// As [`LABEL`].
pub const DIRMODE: usize = place("dirmode");
/// As [`LABEL`].
pub const SYMLINK: usize = place("symlink");
/// As [`LABEL`].
pub const WRITABLE: usize = place("writable");
/// As [`LABEL`].
pub const MAXMSG: usize = place("maxmsg");
/// As [`LABEL`].
pub const MSGSIZE: usize = place("msgsize");
/// As [`LABEL`].
pub const PIPE_SIZE: usize = place("pipe-size");
/// As [`LABEL`].
pub const JOIN: usize = place("join");
/// As [`LABEL`].
pub const LISTEN: usize = place("listen");
/// As [`LABEL`].
pub const BACKLOG: usize = place("backlog");
/// As [`LABEL`].
pub const USER: usize = place("user");
/// As [`LABEL`].
pub const GROUP: usize = place("group");

/// The places of the socket options that are set at the time `now`, a bit each.
pub const fn at(now: When) -> u64 {
    const BEFORE_BIND: u64 = due(true);
    const AFTER_BIND: u64 = due(false);
    match now {
        When::BeforeBind => BEFORE_BIND,
        When::AfterBind => AFTER_BIND,
    }
}

const fn due(before_bind: bool) -> u64 {
    let (mut set, mut at) = (0, 0);
    while at < OPTIONS.len() {
        if let What::Option(when, _) = OPTIONS[at].what {
            set |= ((before_bind == matches!(when, When::BeforeBind)) as u64) << at;
        }
        at += 1;
    }
    set
}

/// The places of the options that `family` has set to 1 by default, a bit each.
pub fn defaults(family: &Family) -> u64 {
    DEFAULTS.get(family.bit.place()).copied().unwrap_or(0)
}

static DEFAULTS: [u64; FAMILIES.len()] = {
    let mut sets = [0; FAMILIES.len()];
    let mut family = 0;
    while family < sets.len() {
        let mut at = 0;
        while at < OPTIONS.len() {
            let is_default = OPTIONS[at].default.has_place(family);
            sets[family] |= (is_default as u64) << at;
            at += 1;
        }
        family += 1;
    }
    sets
};

const fn place(name: &str) -> usize {
    let name = name.as_bytes();
    let mut at = 0;
    // a name that is not in the table ends the build here
    while !same(OPTIONS[at].name.as_bytes(), name) {
        at += 1;
    }
    at
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The options that `family` has, in the order of the table.
pub fn of(family: &Family) -> impl Iterator<Item = &'static Row> + Clone {
    OPTIONS.iter().filter(|row| row.families.contain(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_name_once_and_fits_the_bit_sets_of_a_spec() {
        for (at, row) in OPTIONS.iter().enumerate() {
            assert_eq!(
                find(row.name.as_bytes()).map(|(found, _)| found),
                Some(at),
                "{}",
                row.name
            );
        }
        assert!(OPTIONS.len() <= 64);
    }
}
