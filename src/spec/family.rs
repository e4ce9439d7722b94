//! The table of families: what `-FAMILY:` makes.
#![forbid(unsafe_code)]

use nix::libc;

/// A row of the table of families.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name in specs, and the label of a socket that is given none.
    pub name: &'static str,
    /// Its bit in a [`Families`].
    pub bit: Families,
    /// How its addresses are written and bound.
    pub addresses: Addresses,
    /// The type for socket(2).
    pub kind: i32,
    /// The protocol for socket(2).
    pub protocol: i32,
    /// Whether it is connection-oriented and so has to listen(2).
    pub listens: bool,
    /// The address forms, for `-h`.
    pub help: &'static str,
}

/// What the addresses of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// An IP address and a port.
    Inet,
    /// A path or an abstract name: unix(7).
    Unix,
}

/// A set of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families(u32);

impl Families {
    /// No family.
    pub const NONE: Families = Families(0);
    /// tcp(7)
    pub const TCP: Families = Families(1);
    /// udp(7)
    pub const UDP: Families = Families(1 << 1);
    /// unix(7), SOCK_STREAM
    pub const UNIX: Families = Families(1 << 2);
    /// unix(7), SOCK_DGRAM
    pub const UNIX_DGRAM: Families = Families(1 << 3);
    /// unix(7), SOCK_SEQPACKET
    pub const UNIX_SEQPACKET: Families = Families(1 << 4);

    /// All that have an IP address.
    pub const INET: Families = Families::TCP.or(Families::UDP);
    /// All that may have a path.
    pub const UNIX_ALL: Families = Families::UNIX
        .or(Families::UNIX_DGRAM)
        .or(Families::UNIX_SEQPACKET);
    /// All that listen(2).
    pub const STREAMS: Families = Families::TCP
        .or(Families::UNIX)
        .or(Families::UNIX_SEQPACKET);
    /// All.
    pub const ALL: Families = Families::INET.or(Families::UNIX_ALL);

    /// The union of two sets.
    pub const fn or(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }

    /// Whether `family` is in the set.
    pub fn contain(self, family: &Family) -> bool {
        self.0 & family.bit.0 != 0
    }
}

const PORTS: &str = "PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT";
const PATHS: &str = "/path  ./path  ../path  @abstract-name";

/// Every family, in the order of the manual page.
pub static FAMILIES: [Family; 5] = [
    Family {
        name: "tcp",
        bit: Families::TCP,
        addresses: Addresses::Inet,
        kind: libc::SOCK_STREAM,
        protocol: 0,
        listens: true,
        help: PORTS,
    },
    Family {
        name: "udp",
        bit: Families::UDP,
        addresses: Addresses::Inet,
        kind: libc::SOCK_DGRAM,
        protocol: 0,
        listens: false,
        help: PORTS,
    },
    Family {
        name: "unix",
        bit: Families::UNIX,
        addresses: Addresses::Unix,
        kind: libc::SOCK_STREAM,
        protocol: 0,
        listens: true,
        help: PATHS,
    },
    Family {
        name: "unix-dgram",
        bit: Families::UNIX_DGRAM,
        addresses: Addresses::Unix,
        kind: libc::SOCK_DGRAM,
        protocol: 0,
        listens: false,
        help: PATHS,
    },
    Family {
        name: "unix-seqpacket",
        bit: Families::UNIX_SEQPACKET,
        addresses: Addresses::Unix,
        kind: libc::SOCK_SEQPACKET,
        protocol: 0,
        listens: true,
        help: PATHS,
    },
];

/// The family called `name`.
pub fn find(name: &[u8]) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .find(|family| family.name.as_bytes() == name)
}
