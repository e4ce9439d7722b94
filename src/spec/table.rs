//! The table of options. All that is known of an option stands in its row: parsing, applying, `-h`, the manual page's
//! test and `listen -n` read it there.
#![forbid(unsafe_code)]

use super::family::Families;
use super::option::{Both, How, Name, Row, What, When, Which};
use super::value::Takes;
use crate::place::MOST;
use nix::libc;

const fn row(
    name: &'static str,
    families: Families,
    takes: Takes,
    what: What,
    directive: &'static str,
    help: &'static str,
) -> Row {
    Row {
        name,
        families,
        addresses: Which::All,
        repeats: false,
        takes,
        what,
        default: Families::NONE,
        needs: "",
        directive,
        help,
    }
}

impl Row {
    const fn only(self, addresses: Which) -> Row {
        Row { addresses, ..self }
    }

    const fn repeats(self) -> Row {
        Row {
            repeats: true,
            ..self
        }
    }

    const fn default(self, default: Families) -> Row {
        Row { default, ..self }
    }

    const fn needs(self, needs: &'static str) -> Row {
        Row { needs, ..self }
    }
}

/// An int that is set before bind(2).
const fn int(name: Name) -> What {
    What::Option(When::BeforeBind, How::Int(name))
}

/// An IPv4 and an IPv6 option for the same.
const fn twin(v4: i32, v6: i32, both: Both) -> What {
    let (v4, v6) = ((libc::IPPROTO_IP, v4), (libc::IPPROTO_IPV6, v6));
    What::Option(When::BeforeBind, How::Twin(v4, v6, both, v4))
}

const fn socket(name: i32) -> Name {
    (libc::SOL_SOCKET, name)
}

const fn tcp(name: i32) -> Name {
    (libc::IPPROTO_TCP, name)
}

/// The largest buffer, which the kernel doubles: INT_MAX / 2 of net/core/sock.c
const BUFFER: i32 = i32::MAX / 2;
const YES_NO: Takes = Takes::Flag(&[]);
const MORE: i32 = i32::MAX;

/// Linux 6.5: asm-generic/socket.h
const SO_PASSPIDFD: i32 = 76;
/// Linux 6.16: asm-generic/socket.h
const SO_PASSRIGHTS: i32 = 83;
/// linux/in6.h
const IPV6_FREEBIND: i32 = 78;
/// linux/in6.h
const IPV6_TRANSPARENT: i32 = 75;
/// The most messages that a queue may have, and their longest: include/linux/ipc_namespace.h
const HARD_MSGMAX: i32 = 65_536;
const HARD_MSGSIZEMAX: i32 = 16 << 20;

const PATHS: Families = Families::UNIX_ALL.or(Families::FIFO);
const OWNED: Families = PATHS.or(Families::MQUEUE);
const CREDENTIALS: Families = Families::UNIX_ALL.or(Families::NETLINK);
const COUNTED: Families = Families::TCP_LIKE.or(Families::UDP);
const REUSEADDR: Families = Families::TCP_LIKE.or(Families::SCTP);
const IN_NAMESPACE: Families = Families::INET.or(CREDENTIALS);

/// Every option, in the order in which the kernel is asked for them.
#[rustfmt::skip] // a table, a row in two or three lines
pub static OPTIONS: [Row; 49] = [
    row("label", Families::ALL, Takes::Label, What::Label,
        "FileDescriptorName", "name in LISTEN_FD_MAP (default: the family)"),
    row("fd", Families::ALL, Takes::Number(0, MORE), What::Fd,
        "", "exactly this fd number (default: the lowest free one from 3 up)"),
    row("env", Families::ALL, Takes::Variable, What::Env,
        "", "also export the fd number in this variable"),
    row("nonblock", Families::ALL, YES_NO, What::Nonblock,
        "", "set O_NONBLOCK"),
    row("count", COUNTED, Takes::Number(1, MOST as i32), What::Count,
        "", "so many reuseport sockets: LABEL.0, LABEL.1, ..."),
    row("netns", IN_NAMESPACE, Takes::Name, What::Netns,
        "NetworkNamespacePath", "bind in this network namespace, a name of ip-netns(8) or a path")
        .only(Which::NoPaths).needs("CAP_SYS_ADMIN"),
    row("v6only", Families::INET, Takes::Flag(&[("kernel", super::option::V6ONLY_KERNEL)]), What::V6only,
        "BindIPv6Only", "IPV6_V6ONLY: no IPv4 (default: yes for [::], no for all addresses)")
        .only(Which::V6),
    row("device", Families::INET, Takes::Interface, What::Option(When::BeforeBind, How::Text(socket(libc::SO_BINDTODEVICE))),
        "BindToDevice", "SO_BINDTODEVICE: only packets of this interface")
        .needs("CAP_NET_RAW"),
    row("reuseaddr", Families::SOCKETS, YES_NO, int(socket(libc::SO_REUSEADDR)),
        "", "SO_REUSEADDR (default: yes for tcp, mptcp, sctp)")
        .default(REUSEADDR),
    row("reuseport", Families::INET, YES_NO, int(socket(libc::SO_REUSEPORT)),
        "ReusePort", "SO_REUSEPORT: several sockets share the port's load"),
    row("freebind", Families::INET, YES_NO, twin(libc::IP_FREEBIND, IPV6_FREEBIND, Both::No),
        "FreeBind", "IP_FREEBIND: an address that no interface has (yet)"),
    row("transparent", Families::INET, YES_NO, twin(libc::IP_TRANSPARENT, IPV6_TRANSPARENT, Both::No),
        "Transparent", "IP_TRANSPARENT: transparent proxying")
        .needs("CAP_NET_ADMIN"),
    row("tos", Families::INET, Takes::Bits(255), twin(libc::IP_TOS, libc::IPV6_TCLASS, Both::Yes),
        "IPTOS", "IP_TOS, IPV6_TCLASS: type of service, 0 to 255"),
    row("ttl", Families::INET, Takes::Number(1, 255), twin(libc::IP_TTL, libc::IPV6_UNICAST_HOPS, Both::DualStack),
        "IPTTL", "IP_TTL, IPV6_UNICAST_HOPS: hops of what is sent"),
    row("pktinfo", Families::UDP_LIKE.or(Families::NETLINK), YES_NO, What::Option(When::BeforeBind,
        How::Twin((libc::IPPROTO_IP, libc::IP_PKTINFO), (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO), Both::DualStack,
            (libc::SOL_NETLINK, libc::NETLINK_PKTINFO))),
        "PassPacketInfo", "IP_PKTINFO, NETLINK_PKTINFO: tell with each datagram where it came in"),
    row("mark", Families::SOCKETS, Takes::Bits(u32::MAX), int(socket(libc::SO_MARK)),
        "Mark", "SO_MARK: firewall mark of what is sent")
        .needs("CAP_NET_ADMIN"),
    row("priority", Families::SOCKETS, Takes::Number(0, MORE), int(socket(libc::SO_PRIORITY)),
        "Priority", "SO_PRIORITY of what is sent; above 6 with CAP_NET_ADMIN")
        .needs("CAP_NET_ADMIN"),
    row("keepalive", Families::SOCKETS, YES_NO, int(socket(libc::SO_KEEPALIVE)),
        "KeepAlive", "SO_KEEPALIVE: probe idle connections"),
    row("broadcast", Families::SOCKETS, YES_NO, int(socket(libc::SO_BROADCAST)),
        "Broadcast", "SO_BROADCAST: may send to broadcast addresses"),
    row("timestamp", Families::SOCKETS, Takes::Word(&[("us", libc::SO_TIMESTAMP), ("ns", libc::SO_TIMESTAMPNS)]),
        What::Option(When::BeforeBind, How::Chosen(libc::SOL_SOCKET)),
        "Timestamping", "SO_TIMESTAMP (us) or SO_TIMESTAMPNS (ns) with each datagram"),
    row("rcvbuf", Families::SOCKETS, Takes::Size(BUFFER), What::Option(When::BeforeBind,
        How::Buffer(socket(libc::SO_RCVBUF), socket(libc::SO_RCVBUFFORCE), "net.core.rmem_max")),
        "ReceiveBuffer", "SO_RCVBUF: receive buffer in bytes, K, M or G"),
    row("sndbuf", Families::SOCKETS, Takes::Size(BUFFER), What::Option(When::BeforeBind,
        How::Buffer(socket(libc::SO_SNDBUF), socket(libc::SO_SNDBUFFORCE), "net.core.wmem_max")),
        "SendBuffer", "SO_SNDBUF: send buffer in bytes, K, M or G"),
    row("nodelay", Families::TCP_LIKE, YES_NO, int(tcp(libc::TCP_NODELAY)),
        "NoDelay", "TCP_NODELAY: send small segments at once"),
    row("keepidle", Families::TCP_LIKE, Takes::Number(1, 32_767), int(tcp(libc::TCP_KEEPIDLE)),
        "KeepAliveTimeSec", "TCP_KEEPIDLE: idle seconds before the first probe"),
    row("keepintvl", Families::TCP_LIKE, Takes::Number(1, 32_767), int(tcp(libc::TCP_KEEPINTVL)),
        "KeepAliveIntervalSec", "TCP_KEEPINTVL: seconds between probes"),
    row("keepcnt", Families::TCP_LIKE, Takes::Number(1, 127), int(tcp(libc::TCP_KEEPCNT)),
        "KeepAliveProbes", "TCP_KEEPCNT: probes before the connection is dropped"),
    row("defer-accept", Families::TCP_LIKE, Takes::Number(0, MORE), int(tcp(libc::TCP_DEFER_ACCEPT)),
        "DeferAcceptSec", "TCP_DEFER_ACCEPT: accept when data is there, wait so many seconds"),
    row("fastopen", Families::TCP_LIKE, Takes::Number(0, MORE), int(tcp(libc::TCP_FASTOPEN)),
        "", "TCP_FASTOPEN: so many pending requests with data in the SYN"),
    row("user-timeout", Families::TCP_LIKE, Takes::Number(0, MORE), int(tcp(libc::TCP_USER_TIMEOUT)),
        "", "TCP_USER_TIMEOUT: drop after so many unanswered milliseconds"),
    row("maxseg", Families::TCP_LIKE, Takes::Number(88, 32_767), int(tcp(libc::TCP_MAXSEG)),
        "", "TCP_MAXSEG: longest segment in bytes"),
    row("congestion", Families::TCP_LIKE, Takes::Congestion, What::Option(When::BeforeBind, How::Text(tcp(libc::TCP_CONGESTION))),
        "TCPCongestion", "TCP_CONGESTION: algorithm of congestion control")
        .needs("CAP_NET_ADMIN"),
    row("passcred", CREDENTIALS, YES_NO, int(socket(libc::SO_PASSCRED)),
        "PassCredentials", "SO_PASSCRED: the sender's credentials with each message"),
    row("passsec", CREDENTIALS, YES_NO, int(socket(libc::SO_PASSSEC)),
        "PassSecurity", "SO_PASSSEC: the sender's security label with each message"),
    row("passpidfd", Families::UNIX_ALL, YES_NO, int(socket(SO_PASSPIDFD)),
        "PassPIDFD", "SO_PASSPIDFD: a pidfd of the sender with each message"),
    row("passrights", Families::UNIX_ALL, YES_NO, int(socket(SO_PASSRIGHTS)),
        "AcceptFileDescriptors", "SO_PASSRIGHTS: no refuses fds that are sent (default: yes)"),
    row("dirmode", PATHS, Takes::Mode, What::Dirmode,
        "DirectoryMode", "make missing parent directories, with these octal permissions")
        .only(Which::Paths),
    row("mode", OWNED, Takes::Mode, What::Mode,
        "SocketMode", "octal permissions (default: 0777, fifo and mqueue 0666, less umask)")
        .only(Which::Paths),
    row("user", OWNED, Takes::Owner, What::User,
        "SocketUser", "owner, a name or number (default: the caller)")
        .only(Which::Paths).needs("CAP_CHOWN"),
    row("group", OWNED, Takes::Owner, What::Group,
        "SocketGroup", "group, a name or number (default: the caller's)")
        .only(Which::Paths).needs("CAP_CHOWN"),
    row("unlink", Families::UNIX_ALL, Takes::Word(&[("stale", 1), ("never", 0)]), What::Unlink,
        "", "stale: replace a socket that nobody has open (default); never")
        .only(Which::Paths),
    row("symlink", PATHS.or(Families::FILE), Takes::Path, What::Symlink,
        "Symlinks", "a symbolic link to the path; may repeat")
        .only(Which::Paths).repeats(),
    row("writable", Families::FILE, YES_NO, What::Writable,
        "Writable", "open for reading and writing"),
    row("pipe-size", Families::FIFO, Takes::Size(MORE), What::PipeSize,
        "PipeSize", "F_SETPIPE_SZ: capacity in bytes, K, M or G")
        .needs("CAP_SYS_RESOURCE"),
    row("maxmsg", Families::MQUEUE, Takes::Number(1, HARD_MSGMAX), What::Maxmsg,
        "MessageQueueMaxMessages", "mq_maxmsg: the most messages"),
    row("msgsize", Families::MQUEUE, Takes::Size(HARD_MSGSIZEMAX), What::Msgsize,
        "MessageQueueMessageSize", "mq_msgsize: the longest message in bytes, K or M"),
    row("join", Families::UDP_LIKE, Takes::Group, What::Option(When::AfterBind, How::Membership),
        "", "receive this multicast group, GROUP[%IF]; may repeat")
        .repeats(),
    row("multicast", Families::NETLINK, Takes::Number(1, MORE),
        What::Option(When::AfterBind, How::Int((libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP))),
        "ListenNetlink", "receive this multicast group, a number; may repeat")
        .repeats(),
    row("listen", Families::STREAMS, YES_NO, What::Listen,
        "", "no: bind only (default: yes)"),
    row("backlog", Families::STREAMS, Takes::Number(0, MORE), What::Backlog,
        "Backlog", "connections that may wait (default: the kernel's maximum)"),
];
