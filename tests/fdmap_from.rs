//! fdmap-from(1): other conventions' variables become entries of the map.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{FDMAP_FROM, Report, Run, report};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// fds 3 to 9 are open, and these variables are set.
fn prepare(run: Run, variables: Variables) -> Run {
    let run = (3..10).fold(run, Run::open);
    variables
        .iter()
        .fold(run, |run, (name, value)| run.env(name, value))
}

fn from(args: &[&str], variables: Variables) -> Report {
    report(FDMAP_FROM, args, |run| prepare(run, variables))
}

/// The same where LISTEN_PID is to be the command's own process id.
fn from_as_systemd(args: &[&str], variables: Variables) -> Report {
    let script = format!("LISTEN_PID=$$ exec {FDMAP_FROM} \"$@\"");
    let args = [&["-c", &script, "sh"], args].concat();
    report("/bin/sh", &args, |run| {
        // what a shell adds by itself
        prepare(run, variables).env("PWD", "/").env("PATH", "/bin")
    })
}

/// Which of the variables are left.
fn left<'a>(report: &Report, variables: Variables<'a>) -> Vec<&'a str> {
    let names = variables.iter().map(|(name, _)| *name);
    names.filter(|name| report.var(name).is_some()).collect()
}

#[test]
fn every_convention_becomes_a_map_and_its_variables_go() {
    let s6: Variables = &[
        ("S6_FD#", "2"),
        ("S6_FD_0", "5"),
        ("S6_FDID_0", "unix:/x"),
        ("S6_FDLIMIT_0", "@400000000000000000000000"),
        ("S6_FD_1", "7"),
        ("S6_FDID_1", "-a b"),
    ];
    let starter: Variables = &[
        (
            "SERVER_STARTER_PORT",
            "80=3;127.0.0.1:81=4;[::1]:82=5;/tmp/s=6",
        ),
        ("SERVER_STARTER_GENERATION", "7"),
    ];
    let einhorn: Variables = &[
        ("EINHORN_FD_COUNT", "2"),
        ("EINHORN_FD_0", "6"),
        ("EINHORN_FD_1", "4"),
        ("EINHORN_MASTER_PID", "1"),
    ];
    let listenfd: Variables = &[
        ("LISTEN_FDS", "3"),
        ("LISTEN_FDS_FIRST_FD", "6"),
        ("LISTEN_PID", ""),
        ("LISTEN_FDNAMES", "web::web"),
    ];
    for (args, variables, map) in [
        (&["s6-fdholder"][..], s6, "unix__x=5,_a_b=7"),
        (&["-l", "a,b", "s6-fdholder"], s6, "a=5,b=7"),
        (&["-l", "w,w", "s6-fdholder"], s6, "w.0=5,w.1=7"),
        (&["s6-fdholder"], &[("S6_FD#", "0")], ""),
        (
            &["server-starter"],
            starter,
            "80=3,127.0.0.1_81=4,___1__82=5,_tmp_s=6",
        ),
        (&["einhorn"], einhorn, "einhorn.0=6,einhorn.1=4"),
        (
            &["einhorn"],
            &[("EINHORN_FDS", "6 7")],
            "einhorn.0=6,einhorn.1=7",
        ),
        (&["einhorn"], &[("EINHORN_FDS", "6")], "einhorn=6"),
        (&["listenfd"], listenfd, "web.0=6,unknown=7,web.1=8"),
        (&["listenfd"], &[("LISTEN_FDS", "1")], "listenfd=3"),
        (
            &["-l", "tls,0", "vars"],
            &[("TLS_FD", "5"), ("_0_FD", "6")],
            "tls=5,0=6",
        ),
        (
            &["--labels=a", "--", "listenfd"],
            &[("LISTEN_FDS", "1")],
            "a=3",
        ),
    ] {
        let report = from(args, variables);
        let got = report.var("LISTEN_FD_MAP").unwrap_or_default();
        assert_eq!(
            (got.as_str(), report.ended.stderr.as_str()),
            (map, ""),
            "{args:?}"
        );
        assert_eq!(left(&report, variables), [""; 0], "{args:?}");
        assert_eq!(report.fds(), (0..10).collect::<Vec<_>>());
        // all of it stays with -k
        let kept = from(&[&["-k"], args].concat(), variables);
        assert_eq!(kept.var("LISTEN_FD_MAP").unwrap_or_default(), map);
        assert_eq!(left(&kept, variables).len(), variables.len(), "{args:?}");
    }
}

#[test]
fn systemd_passes_fds_to_its_own_process() {
    let variables = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:control")];
    let named = from_as_systemd(&["-e", "systemd"], &variables);
    assert_eq!(named.var("LISTEN_FD_MAP").unwrap(), "web=3,control=4");
    assert_eq!(named.var("WEB_FD").unwrap(), "3");
    assert_eq!(named.var("LISTEN_PID"), None);
    assert_eq!(left(&named, &variables), [""; 0]);
    let unnamed = from_as_systemd(&["systemd"], &[("LISTEN_FDS", "2")]);
    assert_eq!(
        unnamed.var("LISTEN_FD_MAP").unwrap(),
        "systemd.0=3,systemd.1=4"
    );
    let other_pidfd = [("LISTEN_FDS", "1"), ("LISTEN_PIDFDID", "1")];
    let other = from_as_systemd(&["systemd"], &other_pidfd);
    assert_eq!(other.var("LISTEN_FD_MAP"), None);
    assert_eq!(left(&other, &other_pidfd), [""; 0]);
}

#[test]
fn what_is_meant_for_another_process_is_dropped() {
    let variables = [
        ("LISTEN_FDS", "2"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDNAMES", "a"),
    ];
    for convention in ["systemd", "listenfd"] {
        let report = from(&[convention], &variables);
        assert_eq!(report.env(), [""; 0]);
        let required = prepare(Run::new(FDMAP_FROM, ["-r", convention, "true"]), &variables).run();
        let line = format!(
            "fdmap-from: fatal: LISTEN_PID is 1, and this is process {}, and -r was given\n",
            required.pid
        );
        assert_eq!((required.stderr, required.code), (line, Some(100)));
    }
}

#[test]
fn without_variables_nothing_changes_unless_they_are_required() {
    let conventions = [
        "systemd",
        "listenfd",
        "s6-fdholder",
        "server-starter",
        "einhorn",
        "fd0",
    ];
    let variables = [("LISTEN_FD_MAP", "a=4"), ("X", "y"), ("EINHORN_FD", "x")];
    for convention in conventions {
        let report = from(&[convention], &variables);
        let direct = from(&["-l", "nosuch", "vars"], &variables);
        assert_eq!(report.env(), direct.env(), "{convention}");
        assert_eq!(report.env().len(), 3);
        let required = prepare(Run::new(FDMAP_FROM, ["-r", convention, "true"]), &[]).run();
        assert_eq!(required.code, Some(100), "{convention}");
        assert!(required.stderr.ends_with(", and -r was given\n"));
    }
}

#[test]
fn entries_are_added_to_the_inherited_map() {
    let inherited = [("LISTEN_FD_MAP", "web=9,db.0=8"), ("LISTEN_FDS", "1")];
    let added = from(&["-l", "tls", "listenfd"], &inherited);
    assert_eq!(added.var("LISTEN_FD_MAP").unwrap(), "web=9,db.0=8,tls=3");
    for (labels, variables, line) in [
        (
            "web",
            &inherited[..],
            "label web is taken in the inherited LISTEN_FD_MAP, choose another with -l (or unset it)",
        ),
        (
            "a",
            &[("LISTEN_FD_MAP", "web=3"), ("LISTEN_FDS", "1")],
            "fd 3 is web in the inherited LISTEN_FD_MAP already (which may be unset)",
        ),
        (
            "a.0,a,a",
            &[("LISTEN_FDS", "3")],
            "two fds would have the label a.0, name them with -l",
        ),
        ("a,b", &[("LISTEN_FDS", "1")], "-l has 2 labels for 1 fds"),
        (
            "-a",
            &[("LISTEN_FDS", "1")],
            "-l: -a is no label: 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -",
        ),
    ] {
        refused(&["-l", labels, "listenfd"], variables, line);
    }
    let set = [("LISTEN_FDS", "1"), ("A_FD", "9")];
    refused(
        &["-e", "-l", "a", "listenfd"],
        &set,
        "variable A_FD is set already, to 9, unset it or choose another label",
    );
}

#[track_caller]
fn refused(args: &[&str], variables: Variables, line: &str) {
    let args = [args, &["true"]].concat();
    let ended = prepare(Run::new(FDMAP_FROM, &args), variables).run();
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (format!("fdmap-from: fatal: {line}\n").as_str(), Some(100)),
        "{args:?} {variables:?}"
    );
}

#[test]
fn broken_variables_are_refused_in_one_line() {
    let long = "9".repeat(100_000);
    let shown = format!("{}...", "9".repeat(300));
    let no_number = |name: &str, value: &str| format!("{name} is no number: {value}");
    for (value, line) in [
        ("", no_number("LISTEN_FDS", "")),
        ("x", no_number("LISTEN_FDS", "x")),
        ("+1", no_number("LISTEN_FDS", "+1")),
        ("-1", no_number("LISTEN_FDS", "-1")),
        ("01", no_number("LISTEN_FDS", "01")),
        (" 1", no_number("LISTEN_FDS", " 1")),
        ("1\n", no_number("LISTEN_FDS", "1\\n")),
        ("4294967297", no_number("LISTEN_FDS", "4294967297")),
        (&long, no_number("LISTEN_FDS", &shown)),
        (
            "0",
            "LISTEN_FDS is 0, which sd_listen_fds(3) does not take: unset it".into(),
        ),
        (
            "2147483647",
            "LISTEN_FDS is 2147483647, more than there are fds".into(),
        ),
        (
            "2147483645",
            "LISTEN_FDS is 2147483645, but fd 10 is not open".into(),
        ),
        ("8", "LISTEN_FDS is 8, but fd 10 is not open".into()),
    ] {
        refused(&["listenfd"], &[("LISTEN_FDS", value)], &line);
    }
    for (args, variables, line) in [
        (
            "systemd",
            &[("LISTEN_FDS", "1")][..],
            "LISTEN_FDS is set and LISTEN_PID is not: fdmap-from listenfd reads that",
        ),
        (
            "systemd",
            &[("LISTEN_FDS", "1"), ("LISTEN_PID", "")],
            "LISTEN_PID is empty: fdmap-from listenfd takes that",
        ),
        (
            "systemd",
            &[("LISTEN_FDS", "1"), ("LISTEN_PID", "-4")],
            "LISTEN_PID is no number: -4",
        ),
        (
            "listenfd",
            &[("LISTEN_FDS", "1"), ("LISTEN_FDS_FIRST_FD", "x")],
            "LISTEN_FDS_FIRST_FD is no number: x",
        ),
        (
            "listenfd",
            &[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "a:b")],
            "LISTEN_FDNAMES has 2 names and LISTEN_FDS is 1: a:b",
        ),
        ("s6-fdholder", &[("S6_FD#", "x")], "S6_FD# is no number: x"),
        (
            "s6-fdholder",
            &[("S6_FD#", "2147483647")],
            "S6_FD_0 is not set, but S6_FD# is 2147483647",
        ),
        (
            "s6-fdholder",
            &[("S6_FD#", "1"), ("S6_FD_0", "3")],
            "S6_FDID_0 is not set, but S6_FD# is 1",
        ),
        (
            "s6-fdholder",
            &[("S6_FD#", "1"), ("S6_FD_0", "11"), ("S6_FDID_0", "a")],
            "S6_FD_0 is 11, which is not open",
        ),
        (
            "s6-fdholder",
            &[
                ("S6_FD#", "2"),
                ("S6_FD_0", "3"),
                ("S6_FDID_0", "a"),
                ("S6_FD_1", "3"),
                ("S6_FDID_1", "b"),
            ],
            "s6-fdholder has fd 3 twice",
        ),
        (
            "server-starter",
            &[("SERVER_STARTER_PORT", "80")],
            "SERVER_STARTER_PORT has no fd in 80",
        ),
        (
            "server-starter",
            &[("SERVER_STARTER_PORT", "80=3;")],
            "SERVER_STARTER_PORT has no fd in ",
        ),
        (
            "server-starter",
            &[("SERVER_STARTER_PORT", "80=12")],
            "SERVER_STARTER_PORT has fd 12, which is not open",
        ),
        (
            "einhorn",
            &[("EINHORN_FD_COUNT", "2"), ("EINHORN_FD_0", "3")],
            "EINHORN_FD_1 is not set, but EINHORN_FD_COUNT is 2",
        ),
        (
            "einhorn",
            &[("EINHORN_FDS", "3  4")],
            "an fd of EINHORN_FDS is no number: ",
        ),
        (
            "vars",
            &[("TLS_FD", "5")],
            "vars needs the labels: -l tls,control reads TLS_FD and CONTROL_FD",
        ),
        (
            "nginx",
            &[],
            "unknown convention nginx, there are systemd, listenfd, s6-fdholder, server-starter, einhorn, vars, fd0",
        ),
    ] {
        refused(&[args], variables, line);
    }
    for (value, line) in [
        ("x", "TLS_FD is no number: x"),
        ("12", "TLS_FD is 12, which is not open"),
    ] {
        refused(&["-l", "tls", "vars"], &[("TLS_FD", value)], line);
    }
    refused(
        &["-l", "tls,control", "vars"],
        &[("TLS_FD", "5")],
        "CONTROL_FD is not set",
    );
}
