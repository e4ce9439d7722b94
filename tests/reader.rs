//! The reader as a daemon's author uses it: entries taken as sockets, and the crate without the standard library.
#![cfg(feature = "std")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

use listen_fd_map::{Error, Sockets};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

fn sockets(map: &str) -> Result<Sockets, Error> {
    // SAFETY: the tests name only fds that they have given up.
    unsafe { Sockets::from_text(map.into()) }
}

/// An fd that nobody owns, not close-on-exec, as from an exec.
fn given(socket: impl Into<OwnedFd>) -> RawFd {
    socket.into().into_raw_fd()
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

#[test]
fn each_kind_is_taken_once_and_serves() {
    let (web, dns) = (tcp(), udp());
    let (to_web, to_dns) = (web.local_addr().unwrap(), dns.local_addr().unwrap());
    let dir = std::env::temp_dir().join(format!("lfm-reader-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let (stream, datagram) = (dir.join("s"), dir.join("d"));
    let map = format!(
        "web={},dns={},ctl={},log={},any={}",
        given(web),
        given(dns),
        given(UnixListener::bind(&stream).unwrap()),
        given(UnixDatagram::bind(&datagram).unwrap()),
        given(fs::File::open("/dev/null").unwrap())
    );
    let mut sockets = sockets(&map).unwrap();
    assert_eq!(sockets.map().as_str(), map);
    let web: TcpListener = sockets.take("web").unwrap();
    let client = std::thread::spawn(move || {
        let mut answer = String::new();
        TcpStream::connect(to_web)
            .unwrap()
            .read_to_string(&mut answer)
            .unwrap();
        answer
    });
    web.accept().unwrap().0.write_all(b"hello").unwrap();
    assert_eq!(client.join().unwrap(), "hello");
    let dns: UdpSocket = sockets.take("dns").unwrap();
    udp().send_to(b"x", to_dns).unwrap();
    assert_eq!(dns.recv_from(&mut [0; 9]).unwrap().0, 1);
    let ctl: UnixListener = sockets.take("ctl").unwrap();
    let log: UnixDatagram = sockets.take("log").unwrap();
    let any: OwnedFd = sockets.take("any").unwrap();
    for fd in [
        web.as_fd(),
        dns.as_fd(),
        ctl.as_fd(),
        log.as_fd(),
        any.as_fd(),
    ] {
        let flags = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
        let flags = flags
            .lines()
            .find_map(|line| line.strip_prefix("flags:\t"))
            .unwrap();
        assert!(
            u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 != 0,
            "close-on-exec"
        );
    }
    for label in ["web", "dns", "ctl", "log", "any"] {
        let again = sockets.take::<OwnedFd>(label).unwrap_err();
        assert_eq!(
            again.to_string(),
            format!("{label} of LISTEN_FD_MAP was taken already")
        );
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_group_is_taken_whole_or_not_at_all() {
    let [a, b, c] = [given(udp()), given(udp()), given(tcp())];
    let mut sockets = sockets(&format!("dns.1={b},dns.0={a},mix.0={c},mix.1=1000000")).unwrap();
    let error = sockets.take_group::<TcpListener>("mix").unwrap_err();
    assert_eq!(
        error.to_string(),
        "mix.1 of LISTEN_FD_MAP: fd 1000000 is not open"
    );
    let mix: TcpListener = sockets.take("mix.0").unwrap();
    assert_eq!(mix.as_raw_fd(), c);
    let dns: Vec<UdpSocket> = sockets.take_group("dns").unwrap();
    assert_eq!(
        dns.iter()
            .map(|socket| socket.as_raw_fd())
            .collect::<Vec<_>>(),
        [a, b]
    );
    assert!(matches!(
        sockets.take_group::<UdpSocket>("dns"),
        Err(Error::Taken { .. })
    ));
    assert!(matches!(
        sockets.take_group::<UdpSocket>("web"),
        Err(Error::Absent { .. })
    ));
}

#[test]
fn what_is_something_else_is_said_and_stays() {
    let dir = std::env::temp_dir().join(format!("lfm-kinds-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let (listener, datagram) = (
        UnixListener::bind(dir.join("s")).unwrap(),
        UnixDatagram::bind(dir.join("d")).unwrap(),
    );
    let pair = std::os::unix::net::UnixStream::pair().unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let fds = [
        given(tcp()),
        given(udp()),
        given(listener),
        given(datagram),
        given(pair.0),
        given(file),
    ];
    let map: Vec<String> = fds
        .iter()
        .zip('a'..)
        .map(|(fd, label)| format!("{label}={fd}"))
        .collect();
    let mut sockets = sockets(&map.join(",")).unwrap();
    let found = [
        "a listening tcp socket",
        "a udp socket",
        "a listening unix stream socket",
        "a unix datagram socket",
        "a unix stream socket that does not listen",
        "no socket",
    ];
    for ((label, found), fd) in ["a", "b", "c", "d", "e", "f"].iter().zip(found).zip(fds) {
        let mut errors = Vec::new();
        errors.extend(
            sockets
                .take::<TcpListener>(label)
                .err()
                .filter(|_| *label != "a"),
        );
        errors.extend(
            sockets
                .take::<UdpSocket>(label)
                .err()
                .filter(|_| *label != "b"),
        );
        errors.extend(
            sockets
                .take::<UnixListener>(label)
                .err()
                .filter(|_| *label != "c"),
        );
        errors.extend(
            sockets
                .take::<UnixDatagram>(label)
                .err()
                .filter(|_| *label != "d"),
        );
        for error in errors
            .into_iter()
            .map(|error| error.to_string())
            .filter(|error| !error.ends_with("taken already"))
        {
            assert!(
                error.starts_with(&format!("{label} of LISTEN_FD_MAP: fd {fd} should be a ")),
                "{error}"
            );
            assert!(error.ends_with(&format!(" and is {found}")), "{error}");
        }
    }
    // what was refused is still there for whom it fits
    assert!(sockets.take::<OwnedFd>("e").is_ok() && sockets.take::<OwnedFd>("f").is_ok());
    assert!(matches!(
        sockets.take::<OwnedFd>("b"),
        Err(Error::Taken { .. })
    ));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn absent_labels_and_malformed_maps_are_said() {
    let error = |map: &str| sockets(map).unwrap_err().to_string();
    assert_eq!(
        error("a=1,a=2"),
        "LISTEN_FD_MAP has a label that was there already at byte 4"
    );
    let mut empty = sockets("").unwrap();
    assert_eq!(
        empty.take::<OwnedFd>("web").unwrap_err().to_string(),
        "LISTEN_FD_MAP has no web: it is empty"
    );
    let mut other = sockets("dns=1000001").unwrap();
    assert_eq!(
        other.take::<OwnedFd>("web").unwrap_err().to_string(),
        "LISTEN_FD_MAP has no web: it is dns=1000001"
    );
    assert_eq!(
        other.take::<OwnedFd>("dns").unwrap_err().to_string(),
        "dns of LISTEN_FD_MAP: fd 1000001 is not open"
    );
}

/// A library that has a panic handler of its own cannot be linked with the standard library's.
#[test]
fn the_crate_serves_a_program_without_the_standard_library() {
    let dir = std::env::temp_dir().join(format!("lfm-no-std-{}", std::process::id()));
    fs::create_dir_all(dir.join("src")).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(
        dir.join("Cargo.toml"),
        format!(
            "[package]\nname = \"bare\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"staticlib\"]\n\
             [profile.dev]\npanic = \"abort\"\n[workspace]\n[dependencies]\nlisten-fd-map = {{ path = {path:?}, default-features = false }}\n"
        ),
    )
    .unwrap();
    fs::write(
        dir.join("src/lib.rs"),
        "#![no_std]\n\
         #[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n\
         #[unsafe(no_mangle)]\npub extern \"C\" fn tls() -> i32 {\n    \
         listen_fd_map::FdMap::parse(\"udp=3,tls=5\").ok().and_then(|map| map.get(\"tls\")).unwrap_or(-1)\n}\n",
    )
    .unwrap();
    let cargo = |args: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .args(["--offline", "--quiet"])
            .current_dir(&dir)
            .env("CARGO_TARGET_DIR", dir.join("target"))
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    cargo(&["build"]);
    let tree = cargo(&["tree", "--prefix", "depth", "--edges", "normal,build"]);
    fs::remove_dir_all(&dir).unwrap();
    let lines: Vec<&str> = tree.lines().collect();
    assert!(
        lines.len() == 2 && lines[1].starts_with("1listen-fd-map "),
        "{tree}"
    );
}
