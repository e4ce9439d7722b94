//! listen(1): the command as a run script uses it.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, Run, refused, report};
use nix::libc;
use nix::sys::resource::Resource;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};

fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_sockets_of_a_line_are_bound_and_named_in_order() {
    let dir = Dir::new();
    let control = dir.path("control");
    let spec = format!("-unix:label=control,mode=0600:{control}");
    let report = report(
        LISTEN,
        &["-udp::0", "-tcp::0", "-tcp:label=tls:0", &spec],
        |run| run,
    );
    assert_eq!(report.ended.code, Some(0), "{:?}", report.ended);
    assert_eq!(
        report.var("LISTEN_FD_MAP").unwrap(),
        "udp=3,tcp=4,tls=5,control=6"
    );
    assert_eq!(report.fds(), [0, 1, 2, 3, 4, 5, 6]);
    for (fd, family, listening) in [
        (3, "udp", "false"),
        (4, "tcp", "true"),
        (5, "tcp", "true"),
        (6, "unix", "true"),
    ] {
        assert_eq!(report.fd(fd, "family"), Some(family));
        assert_eq!(report.fd(fd, "listening"), Some(listening));
        assert_eq!(report.fd(fd, "nonblock"), Some("false"));
    }
    for fd in [3, 4, 5] {
        assert_eq!(
            report.fd(fd, "v6only"),
            Some("0"),
            "all addresses are dual stack"
        );
    }
    assert_eq!(report.fd(3, "reuseaddr"), Some("0"));
    assert_eq!(report.fd(4, "reuseaddr"), Some("1"));
    assert_eq!(report.fd(6, "address"), Some(control.as_str()));
    assert_eq!(mode(&control), 0o600);
}

#[test]
fn both_forms_mean_the_same_and_mix() {
    let dir = Dir::new();
    let path = dir.path("a,b:c");
    let args = [
        "--udp",
        "127.0.0.1:0",
        "-o",
        "label=dns",
        "-tcp::127.0.0.1:0",
        "-o",
        "nonblock",
        "-v",
        "--tcp=0",
        "--option",
        "label=x",
        "--unix",
        &path,
        "-o",
        "mode=640",
    ];
    let report = report(LISTEN, &args, |run| run);
    assert_eq!(
        report.var("LISTEN_FD_MAP").unwrap(),
        "dns=3,tcp=4,x=5,unix=6"
    );
    assert_eq!(report.fd(4, "nonblock"), Some("true"));
    assert_eq!(report.fd(6, "address"), Some(path.as_str()));
    assert_eq!(mode(&path), 0o640);
    assert_eq!(
        report.ended.stderr.lines().count(),
        4,
        "{}",
        report.ended.stderr
    );
    assert!(
        report
            .ended
            .stderr
            .starts_with("listen: info: udp 127.0.0.1:"),
        "{}",
        report.ended.stderr
    );
    assert!(
        report
            .ended
            .stderr
            .contains(" is open on fd 3 (label dns)\n"),
        "{}",
        report.ended.stderr
    );
}

#[test]
fn options_of_internet_sockets_reach_the_kernel() {
    let args = [
        "-tcp:label=a:[::]:0",
        "-tcp:label=b,v6only=no:[::]:0",
        "-tcp:label=c,reuseaddr=no,reuseport:127.0.0.1:0",
        "-tcp:label=d,listen=no:[::1]:0",
        "-udp:label=e,reuseaddr:0.0.0.0:0",
        "-tcp:label=f,backlog=1,v6only:*:0",
    ];
    let report = report(LISTEN, &args, |run| run);
    assert_eq!(report.fd(3, "v6only"), Some("1"));
    assert_eq!(report.fd(4, "v6only"), Some("0"));
    assert_eq!(
        (report.fd(5, "reuseaddr"), report.fd(5, "reuseport")),
        (Some("0"), Some("1"))
    );
    assert_eq!(report.fd(6, "listening"), Some("false"));
    assert_eq!(report.fd(7, "reuseaddr"), Some("1"));
    assert_eq!(report.fd(8, "v6only"), Some("1"));
}

#[test]
fn fds_go_where_they_are_asked_and_open_ones_are_left_alone() {
    let map = |args: &[&str], open: &[i32]| {
        let open = open.to_vec();
        let report = report(LISTEN, args, |run| {
            open.iter().fold(run, |run, &fd| run.open(fd))
        });
        report.var("LISTEN_FD_MAP").unwrap()
    };
    assert_eq!(map(&["-tcp::0", "-udp:fd=3:0"], &[]), "tcp=4,udp=3");
    assert_eq!(map(&["-tcp:fd=7:0", "-udp::0"], &[]), "tcp=7,udp=3");
    assert_eq!(map(&["-tcp::0", "-udp::0"], &[3, 5]), "tcp=4,udp=6");
    assert_eq!(map(&["-tcp:fd=0:0", "-udp::0"], &[]), "tcp=0,udp=3");
    assert_eq!(
        map(&["-tcp::0", "-udp:fd=4:0", "-tcp:label=x:0"], &[3]),
        "tcp=5,udp=4,x=6"
    );
}

#[test]
fn every_combination_of_closed_low_fds_stays_closed() {
    for closed in 0..8 {
        let low = |fd: i32| closed & (1 << fd) != 0;
        let report = report(LISTEN, &["-tcp::0", "-udp::0"], |run| {
            (0..3)
                .filter(|&fd| low(fd))
                .fold(run, |run, fd| run.closed(fd))
        });
        let want: Vec<i32> = (0..3).filter(|&fd| !low(fd)).chain([3, 4]).collect();
        assert_eq!(report.fds(), want, "{closed:03b}");
        assert_eq!(report.var("LISTEN_FD_MAP").unwrap(), "tcp=3,udp=4");
    }
}

#[test]
fn claims_that_cannot_be_are_refused_before_anything_is_made() {
    let line = |args: &[&str], prepare: fn(Run) -> Run| {
        let dir = Dir::new();
        let args: Vec<&str> = [&["-unix::./x"], args, &["true"]].concat();
        let ended = prepare(Run::new(LISTEN, args).cwd(&dir.0)).run();
        assert_eq!((ended.code, dir.names()), (Some(100), vec![]), "{ended:?}");
        ended.stderr
    };
    assert_eq!(
        line(&["-tcp:fd=5:0"], |run| run.open(5)),
        "listen: fatal: -tcp:fd=5:0: fd 5 is open already: /dev/null\n"
    );
    assert_eq!(
        line(&["-tcp:fd=5:0", "-udp:fd=5:0"], |run| run),
        "listen: fatal: -udp:fd=5:0: fd 5 is claimed twice\n"
    );
    let limited = |run: Run| run.limited(Resource::RLIMIT_NOFILE, 64);
    assert_eq!(
        line(&["-tcp:fd=64:0"], limited),
        "listen: fatal: -tcp:fd=64:0: fd 64 is not below the open-file limit, 64 (ulimit -n)\n"
    );
    assert_eq!(
        line(&["-d", "9"], |run| run),
        "listen: fatal: -d: fd 9 is not open\n"
    );
    assert_eq!(
        line(&["-d", "1", "-tcp:fd=1:0"], |run| run),
        "listen: fatal: -tcp:fd=1:0: fd 1 is claimed twice\n"
    );
}

#[test]
fn five_hundred_sockets_are_no_trouble() {
    let args: Vec<String> = (0..500)
        .map(|n| format!("-tcp:label=s{n}:127.0.0.1:0"))
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let report = report(LISTEN, &args, |run| run);
    let want: Vec<String> = (0..500).map(|n| format!("s{n}={}", n + 3)).collect();
    assert_eq!(report.var("LISTEN_FD_MAP").unwrap(), want.join(","));
}

#[test]
fn argv_and_environment_pass_through_byte_for_byte() {
    let dir = Dir::new();
    let file = dir.path("report");
    let odd: Vec<OsString> = [
        &b""[..],
        b"\xff\xfe",
        b"a b",
        b"-tcp::1",
        b"--",
        b"%{x}",
        &[b'x'; 1000],
    ]
    .iter()
    .map(|bytes| OsStr::from_bytes(bytes).to_owned())
    .collect();
    let big = "y".repeat(100_000);
    let program = common::example("report").into_os_string();
    let args = [
        OsString::from("-tcp::0"),
        program.clone(),
        file.clone().into(),
    ]
    .into_iter()
    .chain(odd.clone());
    let run = Run::new(LISTEN, args)
        .env("A", "1")
        .env("BIG", &big)
        .env("ODD", OsStr::from_bytes(b"\xff\n="))
        .env("EMPTY", "");
    assert_eq!(run.run().code, Some(0));
    let text = fs::read_to_string(&file).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let args: Vec<String> = [program.as_bytes(), file.as_bytes()]
        .into_iter()
        .chain(odd.iter().map(|arg| arg.as_bytes()))
        .map(|arg| format!("arg {}", hex(arg)))
        .collect();
    let reported: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("arg "))
        .collect();
    assert_eq!(reported, args);
    let env: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("env "))
        .collect();
    let want = [
        &b"A=1"[..],
        &[b"BIG=", big.as_bytes()].concat(),
        b"EMPTY=",
        b"ODD=\xff\n=",
        b"LISTEN_FD_MAP=tcp=3",
    ];
    assert_eq!(env, want.map(|variable| format!("env {}", hex(variable))));
}

#[test]
fn signals_umask_directory_and_pid_stay() {
    let dir = Dir::new();
    for ignored in [false, true] {
        let report = report(LISTEN, &["-tcp::0"], |run| {
            run.cwd(&dir.0).setup(move || {
                // SAFETY: plain system calls on live values.
                unsafe {
                    libc::signal(
                        libc::SIGPIPE,
                        if ignored {
                            libc::SIG_IGN
                        } else {
                            libc::SIG_DFL
                        },
                    );
                    let mut set = std::mem::zeroed();
                    libc::sigemptyset(&raw mut set);
                    libc::sigaddset(&raw mut set, libc::SIGUSR1);
                    libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
                    libc::umask(0o027);
                }
                Ok(())
            })
        });
        assert_eq!(report.one("SigBlk"), "0000000000000200");
        let sigpipe =
            u64::from_str_radix(report.one("SigIgn"), 16).unwrap() & 1 << (libc::SIGPIPE - 1);
        assert_eq!(sigpipe != 0, ignored);
        assert_eq!(report.one("SigCgt"), "0000000000000000");
        assert_eq!(report.one("Umask"), "0027");
        assert_eq!(report.one("pid"), report.ended.pid.to_string());
        let cwd: String = dir
            .0
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(report.one("cwd"), cwd);
    }
}

#[test]
fn the_inherited_map_is_added_to_in_its_place() {
    let report = report(LISTEN, &["-tcp::0", LISTEN, "-e", "-udp::0"], |run| {
        run.env("Z", "1")
    });
    assert_eq!(
        report.env(),
        ["Z=1", "LISTEN_FD_MAP=tcp=3,udp=4", "UDP_FD=4"]
    );
}

#[test]
fn a_command_that_adds_nothing_leaves_the_map_as_it_is() {
    assert_eq!(report(LISTEN, &[], |run| run).var("LISTEN_FD_MAP"), None);
    assert_eq!(
        report(LISTEN, &[], |run| run.env("LISTEN_FD_MAP", ""))
            .var("LISTEN_FD_MAP")
            .unwrap(),
        ""
    );
    let set = report(LISTEN, &["-tcp::0"], |run| run.env("LISTEN_FD_MAP", ""));
    assert_eq!(set.var("LISTEN_FD_MAP").unwrap(), "tcp=3");
}

#[test]
fn a_bad_inherited_map_is_refused_in_one_line() {
    let hint = " (unset it to begin with an empty map)";
    for (map, problem) in [
        ("x", "has an entry without = at byte 0: x"),
        ("a=0,", "has an empty entry at byte 4: a=0,"),
        ("a=01", "has a bad fd number at byte 0: a=01"),
        ("-a=0", "has a bad label at byte 0: -a=0"),
        (
            "a=0,a=1",
            "has a label that was there already at byte 4: a=0,a=1",
        ),
        (
            "a=0,b=0",
            "has an fd that was there already at byte 4: a=0,b=0",
        ),
        ("a=0\n", "has a bad fd number at byte 0: a=0\\n"),
        ("a=17", "is stale: a=17, but fd 17 is not open"),
    ] {
        let dir = Dir::new();
        let ended = Run::new(LISTEN, ["-unix::./x", "true"])
            .cwd(&dir.0)
            .env("LISTEN_FD_MAP", map)
            .run();
        let want = format!("listen: fatal: the inherited LISTEN_FD_MAP {problem}{hint}\n");
        assert_eq!(
            (ended.stderr, ended.code, dir.names()),
            (want, Some(100), vec![]),
            "{map}"
        );
    }
    let dir = Dir::new();
    let ended = Run::new(LISTEN, ["-tcp::0", "true"])
        .cwd(&dir.0)
        .env("LISTEN_FD_MAP", OsStr::from_bytes(b"a=0,\xff"))
        .run();
    assert_eq!(
        ended.stderr,
        format!(
            "listen: fatal: the inherited LISTEN_FD_MAP has a byte that is not ASCII at byte 4: a=0,\\xff{hint}\n"
        )
    );
    let ended = Run::new(LISTEN, ["-tcp::0", "true"])
        .env("LISTEN_FD_MAP", "tcp=0")
        .run();
    assert_eq!(
        ended.stderr,
        "listen: fatal: -tcp::0: label tcp is taken in the inherited LISTEN_FD_MAP, choose another with label= (or unset it)\n"
    );
    assert_eq!(ended.code, Some(100));
}

#[test]
fn variables_tell_numbers_and_addresses() {
    let dir = Dir::new();
    let path = dir.path("s");
    let unix = format!("-unix:label=9.p-x,env=my_fd:{path}");
    let report = report(
        LISTEN,
        &[
            "-ea",
            "-tcp:label=tls:127.0.0.1:0",
            &unix,
            "-unix:label=z:@lfm-test-name",
        ],
        |run| run,
    );
    let port = report.fd(3, "address").unwrap();
    assert_eq!(
        report.env(),
        [
            "LISTEN_FD_MAP=tls=3,9.p-x=4,z=5".to_owned(),
            "TLS_FD=3".to_owned(),
            format!("TLS_ADDR={port}"),
            "_9_P_X_FD=4".to_owned(),
            format!("_9_P_X_ADDR={path}"),
            "my_fd=4".to_owned(),
            "Z_FD=5".to_owned(),
            "Z_ADDR=@lfm-test-name".to_owned(),
        ]
        .map(OsString::from)
    );
}

#[test]
fn variables_that_are_taken_are_refused_and_those_that_agree_stay() {
    let stderr = |args: &[&str], name: &str, value: &str| {
        let dir = Dir::new();
        let args: Vec<&str> = [args, &["-unix::./x", "true"]].concat();
        let ended = Run::new(LISTEN, args).cwd(&dir.0).env(name, value).run();
        assert_eq!((ended.code, dir.names()), (Some(100), vec![]), "{ended:?}");
        ended.stderr
    };
    assert_eq!(
        stderr(&["-e", "-tcp::0"], "TCP_FD", "7"),
        "listen: fatal: -tcp::0: variable TCP_FD is set already, to 7, unset it or choose another label=\n"
    );
    assert_eq!(
        stderr(&["-tcp:env=X:0"], "X", ""),
        "listen: fatal: -tcp:env=X:0: variable X is set already, to , unset it or choose another label=\n"
    );
    assert_eq!(
        stderr(&["-e", "-tcp:label=a.b:0", "-tcp:label=a-b:0"], "Y", ""),
        "listen: fatal: -tcp:label=a-b:0: variable A_B_FD is taken by another socket, choose another label=\n"
    );
    let report = report(LISTEN, &["-e", "-tcp::0"], |run| {
        run.env("TCP_FD", "3").env("Z", "")
    });
    assert_eq!(report.env(), ["TCP_FD=3", "Z=", "LISTEN_FD_MAP=tcp=3"]);
}

#[test]
fn malformed_arguments_are_answered_by_what_to_type() {
    for (args, line) in [
        (
            &["-tcp:443", "true"][..],
            "-tcp:443: a second colon is missing, write -tcp::443",
        ),
        (
            &["-unix-stream::/x", "true"],
            "-unix-stream::/x: unknown family unix-stream, did you mean unix?",
        ),
        (
            &["-tcp4::80", "true"],
            "-tcp4::80: unknown family tcp4, did you mean tcp?",
        ),
        (
            &["-unix:mode=600,/run/x", "true"],
            "-unix:mode=600,/run/x: a second colon is missing, write -unix:mode=600:/run/x",
        ),
        (
            &["-tcp:label=web,80", "true"],
            "-tcp:label=web,80: a second colon is missing, write -tcp:label=web:80",
        ),
        (
            &["-tcp:label=web", "true"],
            "-tcp:label=web: a second colon is missing, write -tcp:label=web:ADDRESS",
        ),
        (
            &["-unix:owner=www:/run/x", "true"],
            "-unix:owner=www:/run/x: unknown option owner for unix, did you mean user?",
        ),
        (
            &["-unix:perm=600:/run/x", "true"],
            "-unix:perm=600:/run/x: unknown option perm for unix, did you mean mode?",
        ),
        (
            &["-tcp:name=web:80", "true"],
            "-tcp:name=web:80: unknown option name for tcp, did you mean label?",
        ),
        (
            &["-tcp:SO_REUSEPORT:80", "true"],
            "-tcp:SO_REUSEPORT:80: unknown option SO_REUSEPORT for tcp, did you mean reuseport?",
        ),
        (
            &["-tcp:TCP_DEFER_ACCEPT=5:80", "true"],
            "-tcp:TCP_DEFER_ACCEPT=5:80: unknown option TCP_DEFER_ACCEPT for tcp, did you mean defer-accept?",
        ),
        (
            &["-tcp:ipv6_v6only:80", "true"],
            "-tcp:ipv6_v6only:80: unknown option ipv6_v6only for tcp, did you mean v6only?",
        ),
        (
            &["-tcp:127.0.0.1:80", "true"],
            "-tcp:127.0.0.1:80: the address goes after the second colon, write -tcp::127.0.0.1:80",
        ),
        (
            &["-tcp:[::1]:80", "true"],
            "-tcp:[::1]:80: the address goes after the second colon, write -tcp::[::1]:80",
        ),
        (
            &["-tcp:labl=x:853", "true"],
            "-tcp:labl=x:853: unknown option labl for tcp, did you mean label?",
        ),
        (
            &["-tcp:colour=x:853", "true"],
            "-tcp:colour=x:853: unknown option colour for tcp (listen -h tcp lists them)",
        ),
        (
            &["-tpc::80", "true"],
            "-tpc::80: unknown family tpc, did you mean tcp?",
        ),
        (
            &["-http::80", "true"],
            "-http::80: unknown family http, there are tcp, udp, mptcp, sctp, udplite, unix, unix-dgram, unix-seqpacket, vsock, vsock-dgram, netlink, fifo, file, mqueue, fd",
        ),
        (
            &["-tcp::localhost:80", "true"],
            "-tcp::localhost:80: localhost is no address: addresses are numeric, like 127.0.0.1:80, [::1]:80 or 80",
        ),
        (
            &["-tcp::http", "true"],
            "-tcp::http: http is no address: addresses are numeric, like 127.0.0.1:80, [::1]:80 or 80",
        ),
        (&["-tcp::", "true"], "-tcp::: the address is missing"),
        (
            &["-tcp::1.2.3.4", "true"],
            "-tcp::1.2.3.4: the port is missing, write 1.2.3.4:PORT",
        ),
        (
            &["-tcp::1.2.3.4:", "true"],
            "-tcp::1.2.3.4:: the port is missing",
        ),
        (
            &["-tcp::65536", "true"],
            "-tcp::65536: a port is a number from 0 to 65535, not 65536",
        ),
        (
            &["-tcp::080", "true"],
            "-tcp::080: a port is a number from 0 to 65535, not 080",
        ),
        (
            &["-tcp::-1", "true"],
            "-tcp::-1: -1 is no address: addresses are numeric, like 127.0.0.1:80, [::1]:80 or 80",
        ),
        (
            &["-tcp::::1:80", "true"],
            "-tcp::::1:80: an IPv6 address needs brackets, write [::1]:80 or ::1/80",
        ),
        (
            &["-tcp::[::1:80", "true"],
            "-tcp::[::1:80: a [ without its ]",
        ),
        (
            &["-tcp::[::1]", "true"],
            "-tcp::[::1]: the port is missing, write [::1]:PORT",
        ),
        (
            &["-tcp::[::g]:80", "true"],
            "-tcp::[::g]:80: ::g is no IPv6 address",
        ),
        (
            &["-tcp::[fe80::1%]:80", "true"],
            "-tcp::[fe80::1%]:80:  is no name of an interface",
        ),
        (
            &["-unix::run/x", "true"],
            "-unix::run/x: a path begins with /, ./ or ../, an abstract name with @: write ./run/x",
        ),
        (
            &["-unix:/run/x", "true"],
            "-unix:/run/x: a second colon is missing, write -unix::/run/x",
        ),
        (
            &["-unix::@", "true"],
            "-unix::@: an abstract name has at least one byte after the @",
        ),
        (
            &["-unix:mode=600:@x", "true"],
            "-unix:mode=600:@x: option mode is for paths, not for abstract names",
        ),
        (
            &["-unix:mode=rw:./x", "true"],
            "-unix:mode=rw:./x: option mode takes an octal mode up to 7777, not rw",
        ),
        (
            &["-unix:mode:./x", "true"],
            "-unix:mode:./x: option mode takes an octal mode up to 7777: mode=...",
        ),
        (
            &["-unix:unlink=always:./x", "true"],
            "-unix:unlink=always:./x: option unlink takes stale or never, not always",
        ),
        (
            &["-unix:user=nosuchuser:./x", "true"],
            "-unix:user=nosuchuser:./x: unknown user nosuchuser",
        ),
        (
            &["-unix:group=nosuchgroup:./x", "true"],
            "-unix:group=nosuchgroup:./x: unknown group nosuchgroup",
        ),
        (
            &["-unix:reuseport:./x", "true"],
            "-unix:reuseport:./x: option reuseport is not for unix, only for tcp, udp, mptcp, sctp, udplite",
        ),
        (
            &["-udp:backlog=5:53", "true"],
            "-udp:backlog=5:53: option backlog is not for udp, only for tcp, mptcp, sctp, unix, unix-seqpacket, vsock",
        ),
        (
            &["-tcp:v6only:1.2.3.4:80", "true"],
            "-tcp:v6only:1.2.3.4:80: option v6only is for IPv6 addresses only",
        ),
        (
            &["-tcp:fd=x:80", "true"],
            "-tcp:fd=x:80: option fd takes a number from 0 to 2147483647, not x",
        ),
        (
            &["-tcp:fd=2147483648:80", "true"],
            "-tcp:fd=2147483648:80: option fd takes a number from 0 to 2147483647, not 2147483648",
        ),
        (
            &["-tcp:nonblock=maybe:80", "true"],
            "-tcp:nonblock=maybe:80: option nonblock takes yes or no, not maybe",
        ),
        (
            &["-tcp:nonblock=:80", "true"],
            "-tcp:nonblock=:80: option nonblock takes yes or no, not an empty value",
        ),
        (
            &["-tcp:label=a=b:80", "true"],
            "-tcp:label=a=b:80: option label takes a label, 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -, not a=b",
        ),
        (
            &["-tcp:env=1X:80", "true"],
            "-tcp:env=1X:80: option env takes a variable's name, letters, digits and _ (and not LISTEN_FD_MAP), not 1X",
        ),
        (&["-tcp:,:80", "true"], "-tcp:,:80: an empty option"),
        (
            &["-tcp:label=a,label=b:80", "true"],
            "-tcp:label=a,label=b:80: option label is given twice",
        ),
        (
            &["--tcp", "80", "-o", "label=a", "-o", "label=b", "true"],
            "-o label=b: option label is given twice",
        ),
        (
            &["--tcp", "localhost:80", "true"],
            "--tcp localhost:80: localhost is no address: addresses are numeric, like 127.0.0.1:80, [::1]:80 or 80",
        ),
        (
            &["--tcp", "80", "-o", "labl=a", "true"],
            "-o labl=a: unknown option labl for tcp, did you mean label?",
        ),
        (
            &["-o", "nonblock", "true"],
            "-o nonblock: there is no spec before it",
        ),
        (
            &["-tcp", "80"],
            "-tcp alone is no spec, write -tcp::ADDRESS or --tcp ADDRESS",
        ),
        (
            &["--tpc", "80"],
            "unknown option --tpc, did you mean --tcp?",
        ),
        (&["-x", "true"], "unknown option -x"),
        (
            &["-d", "x", "true"],
            "option -d takes the number of an open fd, not x",
        ),
        (&["-d"], "option notify needs a value"),
        (&["--verbose=1", "true"], "option --verbose takes no value"),
        (
            &["-tcp::1", "-tcp::2", "true"],
            "-tcp::2: label tcp is taken already, give one of the two another with label=",
        ),
        (
            &["-h", "http"],
            "unknown family http, there are tcp udp mptcp sctp udplite unix unix-dgram unix-seqpacket vsock vsock-dgram netlink fifo file mqueue fd",
        ),
    ] {
        refused(args, 100, &format!("fatal: {line}"));
    }
    refused(
        &[],
        100,
        "usage: listen [-eanv] [-d FD] SPEC... [--] PROG... (-h for help)",
    );
    refused(
        &["-tcp::0"],
        100,
        "usage: listen [-eanv] [-d FD] SPEC... [--] PROG... (-h for help)",
    );
    let long = format!("-unix::/{}", "x".repeat(107));
    refused(
        &[&long, "true"],
        100,
        &format!("fatal: {long}: 108 bytes are too long, such a name has at most 107"),
    );
}

#[test]
fn a_path_in_use_is_refused_and_its_owner_notices_nothing() {
    let dir = Dir::new();
    let path = dir.path("s");
    let spec = format!("-unix::{path}");
    let in_use = format!(
        "listen: fatal: unable to bind unix {path} (label unix): {}\n",
        common::in_use_by_this_test()
    );
    let refused = |what: &str| {
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        let ended = Run::new(LISTEN, [&spec, "true"]).run();
        assert_eq!(
            (ended.stderr.as_str(), ended.code),
            (in_use.as_str(), Some(111)),
            "{what}"
        );
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), inode, "{what}");
    };
    {
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        refused("listening");
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    }
    fs::remove_file(&path).unwrap();
    {
        let datagram = UnixDatagram::bind(&path).unwrap();
        datagram.set_nonblocking(true).unwrap();
        refused("datagram");
        assert_eq!(
            datagram.recv(&mut [0; 8]).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    }
    fs::remove_file(&path).unwrap();
    let bound = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::SeqPacket,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    nix::sys::socket::bind(
        std::os::fd::AsRawFd::as_raw_fd(&bound),
        &nix::sys::socket::UnixAddr::new(path.as_str()).unwrap(),
    )
    .unwrap();
    refused("bound, not listening");
}

#[test]
fn a_stale_socket_is_replaced_unless_that_is_forbidden() {
    let dir = Dir::new();
    let path = dir.path("s");
    for stale in ["stream", "datagram"] {
        match stale {
            "stream" => drop(UnixListener::bind(&path).unwrap()),
            _ => drop(UnixDatagram::bind(&path).unwrap()),
        }
        let never = Run::new(
            LISTEN,
            ["-unix:unlink=never:".to_owned() + &path, "true".into()],
        )
        .run();
        assert_eq!(
            never.stderr,
            format!(
                "listen: fatal: unable to bind unix {path} (label unix): Address already in use (unlink=never, and {path} exists)\n"
            )
        );
        assert_eq!(never.code, Some(111));
        let report = report(LISTEN, &[&format!("-unix::{path}")], |run| run);
        assert_eq!(report.fd(3, "listening"), Some("true"), "{stale}");
        assert_eq!(report.fds(), [0, 1, 2, 3]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_is_no_socket_is_refused_and_untouched() {
    let dir = Dir::new();
    let path = dir.path("s");
    let spec = format!("-unix::{path}");
    let target = dir.path("target");
    fs::write(&target, "precious").unwrap();
    let fifo = || {
        nix::unistd::mkfifo(
            path.as_str(),
            nix::sys::stat::Mode::from_bits_truncate(0o600),
        )
        .unwrap()
    };
    let makers: [(&str, &dyn Fn()); 5] = [
        ("a regular file", &|| fs::write(&path, "precious").unwrap()),
        ("a symbolic link", &|| symlink(&target, &path).unwrap()),
        ("a symbolic link", &|| {
            symlink(dir.path("nowhere"), &path).unwrap()
        }),
        ("a directory", &|| fs::create_dir(&path).unwrap()),
        ("a FIFO", &fifo),
    ];
    for (kind, make) in makers {
        make();
        let before = fs::symlink_metadata(&path).unwrap();
        let ended = Run::new(LISTEN, [&spec, "true"]).run();
        let want = format!(
            "listen: fatal: unable to bind unix {path} (label unix): {path} is {kind}, not a socket, and is left alone\n"
        );
        assert_eq!((ended.stderr, ended.code), (want, Some(111)));
        let after = fs::symlink_metadata(&path).unwrap();
        assert_eq!(
            (before.ino(), before.mode(), before.ctime_nsec()),
            (after.ino(), after.mode(), after.ctime_nsec())
        );
        if after.is_dir() {
            fs::remove_dir(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(dir.names(), ["target"]);
}

#[test]
fn modes_are_exact_whatever_the_umask() {
    for (umask, option, want) in [
        (0, "", 0o777),
        (0o077, "", 0o700),
        (0, "mode=0600", 0o600),
        (0o077, "mode=0666", 0o666),
        (0o377, "mode=000", 0),
    ] {
        let dir = Dir::new();
        let path = dir.path("s");
        let report = report(LISTEN, &[&format!("-unix:{option}:{path}")], |run| {
            run.setup(move || {
                // SAFETY: plain system call.
                unsafe { libc::umask(umask) };
                Ok(())
            })
        });
        assert_eq!(mode(&path), want, "{umask:o} {option}");
        assert_eq!(report.one("Umask"), format!("{umask:04o}"));
    }
}

#[test]
fn an_owner_that_one_may_set_is_set() {
    let dir = Dir::new();
    let path = dir.path("s");
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    let ended = Run::new(
        LISTEN,
        [
            format!("-unix:user={uid},group={gid},mode=0640:{path}"),
            "true".into(),
        ],
    )
    .env("PATH", "/bin:/usr/bin")
    .run();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    let status = fs::symlink_metadata(&path).unwrap();
    assert_eq!(
        (status.uid(), status.gid(), status.mode() & 0o7777),
        (uid.as_raw(), gid.as_raw(), 0o640)
    );
    assert!(status.file_type().is_socket());
}

#[test]
fn a_failure_at_the_end_leaves_nothing_behind() {
    let dir = Dir::new();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    let args = [
        "-unix::./a".to_owned(),
        "-unix-dgram:mode=600:./b".into(),
        format!("-tcp::127.0.0.1:{port}"),
        "true".into(),
    ];
    let ended = Run::new(LISTEN, args).cwd(&dir.0).run();
    let want = format!(
        "listen: fatal: unable to bind tcp 127.0.0.1:{port} (label tcp): {}\n",
        common::in_use_by_this_test()
    );
    assert_eq!(
        (ended.stderr, ended.code, dir.names()),
        (want, Some(111), vec![])
    );
    let missing = Run::new(LISTEN, ["-unix::./a", "-unix:label=b:./b", "./nosuch"])
        .cwd(&dir.0)
        .run();
    assert_eq!(
        (missing.stderr.as_str(), missing.code),
        (
            "listen: fatal: unable to execute ./nosuch: No such file or directory\n",
            Some(127)
        )
    );
    fs::write(dir.path("plain"), "").unwrap();
    let plain = Run::new(LISTEN, ["-unix::./a", "./plain"])
        .cwd(&dir.0)
        .run();
    assert_eq!(
        (plain.stderr.as_str(), plain.code),
        (
            "listen: fatal: unable to execute ./plain: Permission denied\n",
            Some(126)
        )
    );
    assert_eq!(dir.names(), ["plain"]);
    let script = dir.path("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = Run::new(LISTEN, ["./script"]).cwd(&dir.0).run();
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (
            "listen: fatal: unable to execute ./script: No such file or directory (the interpreter or loader that it names)\n",
            Some(126)
        )
    );
    let dash = Run::new(LISTEN, ["tcp::80", "true"]).run();
    assert_eq!(
        (dash.stderr.as_str(), dash.code),
        (
            "listen: fatal: unable to execute tcp::80: No such file or directory (a spec begins with a dash: -tcp::80)\n",
            Some(127)
        )
    );
}

#[test]
fn prog_is_searched_in_path() {
    let dir = Dir::new();
    let prog = dir.path("prog");
    fs::write(&prog, "#!/bin/sh\necho \"$0\"\n").unwrap();
    fs::set_permissions(&prog, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |path: Option<&str>, prog: &str| {
        let run = Run::new(LISTEN, ["--", prog]).cwd(&dir.0);
        let ended = path
            .into_iter()
            .fold(run, |run, path| run.env("PATH", path))
            .run();
        (ended.code, ended.stdout)
    };
    assert_eq!(
        run(Some(&format!("/nowhere:{}", dir.0.display())), "prog"),
        (Some(0), format!("{prog}\n"))
    );
    assert_eq!(run(Some("/nowhere:"), "prog"), (Some(0), "prog\n".into()));
    assert_eq!(run(Some("/nowhere"), "prog").0, Some(127));
    assert_eq!(run(None, "true"), (Some(0), String::new()));
    assert_eq!(run(None, "").0, Some(127));
    fs::set_permissions(&prog, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        run(Some(&format!("{}:/nowhere", dir.0.display())), "prog").0,
        Some(126)
    );
}

#[test]
fn a_dry_run_prints_what_can_be_pasted_and_makes_nothing() {
    let dir = Dir::new();
    let args = [
        "-n",
        "-tcp::*:0",
        "-udp:label=a:0",
        "-tcp:label=b,nonblock,fd=9,backlog~=5:[::1]:0",
        "--unix",
        "it's",
        "-o",
        "mode=600",
        "-unix:label=q:./x y",
    ];
    let plan = Run::new(LISTEN, args).cwd(&dir.0).run();
    let lines = "'-tcp:label=tcp:*:0'\n-udp:label=a:0\n'-tcp:label=b,fd=9,nonblock,backlog~=5:[::1]:0'\n--unix 'it'\\''s' -o label=unix -o mode=600\n'-unix:label=q:./x y'\n";
    assert_eq!(
        (plan.stdout.as_str(), plan.stderr.as_str(), plan.code),
        (lines, "", Some(0))
    );
    assert_eq!(dir.names(), Vec::<String>::new());
    let numbers = Run::new(LISTEN, ["-nv", "-tcp::0", "-udp:fd=4:0", "-udp:label=c:0"]).run();
    assert_eq!(
        numbers.stdout,
        "-tcp:label=tcp,fd=3:0\n-udp:label=udp,fd=4:0\n-udp:label=c,fd=5:0\n"
    );
    // pasted into a shell, it says the same again
    let script = format!("exec {LISTEN} -n {}", plan.stdout.replace('\n', " "));
    let again = Run::new("/bin/sh", ["-c", &script]).cwd(&dir.0).run();
    assert_eq!(again.stdout, plan.stdout);
}

#[test]
fn readiness_is_told_before_the_exec_and_a_gone_reader_is_a_warning() {
    let dir = Dir::new();
    let script = format!(
        "{{ {LISTEN} -d 3 -unix::./s sh -c 'test ! -e /proc/self/fd/3 || ls -l /proc/self/fd/3 >&2; echo up >&2' 3>&1 >/dev/null; }} | od -An -c"
    );
    let ended = Run::new("/bin/sh", ["-c", &script])
        .cwd(&dir.0)
        .env("PATH", "/usr/bin:/bin")
        .run();
    assert_eq!(ended.stdout.trim(), "\\n", "{ended:?}");
    let gone = format!(
        "trap '' USR1; {{ sleep 0.3; exec {LISTEN} -d 1 -tcp::127.0.0.1:0 sh -c 'echo lives >&2'; }} | true"
    );
    let ended = Run::new("/bin/sh", ["-c", &gone])
        .env("PATH", "/usr/bin:/bin")
        .run();
    assert_eq!(
        ended.stderr,
        "listen: warning: unable to notify readiness on fd 1: Broken pipe\nlives\n"
    );
}

#[test]
fn help_and_version_fit_on_one_screen() {
    let help = Run::new(LISTEN, ["-h"]).run();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(
        help.stdout
            .starts_with("usage: listen [-eanv] [-d FD] SPEC... [--] PROG...\n")
    );
    assert!(help.stdout.lines().count() <= 60);
    let tcp = Run::new(LISTEN, ["--help", "tcp"]).run();
    assert!(
        tcp.stdout.contains("  reuseport    SO_REUSEPORT"),
        "{}",
        tcp.stdout
    );
    assert!(!tcp.stdout.contains("  mode "), "{}", tcp.stdout);
    for version in ["-V", "--version"] {
        assert_eq!(
            Run::new(LISTEN, [version]).run().stdout,
            concat!("listen ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn a_message_never_goes_to_a_socket() {
    // fd 2 is a socket by then, and so nothing is written; the exit code tells
    let ended = Run::new(LISTEN, ["-udp:fd=2:0", "-v", "./nosuch"]).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(127), ""));
    let closed = Run::new(LISTEN, ["-udp::0", "-v", "./nosuch"])
        .closed(2)
        .run();
    assert_eq!(closed.code, Some(127));
}
