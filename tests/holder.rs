//! An address that is in use: the message says by whom, where /proc tells.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, Run, close_others, in_use_by_this_test};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is said after the colon where `listen` cannot have the address.
#[track_caller]
fn refusal(spec: &str) -> String {
    let ended = Run::new(LISTEN, [spec, "true"]).run();
    assert_eq!(ended.code, Some(111), "{spec}: {}", ended.stderr);
    let (_, why) = ended.stderr.rsplit_once("): ").unwrap();
    why.trim_end().to_owned()
}

#[test]
fn every_kind_of_address_has_its_holder_named() {
    let dir = Dir::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp6 = TcpListener::bind("[::1]:0").unwrap();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    let path = dir.path("s");
    let _stream = UnixListener::bind(&path).unwrap();
    let datagram = dir.path("d");
    let _datagram = UnixDatagram::bind(&datagram).unwrap();
    let name = format!("listen-test-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&abstract_name).unwrap();
    let tcp = tcp.local_addr().unwrap().port();
    let tcp6 = tcp6.local_addr().unwrap().port();
    let udp = udp.local_addr().unwrap().port();
    for spec in [
        format!("-tcp::127.0.0.1:{tcp}"),
        format!("-tcp::0.0.0.0:{tcp}"),
        format!("-tcp::{tcp}"),
        format!("-tcp::[::1]:{tcp6}"),
        format!("-tcp::{tcp6}"),
        format!("-udp::127.0.0.1:{udp}"),
        format!("-udp::{udp}"),
        format!("-unix::{path}"),
        format!("-unix-dgram::{path}"),
        format!("-unix::{datagram}"),
        format!("-unix::@{name}"),
    ] {
        assert_eq!(refusal(&spec), in_use_by_this_test(), "{spec}");
    }
}

#[test]
fn a_path_that_was_bound_twice_has_the_last_one_named() {
    let dir = Dir::new();
    let path = dir.path("s");
    let mut command = Command::new(LISTEN);
    command
        .args([&format!("-unix::{path}"), "sleep", "1000"])
        .stdin(Stdio::null());
    close_others(&mut command);
    let mut first = command.spawn().unwrap();
    let start = Instant::now();
    while !std::path::Path::new(&path).exists() && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::remove_file(&path).unwrap();
    let _second = UnixListener::bind(&path).unwrap();
    let said = refusal(&format!("-unix::{path}"));
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(said, in_use_by_this_test());
}

#[test]
fn two_specs_of_one_command_are_told_apart_from_other_programs() {
    let dir = Dir::new();
    let ended = Run::new(LISTEN, ["-unix:label=a:./s", "-unix:label=b:./s", "true"])
        .cwd(&dir.0)
        .run();
    assert_eq!(ended.code, Some(111));
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let specs = [
        format!("-tcp:label=a:{port}"),
        format!("-tcp:label=b:{port}"),
    ];
    let ended = Run::new(LISTEN, specs.iter().map(String::as_str).chain(["true"])).run();
    let want = format!(
        "listen: fatal: unable to bind tcp {port} (label b): Address already in use by this very command\n"
    );
    assert_eq!((ended.stderr, ended.code), (want, Some(111)));
}

#[test]
#[ignore = "needs root, unshare and setpriv"]
fn who_may_not_look_is_told_how_to() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap();
    let dir = Dir::new();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&dir.0, mode).unwrap();
    let listen = dir.path("listen");
    std::fs::copy(LISTEN, &listen).unwrap();
    let other = "Address already in use (another socket has it, ss -lnp shows whose)\n";
    for (before, spec) in [
        (
            "setpriv --reuid nobody --clear-groups",
            format!("-tcp::{port}"),
        ),
        // another network's /proc/net tells of other sockets
        ("unshare -n", format!("-tcp:netns=/proc/PID/ns/net:{port}")),
        // no /proc at all
        (
            "unshare -m sh -c 'mount -t tmpfs none /proc; exec \"$@\"' sh",
            format!("-tcp::{port}"),
        ),
    ] {
        let spec = spec.replace("PID", &std::process::id().to_string());
        let ended = Run::new("/bin/sh", ["-c", &format!("{before} {listen} {spec} true")])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .run();
        assert_eq!(ended.code, Some(111), "{before}: {}", ended.stderr);
        assert!(ended.stderr.ends_with(other), "{before}: {}", ended.stderr);
    }
}

#[test]
fn many_fds_are_looked_through_in_bounded_time() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap();
    // somebody else's many fds come before or after; a few thousand of this process are there in any case
    let many: Vec<_> = (0..900).map_while(|_| port_holder().ok()).collect();
    let start = Instant::now();
    assert_eq!(refusal(&format!("-tcp::{port}")), in_use_by_this_test());
    assert!(many.len() > 400 && start.elapsed() < Duration::from_secs(5));
}

fn port_holder() -> std::io::Result<std::fs::File> {
    std::fs::File::open("/dev/null")
}
