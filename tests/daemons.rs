//! The services of examples/services on Debian's packages, under three supervisors, and those of examples/compositions.
//!
//! Each service is started, asked by its own `check`, killed, asked, terminated, asked, and stopped, in namespaces of its own; what
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

/// Runs a script of tests/ as the first process of new namespaces.
#[track_caller]
fn inside(script: &str, folder: &Path, more: &[&str]) {
    let commands = Path::new(LISTEN).parent().unwrap().display();
    let daemons = project("examples/compositions");
    let path = format!(
        "{commands}:{}:/usr/sbin:/usr/bin:/sbin:/bin",
        daemons.display()
    );
    let mut command = Command::new("timeout");
    // more than the script itself waits for
    command
        .args(["-s", "KILL", "240", "unshare", "-m", "-n", "-p", "-i", "-f"])
        .args(["--kill-child", "--mount-proc"])
        .arg(project("tests").join(script))
        .arg(folder)
        .args(more)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null());
    close_others(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} {more:?}: {}\n{said}{errors}",
        folder.display(),
        output.status
    );
}

#[track_caller]
fn serves(name: &str) {
    let folder = project("examples/services").join(name);
    let run = fs::read_to_string(folder.join("run")).unwrap();
    for supervisor in SUPERVISORS {
        inside("daemons.sh", &folder, &[supervisor]);
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

#[track_caller]
fn tries(name: &str) {
    inside("try.sh", &project("examples/compositions").join(name), &[]);
}

#[test]
#[ignore = "needs root, and the packages s6 and execline"]
fn s6_starts_a_client_when_the_sockets_of_its_server_are_bound() {
    tries("readiness");
}

#[test]
#[ignore = "needs root, and the packages s6, runit, daemontools, python3 and socat"]
fn a_directory_of_variables_configures_a_daemon() {
    tries("envdir");
}

#[test]
#[ignore = "needs root, and the packages s6, python3 and socat"]
fn a_socket_in_s6_fdholder_is_kept_across_restarts() {
    tries("fdholder");
}

#[test]
#[ignore = "needs root, and the packages s6, python3 and socat"]
fn a_users_own_service_needs_no_root() {
    tries("user");
}

#[test]
#[ignore = "needs root, and the packages python3, socat and iproute2"]
fn listen_is_the_first_process_of_a_container() {
    tries("container");
}

#[test]
#[ignore = "needs root, and the packages systemd, python3 and socat"]
fn one_run_script_serves_with_and_without_systemd() {
    tries("systemd");
}

#[test]
#[ignore = "needs root, and the packages s6, runit and socat"]
fn two_starters_of_a_path_are_kept_apart_by_a_lock() {
    tries("lock");
}

#[test]
#[ignore = "needs root, and the packages runit, haproxy, curl and iproute2"]
fn a_restart_beside_the_last_process_refuses_nobody() {
    tries("graceful");
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
    for folder in fs::read_dir(project("examples/compositions")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let tried = tests.contains(&format!("tries(\"{name}\");"));
        assert!(tried || folder.file_type().unwrap().is_file(), "{name}");
    }
}
