//! The readers of every language against tests/conformance.tsv, and the daemons that use them on real sockets.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, example};
use listen_fd_map::FdMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A map, and what a strict reader says of it, with the labels that are asked for and their fds.
struct Case {
    map: Vec<u8>,
    is_map: bool,
    labels: Vec<(String, i32)>,
}

fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes().iter().copied();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'x' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                other => other,
            },
            byte => byte,
        });
    }
    bytes
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("conformance.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let [map, verdict, label, fd] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (map, asked) = (bytes(map), (label.to_owned(), fd.parse().unwrap()));
        match cases.last_mut().filter(|last| last.map == map) {
            Some(last) => last.labels.push(asked),
            None => cases.push(Case {
                map,
                is_map: verdict == "ok",
                labels: vec![asked],
            }),
        }
    }
    let lines: usize = cases.iter().map(|case| case.labels.len()).sum();
    assert!(
        lines >= 200
            && cases.iter().any(|case| case.is_map)
            && cases.iter().any(|case| !case.is_map)
    );
    cases
}

#[test]
fn the_crate_is_a_strict_reader() {
    for case in cases() {
        let text = std::str::from_utf8(&case.map).ok();
        let map = text.and_then(|text| FdMap::parse(text).ok());
        assert_eq!(
            map.is_some(),
            case.is_map,
            "{:?}",
            String::from_utf8_lossy(&case.map)
        );
        for (label, fd) in case.labels.iter().filter(|_| case.is_map) {
            assert_eq!(
                map.unwrap().get(label).unwrap_or(-1),
                *fd,
                "{label} in {text:?}"
            );
        }
    }
}

fn source(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(file)
        .to_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn run(command: &[&str], dir: &Path) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Holds a reader to the file: `check LABEL...` prints the fd of each label; a strict one first ok or bad.
#[track_caller]
fn conforms(check: &[&str], strict: bool) {
    for case in cases() {
        let labels = case.labels.iter().map(|(label, _)| label);
        let output = Command::new(check[0])
            .args(&check[1..])
            .args(labels)
            .env("LISTEN_FD_MAP", OsString::from_vec(case.map.clone()))
            .output()
            .unwrap();
        let mut want = String::new();
        if strict {
            want.push_str(if case.is_map { "ok\n" } else { "bad\n" });
        }
        for (_, fd) in &case.labels {
            let fd = if strict && !case.is_map { -1 } else { *fd };
            want.push_str(&format!("{fd}\n"));
        }
        let (said, wrong) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(
            (said.as_ref(), wrong.as_ref()),
            (want.as_str(), ""),
            "{check:?}: {:?}",
            String::from_utf8_lossy(&case.map)
        );
    }
    // not set is the empty map
    let output = Command::new(check[0])
        .args(&check[1..])
        .arg("a")
        .env_remove("LISTEN_FD_MAP")
        .output()
        .unwrap();
    let want = if strict { "ok\n-1\n" } else { "-1\n" };
    assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{check:?}");
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A wait with a limit of time ends early where the process was stopped and went on: signal(7).
fn received(mut wait: impl FnMut() -> std::io::Result<usize>) -> usize {
    loop {
        match wait() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            len => return len.unwrap(),
        }
    }
}

/// Starts a daemon on sockets of these labels, and has each answer twice.
#[track_caller]
fn echoes(daemon: &[&str], labels: &[&str]) {
    let dir = Dir::new();
    let unix = dir.path("s");
    let specs = labels.iter().map(|label| match *label {
        "unix" => format!("-unix::{unix}"),
        label => format!("-{label}::127.0.0.1:0"),
    });
    let mut command = Command::new(LISTEN);
    command
        .arg("-v")
        .args(specs)
        .args(daemon)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    common::close_others(&mut command);
    let mut daemon = Daemon(command.spawn().unwrap());
    let mut stderr = std::io::BufReader::new(daemon.0.stderr.take().unwrap());
    let limit = Some(Duration::from_secs(20));
    for label in labels {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        let address = line
            .split(' ')
            .find(|word| word.starts_with("127.0.0.1:"))
            .unwrap_or_default()
            .to_owned();
        for text in ["hello", "once more"] {
            let mut answer = vec![0; 100];
            let len = match *label {
                "udp" => {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.set_read_timeout(limit).unwrap();
                    socket.send_to(text.as_bytes(), &address).unwrap();
                    received(|| socket.recv(&mut answer))
                }
                "unix" => {
                    let mut client = UnixStream::connect(&unix).unwrap();
                    client.set_read_timeout(limit).unwrap();
                    client.write_all(text.as_bytes()).unwrap();
                    received(|| client.read(&mut answer))
                }
                _ => {
                    let mut client = TcpStream::connect(&address).unwrap();
                    client.set_read_timeout(limit).unwrap();
                    client.write_all(text.as_bytes()).unwrap();
                    received(|| client.read(&mut answer))
                }
            };
            assert_eq!(String::from_utf8_lossy(&answer[..len]), text, "{label}");
        }
    }
}

const ALL: &[&str] = &["tcp", "udp", "unix"];

const C: &[&str] = &[
    "-std=c89",
    "-D_POSIX_C_SOURCE=200809L",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Werror",
];

/// Compiles a program of examples/c.
#[track_caller]
fn compile(compiler: &str, options: &[&str], file: &str, dir: &Dir, name: &str) -> String {
    let (program, file) = (dir.path(name), source(file));
    run(
        &[&[compiler], options, &[&file, "-o", &program]].concat(),
        &dir.0,
    );
    program
}

#[test]
fn c_looks_labels_up_and_checks_maps() {
    let dir = Dir::new();
    conforms(&[&compile("cc", C, "c/check.c", &dir, "check")], false);
    conforms(
        &[&compile(
            "cc",
            &[C, &["-DSTRICT"]].concat(),
            "c/check.c",
            &dir,
            "strict",
        )],
        true,
    );
    echoes(&[&compile("cc", C, "c/echo.c", &dir, "echo")], ALL);
    let header = fs::read_to_string(source("c/listen_fd_map.h")).unwrap();
    let (_, function) = header.split_once("static int listen_fd").unwrap();
    assert!(function.lines().count() <= 15);
}

#[test]
#[ignore = "needs the package clang"]
fn clang_and_the_sanitizers_have_nothing_to_say_of_c() {
    let dir = Dir::new();
    for compiler in ["gcc", "clang"] {
        let options = [
            C,
            &[
                "-g",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
            ],
        ]
        .concat();
        conforms(
            &[&compile(compiler, &options, "c/check.c", &dir, "check")],
            false,
        );
        conforms(
            &[&compile(
                compiler,
                &[&options[..], &["-DSTRICT"]].concat(),
                "c/check.c",
                &dir,
                "strict",
            )],
            true,
        );
        echoes(
            &[&compile(compiler, &options, "c/echo.c", &dir, "echo")],
            ALL,
        );
    }
}

#[test]
fn rust_serves_with_threads_and_with_tokio() {
    for name in ["echo", "tokio"] {
        echoes(&[example(name).to_str().unwrap()], ALL);
    }
}

#[test]
#[ignore = "needs the packages dash, python3, perl, ruby, nodejs, lua5.3, lua-posix, php-cli and s6"]
fn scripts_look_labels_up_and_serve() {
    let languages = [
        ("sh", "sh/X.sh", &["tcp", "unix"][..]),
        ("python3", "python/X.py", ALL),
        ("perl", "perl/X.pl", ALL),
        ("ruby", "ruby/X.rb", ALL),
        ("node", "node/X.js", ALL),
        ("lua5.3", "lua/X.lua", ALL),
        ("php", "php/X.php", ALL),
    ];
    std::thread::scope(|scope| {
        for (interpreter, file, labels) in languages {
            scope.spawn(move || {
                let file = |name: &str| source(&file.replace('X', name));
                // Python leaves no cache in the checkout then
                let run = ["env", "PYTHONDONTWRITEBYTECODE=1", interpreter];
                conforms(&[&run[..], &[&file("check")]].concat(), false);
                let daemon = file("echo");
                let echo = [&run[..], &[&daemon]].concat();
                if interpreter == "sh" {
                    // it serves the one that it is told
                    for label in labels {
                        echoes(&[&echo[..], &[label]].concat(), &[label]);
                    }
                } else {
                    echoes(&echo, labels);
                }
            });
        }
    });
}

#[test]
#[ignore = "needs the packages g++, golang-go and ocaml-nox"]
fn compiled_languages_look_labels_up_and_serve() {
    let dir = Dir::new();
    let cpp = ["-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Werror"];
    conforms(
        &[&compile("g++", &cpp, "cpp/check.cpp", &dir, "cpp-check")],
        false,
    );
    echoes(
        &[&compile("g++", &cpp, "cpp/echo.cpp", &dir, "cpp-echo")],
        ALL,
    );
    let cache = format!("GOCACHE={}", dir.path("cache"));
    for name in ["check", "echo"] {
        let (program, go) = (
            dir.path(&format!("go-{name}")),
            [source("go/listen_fd.go"), source(&format!("go/{name}.go"))],
        );
        run(
            &["env", &cache, "go", "build", "-o", &program, &go[0], &go[1]],
            &dir.0,
        );
        for file in ["listen_fd.ml", &format!("{name}.ml")] {
            fs::copy(source(&format!("ocaml/{file}")), dir.path(file)).unwrap();
        }
        let program = dir.path(&format!("ocaml-{name}"));
        run(
            &[
                "ocamlc",
                "unix.cma",
                "listen_fd.ml",
                &format!("{name}.ml"),
                "-o",
                &program,
            ],
            &dir.0,
        );
    }
    for language in ["go", "ocaml"] {
        conforms(&[&dir.path(&format!("{language}-check"))], false);
        echoes(&[&dir.path(&format!("{language}-echo"))], ALL);
    }
}

/// What a daemon that falls back says, and that it serves.
#[track_caller]
fn falls_back(daemon: &[&str]) {
    let dir = Dir::new();
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let daemon = [daemon, &[&port]].concat().join(" ");
    let commands = Path::new(LISTEN).parent().unwrap().display();
    for (chain, from) in [
        ("listen -tcp:label=web:127.0.0.1:PORT", "map"),
        (
            "listen -tcp:label=web:127.0.0.1:PORT fdmap-to -k systemd",
            "map",
        ),
        (
            "listen -tcp:label=web:127.0.0.1:PORT fdmap-to systemd",
            "systemd",
        ),
        (
            "listen -tcp:label=web:127.0.0.1:PORT fdmap-to systemd env LISTEN_PID=1 fdmap-edit --add x=0",
            "own",
        ),
        ("listen -udp::127.0.0.1:0", "own"),
        ("", "own"),
    ] {
        let chain = chain.replace("PORT", &port);
        // where it binds by itself, the socket of the run before must be gone
        let chain = if from == "own" {
            chain.replace(&port, "0")
        } else {
            chain
        };
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("exec {chain} {daemon}")])
            .current_dir(&dir.0);
        command
            .env("PATH", format!("{commands}:/usr/bin:/bin"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
            .env_remove("LISTEN_FD_MAP")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        common::close_others(&mut command);
        let mut child = Daemon(command.spawn().unwrap());
        let mut line = String::new();
        let stdout = child.0.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert_eq!(line, format!("{from}\n"), "{daemon} after {chain}");
        let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "hello\n", "{daemon} after {chain}");
    }
}

#[test]
fn a_daemon_in_rust_or_c_falls_back_to_systemd_and_to_itself() {
    let dir = Dir::new();
    falls_back(&[example("fallback").to_str().unwrap()]);
    falls_back(&[&compile("cc", C, "c/fallback.c", &dir, "fallback")]);
}

#[test]
#[ignore = "needs the package python3"]
fn a_daemon_in_python_falls_back_to_systemd_and_to_itself() {
    falls_back(&["python3", &source("python/fallback.py")]);
}
