//! fdmap(1): the map for people and shells.
#![cfg(feature = "tools")]

mod common;

use common::{FDMAP, LISTEN, Run};

#[test]
fn entries_are_listed_with_what_the_kernel_says_of_them() {
    let args = [
        "-tcp:label=web:127.0.0.1:0",
        "-unix-dgram:label=log:@lfm-test-fdmap",
        FDMAP,
    ];
    let ended = Run::new(LISTEN, args).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let rows: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["LABEL", "FD", "FAMILY", "ADDRESS", "LISTENING", "INODE"]
    );
    assert_eq!(rows[1][..3], ["web", "3", "tcp"]);
    assert!(rows[1][3].starts_with("127.0.0.1:"));
    assert_eq!(rows[1][4], "yes");
    assert!(rows[1][5].parse::<u64>().is_ok());
    assert_eq!(
        rows[2][..5],
        ["log", "4", "unix-dgram", "@lfm-test-fdmap", "no"]
    );
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_label_gives_a_number_and_a_group_its_members() {
    let fdmap = |label: &str| {
        let ended = Run::new(FDMAP, [label])
            .env("LISTEN_FD_MAP", "a=0,w.0=1,w.1=2")
            .run();
        (ended.stdout, ended.stderr, ended.code)
    };
    assert_eq!(fdmap("a"), ("0\n".into(), String::new(), Some(0)));
    assert_eq!(fdmap("w"), ("1\n2\n".into(), String::new(), Some(0)));
    assert_eq!(fdmap("w.1"), ("2\n".into(), String::new(), Some(0)));
    assert_eq!(
        fdmap("x"),
        (
            String::new(),
            "fdmap: fatal: label x is not in LISTEN_FD_MAP\n".into(),
            Some(1)
        )
    );
}

#[test]
fn a_closed_fd_and_a_malformed_map_are_told_by_the_exit_code() {
    let closed = Run::new(FDMAP, [""; 0])
        .env("LISTEN_FD_MAP", "a=17,b=0")
        .run();
    assert_eq!(closed.code, Some(1));
    let row: Vec<&str> = closed
        .stdout
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(row[..3], ["a", "17", "closed"]);
    let malformed = Run::new(FDMAP, [""; 0]).env("LISTEN_FD_MAP", "a").run();
    assert_eq!(
        (malformed.stderr.as_str(), malformed.code),
        (
            "fdmap: fatal: the inherited LISTEN_FD_MAP has an entry without = at byte 0: a (unset it to begin with an empty map)\n",
            Some(100)
        )
    );
    let empty = Run::new(FDMAP, [""; 0]).run();
    assert_eq!((empty.stdout.as_str(), empty.code), ("", Some(0)));
    let two = Run::new(FDMAP, ["a", "b"]).run();
    assert_eq!(
        (two.stderr.as_str(), two.code),
        (
            "fdmap: usage: fdmap [-j] [LABEL] (-h for help)\n",
            Some(100)
        )
    );
}

#[test]
fn programs_get_an_array_of_objects() {
    let dir = common::Dir::new();
    let args = [
        "-udp:label=d:127.0.0.1:0",
        "--unix",
        "./a\"\\\u{1}b",
        FDMAP,
        "-j",
    ];
    let ended = Run::new(LISTEN, args).cwd(&dir.0).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((lines[0], lines[3], lines.len()), ("[", "]", 4));
    let is_object = |line: &str, start: &str, end: &str| {
        let inode = line
            .strip_prefix(start)
            .and_then(|rest| rest.rsplit_once(":"));
        let (_, inode) = inode.unwrap_or_else(|| panic!("{line}"));
        inode
            .strip_suffix(end)
            .is_some_and(|inode| inode.parse::<u64>().is_ok())
    };
    assert!(is_object(
        lines[1],
        " {\"label\":\"d\",\"fd\":3,\"family\":\"udp\",\"address\":\"127.0.0.1:",
        "},"
    ));
    assert!(
        is_object(
            lines[2],
            " {\"label\":\"unix\",\"fd\":4,\"family\":\"unix\",\"address\":\"./a\\\"\\\\\\u0001b\",\"listening\":true,",
            "}"
        ),
        "{}",
        lines[2]
    );
    let closed = Run::new(FDMAP, ["--json"])
        .env("LISTEN_FD_MAP", "a=17")
        .run();
    assert_eq!(
        (closed.stdout.as_str(), closed.code),
        (
            "[\n {\"label\":\"a\",\"fd\":17,\"family\":null,\"address\":null,\"listening\":null,\"inode\":null}\n]\n",
            Some(1)
        )
    );
    let empty = Run::new(FDMAP, ["-j"]).run();
    assert_eq!((empty.stdout.as_str(), empty.code), ("[]\n", Some(0)));
}
