//! The end of a chain in the tests: writes down what it was given, from its own memory and from the kernel.
//!
//! `report FILE ARGUMENT...` writes lines `KEY VALUE`; bytes that may be anything are in hex. Like the commands it runs
//! without Rust's start-up code, which would change what is to be reported.
#![no_main]
// a test's program: what fails here has to fail the test
#![allow(clippy::unwrap_used)]

use listen_fd_map::describe;
use listen_fd_map::output::Shown;
use listen_fd_map::sys::{self, Start};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

listen_fd_map::main!(run);

fn run(start: Start) -> i32 {
    let mut text = String::new();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    // before anything is opened here
    let limit = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0.min(20_000) as i32;
    for fd in (0..limit).filter(|&fd| sys::is_open(fd)) {
        let inode = sys::status(fd).unwrap().st_ino;
        let nonblock = sys::file_flags(fd).unwrap() & libc::O_NONBLOCK != 0;
        write!(text, "fd {fd} inode={inode} nonblock={nonblock}").unwrap();
        if let Ok(socket) = describe::socket(fd) {
            let int = |level, name| sys::get_int(fd, level, name).unwrap_or(-1);
            let family = socket.family.map_or("other", |family| family.name);
            write!(text, " family={family} listening={}", socket.listening).unwrap();
            write!(
                text,
                " v6only={}",
                int(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)
            )
            .unwrap();
            write!(
                text,
                " reuseaddr={}",
                int(libc::SOL_SOCKET, libc::SO_REUSEADDR)
            )
            .unwrap();
            write!(
                text,
                " reuseport={}",
                int(libc::SOL_SOCKET, libc::SO_REUSEPORT)
            )
            .unwrap();
            write!(text, " address={}", Shown(socket.address.bytes())).unwrap();
        }
        text.push('\n');
    }
    for arg in start.args.iter().flatten() {
        writeln!(text, "arg {}", hex(arg.bytes())).unwrap();
    }
    for variable in start.env.iter().flatten() {
        writeln!(text, "env {}", hex(variable.bytes())).unwrap();
    }
    writeln!(
        text,
        "cwd {}",
        hex(std::env::current_dir().unwrap().as_os_str().as_bytes())
    )
    .unwrap();
    writeln!(text, "pid {}", std::process::id()).unwrap();
    writeln!(
        text,
        "nproc {}",
        getrlimit(Resource::RLIMIT_NPROC).unwrap().0
    )
    .unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for key in ["SigBlk", "SigIgn", "SigCgt", "Umask", "Uid", "Gid"] {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        let value = line.split_whitespace().nth(1).unwrap();
        writeln!(text, "{key} {value}").unwrap();
    }
    let file = start.args.get(1).copied().flatten().unwrap().bytes();
    std::fs::write(std::ffi::OsStr::from_bytes(file), text).unwrap();
    0
}
