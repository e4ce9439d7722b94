//! listen-unit(1): .socket files become sockets, entries of the map, and lines for `listen`.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, Ended, FDMAP_TO, LISTEN, LISTEN_UNIT, Report, Run, report};
use listen_fd_map::unit::directive;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// Writes files below a directory; `DIR` in them is the directory.
fn write(dir: &Dir, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("DIR", dir.0.to_str().unwrap())).unwrap();
    }
}

/// Runs `listen-unit ARGS... report FILE` in the directory.
fn unit(dir: &Dir, args: &[&str]) -> Report {
    report(LISTEN_UNIT, args, |run| run.cwd(&dir.0))
}

fn ends(dir: &Dir, args: &[&str]) -> Ended {
    Run::new(LISTEN_UNIT, args).cwd(&dir.0).run()
}

/// The map of a report, `@` and what is not kept aside.
fn map(report: &Report) -> String {
    report.var("LISTEN_FD_MAP").unwrap()
}

/// Family and address of each entry of the map.
fn sockets(report: &Report) -> Vec<String> {
    let map = map(report);
    let fds = map
        .split(',')
        .map(|entry| entry.rsplit_once('=').unwrap().1);
    fds.map(|fd| {
        let fd = fd.parse().unwrap();
        let family = report.fd(fd, "family").unwrap_or("none");
        format!("{family} {}", report.fd(fd, "address").unwrap_or(""))
    })
    .collect()
}

#[test]
fn a_unit_becomes_sockets_in_the_order_of_its_lines() {
    let dir = Dir::new();
    let text = "[Unit]\nDescription=x\n[Socket]\nListenStream=DIR/run/a/stream\nListenDatagram=@DIR/d\n\
        ListenSequentialPacket=DIR/run/seq\nListenFIFO=DIR/run/fifo\nSocketMode=0640\nDirectoryMode=0750\n\
        ListenNetlink=kobject-uevent 0\n[Install]\nWantedBy=sockets.target\n";
    write(&dir, &[("web.socket", text)]);
    let got = unit(&dir, &["-ea", "./web.socket"]);
    assert_eq!(
        map(&got),
        "web.socket.0=3,web.socket.1=4,web.socket.2=5,web.socket.3=6,web.socket.4=7"
    );
    let root = dir.0.to_str().unwrap();
    assert_eq!(
        sockets(&got),
        [
            format!("unix {root}/run/a/stream"),
            format!("unix-dgram @{root}/d"),
            format!("unix-seqpacket {root}/run/seq"),
            "none ".to_owned(),
            "netlink kobject-uevent".to_owned(),
        ]
    );
    assert_eq!(got.var("WEB_SOCKET_0_FD").as_deref(), Some("3"));
    assert_eq!(
        got.var("WEB_SOCKET_0_ADDR"),
        Some(format!("{root}/run/a/stream"))
    );
    assert_eq!(got.fd(3, "reuseaddr"), Some("1"));
    let mode = |path: &str| {
        fs::symlink_metadata(dir.0.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    let modes = ["run", "run/a", "run/a/stream", "run/seq", "run/fifo"].map(mode);
    assert_eq!(modes, [0o750, 0o750, 0o640, 0o640, 0o640]);
    assert_eq!((got.ended.code, got.ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn names_are_those_that_systemd_gives() {
    let dir = Dir::new();
    write(
        &dir,
        &[
            (
                "a.socket",
                "[Socket]\nListenStream=@DIR/a\nListenStream=@DIR/b\n",
            ),
            (
                "b@.socket",
                "[Socket]\nListenStream=@DIR/%i/%I/%p\nFileDescriptorName=ctl-%i\n",
            ),
            (
                "c.socket",
                "[Socket]\nListenStream=@DIR/c\nFileDescriptorName=a b/c\n",
            ),
        ],
    );
    let fds = |args: &[&str]| {
        let args = [args, &[FDMAP_TO, "systemd"]].concat();
        unit(&dir, &args)
    };
    let two = fds(&["./a.socket", "./b@x-y.socket"]);
    assert_eq!(
        two.var("LISTEN_FDNAMES").as_deref(),
        Some("a.socket:a.socket:ctl-x-y")
    );
    assert_eq!(
        two.fd(5, "address"),
        Some(format!("@{}/x-y/x/y/b", dir.0.display()).as_str())
    );
    let own = fds(&["-l", "x,y,y", "./a.socket", "./b@z.socket"]);
    assert_eq!(own.var("LISTEN_FDNAMES").as_deref(), Some("x:y:y"));
    let odd = unit(&dir, &["./c.socket"]);
    assert_eq!(map(&odd), "a_b_c=3");
    assert_eq!(
        odd.ended.stderr,
        "listen-unit: warning: a b/c is no label, it is a_b_c in the map (-l gives another)\n"
    );
}

/// The addresses of what is found under a root, without the `@`.
fn found(dir: &Dir, args: &[&str]) -> (Vec<String>, String) {
    let args = [&["--root", dir.0.to_str().unwrap()], args].concat();
    let got = unit(dir, &args);
    let prefix = format!("unix @{}/", dir.0.display());
    let names = sockets(&got).into_iter();
    let names = names.map(|socket| socket.strip_prefix(&prefix).unwrap().to_owned());
    (names.collect(), map(&got))
}

#[test]
fn a_name_is_searched_with_all_its_drop_ins() {
    let dir = Dir::new();
    let listen = |name: &str| format!("[Socket]\nListenStream=@DIR/{name}\n");
    for (file, name) in [
        ("etc/systemd/system/a-b@.socket", "main"),
        ("usr/lib/systemd/system/a-b@.socket", "never"),
        ("usr/lib/systemd/system/a-b@.socket.d/20-x.conf", "2-lib"),
        ("run/systemd/system/a-b@.socket.d/20-x.conf", "2-run"),
        (
            "usr/lib/systemd/system/a-b@i.socket.d/30-x.conf",
            "3-instance",
        ),
        ("etc/systemd/system/a-b@.socket.d/30-x.conf", "3-template"),
        (
            "usr/local/lib/systemd/system/a-.socket.d/10-x.conf",
            "1-prefix",
        ),
        ("lib/systemd/system/socket.d/90-x.conf", "9-all"),
        ("lib/systemd/system/a-b@i.socket.d/no.config", "never"),
        ("lib/systemd/system/a-b@i.socket.d/.x.conf", "never"),
        ("lib/systemd/system/socket.d/40-masked.conf", "never"),
        ("usr/lib/systemd/system/target.socket", "target"),
        ("usr/lib/systemd/system/alias.socket.d/x.conf", "of-alias"),
        ("opt/linked.socket", "linked"),
    ] {
        write(&dir, &[(file, &listen(name))]);
    }
    let link = |target: &str, path: &str| symlink(target, dir.0.join(path)).unwrap();
    link("/dev/null", "etc/systemd/system/a-b@i.socket.d-none");
    fs::create_dir_all(dir.0.join("etc/systemd/system/socket.d")).unwrap();
    link("/dev/null", "etc/systemd/system/socket.d/40-masked.conf");
    link(
        "/usr/lib/systemd/system/target.socket",
        "etc/systemd/system/alias.socket",
    );
    link("/opt/linked.socket", "etc/systemd/system/own.socket");
    let (names, _) = found(&dir, &["a-b@i.socket"]);
    assert_eq!(names, ["main", "1-prefix", "2-run", "3-instance", "9-all"]);
    // a link among the units is another name of its target, one to elsewhere a name of its own
    let (names, map) = found(&dir, &["alias.socket"]);
    assert_eq!(names, ["target", "9-all", "of-alias"]);
    assert_eq!(map, "target.socket.0=3,target.socket.1=4,target.socket.2=5");
    let (names, map) = found(&dir, &["own.socket"]);
    assert_eq!(
        (names, map.as_str()),
        (
            vec!["linked".into(), "9-all".into()],
            "own.socket.0=3,own.socket.1=4"
        )
    );
    // a path is that file with the drop-ins beside it
    let (names, _) = found(&dir, &["/usr/lib/systemd/system/a-b@i.socket"]);
    assert_eq!(names, ["never", "2-lib", "3-instance"]);
}

#[test]
fn user_units_are_searched_where_the_users_are() {
    let dir = Dir::new();
    write(
        &dir,
        &[
            (
                "home/.config/systemd/user/a.socket",
                "[Socket]\nListenFIFO=%t/a\n",
            ),
            (
                "rt/systemd/user/a.socket.d/x.conf",
                "[Socket]\nListenFIFO=%h/b\nListenFIFO=%S/c\nListenFIFO=%C/d\nListenFIFO=%E/e\nListenFIFO=%L/f\n",
            ),
        ],
    );
    let (home, runtime) = (dir.path("home"), dir.path("rt"));
    let ended = Run::new(LISTEN_UNIT, ["-n", "--user", "a.socket"])
        .env("HOME", &home)
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("XDG_CACHE_HOME", "/cache")
        .run();
    let paths = ended
        .stdout
        .lines()
        .map(|line| line.rsplit_once(':').unwrap().1);
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            format!("{runtime}/a"),
            format!("{home}/b"),
            format!("{home}/.local/state/c"),
            "/cache/d".to_owned(),
            format!("{home}/.config/e"),
            format!("{home}/.local/state/log/f"),
        ]
    );
}

/// A unit that cannot be bound is one line, and nothing is made.
#[track_caller]
fn refused(dir: &Dir, args: &[&str], line: &str) {
    let before = dir.names();
    let ended = ends(dir, &[args, &["/bin/true"]].concat());
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (format!("listen-unit: fatal: {line}\n").as_str(), Some(100)),
        "{args:?}"
    );
    assert_eq!(
        (ended.stdout.as_str(), dir.names()),
        ("", before),
        "{args:?}"
    );
}

#[test]
fn what_cannot_be_read_is_said_with_file_and_line() {
    let dir = Dir::new();
    let long = format!("[Socket]\nListenStream=@x\nFoo={}\n", "x".repeat(1_000_000));
    let endless = format!("[Socket]\nListenStream=\\\n{}", "/x\\\n".repeat(40_000));
    let huge = format!("[Socket]\n{}", "# comment\n".repeat(1_048_576));
    write(
        &dir,
        &[
            ("empty.socket", ""),
            ("none.socket", "[Socket]\n"),
            ("long.socket", &long),
            ("endless.socket", &endless),
            ("huge.socket", &huge),
            ("t@.socket", "[Socket]\nListenStream=@x\n"),
            ("section.socket", "[Socket\nListenStream=@x\n"),
            ("drop.socket", "[Socket]\nListenStream=@x\n"),
            ("drop.socket.d/x.conf", "\n[Socket]\nListenStream=x\n"),
        ],
    );
    fs::create_dir(dir.0.join("dir.socket")).unwrap();
    fs::write(dir.0.join("noise.socket"), [0x7f, b'E', 0xff, 0, b'\n', 1]).unwrap();
    fs::write(dir.0.join("nul.socket"), "[Socket]\nListenStream=@a\0b\n").unwrap();
    symlink("/dev/null", dir.0.join("masked.socket")).unwrap();
    symlink("loop.socket", dir.0.join("loop.socket")).unwrap();
    nix::unistd::mkfifo(&dir.0.join("fifo.socket"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(dir.0.join("inner.socket"), "[Socket]\nListenStream=@x\n").unwrap();
    fs::create_dir(dir.0.join("inner.socket.d")).unwrap();
    symlink("x.conf", dir.0.join("inner.socket.d/x.conf")).unwrap();
    fs::write(dir.0.join("outer.socket"), "[Socket]\nListenStream=@x\n").unwrap();
    symlink("outer.socket.d", dir.0.join("outer.socket.d")).unwrap();
    let masked = "the unit is masked (it is empty, or a link to /dev/null)";
    for (file, line) in [
        ("./no.socket", "./no.socket: No such file or directory"),
        ("./dir.socket", "./dir.socket: not a regular file"),
        ("./fifo.socket", "./fifo.socket: not a regular file"),
        ("./empty.socket", &format!("./empty.socket: {masked}")),
        ("./masked.socket", &format!("./masked.socket: {masked}")),
        (
            "./loop.socket",
            "./loop.socket: Too many symbolic links encountered",
        ),
        (
            "./inner.socket",
            "./inner.socket.d/x.conf: Too many symbolic links encountered",
        ),
        (
            "./outer.socket",
            "./outer.socket.d: Too many symbolic links encountered",
        ),
        (
            "./none.socket",
            "./none.socket: no Listen...= line, nothing to bind",
        ),
        (
            "./noise.socket",
            "./noise.socket:1: not UTF-8: \\x7fE\\xff\\x00",
        ),
        ("./nul.socket", "./nul.socket:2: a NUL byte"),
        (
            "./huge.socket",
            "./huge.socket: the file is longer than 1 MiB",
        ),
        (
            "./long.socket",
            "./long.socket:3: the line has more than 65536 bytes",
        ),
        (
            "./endless.socket",
            "./endless.socket:21843: the line has more than 65536 bytes",
        ),
        (
            "./section.socket",
            "./section.socket:1: a section without its ]: [Socket",
        ),
        (
            "./t@.socket",
            "./t@.socket: a template needs an instance, like t@NAME.socket",
        ),
        (
            "./drop.socket",
            "./drop.socket.d/x.conf:3: ListenStream=x: a port, ADDRESS:PORT or [ADDRESS]:PORT in numbers, a path or @name is wanted (a port from 1 to 65535)",
        ),
        ("./a b.socket", "./a b.socket: no name of a .socket unit"),
    ] {
        refused(&dir, &[file], line);
    }
    let root = dir.0.to_str().unwrap();
    let dirs = ["etc", "run", "usr/local/lib", "usr/lib", "lib"];
    let dirs = dirs
        .map(|dir| format!("{root}/{dir}/systemd/system"))
        .join(", ");
    refused(
        &dir,
        &["--root", root, "drop.socket"],
        &format!("drop.socket: no such unit in {dirs} (a path has a slash: ./drop.socket)"),
    );
}

#[test]
fn what_cannot_be_bound_is_said_with_file_and_line() {
    for (lines, line) in [
        (
            "SocketMode=0o600",
            "2: SocketMode=0o600: an octal mode up to 7777 is wanted",
        ),
        (
            "SocketMode=rw",
            "2: SocketMode=rw: an octal mode up to 7777 is wanted",
        ),
        (
            "DirectoryMode=9",
            "2: DirectoryMode=9: an octal mode up to 7777 is wanted",
        ),
        (
            "SocketUser=no-such-user",
            "2: SocketUser=no-such-user: unknown user no-such-user",
        ),
        (
            "SocketUser=0\nSocketGroup=no-such-group",
            "3: SocketGroup=no-such-group: unknown group no-such-group",
        ),
        (
            "ListenStream=%z",
            "2: ListenStream=%z: unknown specifier %z (a percent sign is written %%)",
        ),
        (
            "ListenStream=%",
            "2: ListenStream=%: a % alone (a percent sign is written %%)",
        ),
        (
            "ListenStream=/a/../b",
            "2: ListenStream=/a/../b: a path without .. is wanted",
        ),
        (
            "ListenSequentialPacket=80",
            "2: ListenSequentialPacket=80: ListenSequentialPacket takes a path or @name",
        ),
        (
            "ListenNetlink=rout",
            "2: ListenNetlink=rout: rout is no protocol of netlink, did you mean route?",
        ),
        (
            "ListenUSBFunction=/dev/x",
            "2: ListenUSBFunction=/dev/x: USB endpoints are no sockets",
        ),
        (
            "PrivateNetwork=yes",
            "2: PrivateNetwork=yes: the sockets would be in a namespace that the manager makes; use NetworkNamespacePath=",
        ),
        (
            "Accept=yes",
            "2: Accept=yes: systemd would start a process for each connection; if PROG accepts connections itself, say --accept",
        ),
        ("Accept=maybe", "2: Accept=maybe: yes or no is wanted"),
        (
            "SocketProtocol=tcp",
            "2: SocketProtocol=tcp: udplite, sctp or mptcp is wanted",
        ),
        (
            "BindIPv6Only=6",
            "2: BindIPv6Only=6: default, both or ipv6-only is wanted",
        ),
        (
            "BindToDevice=a/b",
            "2: BindToDevice=a/b: the name of a network interface is wanted",
        ),
        (
            "FileDescriptorName=a:b",
            "2: FileDescriptorName=a:b: a name of at most 255 ASCII characters without a colon is wanted",
        ),
        (
            "Symlinks=/DIR/l",
            "2: Symlinks=/DIR/l: links need exactly one path in the unit, not 0",
        ),
        (
            "Symlinks=l",
            "2: Symlinks=l: an absolute path without .. is wanted",
        ),
        ("Symlinks='/l", "2: Symlinks='/l: a quote that does not end"),
        ("Backlog=many", "2: Backlog=many: a number is wanted"),
    ] {
        let dir = Dir::new();
        let text = format!("[Socket]\n{lines}\nListenStream=@DIR/x\nListenFIFO=/nowhere\n");
        let text = text
            .replace("ListenFIFO=/nowhere\n", "")
            .replace("/DIR", "DIR");
        write(&dir, &[("a.socket", &text)]);
        let line = line.replace("/DIR", dir.0.to_str().unwrap());
        refused(&dir, &["./a.socket"], &format!("./a.socket:{line}"));
    }
}

#[test]
fn wrong_operands_are_answered() {
    let dir = Dir::new();
    write(&dir, &[("a.socket", "[Socket]\nListenStream=@DIR/a\n")]);
    refused(
        &dir,
        &["cups"],
        "cups is no .socket file, the files come first",
    );
    refused(
        &dir,
        &["-l", "x,y", "./a.socket"],
        "-l has 2 labels for 1 sockets",
    );
    refused(
        &dir,
        &["-l", "x y", "./a.socket"],
        "-l: x y is no label: 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -",
    );
    refused(
        &dir,
        &["./a.socket", "-n"],
        "-n: options come before the files (-- before a PROG that is called so)",
    );
    refused(&dir, &["--roott", "x"], "invalid option '--roott'");
    for args in [&[][..], &["-v"], &["./a.socket"], &["./a.socket", "--"]] {
        let ended = ends(&dir, args);
        let usage = "listen-unit: usage: listen-unit [-eanv] [-d FD] [-l LABEL,...] [--accept] [--user] [--root DIR] [--] FILE.socket... PROG... (-h for help)\n";
        assert_eq!(
            (ended.stderr.as_str(), ended.code),
            (usage, Some(100)),
            "{args:?}"
        );
    }
    // after -- a program may be called like a unit
    let ended = ends(&dir, &["./a.socket", "--", "./a.socket"]);
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (
            "listen-unit: fatal: unable to execute ./a.socket: Permission denied\n",
            Some(126)
        )
    );
    assert_eq!(map(&unit(&dir, &["--", "./a.socket"])), "a.socket=3");
}

#[test]
fn the_map_that_is_inherited_is_added_to() {
    let dir = Dir::new();
    write(
        &dir,
        &[
            ("a.socket", "[Socket]\nListenStream=@DIR/a\n"),
            (
                "b.socket",
                "[Socket]\nListenStream=@DIR/b\nFileDescriptorName=a.socket\n",
            ),
        ],
    );
    let both = unit(&dir, &["./a.socket", LISTEN_UNIT, "-l", "b", "./b.socket"]);
    assert_eq!(map(&both), "a.socket=3,b=4");
    let ended = ends(&dir, &["./a.socket", LISTEN_UNIT, "./b.socket", "true"]);
    let place = format!("./b.socket:2: ListenStream=@{}/b", dir.0.display());
    let line = format!(
        "listen-unit: fatal: {place}: label a.socket is taken in the inherited LISTEN_FD_MAP, choose others with -l (or unset it)\n"
    );
    assert_eq!((ended.stderr, ended.code), (line, Some(100)));
    let set = Run::new(LISTEN_UNIT, ["-e", "./a.socket", "true"])
        .cwd(&dir.0)
        .env("A_SOCKET_FD", "9")
        .run();
    let place = format!("./a.socket:2: ListenStream=@{}/a", dir.0.display());
    let line = format!(
        "listen-unit: fatal: {place}: variable A_SOCKET_FD is set already, to 9, unset it or choose other labels with -l\n"
    );
    assert_eq!((set.stderr, set.code), (line, Some(100)));
}

#[test]
fn what_systemd_goes_on_without_is_a_warning() {
    let dir = Dir::new();
    let text = "ListenTCP=1\n[Socket]\nListenStream=DIR/s\nListenTCP=80\nlistenstream=81\nKeepAlive=maybe\n\
        KeepAliveProbes=200\nSocketMode=\nColour=blue\nX-Mine=1\nno assignment\nRemoveOnStop=yes\n\
        ExecStartPost=/bin/x\nPriority=-1\nNoDelay=yes\n[Sokcet]\nA=b\n[X-Mine]\n";
    write(&dir, &[("a.socket", text)]);
    let warnings = "\
        listen-unit: warning: ./a.socket:1: a line before any [Socket], ignored\n\
        listen-unit: warning: ./a.socket:11: no KEY=VALUE: no assignment, ignored\n\
        listen-unit: warning: ./a.socket:16: unknown section [Sokcet], ignored\n\
        listen-unit: warning: ./a.socket:4: ListenTCP=80: unknown directive, ignored\n\
        listen-unit: warning: ./a.socket:5: listenstream=81: unknown directive, did you mean ListenStream?\n\
        listen-unit: warning: ./a.socket:6: KeepAlive=maybe: yes or no is wanted, ignored\n\
        listen-unit: warning: ./a.socket:7: KeepAliveProbes=200: a number from 1 to 127 is wanted, ignored\n\
        listen-unit: warning: ./a.socket:8: SocketMode=: an empty value changes nothing, ignored\n\
        listen-unit: warning: ./a.socket:9: Colour=blue: unknown directive, ignored\n";
    let got = unit(&dir, &["./a.socket"]);
    assert_eq!(
        (got.ended.stderr.as_str(), got.ended.code),
        (warnings, Some(0))
    );
    let more = "listen-unit: info: ./a.socket:12: RemoveOnStop=yes: a service manager's, nothing to bind\n";
    let verbose = unit(&dir, &["-v", "./a.socket"]).ended.stderr;
    assert!(verbose.contains(more), "{verbose}");
    let open = format!(
        "listen-unit: info: unix {}/s is open on fd 3 (label a.socket)\n",
        dir.0.display()
    );
    assert!(verbose.ends_with(&open), "{verbose}");
}

#[test]
fn a_live_socket_and_what_is_none_are_left_alone() {
    let dir = Dir::new();
    write(
        &dir,
        &[(
            "a.socket",
            "[Socket]\nListenStream=DIR/first\nListenStream=DIR/s\n",
        )],
    );
    let path = dir.path("s");
    let _live = UnixListener::bind(&path).unwrap();
    let ended = ends(&dir, &["./a.socket", "true"]);
    let subject = format!("listen-unit: fatal: unable to bind unix {path} (label a.socket.1): ");
    let why = format!("{}\n", common::in_use_by_this_test());
    assert_eq!(
        (ended.stderr, ended.code),
        (format!("{subject}{why}"), Some(111))
    );
    assert_eq!(dir.names(), ["a.socket", "s"]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let ended = ends(&dir, &["./a.socket", "true"]);
    assert_eq!(
        ended.stderr,
        format!("{subject}{path} is a regular file, not a socket, and is left alone\n")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    // and where PROG does not run, what was made goes
    fs::remove_file(&path).unwrap();
    let ended = ends(&dir, &["./a.socket", "/nonexistent"]);
    assert_eq!(
        (ended.code, dir.names()),
        (Some(127), vec!["a.socket".to_owned()])
    );
}

#[test]
fn the_printed_lines_make_the_same_sockets() {
    let dir = Dir::new();
    let text = "[Socket]\nListenStream=127.0.0.1:0x0001\nListenStream=\nListenStream=DIR/it's $a \"s\"\n\
        ListenDatagram=@DIR/d,e:[f]\nListenStream=DIR/x:y\nKeepAlive=1\nReceiveBuffer=8K\nPriority=3\nBacklog=5\n\
        SocketMode=600\nPassCredentials=on\nListenNetlink=route 5\n";
    write(
        &dir,
        &[
            ("a.socket", text),
            (
                "b.socket",
                "[Socket]\nListenFIFO=DIR/f\nSymlinks=DIR/l1 DIR/m/l2\n",
            ),
        ],
    );
    let ended = ends(&dir, &["-n", "./a.socket", "./b.socket"]);
    let root = dir.0.display().to_string();
    let unix = "label=a.socket.0,reuseaddr=yes,priority~=3,keepalive~=yes,rcvbuf~=8K,passcred~=yes,dirmode=0755,mode=0600,backlog=5";
    let second = unix.replace(".0,", ".2,");
    let lines = [
        format!("'-unix:{unix}:{root}/it'\\''s $a \"s\"'"),
        format!("'-unix-dgram:label=a.socket.1,reuseaddr=yes,priority~=3,keepalive~=yes,rcvbuf~=8K,passcred~=yes:@{root}/d,e:[f]'"),
        format!("-unix:{second}:{root}/x:y").replace("-unix:", "'-unix:") + "'",
        "'-netlink:label=a.socket.3,reuseaddr=yes,priority~=3,keepalive~=yes,rcvbuf~=8K,passcred~=yes,multicast=1,multicast=3:route'".to_owned(),
        format!("'-fifo:label=b.socket,dirmode=0755,mode=0666,symlink~={root}/l1,symlink~={root}/m/l2:{root}/f'"),
    ];
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), lines);
    let script = format!("exec {LISTEN} {} \"$@\"", ended.stdout.replace('\n', " "));
    let printed = report("/bin/sh", &["-c", &script, "sh"], |run| run.env("PWD", "/"));
    assert_eq!(fs::read_link(dir.0.join("m/l2")).unwrap(), dir.0.join("f"));
    let own = unit(&dir, &["./a.socket", "./b.socket"]);
    assert_eq!(
        (map(&printed), sockets(&printed)),
        (map(&own), sockets(&own))
    );
}

#[test]
fn nothing_else_changes_on_the_way() {
    let dir = Dir::new();
    write(&dir, &[("a.socket", "[Socket]\nListenStream=@DIR/a\n")]);
    let prepare = |run: Run| {
        let odd = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff, b'=', 0xfe]);
        let odd: std::ffi::OsString = odd;
        run.cwd(&dir.0)
            .open(7)
            .closed(0)
            .env("B", "2")
            .env("A", odd)
            .setup(|| {
                // SAFETY: plain system calls.
                unsafe {
                    nix::libc::umask(0o027);
                    nix::libc::signal(nix::libc::SIGPIPE, nix::libc::SIG_IGN);
                    nix::libc::signal(nix::libc::SIGTERM, nix::libc::SIG_IGN);
                }
                Ok(())
            })
    };
    let with = report(LISTEN_UNIT, &["./a.socket"], prepare);
    let without = report("/usr/bin/env", &[], prepare);
    assert_eq!(with.fds(), [1, 2, 3, 7]);
    let environment = |report: &Report| {
        let all = report.env().into_iter();
        all.filter(|var| !var.as_encoded_bytes().starts_with(b"LISTEN_FD_MAP"))
            .collect::<Vec<_>>()
    };
    assert_eq!(environment(&with), environment(&without));
    for key in ["umask", "ignored", "blocked", "cwd"] {
        assert_eq!(with.all(key), without.all(key), "{key}");
    }
    assert_eq!(with.one("pid"), with.ended.pid.to_string());
}

#[test]
fn readiness_is_told_on_the_fd_of_d() {
    let dir = Dir::new();
    write(&dir, &[("a.socket", "[Socket]\nListenStream=@DIR/a\n")]);
    let ended = ends(&dir, &["-d", "1", "./a.socket", "true"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("\n", Some(0)));
    refused(&dir, &["-d", "9", "./a.socket"], "-d: fd 9 is not open");
}

#[test]
fn an_owner_brings_his_group() {
    let dir = Dir::new();
    let user = "nobody";
    let group = nix::unistd::User::from_name(user).unwrap().unwrap().gid;
    let group = nix::unistd::Group::from_gid(group).unwrap().unwrap().name;
    write(
        &dir,
        &[(
            "a.socket",
            "[Socket]\nListenStream=DIR/s\nSocketUser=nobody\n",
        )],
    );
    let ended = ends(&dir, &["-n", "./a.socket"]);
    let end = format!("user={user},group={group}:{}/s\n", dir.0.display());
    assert!(ended.stdout.ends_with(&end), "{ended:?}");
}

#[test]
#[ignore = "needs systemd's program"]
fn every_directive_that_systemd_has_is_known() {
    let output = Command::new("/lib/systemd/systemd")
        .arg("--dump-configuration-items")
        .output()
        .unwrap();
    let items = String::from_utf8(output.stdout).unwrap();
    let (_, items) = items.split_once("[Socket]\n").unwrap();
    let (items, _) = items.split_once("\n\n").unwrap();
    let names = items.lines().map(|line| line.split('=').next().unwrap());
    let unknown: Vec<&str> = names
        .filter(|name| directive::find(name).is_none())
        .collect();
    assert_eq!(unknown, [""; 0]);
    assert!(items.lines().count() > 200);
}

#[test]
#[ignore = "needs root, python3 and LISTEN_TEST_LAB, a real systemd in namespaces"]
fn units_are_bound_as_by_the_real_systemd() {
    let lab = std::env::var("LISTEN_TEST_LAB").unwrap();
    let bin = Path::new(LISTEN).parent().unwrap();
    let agree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement/agree.py");
    let output = Command::new("python3")
        .arg(agree)
        .args([bin, Path::new(&lab).parent().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("made up: 300 "), "{said}");
}
