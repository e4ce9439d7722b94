//! fdmap-to(1): fd numbers in PROG's arguments.
#![cfg(feature = "tools")]

mod common;

use common::{FDMAP_TO, LISTEN, Run, report};

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
            "usage: fdmap-to [-k] [-l LABEL,...] CONVENTION PROG...",
        ),
        (
            &[],
            "udp=0",
            "usage: fdmap-to [-k] [-l LABEL,...] CONVENTION PROG...",
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
