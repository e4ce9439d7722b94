//! Chains of real programs under real supervisors.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, example};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Tries until there is an answer, for at most half a minute.
#[track_caller]
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The commands first, then the system's own.
fn path() -> String {
    let commands = Path::new(LISTEN).parent().unwrap().display();
    format!("{commands}:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// A shell script in a network namespace of its own, with loopback up.
fn in_namespace(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-ec", &format!("ip link set lo up; {script}")]);
    command.env_clear().env("PATH", path()).stdin(Stdio::null());
    common::close_others(&mut command);
    command
}

fn write_script(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "needs root, and the package runit"]
fn the_line_of_2016_hands_its_four_sockets_to_an_unprivileged_program() {
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o777)).unwrap();
    let (control, file) = (dir.path("control"), dir.path("report"));
    let report = example("report");
    let line = format!(
        "exec listen -udp::53 -tcp::53 -tcp:label=tls:853 -unix:label=control,mode=0600:{control} \
         chpst -u nobody -p 1 {} {file}",
        report.display()
    );
    let status = in_namespace(&line).status().unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&file).unwrap();
    let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    has("Uid 65534");
    has("nproc 1");
    let map: String = "LISTEN_FD_MAP=udp=3,tcp=4,tls=5,control=6"
        .bytes()
        .map(|b| format!("{b:02x}"))
        .collect();
    has(&format!("env {map}"));
    let fds: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("fd "))
        .collect();
    assert_eq!(fds.len(), 7, "{fds:?}");
    for (fd, family, address) in [
        (3, "udp", "[::]:53"),
        (4, "tcp", "[::]:53"),
        (5, "tcp", "[::]:853"),
        (6, "unix", control.as_str()),
    ] {
        assert!(
            fds[fd].contains(&format!("family={family} listening={}", family != "udp")),
            "{}",
            fds[fd]
        );
        assert!(
            fds[fd].ends_with(&format!("address={address}")),
            "{}",
            fds[fd]
        );
    }
}

#[test]
#[ignore = "needs root, and the packages s6, runit, daemontools and execline"]
fn chain_loaders_between_listen_and_prog_keep_everything() {
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o777)).unwrap();
    let report = example("report");
    for (number, loader) in [
        "s6-setuidgid nobody",
        "s6-softlimit -o 100",
        "setuidgid nobody",
        "softlimit -o 100",
        "chpst -u nobody",
        "env X=1",
        "execlineb -c 'export X 1 $0'",
    ]
    .iter()
    .enumerate()
    {
        let file = dir.path(&format!("report{number}"));
        let prog = format!("{} {file}", report.display());
        let chain = match loader.strip_suffix("$0'") {
            Some(start) => format!("{start}{prog}'"),
            None => format!("{loader} {prog}"),
        };
        let script =
            format!("echo $$ >{file}.pid; exec listen -tcp::0 -udp:fd=9:0 -unix::@lfm {chain}");
        let output = in_namespace(&script).output().unwrap();
        assert!(output.status.success(), "{loader}: {output:?}");
        let text = fs::read_to_string(&file).unwrap();
        let pid = fs::read_to_string(format!("{file}.pid")).unwrap();
        assert!(
            text.contains(&format!("\npid {}\n", pid.trim())),
            "{loader}: {text}"
        );
        let fds: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("fd ")?.split(' ').next())
            .collect();
        assert_eq!(fds, ["0", "1", "2", "3", "4", "9"], "{loader}");
        let map: String = "LISTEN_FD_MAP=tcp=3,udp=9,unix=4"
            .bytes()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(text.contains(&format!("env {map}\n")), "{loader}: {text}");
    }
}

#[test]
#[ignore = "needs root, and the package s6"]
fn s6_is_told_of_readiness_when_the_sockets_are_bound() {
    let dir = Dir::new();
    let service = dir.path("service");
    fs::create_dir(&service).unwrap();
    fs::write(format!("{service}/notification-fd"), "3\n").unwrap();
    let control = dir.path("control");
    write_script(
        &format!("{service}/run"),
        &format!(
            "#!/bin/sh -e\nsleep 1\nexec listen -d 3 -tcp::8080 -unix:label=control:{control} sleep 1000\n"
        ),
    );
    let mut supervisor = in_namespace(&format!("exec s6-supervise {service}"))
        .spawn()
        .unwrap();
    eventually("s6-svwait runs", || {
        let wait = Command::new("s6-svwait")
            .args(["-U", "-t", "20000", &service])
            .output()
            .unwrap();
        wait.status.success().then_some(())
    });
    assert!(UnixStream::connect(&control).is_ok(), "ready means bound");
    let status = Command::new("s6-svstat")
        .args(["-o", "ready", &service])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&status.stdout).trim(), "true");
    assert!(
        Command::new("s6-svc")
            .args(["-xd", &service])
            .status()
            .unwrap()
            .success()
    );
    assert!(supervisor.wait().unwrap().success());
}
