//! The services of examples/services on Debian's packages, under three supervisors.
//!
//! Each is started, asked by its own `check`, killed, asked, terminated, asked, and stopped, in namespaces of its own; what
//! it has bound has to be what it was given, and nothing may be left. `cargo test --test daemons -- --ignored --nocapture`
//! prints a table of them.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{LISTEN, close_others, figure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SUPERVISORS: [&str; 3] = ["s6-supervise", "runsv", "supervise"];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The first package that a service names, and its version.
fn version(folder: &Path) -> String {
    let packages = fs::read_to_string(folder.join("packages")).unwrap();
    let package = packages.split_whitespace().next().unwrap();
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${Version}", package])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// How a run script hands the sockets over.
fn way(run: &str) -> &str {
    let words: Vec<&str> = run.split_whitespace().collect();
    match words.iter().position(|&word| word == "fdmap-to") {
        Some(at) => words[at + 1],
        None if run.contains("listen -e") => "<LABEL>_FD",
        None => "none",
    }
}

#[track_caller]
fn serves(name: &str) {
    let folder = project("examples/services").join(name);
    let commands = Path::new(LISTEN).parent().unwrap().display();
    let run = fs::read_to_string(folder.join("run")).unwrap();
    for supervisor in SUPERVISORS {
        let mut command = Command::new("timeout");
        // more than the script itself waits for
        command
            .args(["-s", "KILL", "240", "unshare", "-m", "-n", "-p", "-i", "-f"])
            .args(["--kill-child", "--mount-proc"])
            .arg(project("tests/daemons.sh"))
            .arg(&folder)
            .arg(supervisor)
            .env_clear()
            .env("PATH", format!("{commands}:/usr/sbin:/usr/bin:/sbin:/bin"))
            .stdin(Stdio::null());
        close_others(&mut command);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{name} under {supervisor}: {}\n{said}{errors}",
            output.status
        );
        let (version, way) = (version(&folder), way(&run));
        figure(format_args!(
            "| {name} | {version} | {way} | {supervisor} | serves |"
        ));
    }
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn cups() {
    serves("cups");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn dbus_daemon() {
    serves("dbus-daemon");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn dnsmasq() {
    serves("dnsmasq");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn fcgiwrap() {
    serves("fcgiwrap");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn h2o() {
    serves("h2o");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn haproxy() {
    serves("haproxy");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn kresd() {
    serves("kresd");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn lighttpd() {
    serves("lighttpd");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn nginx() {
    serves("nginx");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn node_http() {
    serves("node-http");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn prometheus_node_exporter() {
    serves("prometheus-node-exporter");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn rsyslog() {
    serves("rsyslog");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn s6_ipcserver() {
    serves("s6-ipcserver");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn sshd() {
    serves("sshd");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn stunnel() {
    serves("stunnel");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn uuidd() {
    serves("uuidd");
}

#[test]
#[ignore = "needs root, the supervisors, and the packages of its folder"]
fn uvicorn() {
    serves("uvicorn");
}

#[test]
fn every_service_is_run_here_and_is_complete() {
    let tests = fs::read_to_string(project("tests/daemons.rs")).unwrap();
    let mut count = 0;
    for folder in fs::read_dir(project("examples/services")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        assert!(tests.contains(&format!("serves(\"{name}\");")), "{name}");
        for file in ["run", "check"] {
            let path = folder.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
            assert!(
                text.starts_with("#!/bin/") && mode & 0o111 == 0o111,
                "{name}/{file}"
            );
        }
        // what is special about it
        let run = fs::read_to_string(folder.path().join("run")).unwrap();
        assert!(run.lines().nth(1).unwrap().starts_with("# "), "{name}");
        let packages = fs::read_to_string(folder.path().join("packages")).unwrap();
        assert_eq!(packages.lines().count(), 1, "{name}");
        count += 1;
    }
    assert!(count > 15);
}
