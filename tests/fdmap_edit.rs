//! fdmap-edit(1): entries are added, renamed, moved and dropped.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{FDMAP_EDIT, LISTEN, Report, Run, report};

/// Four sockets, each with an address that says which one it is: a=3, b=4, w.0=5, w.1=6, their variables set.
fn edit(edits: &[&str]) -> Report {
    let specs = [
        "-ea",
        "-unix:label=a:./a",
        "-unix:label=b:./b",
        "-unix:label=w.0:./w0",
        "-unix:label=w.1:./w1",
        FDMAP_EDIT,
    ];
    let dir = common::Dir::new();
    report(LISTEN, &[&specs, edits].concat(), |run| run.cwd(&dir.0))
}

#[test]
fn edits_are_applied_in_order_and_fds_go_where_they_are_told() {
    for (edits, map, fds) in [
        (
            &["--rename", "a=x"][..],
            "x=3,b=4,w.0=5,w.1=6",
            "3a 4b 5w0 6w1",
        ),
        (&["--rename=w=x"], "a=3,b=4,x.0=5,x.1=6", "3a 4b 5w0 6w1"),
        (
            &["--move", "a=4", "--move", "b=3"],
            "a=4,b=3,w.0=5,w.1=6",
            "3b 4a 5w0 6w1",
        ),
        (
            &[
                "--move", "a=4", "--move", "b=5", "--move", "w.0=6", "--move", "w.1=3",
            ],
            "a=4,b=5,w.0=6,w.1=3",
            "3w1 4a 5b 6w0",
        ),
        (
            &["--move", "a=9", "--move", "b=3"],
            "a=9,b=3,w.0=5,w.1=6",
            "3b 5w0 6w1 9a",
        ),
        (
            &["--move", "a=9", "--move", "a=3"],
            "a=3,b=4,w.0=5,w.1=6",
            "3a 4b 5w0 6w1",
        ),
        (
            &["--drop", "a", "--move", "b=3"],
            "b=3,w.0=5,w.1=6",
            "3b 5w0 6w1",
        ),
        (&["--drop", "w"], "a=3,b=4", "3a 4b"),
        (&["--keep", "w.1,a"], "a=3,w.1=6", "3a 6w1"),
        (&["--move", "a=1"], "a=1,b=4,w.0=5,w.1=6", "1a 4b 5w0 6w1"),
        (
            &["--rename", "a=t", "--rename", "b=a", "--rename", "t=b"],
            "b=3,a=4,w.0=5,w.1=6",
            "3a 4b 5w0 6w1",
        ),
        (
            &["--add", "log=2"],
            "a=3,b=4,w.0=5,w.1=6,log=2",
            "3a 4b 5w0 6w1",
        ),
        (&["--drop", "a,b,w"], "", ""),
    ] {
        let report = edit(edits);
        assert_eq!(
            report.var("LISTEN_FD_MAP").unwrap_or_default(),
            map,
            "{edits:?}"
        );
        let sockets = report.fds().into_iter().filter_map(|fd| {
            let address = report.fd(fd, "address")?.strip_prefix("./")?;
            Some(format!("{fd}{address}"))
        });
        assert_eq!(sockets.collect::<Vec<_>>().join(" "), fds, "{edits:?}");
        // nothing is left on the way: 0 to 2, and what the map has
        let mut open: Vec<i32> = vec![0, 1, 2];
        open.extend(
            map.split(',')
                .filter_map(|entry| entry.split_once('=')?.1.parse::<i32>().ok()),
        );
        open.sort_unstable();
        open.dedup();
        assert_eq!(report.fds(), open, "{edits:?}");
    }
}

#[test]
fn variables_follow_their_entry() {
    let report = edit(&["--rename", "a=x", "--move", "b=8", "--drop", "w.0"]);
    let names = [
        "A_FD", "A_ADDR", "X_FD", "X_ADDR", "B_FD", "B_ADDR", "W_0_FD", "W_1_FD",
    ];
    let values: Vec<String> = names
        .iter()
        .map(|name| report.var(name).unwrap_or("-".into()))
        .collect();
    assert_eq!(values, ["-", "-", "3", "./a", "8", "./b", "-", "6"]);
    // in the place of the old one
    let first = report
        .env()
        .into_iter()
        .find(|var| var.to_str().unwrap().contains("_FD="));
    assert_eq!(first.unwrap(), "X_FD=3");
    let swapped = edit(&["--rename", "a=t", "--rename", "b=a", "--rename", "t=b"]);
    let values = names.map(|name| swapped.var(name).unwrap_or("-".into()));
    let want = ["4", "./b", "-", "-", "3", "./a", "5", "6"];
    assert_eq!(values, want);
    assert_eq!(swapped.var("T_FD"), None);
    let exported = common::report(FDMAP_EDIT, &["-e", "--add", "null=7"], |run| {
        run.open(7).open(8).env("LISTEN_FD_MAP", "a=8")
    });
    assert_eq!(exported.var("NULL_FD").unwrap(), "7");
    assert_eq!(exported.var("A_FD").unwrap(), "8");
    // a variable of that name that tells of something else is not ours
    let other = common::report(FDMAP_EDIT, &["--rename", "a=b"], |run| {
        run.open(8).env("LISTEN_FD_MAP", "a=8").env("A_FD", "9")
    });
    assert_eq!(other.var("A_FD").unwrap(), "9");
    assert_eq!(other.var("LISTEN_FD_MAP").unwrap(), "b=8");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_changes() {
    let null = "fd 7 is open already, and not in LISTEN_FD_MAP: ";
    for (args, line) in [
        (
            &["--rename", "x=y"][..],
            "label x is not in LISTEN_FD_MAP, which has a, w.0, w.1",
        ),
        (
            &["--rename", "a=w.0"],
            "label w.0 is taken in LISTEN_FD_MAP, choose another",
        ),
        (&["--rename", "a"], "write --rename OLD=NEW, not a"),
        (
            &["--rename", "a=-b"],
            "--rename: -b is no label: 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -",
        ),
        (&["--move", "w=9"], "w is a group, move w.0 and so on"),
        (&["--move", "a=x"], "--move a=x: x is no number of an fd"),
        (&["--move", "a=-1"], "--move a=-1: -1 is no number of an fd"),
        (&["--move", "a=4"], "fd 4 would be a and w.0"),
        (&["--move", "a=7"], null),
        (
            &["--move", "a=2147483647"],
            "fd 2147483647 is not below the open-file limit, ",
        ),
        (
            &["--drop", "b"],
            "label b is not in LISTEN_FD_MAP, which has a, w.0, w.1",
        ),
        (&["--keep", "a,a"], "label a is named twice"),
        (&["--add", "x=9"], "--add x=9: fd 9 is not open"),
        (&["--add", "x=3"], "--add x=3: fd 3 is a in LISTEN_FD_MAP"),
        (
            &["--add", "a=7"],
            "label a is taken in LISTEN_FD_MAP, choose another",
        ),
        (
            &["--drop", "a", "--add", "a=3"],
            "--add a=3: fd 3 is dropped",
        ),
    ] {
        let args = [args, &["true"]].concat();
        let run = Run::new(FDMAP_EDIT, &args).open(3).open(4).open(5).open(7);
        let ended = run.env("LISTEN_FD_MAP", "a=3,w.0=4,w.1=5").run();
        let text = ended.stderr.strip_prefix("fdmap-edit: fatal: ").unwrap();
        assert!(text.starts_with(line), "{args:?}: {text}");
        assert_eq!(
            (text.lines().count(), ended.code),
            (1, Some(100)),
            "{args:?}"
        );
    }
}
