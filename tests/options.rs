//! The table of options, row by row, against the kernel.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Dir, LISTEN, Run, example, refused};
use listen_fd_map::spec::family::{FAMILIES, Family};
use listen_fd_map::spec::option::{OPTIONS, What, When};
use nix::libc;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Socket options in numbers of their own: asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h.
const SOCKET: i32 = 1;
const IP: i32 = 0;
const IPV6: i32 = 41;
const TCP: i32 = 6;

/// What an option sets: name, the value written, the value of setsockopt(2), and the options that it is on an IPv4 (or
/// other) socket, an IPv6-only one, and one that takes both.
struct Row {
    name: &'static str,
    value: &'static str,
    set: &'static [u8],
    plain: &'static [(i32, i32)],
    v6only: &'static [(i32, i32)],
    dual: &'static [(i32, i32)],
}

const fn same(
    name: &'static str,
    value: &'static str,
    set: &'static [u8],
    option: &'static [(i32, i32)],
) -> Row {
    Row {
        name,
        value,
        set,
        plain: option,
        v6only: option,
        dual: option,
    }
}

const YES: &[u8] = &1i32.to_ne_bytes();
const NO: &[u8] = &0i32.to_ne_bytes();

#[rustfmt::skip] // a table, a row a line
static ROWS: [Row; 31] = [
    same("device", "lo", b"lo\0", &[(SOCKET, 25)]),
    same("reuseaddr", "yes", YES, &[(SOCKET, 2)]),
    same("reuseaddr", "no", NO, &[(SOCKET, 2)]),
    same("reuseport", "yes", YES, &[(SOCKET, 15)]),
    Row { name: "freebind", value: "yes", set: YES, plain: &[(IP, 15)], v6only: &[(IPV6, 78)], dual: &[(IPV6, 78)] },
    Row { name: "transparent", value: "yes", set: YES, plain: &[(IP, 19)], v6only: &[(IPV6, 75)], dual: &[(IPV6, 75)] },
    Row { name: "tos", value: "0x10", set: &16i32.to_ne_bytes(), plain: &[(IP, 1)], v6only: &[(IPV6, 67), (IP, 1)], dual: &[(IPV6, 67), (IP, 1)] },
    Row { name: "ttl", value: "7", set: &7i32.to_ne_bytes(), plain: &[(IP, 2)], v6only: &[(IPV6, 16)], dual: &[(IPV6, 16), (IP, 2)] },
    Row { name: "pktinfo", value: "yes", set: YES, plain: &[(IP, 8)], v6only: &[(IPV6, 49)], dual: &[(IPV6, 49), (IP, 8)] },
    same("mark", "0x1f", &31i32.to_ne_bytes(), &[(SOCKET, 36)]),
    same("priority", "5", &5i32.to_ne_bytes(), &[(SOCKET, 12)]),
    same("priority", "7", &7i32.to_ne_bytes(), &[(SOCKET, 12)]),
    same("keepalive", "yes", YES, &[(SOCKET, 9)]),
    same("broadcast", "yes", YES, &[(SOCKET, 6)]),
    same("timestamp", "us", YES, &[(SOCKET, 29)]),
    same("timestamp", "ns", YES, &[(SOCKET, 35)]),
    same("rcvbuf", "48K", &49152i32.to_ne_bytes(), &[(SOCKET, 8)]),
    same("sndbuf", "48K", &49152i32.to_ne_bytes(), &[(SOCKET, 7)]),
    same("nodelay", "yes", YES, &[(TCP, 1)]),
    same("keepidle", "17", &17i32.to_ne_bytes(), &[(TCP, 4)]),
    same("keepintvl", "18", &18i32.to_ne_bytes(), &[(TCP, 5)]),
    same("keepcnt", "3", &3i32.to_ne_bytes(), &[(TCP, 6)]),
    same("defer-accept", "5", &5i32.to_ne_bytes(), &[(TCP, 9)]),
    same("fastopen", "9", &9i32.to_ne_bytes(), &[(TCP, 23)]),
    same("user-timeout", "1500", &1500i32.to_ne_bytes(), &[(TCP, 18)]),
    same("maxseg", "500", &500i32.to_ne_bytes(), &[(TCP, 2)]),
    same("congestion", "reno", b"reno", &[(TCP, 13)]),
    same("passcred", "yes", YES, &[(SOCKET, 16)]),
    same("passsec", "yes", YES, &[(SOCKET, 34)]),
    same("passpidfd", "yes", YES, &[(SOCKET, 76)]),
    same("passrights", "no", NO, &[(SOCKET, 83)]),
];

/// A socket as socket(2) makes it: domain, type, protocol, and where `listen` binds it.
type Kind = (i32, i32, i32, String);

fn kinds(family: &Family) -> Vec<Kind> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let inet = |kind, protocol| {
        [(2, "127.0.0.1:0"), (10, "[::]:0"), (10, "*:0")]
            .map(|(domain, address)| (domain, kind, protocol, address.to_owned()))
            .to_vec()
    };
    let name = format!("@lfm-{}-{number}", std::process::id());
    match family.name {
        "tcp" => inet(1, 0),
        "udp" => inet(2, 0),
        "mptcp" => inet(1, 262),
        "sctp" => inet(1, 132),
        "udplite" => inet(2, 136),
        "unix" => vec![(1, 1, 0, name)],
        "unix-dgram" => vec![(1, 2, 0, name)],
        "unix-seqpacket" => vec![(1, 5, 0, name)],
        "vsock" => vec![(40, 1, 0, u32::MAX.to_string())],
        "vsock-dgram" => vec![(40, 2, 0, u32::MAX.to_string())],
        "netlink" => vec![(16, 3, 0, "route".to_owned())],
        _ => vec![],
    }
}

struct Socket(i32);

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the test's own fd.
        unsafe { libc::close(self.0) };
    }
}

impl Socket {
    fn new((domain, kind, protocol, address): &Kind) -> io::Result<Socket> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(*domain, *kind | libc::SOCK_CLOEXEC, *protocol) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = Socket(fd);
        if *domain == 10 {
            let only = if address.starts_with('[') { YES } else { NO };
            socket.set((IPV6, 26), only).unwrap();
        }
        Ok(socket)
    }

    fn set(&self, (level, name): (i32, i32), value: &[u8]) -> io::Result<()> {
        let len = value.len() as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes of `value`.
        match unsafe { libc::setsockopt(self.0, level, name, value.as_ptr().cast(), len) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn get(&self, (level, name): (i32, i32)) -> String {
        let mut room = [0u8; 64];
        let mut len = room.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `room`.
        let got = unsafe {
            libc::getsockopt(self.0, level, name, room.as_mut_ptr().cast(), &raw mut len)
        };
        match got {
            0 => room[..len as usize]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
            _ => format!("-{}", io::Error::last_os_error().raw_os_error().unwrap()),
        }
    }
}

/// Sets an option by `listen` and reads it back in the program that it execs; the same is done here with plain system
/// calls, and has to come to the same, the kernel's rounding and its refusals included.
fn check(family: &Family, kind: &Kind, row: &Row) -> bool {
    let (domain, _, _, address) = kind;
    let names = match (domain, address.starts_with('[')) {
        (10, true) => row.v6only,
        (10, false) => row.dual,
        // NETLINK_PKTINFO, the one option that netlink has at a level of its own
        (16, _) if row.name == "pktinfo" => &[(270, 3)],
        _ => row.plain,
    };
    let mut args = vec![format!("--{}", family.name), address.clone()];
    args.extend(["-o".to_owned(), format!("{}={}", row.name, row.value)]);
    args.push(example("probe").to_str().unwrap().to_owned());
    args.extend(["options", "3"].map(str::to_owned));
    args.extend(
        names
            .iter()
            .flat_map(|(level, name)| [level.to_string(), name.to_string()]),
    );
    let ended = Run::new(LISTEN, &args).run();
    let what = format!("{args:?}: {ended:?}");
    let ours = match Socket::new(kind) {
        Ok(socket) => socket,
        Err(_) => {
            assert_eq!(ended.code, Some(111), "{what}");
            assert!(
                ended.stderr.contains(": kernel support is missing ("),
                "{what}"
            );
            return false;
        }
    };
    let before: Vec<String> = names.iter().map(|name| ours.get(*name)).collect();
    if let Some(error) = names.iter().find_map(|name| ours.set(*name, row.set).err()) {
        let text = nix::errno::Errno::from_raw(error.raw_os_error().unwrap()).desc();
        assert_eq!(ended.code, Some(111), "{what}");
        assert!(ended.stderr.contains(&format!(": {text} (")), "{what}");
        return false;
    }
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{what}");
    let after: Vec<String> = names.iter().map(|name| ours.get(*name)).collect();
    let read: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(read, after, "{what}");
    // SO_BROADCAST of mptcp is taken and not told; the rest differs from what a socket is born with, and where `listen`
    // has a default of its own (reuseaddr) from that
    let is_default = row.value == "no" && row.name == "reuseaddr";
    let untold = family.name == "mptcp" && before == after;
    assert!(is_default || untold || before != after, "{what} {before:?}");
    !untold
}

#[test]
fn every_socket_option_is_read_back_from_the_fd_as_it_was_asked_for() {
    for row in &OPTIONS {
        if !matches!(row.what, What::Option(When::BeforeBind, _)) {
            continue;
        }
        let mut read = 0;
        let mut tried = 0;
        for case in ROWS.iter().filter(|case| case.name == row.name) {
            for family in row.families.iter() {
                for kind in kinds(family) {
                    read += usize::from(check(family, &kind, case));
                    tried += 1;
                }
            }
        }
        assert!(tried > 0, "{} is not in the table of this test", row.name);
        // without privilege these two are refused everywhere, and the message was compared
        let privileged = ["mark", "transparent"].contains(&row.name);
        assert!(read > 0 || privileged, "{} was never read back", row.name);
    }
}

#[test]
fn v6only_is_as_asked_or_as_the_address_says() {
    let read = |spec: &str| {
        let probe = example("probe");
        let args = [spec, probe.to_str().unwrap(), "options", "3", "41", "26"];
        Run::new(LISTEN, args).run().stdout
    };
    for family in ["tcp", "udp", "mptcp", "udplite"] {
        for (options, address, want) in [
            ("", "*:0", "00000000\n"),
            ("", "[::]:0", "01000000\n"),
            ("v6only", "*:0", "01000000\n"),
            ("v6only=no", "[::]:0", "00000000\n"),
        ] {
            assert_eq!(
                read(&format!("-{family}:{options}:{address}")),
                want,
                "{family} {address}"
            );
        }
    }
}

#[test]
fn each_option_is_refused_for_each_family_that_has_it_not() {
    for row in &OPTIONS {
        let value = GOOD
            .iter()
            .find(|(name, _)| *name == row.name)
            .expect(row.name)
            .1[0];
        for family in FAMILIES
            .iter()
            .filter(|family| !row.families.contain(family))
        {
            let address = match family.name {
                "netlink" => "route",
                "vsock" | "vsock-dgram" | "fd" => "7",
                "mqueue" => "/q",
                "unix" | "unix-dgram" | "unix-seqpacket" | "fifo" | "file" => "./x",
                _ => "0",
            };
            let option = format!("{}={value}", row.name);
            let args = [
                &format!("--{}", family.name),
                address,
                "-o",
                &option,
                "true",
            ];
            let names: Vec<&str> = row.families.iter().map(|family| family.name).collect();
            let line = format!(
                "fatal: -o {option}: option {} is not for {}, only for {}",
                row.name,
                family.name,
                names.join(", ")
            );
            refused(&args, 100, &line);
        }
    }
}

/// Values that each option takes, its borders among them.
#[rustfmt::skip] // a table, a row a line
const GOOD: [(&str, &[&str]); 49] = [
    ("label", &["a", "A_z.9-@"]), ("fd", &["0", "2147483647"]), ("env", &["A", "_b9"]),
    ("nonblock", &["yes", "no", "true", "false", "on", "off", "1", "0"]),
    ("count", &["1", "4096"]), ("netns", &["blue", "/proc/1/ns/net"]),
    ("v6only", &["yes", "no", "kernel"]), ("device", &["lo", "abcdefghijklmno"]),
    ("reuseaddr", &["yes", "no"]), ("reuseport", &["yes", "no"]), ("freebind", &["yes", "no"]),
    ("transparent", &["yes", "no"]), ("tos", &["0", "255", "0xff"]), ("ttl", &["1", "255"]),
    ("pktinfo", &["yes", "no"]), ("mark", &["0", "4294967295", "0xffffffff"]),
    ("priority", &["0", "2147483647"]), ("keepalive", &["yes", "no"]), ("broadcast", &["yes", "no"]),
    ("timestamp", &["us", "ns"]), ("rcvbuf", &["1", "1073741823", "64K"]), ("sndbuf", &["1", "1073741823", "8M"]),
    ("nodelay", &["yes", "no"]), ("keepidle", &["1", "32767"]), ("keepintvl", &["1", "32767"]),
    ("keepcnt", &["1", "127"]), ("defer-accept", &["0", "2147483647"]), ("fastopen", &["0", "2147483647"]),
    ("user-timeout", &["0", "2147483647"]), ("maxseg", &["88", "32767"]), ("congestion", &["cubic", "abcdefghijklmno"]),
    ("passcred", &["yes", "no"]), ("passsec", &["yes", "no"]), ("passpidfd", &["yes", "no"]), ("passrights", &["no", "yes"]),
    ("dirmode", &["0", "7777", "0755"]), ("mode", &["0", "7777", "0600"]), ("user", &["0", "4294967294"]),
    ("group", &["0", "4294967294"]), ("unlink", &["stale", "never"]), ("symlink", &["/x"]), ("writable", &["yes", "no"]),
    ("pipe-size", &["1", "2147483647", "64K"]), ("maxmsg", &["1", "65536"]), ("msgsize", &["1", "16777216", "16M"]),
    ("join", &["239.1.2.3", "239.1.2.3%lo"]), ("multicast", &["1", "2147483647"]), ("listen", &["yes", "no"]),
    ("backlog", &["0", "2147483647"]),
];

/// Values just beyond, and no values at all.
#[rustfmt::skip] // a table, a row a line
const BAD: [(&str, &[&str]); 49] = [
    ("label", &["-a", "a=b", "\u{fc}"]), ("fd", &["-1", "2147483648", "x", "03"]), ("env", &["1A", "A-B", "LISTEN_FD_MAP"]),
    ("nonblock", &["2", "YES", "maybe"]), ("count", &["0", "16385", "x"]), ("netns", &[]),
    ("v6only", &["2", "both"]), ("device", &["abcdefghijklmnop", "a/b"]),
    ("reuseaddr", &["2"]), ("reuseport", &["2"]), ("freebind", &["2"]), ("transparent", &["2"]),
    ("tos", &["256", "0x100", "lowdelay", "-1"]), ("ttl", &["0", "256", "x"]),
    ("pktinfo", &["2"]), ("mark", &["4294967296", "0x100000000", "x", "-1"]),
    ("priority", &["-1", "2147483648", "x"]), ("keepalive", &["2"]), ("broadcast", &["2"]),
    ("timestamp", &["ms", "yes"]), ("rcvbuf", &["0", "1073741824", "1G", "x", "1T"]), ("sndbuf", &["0", "1073741824", "x"]),
    ("nodelay", &["2"]), ("keepidle", &["0", "32768", "x"]), ("keepintvl", &["0", "32768", "x"]),
    ("keepcnt", &["0", "128", "x"]), ("defer-accept", &["-1", "2147483648", "x"]), ("fastopen", &["-1", "2147483648", "x"]),
    ("user-timeout", &["-1", "2147483648", "x"]), ("maxseg", &["87", "32768", "x"]), ("congestion", &["abcdefghijklmnop", "a b"]),
    ("passcred", &["2"]), ("passsec", &["2"]), ("passpidfd", &["2"]), ("passrights", &["2"]),
    ("dirmode", &["10000", "8", "rwx"]), ("mode", &["10000", "8", "u+w"]), ("user", &["4294967295"]),
    ("group", &["4294967295"]), ("unlink", &["yes", "always"]), ("symlink", &[]), ("writable", &["2"]),
    ("pipe-size", &["0", "2147483648", "x"]), ("maxmsg", &["0", "65537", "x"]), ("msgsize", &["0", "16777217", "x"]),
    ("join", &["127.0.0.1", "fe80::1", "eth0", "239.1.2.3%"]), ("multicast", &["0", "2147483648", "x"]), ("listen", &["2"]),
    ("backlog", &["-1", "2147483648", "x"]),
];

#[test]
fn each_option_takes_its_borders_and_nothing_beyond() {
    for row in &OPTIONS {
        let family = row.families.iter().next().unwrap();
        let address = match family.name {
            "netlink" => "route",
            "mqueue" => "/q",
            "unix" | "fifo" | "file" => "/x",
            _ => "0",
        };
        // a name of the abstract namespace, where paths are refused
        let address = if row.name == "netns" {
            "127.0.0.1:0"
        } else {
            address
        };
        let line = |option: &str| {
            let spec = format!("--{}", family.name);
            Run::new(LISTEN, ["-n", &spec, address, "-o", option]).run()
        };
        let values = |table: &[(&str, &'static [&'static str])]| {
            table
                .iter()
                .find(|(name, _)| *name == row.name)
                .expect(row.name)
                .1
        };
        for value in values(&GOOD) {
            let ended = line(&format!("{}={value}", row.name));
            // a number of an fd may be above the limit, which is another error
            let limit = row.name == "fd" && ended.stderr.contains("open-file limit");
            assert!(
                ended.code == Some(0) || limit,
                "{} {value}: {ended:?}",
                row.name
            );
        }
        let flag = [" yes or no", " yes or no or kernel"];
        for value in values(&BAD).iter().chain(&[""]) {
            let ended = line(&format!("{}={value}", row.name));
            let start = format!(
                "listen: fatal: -o {}={value}: option {} takes ",
                row.name, row.name
            );
            assert_eq!(ended.code, Some(100), "{} {value}", row.name);
            assert!(ended.stderr.starts_with(&start), "{start}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1);
        }
        let alone = line(row.name);
        let is_flag = alone.code == Some(0);
        let listed = line(&format!("{}=?", row.name)).stderr;
        assert_eq!(
            is_flag,
            flag.iter()
                .any(|flag| listed.contains(&format!("takes{flag}"))),
            "{}: {listed}",
            row.name
        );
    }
}

#[test]
fn options_repeat_only_where_the_table_says_so() {
    for row in &OPTIONS {
        let family = row.families.iter().next().unwrap();
        let value = GOOD.iter().find(|(name, _)| *name == row.name).unwrap().1[0];
        let address = match family.name {
            "netlink" => "route",
            "mqueue" => "/q",
            "unix" | "fifo" | "file" => "/x",
            _ => "0",
        };
        let address = if row.name == "netns" { "@x" } else { address };
        let spec = if row.name == "netns" {
            "--unix".to_owned()
        } else {
            format!("--{}", family.name)
        };
        let option = format!("{}={value}", row.name);
        let args = [&spec, address, "-o", &option, "-o", &option, "-n"];
        let ended = Run::new(LISTEN, args).run();
        let repeats = ["join", "multicast", "symlink"].contains(&row.name);
        assert_eq!(ended.code == Some(0), repeats, "{} {ended:?}", row.name);
    }
}

#[test]
fn a_buffer_beyond_the_limit_is_forced_or_told_of() {
    let limit: i32 = std::fs::read_to_string("/proc/sys/net/core/rmem_max")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let probe = example("probe");
    let spec = format!("-udp:rcvbuf={}:127.0.0.1:0", limit + 4096);
    let args = [&spec, probe.to_str().unwrap(), "options", "3", "1", "8"];
    let ended = Run::new(LISTEN, args).ordinary().run();
    let want = format!(
        "listen: warning: udp:127.0.0.1:0: rcvbuf is {limit}, not {} (sysctl net.core.rmem_max limits it; more needs CAP_NET_ADMIN)\n",
        limit + 4096
    );
    assert_eq!((ended.stderr, ended.code), (want, Some(0)));
    let hex = |bytes: i32| {
        format!(
            "{}\n",
            bytes.to_ne_bytes().map(|b| format!("{b:02x}")).concat()
        )
    };
    assert_eq!(ended.stdout, hex(2 * limit));
}

#[test]
#[ignore = "needs root with CAP_NET_ADMIN"]
fn a_buffer_beyond_the_limit_is_given_to_who_has_the_right() {
    let limit: i32 = std::fs::read_to_string("/proc/sys/net/core/wmem_max")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let probe = example("probe");
    let spec = format!("-udp:sndbuf={}:127.0.0.1:0", limit + 4096);
    let ended = Run::new(
        LISTEN,
        [&spec, probe.to_str().unwrap(), "options", "3", "1", "7"],
    )
    .run();
    let bytes = (2 * (limit + 4096)).to_ne_bytes();
    let want = format!("{}\n", bytes.map(|b| format!("{b:02x}")).concat());
    assert_eq!((ended.stderr.as_str(), ended.stdout), ("", want));
}

#[test]
fn what_an_ordinary_user_may_not_do_names_the_capability() {
    let dir = Dir::new();
    for (spec, line) in [
        (
            "-udp:mark=1:127.0.0.1:0",
            "unable to set mark on udp 127.0.0.1:0 (label udp): Operation not permitted (that needs CAP_NET_ADMIN)",
        ),
        (
            "-tcp:transparent:127.0.0.1:0",
            "unable to set transparent on tcp 127.0.0.1:0 (label tcp): Operation not permitted (that needs CAP_NET_ADMIN)",
        ),
        (
            "-udp:priority=7:127.0.0.1:0",
            "unable to set priority on udp 127.0.0.1:0 (label udp): Operation not permitted (that needs CAP_NET_ADMIN)",
        ),
        (
            "-tcp:netns=/proc/self/ns/net:127.0.0.1:0",
            "unable to enter network namespace /proc/self/ns/net for tcp 127.0.0.1:0 (label tcp): Operation not permitted (that needs CAP_SYS_ADMIN)",
        ),
    ] {
        let ended = Run::new(LISTEN, [spec, "true"])
            .cwd(&dir.0)
            .ordinary()
            .run();
        assert_eq!(
            (ended.stderr, ended.code),
            (format!("listen: fatal: {line}\n"), Some(111))
        );
        let soft = spec
            .replacen('=', "~=", 1)
            .replace("transparent:", "transparent~:");
        let ended = Run::new(LISTEN, [&soft, "true"])
            .cwd(&dir.0)
            .ordinary()
            .run();
        let option = spec.split(':').nth(1).unwrap().split('=').next().unwrap();
        let family = spec.split(':').next().unwrap().trim_start_matches('-');
        let want = format!(
            "listen: warning: {family}:127.0.0.1:0: {option}~ not applied: Operation not permitted\n"
        );
        assert_eq!((ended.stderr, ended.code), (want, Some(0)), "{soft}");
    }
}
