//! fdmap-check(1): a program starts only with the sockets that it needs.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, Ended, FDMAP_CHECK, LISTEN, Run};

/// `fdmap-check ARGS true` after a listening, a bound, a group and a unix socket.
fn check(args: &[&str]) -> Ended {
    let dir = Dir::new();
    let specs = [
        "-tcp:label=web:127.0.0.1:0",
        "-tcp:label=later,listen=no,nonblock,v6only:[::1]:0",
        "-udp:label=dns,count=2:127.0.0.1:0",
        "-unix:label=ctl,mode=0600:./c,t=l",
        FDMAP_CHECK,
    ];
    let args = [&specs, args, &["/bin/true"]].concat();
    Run::new(LISTEN, args).cwd(&dir.0).run()
}

#[test]
fn what_is_there_is_passed_on() {
    // SAFETY: no memory is passed.
    let (user, group) = unsafe { (nix::libc::geteuid(), nix::libc::getegid()) };
    let owner = format!("ctl=,owner={user},group={group}");
    for args in [
        &["-l", "web"][..],
        &["-l", "web="],
        &["-l", "web=tcp,listening,addr=127.0.0.1"],
        &["-l", "later=tcp,nonblock,v6only,addr=::1"],
        &["-l", "later=tcp,addr=[::1]"],
        &["-l", "dns=udp,reuseport"],
        &["-l", "dns.1=udp"],
        &["-l", "ctl=unix,listening,mode=600,path=./c,t=l"],
        &["-l", &owner],
        &[
            "-x", "-l", "web", "-l", "later", "--label", "dns", "-l", "ctl",
        ],
        &[],
    ] {
        let ended = check(args);
        assert_eq!(
            (ended.stderr.as_str(), ended.code),
            ("", Some(0)),
            "{args:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    for (requirement, wanted) in [
        (
            "tls",
            "label tls is not in LISTEN_FD_MAP, which has web, later, dns.0, dns.1, ctl",
        ),
        ("web=udp", "web: wanted udp, found "),
        ("dns=tcp", "dns.0: wanted tcp, found "),
        (
            "later=tcp,listening",
            "later: wanted a listening socket, found ",
        ),
        (
            "web=tcp,nonblock",
            "web: wanted O_NONBLOCK, found a blocking fd",
        ),
        ("web=,v6only", "web: wanted an IPv6-only socket, found "),
        ("web=,reuseport", "web: wanted SO_REUSEPORT, found "),
        ("web=,port=1", "web: wanted port 1, found port "),
        (
            "web=,addr=127.0.0.2",
            "web: wanted address 127.0.0.2, found address 127.0.0.1",
        ),
        ("ctl=,mode=0660", "ctl: wanted mode 0660, found mode 0600"),
        (
            "ctl=,owner=4294967294",
            "ctl: wanted owner 4294967294, found owner ",
        ),
        (
            "ctl=,group=4294967294",
            "ctl: wanted group 4294967294, found group ",
        ),
        ("ctl=,path=./c", "ctl: wanted path ./c, found path ./c,t=l"),
    ] {
        let ended = check(&["-l", requirement]);
        let text = ended.stderr.strip_prefix("fdmap-check: fatal: ").unwrap();
        assert!(text.starts_with(wanted), "{requirement}: {text}");
        assert_eq!(
            (text.lines().count(), ended.code),
            (1, Some(1)),
            "{requirement}"
        );
    }
    let more = check(&["-x", "-l", "web", "-l", "dns", "-l", "ctl"]);
    let line = "fdmap-check: fatal: LISTEN_FD_MAP has later, which no -l names (-x)\n";
    assert_eq!((more.stderr.as_str(), more.code), (line, Some(1)));
}

#[test]
fn wrong_usage_is_refused() {
    for (args, line) in [
        (
            &["-l", "web=tpc", "true"][..],
            "fatal: -l web=tpc: unknown kind tpc, did you mean tcp?",
        ),
        (&["-l", "=tcp", "true"], "fatal: -l =tcp: that is no label"),
        (
            &["-l", "a=,owner=no such", "true"],
            "fatal: unknown user no such",
        ),
        (
            &["-l", "a"],
            "usage: fdmap-check [-x] -l LABEL[=KIND[,PROPERTY]...]... PROG... (-h for help)",
        ),
    ] {
        let ended = Run::new(FDMAP_CHECK, args)
            .env("LISTEN_FD_MAP", "a=0")
            .run();
        assert_eq!(
            (ended.stderr, ended.code),
            (format!("fdmap-check: {line}\n"), Some(100)),
            "{args:?}"
        );
    }
    let property = Run::new(FDMAP_CHECK, ["-l", "a=tcp,lisening", "true"]).run();
    assert!(
        property
            .stderr
            .contains("lisening is no property: listening, nonblock")
    );
    assert_eq!(property.code, Some(100));
}
