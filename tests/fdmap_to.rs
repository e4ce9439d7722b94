//! fdmap-to(1): fd numbers in PROG's arguments.
#![cfg(feature = "tools")]

mod common;

use common::{Dir, FDMAP_TO, LISTEN, Run, report};

#[test]
fn labels_in_the_arguments_become_numbers_and_leave_the_map() {
    let args = [
        "-ea",
        "-udp::0",
        "-tcp::0",
        FDMAP_TO,
        "argv",
        "env",
        "X=%{udp}:%%{tcp}%",
    ];
    let report = report(LISTEN, &args, |run| run.env("PATH", "/usr/bin:/bin"));
    assert_eq!(report.var("LISTEN_FD_MAP").unwrap(), "tcp=4");
    assert_eq!(report.var("X").unwrap(), "3:%{tcp}%");
    assert_eq!((report.var("UDP_FD"), report.var("UDP_ADDR")), (None, None));
    assert_eq!(report.var("TCP_FD").unwrap(), "4");
    assert_eq!(report.fds(), [0, 1, 2, 3, 4]);
    assert_eq!(report.one("pid"), report.ended.pid.to_string());
}

#[test]
fn a_map_without_entries_is_unset_unless_variables_are_kept() {
    let path = |run: Run| run.env("PATH", "/usr/bin:/bin");
    let all = report(
        LISTEN,
        &["-tcp::0", FDMAP_TO, "argv", "env", "X=%{tcp}"],
        path,
    );
    assert_eq!(all.var("LISTEN_FD_MAP"), None);
    let kept = report(
        LISTEN,
        &["-e", "-tcp::0", FDMAP_TO, "-k", "argv", "env", "X=%{tcp}"],
        path,
    );
    assert_eq!(kept.var("LISTEN_FD_MAP").unwrap(), "tcp=3");
    assert_eq!(kept.var("TCP_FD").unwrap(), "3");
    let none = report(FDMAP_TO, &["argv", "env", "X=%d"], |run| {
        path(run).env("LISTEN_FD_MAP", "")
    });
    assert_eq!(
        (none.var("X").unwrap(), none.var("LISTEN_FD_MAP").unwrap()),
        ("%d".into(), String::new())
    );
}

#[test]
fn what_cannot_be_replaced_is_said() {
    for (args, map, line) in [
        (
            &["argv", "true", "%{tls}"][..],
            "udp=0",
            "fatal: %{tls}: label tls is not in LISTEN_FD_MAP, which has udp (a percent sign is written %%)",
        ),
        (
            &["argv", "true", "%{tls}"],
            "",
            "fatal: %{tls}: label tls is not in LISTEN_FD_MAP, which is empty (a percent sign is written %%)",
        ),
        (
            &["argv"],
            "udp=0",
            "usage: fdmap-to [-k] [-l LABEL,...] CONVENTION PROG... (-h for help)",
        ),
        (
            &[],
            "udp=0",
            "usage: fdmap-to [-k] [-l LABEL,...] CONVENTION PROG... (-h for help)",
        ),
        (
            &["args", "true"],
            "udp=0",
            "fatal: unknown convention args, did you mean argv?",
        ),
        (
            &["argv", "true"],
            "udp=17",
            "fatal: the inherited LISTEN_FD_MAP is stale: udp=17, but fd 17 is not open (unset it to begin with an empty map)",
        ),
    ] {
        let ended = Run::new(FDMAP_TO, args).env("LISTEN_FD_MAP", map).run();
        assert_eq!(
            (ended.stderr, ended.code),
            (format!("fdmap-to: {line}\n"), Some(100)),
            "{args:?}"
        );
    }
    let missing = Run::new(FDMAP_TO, ["argv", "./nosuch"]).run();
    let line = "fdmap-to: fatal: unable to execute ./nosuch: No such file or directory\n";
    assert_eq!((missing.stderr.as_str(), missing.code), (line, Some(127)));
}

/// A tcp socket on 127.0.0.1, one on [::1], one of all addresses, a unix socket; then `fdmap-to ARGS`.
fn convert(args: &[&str]) -> common::Report {
    let specs = [
        "-ea",
        "-tcp:label=v4,fd=10:127.0.0.1:0",
        "-tcp:label=v6,fd=11:[::1]:0",
        "-tcp:label=all,fd=12:0",
        "-unix:label=ctl,fd=13,nonblock:./ctl",
        FDMAP_TO,
    ];
    let dir = Dir::new();
    report(LISTEN, &[&specs, args].concat(), |run| run.cwd(&dir.0))
}

#[test]
fn each_convention_is_written_as_its_readers_want_it() {
    let [v4, v6, all, ctl] = ["v4", "v6", "all", "ctl"];
    for (args, want, nonblock) in [
        ("nginx", &[("NGINX", "10;11;12;13;")][..], [true; 4]),
        (
            "php-fpm",
            &[("FPM_SOCKETS", "V4=10,::1:V6PORT=11,:::ALLPORT=12,./ctl=13")],
            [false, false, false, true],
        ),
        (
            "unicorn",
            &[("UNICORN_FD", "10,11,12,13")],
            [false, false, false, true],
        ),
        (
            "gunicorn",
            &[("GUNICORN_FD", "10,11,12,13"), ("GUNICORN_PID", "PID")],
            [false, false, false, true],
        ),
        (
            "puma",
            &[
                ("PUMA_INHERIT_0", "10:tcp://V4"),
                ("PUMA_INHERIT_1", "11:tcp://V6"),
                ("PUMA_INHERIT_2", "12:tcp://ALL"),
                ("PUMA_INHERIT_3", "13:unix://./ctl"),
            ],
            [false, false, false, true],
        ),
        (
            "server-starter",
            &[
                ("SERVER_STARTER_PORT", "V4=10;V6=11;ALL=12;./ctl=13"),
                ("SERVER_STARTER_GENERATION", "1"),
            ],
            [false, false, false, true],
        ),
        (
            "einhorn",
            &[
                ("EINHORN_FD_COUNT", "4"),
                ("EINHORN_FD_0", "10"),
                ("EINHORN_FD_1", "11"),
                ("EINHORN_FD_2", "12"),
                ("EINHORN_FD_3", "13"),
                ("EINHORN_MASTER_PID", "PARENT"),
            ],
            [false, false, false, true],
        ),
        (
            "listenfd",
            &[
                ("LISTEN_FDS", "4"),
                ("LISTEN_FDS_FIRST_FD", "10"),
                ("LISTEN_FDNAMES", "v4:v6:all:ctl"),
            ],
            [true; 4],
        ),
        (
            "vars",
            &[
                ("V4_FD", "10"),
                ("V6_FD", "11"),
                ("ALL_FD", "12"),
                ("CTL_FD", "13"),
            ],
            [false, false, false, true],
        ),
        (
            "s6-fdholder",
            &[
                ("S6_FD#", "4"),
                ("S6_FD_0", "10"),
                ("S6_FDID_0", "v4"),
                ("S6_FD_1", "11"),
                ("S6_FDID_1", "v6"),
                ("S6_FD_2", "12"),
                ("S6_FDID_2", "all"),
                ("S6_FD_3", "13"),
                ("S6_FDID_3", "ctl"),
            ],
            [false, false, false, true],
        ),
    ] {
        let report = convert(&[args]);
        let address = |fd| report.fd(fd, "address").unwrap().to_owned();
        let port = |fd| address(fd).rsplit_once(':').unwrap().1.to_owned();
        let mut env: Vec<String> = report
            .env()
            .into_iter()
            .map(|var| var.into_string().unwrap())
            .collect();
        let mut want: Vec<String> = want
            .iter()
            .map(|(name, value)| {
                let value = value
                    .replace("V6PORT", &port(11))
                    .replace("ALLPORT", &port(12))
                    .replace("V4", &address(10))
                    .replace("V6", &address(11))
                    .replace("ALL", &address(12))
                    .replace("PID", &report.ended.pid.to_string())
                    .replace("PARENT", &std::process::id().to_string());
                format!("{name}={value}")
            })
            .collect();
        env.sort();
        want.sort();
        assert_eq!(env, want, "{args}");
        let is: Vec<bool> = (10..14)
            .map(|fd| report.fd(fd, "nonblock") == Some("true"))
            .collect();
        assert_eq!(is, nonblock, "{args}");
    }
    for label in [v4, v6, all, ctl] {
        let report = convert(&["-l", label, "fd0"]);
        let address = report.fd(0, "address").unwrap();
        assert_eq!(address.starts_with("./"), label == ctl);
        assert_eq!(report.fd(0, "nonblock"), Some("false"));
        assert_eq!(report.var("LISTEN_FD_MAP").unwrap().split(',').count(), 3);
        assert_eq!(report.fds().len(), 3 + 3);
    }
}

#[test]
fn groups_have_one_name_and_stale_variables_go() {
    let args = [
        "-udp:label=w,count=2:127.0.0.1:0",
        "-udp:label=d:127.0.0.1:0",
        FDMAP_TO,
        "systemd",
    ];
    let report = report(LISTEN, &args, |run| {
        run.env("LISTEN_PIDFDID", "5")
            .env("LISTEN_FDS_FIRST_FD", "9")
            .env("LISTEN_FDS", "7")
    });
    assert_eq!(report.var("LISTEN_FDS").unwrap(), "3");
    assert_eq!(report.var("LISTEN_FDNAMES").unwrap(), "w:w:d");
    assert_eq!(
        report.var("LISTEN_PID").unwrap(),
        report.ended.pid.to_string()
    );
    assert_eq!(
        (
            report.var("LISTEN_PIDFDID"),
            report.var("LISTEN_FDS_FIRST_FD")
        ),
        (None, None)
    );
    for (convention, stale) in [
        ("systemd", "LISTEN_FDS"),
        ("listenfd", "LISTEN_PID"),
        ("s6-fdholder", "S6_FD#"),
        ("server-starter", "SERVER_STARTER_PORT"),
        ("einhorn", "EINHORN_FDS"),
        ("nginx", "NGINX"),
        ("php-fpm", "FPM_SOCKETS_12"),
        ("unicorn", "UNICORN_FD"),
        ("gunicorn", "GUNICORN_PID"),
        ("puma", "PUMA_INHERIT_3"),
    ] {
        let report = common::report(FDMAP_TO, &[convention], |run| run.env(stale, "3"));
        assert_eq!(report.env(), [""; 0], "{convention}");
    }
}

#[test]
fn what_a_convention_cannot_hold_is_refused() {
    let is_busy = "fd 3 is open already, and not in LISTEN_FD_MAP: ";
    for (specs, to, line) in [
        (
            &["-udp::127.0.0.1:0"][..],
            "puma",
            "udp cannot be passed to puma: it takes sockets that accept connections",
        ),
        (
            &["-udp::127.0.0.1:0"],
            "php-fpm",
            "udp cannot be passed to php-fpm: it takes sockets that accept connections",
        ),
        (
            &["-unix::./a,b"],
            "php-fpm",
            "unix cannot be passed to php-fpm: its path has a comma",
        ),
        (
            &["-unix::./a;b"],
            "server-starter",
            "unix cannot be passed to server-starter: its path has a semicolon",
        ),
        (
            &["-unix::@lfm-test-abstract"],
            "nginx",
            "unix cannot be passed to nginx: it takes internet sockets and unix sockets with a path",
        ),
        (
            &["-fifo::./f"],
            "nginx",
            "fifo cannot be passed to nginx: it takes internet and unix sockets",
        ),
        (
            &["-udp:fd=9:127.0.0.1:0", "-tcp:fd=11:127.0.0.1:0"],
            "listenfd",
            "tcp cannot be passed to listenfd: its fds follow each other from 9, and tcp is 11, not 10 (fdmap-edit --move tcp=10, or another order with -l)",
        ),
        (
            &["-udp:label=a-b:127.0.0.1:0", "-udp:label=a_b:127.0.0.1:0"],
            "vars",
            "two labels have the variable A_B_FD, pick with -l",
        ),
        (
            &["-udp::127.0.0.1:0", "-tcp::127.0.0.1:0"],
            "fd0",
            "fd0 takes one entry, and there are udp, tcp: pick one with -l",
        ),
        (
            &[],
            "fd0",
            "fd0 takes one entry, and LISTEN_FD_MAP has none",
        ),
        (&["-udp:fd=9:127.0.0.1:0"], "systemd", is_busy),
    ] {
        let dir = Dir::new();
        let args = [specs, &[FDMAP_TO, to, "/bin/true"]].concat();
        let run = Run::new(LISTEN, &args).cwd(&dir.0);
        let run = if line == is_busy { run.open(3) } else { run };
        let ended = run.run();
        let text = ended
            .stderr
            .strip_prefix("fdmap-to: fatal: ")
            .unwrap_or(&ended.stderr);
        assert!(text.starts_with(line), "{to}: {text}");
        assert_eq!((text.lines().count(), ended.code), (1, Some(100)), "{to}");
    }
}
