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
    /// How its addresses are written and opened.
    pub addresses: Addresses,
    /// The type for socket(2).
    pub kind: i32,
    /// The protocol for socket(2).
    pub protocol: i32,
    /// Whether it is connection-oriented and so has to listen(2).
    pub listens: bool,
    /// What may help where the kernel lacks it, "" where no kernel does.
    pub missing: &'static str,
    /// The directive of systemd.socket(5) that makes it, "" where there is none. Of those with the same addresses the first
    /// is made, another where `SocketProtocol=` has its name.
    pub directive: &'static str,
}

/// What the addresses of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// An IP address and a port.
    Inet,
    /// A path or an abstract name: unix(7).
    Unix,
    /// A context id and a port: vsock(7).
    Vsock,
    /// A protocol: netlink(7).
    Netlink,
    /// A path: fifo(7).
    Fifo,
    /// A path of a file or device that exists.
    File,
    /// The name of a message queue: mq_overview(7).
    Queue,
    /// The number of an fd that is open.
    Fd,
}

impl Addresses {
    /// The forms, for `-h`.
    pub fn help(self) -> &'static str {
        match self {
            Addresses::Inet => {
                "PORT  *:PORT  :PORT  1.2.3.4:PORT  [v6]:PORT  [fe80::1%eth0]:PORT  ADDR/PORT"
            }
            Addresses::Unix => "/path  ./path  ../path  @abstract-name",
            Addresses::Vsock => "PORT  CID:PORT",
            Addresses::Netlink => "route  kobject-uevent  audit  ...  NUMBER",
            Addresses::Fifo => "/path  ./path  ../path (made if missing)",
            Addresses::File => "/path  ./path  ../path (never made)",
            Addresses::Queue => "/name",
            Addresses::Fd => "the number of an open fd",
        }
    }
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
    /// Multipath TCP, RFC 8684: Documentation/networking/mptcp.rst
    pub const MPTCP: Families = Families(1 << 2);
    /// sctp(7), one-to-one style
    pub const SCTP: Families = Families(1 << 3);
    /// udplite(7)
    pub const UDPLITE: Families = Families(1 << 4);
    /// unix(7), SOCK_STREAM
    pub const UNIX: Families = Families(1 << 5);
    /// unix(7), SOCK_DGRAM
    pub const UNIX_DGRAM: Families = Families(1 << 6);
    /// unix(7), SOCK_SEQPACKET
    pub const UNIX_SEQPACKET: Families = Families(1 << 7);
    /// vsock(7), SOCK_STREAM
    pub const VSOCK: Families = Families(1 << 8);
    /// vsock(7), SOCK_DGRAM
    pub const VSOCK_DGRAM: Families = Families(1 << 9);
    /// netlink(7)
    pub const NETLINK: Families = Families(1 << 10);
    /// fifo(7)
    pub const FIFO: Families = Families(1 << 11);
    /// open(2)
    pub const FILE: Families = Families(1 << 12);
    /// mq_overview(7)
    pub const MQUEUE: Families = Families(1 << 13);
    /// An fd that was inherited
    pub const FD: Families = Families(1 << 14);

    /// TCP and what is built on it.
    pub const TCP_LIKE: Families = Families::TCP.or(Families::MPTCP);
    /// UDP and what is built on it.
    pub const UDP_LIKE: Families = Families::UDP.or(Families::UDPLITE);
    /// All that have an IP address.
    pub const INET: Families = Families::TCP_LIKE.or(Families::UDP_LIKE).or(Families::SCTP);
    /// All of unix(7).
    pub const UNIX_ALL: Families = Families::UNIX
        .or(Families::UNIX_DGRAM)
        .or(Families::UNIX_SEQPACKET);
    /// All that listen(2).
    pub const STREAMS: Families = Families::TCP_LIKE
        .or(Families::SCTP)
        .or(Families::UNIX)
        .or(Families::UNIX_SEQPACKET)
        .or(Families::VSOCK);
    /// All sockets.
    pub const SOCKETS: Families = Families::INET
        .or(Families::UNIX_ALL)
        .or(Families::VSOCK)
        .or(Families::VSOCK_DGRAM)
        .or(Families::NETLINK);
    /// All.
    pub const ALL: Families = Families::SOCKETS
        .or(Families::FIFO)
        .or(Families::FILE)
        .or(Families::MQUEUE)
        .or(Families::FD);

    /// The union of two sets.
    pub const fn or(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }

    /// Whether `family` is in the set.
    pub fn contain(self, family: &Family) -> bool {
        self.0 & family.bit.0 != 0
    }

    /// The place of a set of one family among the families.
    pub const fn place(self) -> usize {
        self.0.trailing_zeros() as usize
    }

    /// Whether the family at this place is in the set.
    pub const fn has_place(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }

    /// The families of the set, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = &'static Family> + Clone {
        FAMILIES.iter().filter(move |family| self.contain(family))
    }
}

const fn row(
    name: &'static str,
    bit: Families,
    addresses: Addresses,
    kind: i32,
    protocol: i32,
    missing: &'static str,
    directive: &'static str,
) -> Family {
    Family {
        name,
        bit,
        addresses,
        kind,
        protocol,
        listens: Families::STREAMS.0 & bit.0 != 0,
        missing,
        directive,
    }
}

const STREAM: i32 = libc::SOCK_STREAM;
const DGRAM: i32 = libc::SOCK_DGRAM;
const SEQPACKET: i32 = libc::SOCK_SEQPACKET;

/// Every family, in the order of the manual page.
#[rustfmt::skip] // a table, a row a line
pub static FAMILIES: [Family; 15] = [
    row("tcp", Families::TCP, Addresses::Inet, STREAM, libc::IPPROTO_TCP, "", "ListenStream"),
    row("udp", Families::UDP, Addresses::Inet, DGRAM, libc::IPPROTO_UDP, "", "ListenDatagram"),
    row("mptcp", Families::MPTCP, Addresses::Inet, STREAM, libc::IPPROTO_MPTCP, "CONFIG_MPTCP", "ListenStream"),
    row("sctp", Families::SCTP, Addresses::Inet, STREAM, libc::IPPROTO_SCTP, "modprobe sctp?", "ListenStream"),
    row("udplite", Families::UDPLITE, Addresses::Inet, DGRAM, libc::IPPROTO_UDPLITE, "it is leaving Linux", "ListenDatagram"),
    row("unix", Families::UNIX, Addresses::Unix, STREAM, 0, "", "ListenStream"),
    row("unix-dgram", Families::UNIX_DGRAM, Addresses::Unix, DGRAM, 0, "", "ListenDatagram"),
    row("unix-seqpacket", Families::UNIX_SEQPACKET, Addresses::Unix, SEQPACKET, 0, "", "ListenSequentialPacket"),
    row("vsock", Families::VSOCK, Addresses::Vsock, STREAM, 0, "modprobe vsock?", "ListenStream"),
    row("vsock-dgram", Families::VSOCK_DGRAM, Addresses::Vsock, DGRAM, 0, "modprobe vmw_vsock_vmci_transport?", "ListenDatagram"),
    row("netlink", Families::NETLINK, Addresses::Netlink, libc::SOCK_RAW, 0, "no such protocol", "ListenNetlink"),
    row("fifo", Families::FIFO, Addresses::Fifo, 0, 0, "", "ListenFIFO"),
    row("file", Families::FILE, Addresses::File, 0, 0, "", "ListenSpecial"),
    row("mqueue", Families::MQUEUE, Addresses::Queue, 0, 0, "", "ListenMessageQueue"),
    row("fd", Families::FD, Addresses::Fd, 0, 0, "", ""),
];

/// The family called `name`.
pub fn find(name: &[u8]) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .find(|family| family.name.as_bytes() == name)
}
