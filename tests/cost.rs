//! What listen(1) costs, in counts that do not depend on the machine's load.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, close_others};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The static release build of this checkout, which .ci/run makes first.
fn static_listen() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(target)
        .join("x86_64-unknown-linux-musl/release/listen")
}

/// The system calls from the exec of `listen` to the exec of the next program, by name.
fn calls(args: &[&str]) -> Vec<String> {
    calls_of("listen", args)
}

fn calls_of(command: &str, args: &[&str]) -> Vec<String> {
    let dir = Dir::new();
    let log = dir.path("log");
    let program = static_listen().with_file_name(command);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", &log])
        .arg(program)
        .args(args)
        .arg("/bin/true");
    command.env_clear().current_dir(&dir.0).stdin(Stdio::null());
    close_others(&mut command);
    assert!(command.status().unwrap().success());
    let log = fs::read_to_string(&log).unwrap();
    let names = log
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.split('(').next());
    let after_start = names.skip(1).map(str::to_owned);
    let mut calls: Vec<String> = after_start.take_while(|name| name != "execve").collect();
    // what the C library does at the start of every static program
    assert_eq!(
        calls.drain(..2).collect::<Vec<_>>(),
        ["arch_prctl", "set_tid_address"]
    );
    calls
}

#[test]
#[ignore = "needs strace, and the static release build"]
fn a_socket_costs_the_calls_that_it_needs_and_no_memory_is_asked_for() {
    assert_eq!(calls(&[]), Vec::<String>::new());
    assert_eq!(
        calls(&["-tcp::127.0.0.1:0"]),
        ["socket", "setsockopt", "bind", "listen"]
    );
    assert_eq!(
        calls(&["-tcp::0"]),
        ["socket", "setsockopt", "setsockopt", "bind", "listen"]
    );
    assert_eq!(calls(&["-udp::127.0.0.1:0"]), ["socket", "bind"]);
    assert_eq!(calls(&["-unix::./s"]), ["socket", "bind", "listen"]);
    let mode = ["socket", "umask", "fchmod", "bind", "umask", "listen"];
    assert_eq!(calls(&["-unix:mode=600:./s"]), mode);
    assert_eq!(
        calls(&["-e", "-udp::127.0.0.1:0", "-unix-dgram::./s"]),
        ["socket", "bind", "socket", "bind"]
    );
}

#[test]
#[ignore = "needs strace, and the static release build"]
fn many_sockets_and_the_other_commands_ask_for_no_memory() {
    let many: Vec<String> = (0..200)
        .map(|n| format!("-udp:label=s{n}:127.0.0.1:0"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(calls(&many), ["socket", "bind"].repeat(200));
    for (command, args, made) in [
        ("fdmap-from", &["systemd"][..], &[][..]),
        ("fdmap-to", &["systemd"], &[]),
        ("fdmap-edit", &["-e"], &["prlimit64"]),
        ("fdmap-check", &[], &[]),
    ] {
        assert_eq!(calls_of(command, args), made, "{command}");
    }
}

#[test]
#[ignore = "needs the static release build"]
fn listen_is_small() {
    let len = fs::metadata(static_listen()).unwrap().len();
    assert!(len < 142_000, "{len} bytes");
}

#[test]
#[ignore = "needs the static release build"]
fn a_static_build_finds_users_and_groups_in_their_files() {
    let refused = |option: &str| {
        let mut command = Command::new(static_listen());
        command.args([&format!("-unix:{option}:./s"), "-n"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    for option in ["user=nobody", "user=root", "group=nogroup", "group=root"] {
        assert_eq!(refused(option), "", "{option}");
    }
    let line = "listen: fatal: -unix:user=no-such-user:./s: unknown user no-such-user\n";
    assert_eq!(refused("user=no-such-user"), line);
}

#[test]
#[ignore = "needs strace, and the static release build"]
fn a_stale_path_costs_six_calls() {
    let dir = Dir::new();
    let path = dir.path("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let stale = [
        "socket", "bind", "lstat", "socket", "connect", "close", "unlink", "bind", "listen",
    ];
    assert_eq!(calls(&[&format!("-unix::{path}")]), stale);
}

#[test]
#[ignore = "needs the static release build"]
fn listen_is_built_without_the_panic_machinery() {
    let binary = fs::read(static_listen()).unwrap();
    // std's panic hook reads this variable, so whatever can panic brings its name along
    let name = b"RUST_BACKTRACE";
    assert!(!binary.windows(name.len()).any(|window| window == name));
    let other = fs::read(static_listen().with_file_name("fdmap")).unwrap();
    assert!(
        other.windows(name.len()).any(|window| window == name),
        "the name is there where a panic is"
    );
}

#[test]
#[ignore = "needs the static release build"]
fn no_fd_at_all_is_one_line() {
    for limit in ["0", "3"] {
        let script = format!("ulimit -n {limit}; exec \"$0\" -tcp::127.0.0.1:0 /bin/true");
        let listen = static_listen();
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .arg(&listen)
            .output()
            .unwrap();
        let line = "listen: fatal: unable to create tcp 127.0.0.1:0 (label tcp): Too many open files (raise the open-file limit: ulimit -n)\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), line);
        assert_eq!(output.status.code(), Some(111));
    }
}
