//! The families besides tcp, udp and unix, and what the options of all of them do to traffic.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, FDMAP, LISTEN, Run, example, refused, report};
use nix::libc;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn probe() -> String {
    example("probe").to_str().unwrap().to_owned()
}

fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Reads standard error up to and with `end`.
fn said(child: &mut Child, end: &str) -> String {
    let mut text = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    while !text.ends_with(end) {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    text
}

/// What the child has printed when it ends by itself.
fn printed(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The port in the lines of `-v`.
fn port(said: &str) -> u16 {
    let address = said.split(' ').find(|word| word.contains("0.1:")).unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

/// A message queue's name, which nobody else has.
struct Queue(String);

impl Queue {
    fn new(name: &str) -> Queue {
        Queue(format!("/lfm-{}-{name}", std::process::id()))
    }

    fn exists(&self) -> bool {
        let queue = self.open(libc::O_RDONLY);
        queue.is_some()
    }

    fn open(&self, flags: i32) -> Option<fs::File> {
        use std::os::fd::FromRawFd;
        let name = std::ffi::CString::new(self.0.as_str()).unwrap();
        // SAFETY: a C string; a queue is an fd on Linux.
        let fd = unsafe { libc::mq_open(name.as_ptr(), flags) };
        // SAFETY: the kernel just made it.
        (fd >= 0).then(|| unsafe { fs::File::from_raw_fd(fd) })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let name = std::ffi::CString::new(self.0.as_str()).unwrap();
        // SAFETY: a C string.
        unsafe { libc::mq_unlink(name.as_ptr()) };
    }
}

#[test]
fn fdmap_names_every_family() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "x").unwrap();
    let queue = Queue::new("names");
    let cid = u32::MAX;
    let args = [
        "-tcp::127.0.0.1:0",
        "-udp::127.0.0.1:0",
        "-mptcp::127.0.0.1:0",
        "-udplite::127.0.0.1:0",
        "-unix::./s",
        "-unix-dgram::./d",
        "-unix-seqpacket::@lfm-names",
        &format!("-vsock::{cid}"),
        "-netlink::kobject-uevent",
        "-fifo::./fifo",
        "-file::./file",
        &format!("-mqueue::{}", queue.0),
        "-fd::0",
        FDMAP,
    ];
    let ended = Run::new(LISTEN, args).cwd(&dir.0).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let rows: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let path = |name| dir.path(name);
    for (row, (label, fd, family, address, listening)) in rows.iter().zip([
        ("tcp", "3", "tcp", "127.0.0.1:", "yes"),
        ("udp", "4", "udp", "127.0.0.1:", "no"),
        ("mptcp", "5", "mptcp", "127.0.0.1:", "yes"),
        ("udplite", "6", "udplite", "127.0.0.1:", "no"),
        ("unix", "7", "unix", "./s", "yes"),
        ("unix-dgram", "8", "unix-dgram", "./d", "no"),
        ("unix-seqpacket", "9", "unix-seqpacket", "@lfm-names", "yes"),
        ("vsock", "10", "vsock", "4294967295:", "yes"),
        ("netlink", "11", "netlink", "kobject-uevent", "no"),
        ("fifo", "12", "fifo", &path("fifo"), "-"),
        ("file", "13", "file", &path("file"), "-"),
        ("mqueue", "14", "mqueue", &queue.0, "-"),
        ("fd", "0", "file", "/dev/null", "-"),
    ]) {
        assert_eq!(
            (row[0], row[1], row[2], row[4]),
            (label, fd, family, listening),
            "{row:?}"
        );
        assert!(row[3].starts_with(address), "{row:?}");
    }
    assert_eq!(rows.len(), 13);
}

#[test]
fn addresses_are_exported_where_there_are_any() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "x").unwrap();
    let queue = Queue::new("addresses");
    let (fifo, file) = (dir.path("fifo"), dir.path("file"));
    let args = [
        "-e",
        "-a",
        &format!("-fifo::{fifo}"),
        &format!("-file::{file}"),
        &format!("-mqueue::{}", queue.0),
        "-netlink::route",
        "-fd::0",
        "-tcp:label=web,count=2:127.0.0.1:0",
        "-vsock::6677",
    ];
    let report = report(LISTEN, &args, |run| run);
    assert_eq!(report.var("FIFO_ADDR"), Some(fifo));
    assert_eq!(report.var("FILE_ADDR"), Some(file));
    assert_eq!(report.var("MQUEUE_FD"), Some("5".to_owned()));
    for name in ["MQUEUE_ADDR", "NETLINK_ADDR", "FD_ADDR"] {
        assert_eq!(report.var(name), None);
    }
    assert_eq!(report.var("FD_FD"), Some("0".to_owned()));
    assert_eq!(report.var("WEB_0_ADDR"), report.var("WEB_1_ADDR"));
    assert_eq!(report.var("WEB_1_FD"), Some("8".to_owned()));
    assert_eq!(report.var("VSOCK_ADDR"), Some("4294967295:6677".to_owned()));
    let map = "fifo=3,file=4,mqueue=5,netlink=6,fd=0,web.0=7,web.1=8,vsock=9";
    assert_eq!(report.var("LISTEN_FD_MAP"), Some(map.to_owned()));
}

#[test]
fn a_dry_run_prints_what_makes_the_same() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "x").unwrap();
    let queue = Queue::new("dry");
    let line = [
        "-tcp:count=2,nodelay,keepidle=9:127.0.0.1:0".to_owned(),
        "-fifo:mode=640,pipe-size~=8K:./f o".to_owned(),
        format!("-mqueue:maxmsg=3:{}", queue.0),
        "-file:symlink=./link:/dev/null".to_owned(),
        "-fd:label=in:0".to_owned(),
        "--udp".to_owned(),
        "5".to_owned(),
        "-o".to_owned(),
        "label=g".to_owned(),
        "-o".to_owned(),
        "listen~=no".to_owned(),
    ];
    let plan = |line: &[String]| {
        Run::new(LISTEN, line.iter().map(String::as_str).chain(["-n"]))
            .cwd(&dir.0)
            .run()
    };
    // udp has no listen=
    assert_eq!(plan(&line).code, Some(100));
    let first = plan(&line[..9]);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert_eq!(dir.names(), ["file"]);
    let want = format!(
        "-tcp:label=tcp,count=2,nodelay,keepidle=9:127.0.0.1:0\n'-fifo:label=fifo,mode=640,pipe-size~=8K:./f o'\n-mqueue:label=mqueue,maxmsg=3:{}\n-file:label=file,symlink=./link:/dev/null\n-fd:label=in:0\n-udp:label=g:5\n",
        queue.0
    );
    assert_eq!(first.stdout, want);
    let shell = format!("{LISTEN} -n {}", want.replace('\n', " "));
    let again = Run::new("/bin/sh", ["-c", &shell]).cwd(&dir.0).run();
    assert_eq!(again.stdout, want);
    let verbose = Run::new(LISTEN, ["-nv", "-tcp:count=3:0", "-fd::2", "-udp::0"])
        .open(4)
        .run();
    // 3, 5 and 6 are not in a row, so no fd= says it
    assert_eq!(
        verbose.stdout,
        "-tcp:label=tcp,count=3:0\n-fd:label=fd:2\n-udp:label=udp,fd=7:0\n"
    );
}

#[test]
fn a_group_shares_one_port_and_its_load() {
    let args = [
        "-v",
        "-tcp:label=web,count=4,nonblock:127.0.0.1:0",
        &probe(),
    ];
    let args = args.into_iter().chain(["accept", "3", "3", "4", "5", "6"]);
    let mut child = Run::new(LISTEN, args).start();
    let said = said(&mut child, "(label web.3)\n");
    let ports: Vec<u16> = said.lines().map(port).collect();
    assert!(
        ports.len() == 4 && ports.iter().all(|port| *port == ports[0]),
        "{said}"
    );
    let connections: Vec<TcpStream> = (0..400)
        .map(|_| TcpStream::connect(("127.0.0.1", ports[0])).unwrap())
        .collect();
    let counts = printed(child);
    drop(connections);
    let counts: Vec<u32> = counts
        .trim()
        .trim_matches(['[', ']'])
        .split(", ")
        .map(|count| count.parse().unwrap())
        .collect();
    assert_eq!(counts.iter().sum::<u32>(), 400);
    assert!(counts.iter().all(|&count| count > 40), "{counts:?}");
}

#[test]
fn groups_are_checked_before_anything_is_made() {
    let wrong =
        |spec: &str, text: &str| refused(&[spec, "true"], 100, &format!("fatal: {spec}: {text}"));
    wrong(
        "-tcp:count=2,env=X:0",
        "env= is for one socket, not for the group that count= makes (-e exports them all)",
    );
    wrong(
        "-tcp:count=2,reuseport=no:0",
        "count= makes reuseport sockets, reuseport=no cannot be",
    );
    let label = "x".repeat(254);
    wrong(
        &format!("-tcp:count=1,label={label}:0"),
        "the label is too long for a group, whose members are called LABEL.0, LABEL.1, ...",
    );
    refused(
        &["-tcp:count=2:0", "-udp:label=tcp.1:0", "true"],
        100,
        "fatal: -udp:label=tcp.1:0: label tcp.1 is taken already, give one of the two another with label=",
    );
    refused(
        &["-tcp:count=3,fd=5:0", "-udp:fd=7:0", "true"],
        100,
        "fatal: -udp:fd=7:0: fd 7 is claimed twice",
    );
    wrong(
        "-tcp:count=2,fd=2147483647:0",
        "the last fd of the group would be above 2147483647",
    );
    let map = |args: &[&str]| {
        report(LISTEN, args, |run| run)
            .var("LISTEN_FD_MAP")
            .unwrap()
    };
    assert_eq!(
        map(&["-tcp:count=2,fd=6:0", "-udp:fd=3:0", "-udp:label=x:0"]),
        "tcp.0=6,tcp.1=7,udp=3,x=4"
    );
    assert_eq!(map(&["-tcp:count=1:0"]), "tcp.0=3");
}

#[test]
fn an_fd_is_adopted_and_moved() {
    let map = |args: &[&str]| {
        let report = report(LISTEN, args, |run| run.open(7));
        (report.var("LISTEN_FD_MAP").unwrap(), report.fds())
    };
    assert_eq!(
        map(&["-fd::7", "-udp::0"]),
        ("fd=7,udp=3".to_owned(), vec![0, 1, 2, 3, 7])
    );
    assert_eq!(map(&["-fd:fd=7:7"]), ("fd=7".to_owned(), vec![0, 1, 2, 7]));
    assert_eq!(
        map(&["-fd:fd=5:7", "-udp::0"]),
        ("fd=5,udp=3".to_owned(), vec![0, 1, 2, 3, 5])
    );
    assert_eq!(map(&["-fd:fd=0:7"]), ("fd=0".to_owned(), vec![0, 1, 2]));
    assert_eq!(
        map(&["-fd:label=in,fd=4:0"]),
        ("in=4".to_owned(), vec![1, 2, 4, 7])
    );
    let nonblock = report(LISTEN, &["-fd:nonblock:7"], |run| run.open(7));
    assert_eq!(nonblock.fd(7, "nonblock"), Some("true"));
    refused(&["-fd::7", "true"], 100, "fatal: -fd::7: fd 7 is not open");
    refused(
        &["-fd::0", "-fd:label=x:0", "true"],
        100,
        "fatal: -fd:label=x:0: fd 0 is claimed twice",
    );
    refused(
        &["-d", "1", "-fd::1", "true"],
        100,
        "fatal: -fd::1: fd 1 is claimed twice",
    );
    let ended = Run::new(LISTEN, ["-fd::7", "true"])
        .open(7)
        .env("LISTEN_FD_MAP", "a=7")
        .run();
    let want = "listen: fatal: -fd::7: fd 7 is a in the inherited LISTEN_FD_MAP\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(100)));
    // what is standard error for others may be a client's connection here
    let ended = Run::new(LISTEN, ["-fd:label=err:2", "/nonexistent/x"]).run();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(127)));
}

#[test]
fn a_fifo_is_made_kept_and_read_across_writers() {
    let dir = Dir::new();
    let path = dir.path("f");
    let spec = format!("-fifo:mode=0620,fd=0:{path}");
    let child = Run::new(LISTEN, [&spec, "-v", "head", "-c", "10"]).start();
    let mut child = child;
    assert_eq!(
        said(&mut child, "\n"),
        format!("listen: info: fifo {path} is open on fd 0 (label fifo)\n")
    );
    assert_eq!(mode(&path), 0o620);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
    for _ in 0..2 {
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .write_all(b"hello")
            .unwrap();
    }
    assert_eq!(printed(child), "hellohello");
    // the next start takes what the last one left, or one with the mode that is asked for now
    let inode = || fs::symlink_metadata(&path).unwrap().ino();
    let first = inode();
    for (mode_now, same) in [("0620", true), ("0600", false)] {
        let spec = format!("-fifo:mode={mode_now}:{path}");
        let ended = Run::new(LISTEN, [spec, "true".into()]).run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(format!("{:04o}", mode(&path)), mode_now);
        assert_eq!(inode() == first, same);
    }
    assert_eq!(dir.names(), ["f"]);
    // and a failing start removes only what it has made itself
    Run::new(LISTEN, [format!("-fifo::{path}"), "/nonexistent/x".into()]).run();
    assert!(Path::new(&path).exists());
    let new = dir.path("new");
    Run::new(LISTEN, [format!("-fifo::{new}"), "/nonexistent/x".into()]).run();
    assert!(!Path::new(&new).exists());
}

#[test]
fn what_is_no_fifo_is_left_alone() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "x").unwrap();
    symlink("nowhere", dir.path("link")).unwrap();
    let _socket = UnixListener::bind(dir.path("socket")).unwrap();
    for (name, kind) in [
        ("file", "a regular file"),
        ("link", "a symbolic link"),
        ("socket", "a socket"),
    ] {
        let ended = Run::new(LISTEN, [&format!("-fifo:mode=600:./{name}"), "true"])
            .cwd(&dir.0)
            .run();
        let want = format!(
            "listen: fatal: unable to open fifo ./{name} (label fifo): ./{name} is {kind}, not a FIFO, and is left alone\n"
        );
        assert_eq!((ended.stderr, ended.code), (want, Some(111)));
    }
    assert_eq!(dir.names(), ["file", "link", "socket"]);
    let fifo = dir.path("fifo");
    nix::unistd::mkfifo(
        fifo.as_str(),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    fs::hard_link(&fifo, dir.path("other")).unwrap();
    let ended = Run::new(LISTEN, ["-fifo:mode=666:./fifo", "true"])
        .cwd(&dir.0)
        .run();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    // a directory that is called as ours would be keeps what is in it
    fs::create_dir(dir.path("fifo.listen")).unwrap();
    fs::set_permissions(dir.path("fifo.listen"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.path("fifo.listen/fifo"), "x").unwrap();
    let ended = Run::new(LISTEN, ["-fifo:mode=644:./fifo", "true"])
        .cwd(&dir.0)
        .run();
    let line = "listen: fatal: unable to open fifo ./fifo (label fifo): File exists\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (line, Some(111)));
    assert_eq!(fs::read(dir.path("fifo.listen/fifo")).unwrap(), b"x");
    // what has the other name is somebody else's
    assert_eq!((mode(&fifo), mode(&dir.path("other"))), (0o666, 0o600));
}

#[test]
fn a_pipe_size_is_rounded_up_by_the_kernel() {
    let dir = Dir::new();
    let args = ["-fifo:pipe-size=5000:./f", "/bin/sh", "-c", "sleep 0.1"];
    let child = Run::new(LISTEN, args).cwd(&dir.0).start();
    let end = Instant::now() + Duration::from_secs(5);
    let size = loop {
        // the size is the pipe's: any opening of it tells
        let opened = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.path("f"));
        if let Ok(file) = opened {
            // SAFETY: plain system call.
            let size = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETPIPE_SZ) };
            if size == 8192 || Instant::now() > end {
                break size;
            }
        }
    };
    printed(child);
    assert_eq!(size, 8192);
}

#[test]
fn a_file_is_opened_and_never_made() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "x").unwrap();
    let _socket = UnixListener::bind(dir.path("socket")).unwrap();
    let line = |args: &[&str]| Run::new(LISTEN, args).cwd(&dir.0).run();
    assert_eq!(line(&["-file:fd=0:./file", "cat"]).stdout, "x");
    assert_eq!(
        line(&["-file:fd=5:./file", "/bin/sh", "-c", "echo y >&5"]).code,
        Some(1)
    );
    assert_eq!(
        line(&["-file:fd=5,writable:./file", "/bin/sh", "-c", "echo y >&5"]).code,
        Some(0)
    );
    assert_eq!(fs::read_to_string(dir.path("file")).unwrap(), "y\n");
    for (name, text) in [
        ("none", "No such file or directory (a file is never made)"),
        (
            ".",
            "./. is a directory, not a file or device, and is left alone",
        ),
        (
            "socket",
            "./socket is a socket, not a file or device, and is left alone",
        ),
    ] {
        let ended = line(&[&format!("-file::./{name}"), "true"]);
        let want = format!("listen: fatal: unable to open file ./{name} (label file): {text}\n");
        assert_eq!((ended.stderr, ended.code), (want, Some(111)));
    }
    let ended = line(&["-file:writable~:/proc/version", "true"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_queue_is_made_kept_and_receives() {
    let queue = Queue::new("round");
    let (spec, probe) = (
        format!("-mqueue:mode=0622,maxmsg=4,msgsize=100:{}", queue.0),
        probe(),
    );
    let child = Run::new(LISTEN, [&spec, &probe, "queue", "3"]).start();
    let end = Instant::now() + Duration::from_secs(10);
    let sender = loop {
        match queue.open(libc::O_WRONLY) {
            Some(sender) => break sender,
            None => assert!(Instant::now() < end),
        }
    };
    // SAFETY: the text lives until the call returns.
    let sent = unsafe { libc::mq_send(sender.as_raw_fd(), c"hello".as_ptr(), 5, 0) };
    assert_eq!((sent, printed(child).as_str()), (0, "hello\n"));
    assert_eq!(
        sender.metadata().unwrap().permissions().mode() & 0o7777,
        0o622
    );
    // the same again, and another size
    let line = |options: &str, program: &str| {
        Run::new(LISTEN, [&format!("-mqueue:{options}:{}", queue.0), program]).run()
    };
    assert_eq!(line("maxmsg=4,mode=600", "true").code, Some(0));
    assert_eq!(
        sender.metadata().unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let ended = line("maxmsg=5", "true");
    let name = &queue.0;
    let want = format!(
        "listen: fatal: unable to open mqueue {name} (label mqueue): it exists with maxmsg=4,msgsize=100, and is left alone\n"
    );
    assert_eq!((ended.stderr, ended.code), (want, Some(111)));
    line("", "/nonexistent/x");
    assert!(queue.exists(), "somebody else's queue was removed");
    let other = Queue::new("gone");
    Run::new(LISTEN, [&format!("-mqueue::{}", other.0), "/nonexistent/x"]).run();
    assert!(!other.exists());
    for (name, text) in [("q", "/q"), ("/a/b", "/b"), ("/", "/name")] {
        let spec = format!("-mqueue::{name}");
        refused(
            &[&spec, "true"],
            100,
            &format!(
                "fatal: {spec}: the name of a message queue is one slash and no other: {text}"
            ),
        );
    }
}

#[test]
fn missing_directories_are_made_with_exactly_their_mode_and_removed_again() {
    let dir = Dir::new();
    let line = |spec: &str, program: &str| {
        Run::new(LISTEN, [spec, program])
            .cwd(&dir.0)
            .setup(|| {
                // SAFETY: plain system call.
                unsafe { libc::umask(0o077) };
                Ok(())
            })
            .run()
    };
    let ended = line("-unix:dirmode=2751,mode=600:./a/b/../c//s", "true");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for name in ["a", "a/b", "a/c"] {
        assert_eq!(mode(&dir.path(name)), 0o2751, "{name}");
    }
    assert_eq!(mode(&dir.path("a/c/s")), 0o600);
    fs::remove_dir_all(dir.path("a")).unwrap();
    // a directory that is there keeps its mode
    fs::create_dir(dir.path("old")).unwrap();
    let before = mode(&dir.path("old"));
    assert_eq!(
        line(
            "-fifo:dirmode=700,symlink=./l/m/n:/nonexistent-lfm/f",
            "true"
        )
        .code,
        Some(if is_root() { 0 } else { 111 })
    );
    if is_root() {
        fs::remove_dir_all("/nonexistent-lfm").unwrap();
        fs::remove_dir_all(dir.path("l")).unwrap();
    }
    assert_eq!(
        line("-fifo:dirmode=700:./old/new/f", "/nonexistent/x").code,
        Some(127)
    );
    assert_eq!(mode(&dir.path("old")), before);
    let path = format!("{}/x/y/s", dir.0.display());
    let spec = format!("-unix:dirmode=755,symlink=./p/q/link:{path}");
    assert_eq!(line(&spec, "/nonexistent/x").code, Some(127));
    assert_eq!(dir.names(), ["old"]);
    assert_eq!(fs::read_dir(dir.path("old")).unwrap().count(), 0);
    let ended = line("-unix::./no/s", "true");
    let want = "listen: fatal: unable to bind unix ./no/s (label unix): No such file or directory (its directory does not exist, dirmode= makes it)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
    fs::write(dir.path("file"), "").unwrap();
    let ended = line("-unix:dirmode=755:./file/sub/s", "true");
    assert_eq!(ended.code, Some(111), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1);
}

fn is_root() -> bool {
    // SAFETY: plain system call.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn links_are_made_kept_where_right_and_never_replaced() {
    let dir = Dir::new();
    let socket = dir.path("s");
    let link = |name: &str| fs::read_link(dir.path(name)).unwrap();
    let line = |options: &str, program: &str| {
        Run::new(LISTEN, [&format!("-unix:{options}:{socket}"), program])
            .cwd(&dir.0)
            .run()
    };
    assert_eq!(line("symlink=./a,symlink=./b", "true").code, Some(0));
    assert_eq!(
        (link("a"), link("b")),
        (socket.clone().into(), socket.clone().into())
    );
    // a link that was right stays even if this start fails, one of its own goes
    assert_eq!(
        line("symlink=./a,symlink=./c", "/nonexistent/x").code,
        Some(127)
    );
    assert_eq!(dir.names(), ["a", "b"]);
    symlink("elsewhere", dir.path("wrong")).unwrap();
    fs::write(dir.path("file"), "").unwrap();
    for (name, kind) in [("wrong", "a symbolic link"), ("file", "a regular file")] {
        let ended = line(&format!("symlink=./d,symlink=./{name}"), "true");
        let want = format!(
            "listen: fatal: unable to make link ./{name} to unix {socket} (label unix): ./{name} is {kind}, not a link to it, and is left alone\n"
        );
        assert_eq!((ended.stderr, ended.code), (want, Some(111)));
        let ended = line(&format!("symlink~=./{name}"), "true");
        let want = format!("listen: warning: unix:{socket}: symlink~ not applied: File exists\n");
        assert_eq!((ended.stderr, ended.code), (want, Some(0)));
        fs::remove_file(&socket).unwrap();
    }
    assert_eq!(dir.names(), ["a", "b", "file", "wrong"]);
    refused(
        &["-unix:symlink=/x:./s", "true"],
        100,
        "fatal: -unix:symlink=/x:./s: symlink= needs an address that begins with /, because a link is not read from this directory",
    );
}

#[test]
fn a_group_is_joined_and_its_datagrams_arrive() {
    for (group, address, hex, table) in [
        ("239.77.1.9%lo", "*", "09014DEF", "igmp"),
        ("239.77.1.9%lo", "239.77.1.9", "09014DEF", "igmp"),
        (
            "ff02::4d:9%lo",
            "*",
            "ff0200000000000000000000004d0009",
            "igmp6",
        ),
    ] {
        // the table is in the memory of the namespace, as long as the socket lives
        let args = [
            "--udp",
            &format!("{address}:0"),
            "-o",
            &format!("join={group}"),
            "cat",
            &format!("/proc/net/{table}"),
        ];
        let ended = Run::new(LISTEN, args).run();
        assert!(ended.stdout.contains(hex), "{ended:?}");
    }
    let args = ["-v", "-udp:fd=0,join=239.77.1.10%lo:*:0", "head", "-c", "5"];
    let mut child = Run::new(LISTEN, args).start();
    let line = said(&mut child, "\n");
    let port: u16 = line
        .split("]:")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let interface = Ipv4Addr::LOCALHOST.octets();
    // SAFETY: four bytes of an address.
    let set = unsafe {
        libc::setsockopt(
            sender.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MULTICAST_IF,
            interface.as_ptr().cast(),
            4,
        )
    };
    assert_eq!(set, 0);
    sender.send_to(b"hello", ("239.77.1.10", port)).unwrap();
    assert_eq!(printed(child), "hello");
    let ended = Run::new(LISTEN, ["-udp:join=239.1.1.1%lfm0:0", "true"]).run();
    let want = "listen: fatal: unable to set join=239.1.1.1%lfm0 on udp 0 (label udp): No such device (no interface, or no route to the group: write GROUP%IF)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
    for (options, address, text) in [
        (
            "join=[ff02::1%lo]",
            "127.0.0.1:0",
            "an IPv6 group can only be joined on an IPv6 address, or on all addresses",
        ),
        (
            "join=239.1.1.1,v6only",
            "[::]:0",
            "an IPv4 group cannot be joined with v6only",
        ),
    ] {
        let spec = format!("-udp:{options}:{address}");
        refused(&[&spec, "true"], 100, &format!("fatal: {spec}: {text}"));
    }
}

#[test]
fn what_a_datagram_brings_along_is_seen_by_the_receiver() {
    let dir = Dir::new();
    let path = dir.path("d");
    let spec = format!("-unix-dgram:passcred,passpidfd,timestamp=ns:{path}");
    let child = Run::new(LISTEN, [&spec, &probe(), "receive", "3"]).start();
    let sender = UnixDatagram::unbound().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while sender.send_to(b"hello", &path).is_err() {
        assert!(Instant::now() < end);
    }
    let printed_lines = printed(child);
    let mut lines: Vec<&str> = printed_lines.lines().collect();
    lines.sort_unstable();
    // SCM_CREDENTIALS, SO_TIMESTAMPNS, SCM_PIDFD of SOL_SOCKET
    assert_eq!(lines, ["1 2", "1 35", "1 4", "hello"]);
    let args = ["-v", "-udp:pktinfo:*:0", &probe(), "receive", "3"];
    let mut child = Run::new(LISTEN, args).start();
    let line = said(&mut child, "\n");
    let port: u16 = line
        .split("]:")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .send_to(b"hello", ("127.0.0.1", port))
        .unwrap();
    // IP_PKTINFO and IPV6_PKTINFO, because the socket serves both
    let printed = printed(child);
    assert!(
        printed.contains("\n0 8\n") && printed.contains("\n41 50\n"),
        "{printed}"
    );
}

#[test]
fn fastopen_and_defer_accept_sockets_serve() {
    let spec = "-tcp:label=web,fastopen=16,defer-accept=5:127.0.0.1:0";
    let hello = example("hello");
    let mut child = Run::new(LISTEN, ["-v", spec, hello.to_str().unwrap()]).start();
    let port = port(&said(&mut child, "\n"));
    for _ in 0..2 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello\n"), "{answer}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_the_kernel_lacks_is_named() {
    // SAFETY: plain system calls.
    let lacks = |domain, kind, protocol| unsafe {
        let fd = libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol);
        fd < 0 || libc::close(fd) != 0
    };
    for (spec, line, is_lacking) in [
        (
            "-sctp::127.0.0.1:0",
            "unable to create sctp 127.0.0.1:0 (label sctp): kernel support is missing (modprobe sctp?)",
            lacks(2, 1, 132),
        ),
        (
            "-sctp::0",
            "unable to create sctp 0 (label sctp): kernel support is missing (modprobe sctp?)",
            lacks(10, 1, 132),
        ),
        (
            "-netlink::31",
            "unable to create netlink 31 (label netlink): kernel support is missing (no such protocol)",
            lacks(16, 3, 31),
        ),
        (
            "-vsock-dgram::7777",
            "unable to create vsock-dgram 7777 (label vsock-dgram): kernel support is missing (modprobe vmw_vsock_vmci_transport?)",
            lacks(40, 2, 0),
        ),
    ] {
        let ended = Run::new(LISTEN, [spec, "true"]).run();
        let want = if is_lacking {
            (format!("listen: fatal: {line}\n"), Some(111))
        } else {
            (String::new(), Some(0))
        };
        assert_eq!((ended.stderr, ended.code), want);
    }
}

#[test]
#[ignore = "needs the loopback transport of vsock (modprobe vsock_loopback)"]
fn vsock_serves_over_loopback() {
    let mut child = Run::new(
        LISTEN,
        [
            "-v",
            "-vsock:fd=3,nonblock:1:4294967295",
            &probe(),
            "accept",
            "1",
            "3",
        ],
    )
    .start();
    let line = said(&mut child, "\n");
    let port: u32 = line
        .split("1:")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let client = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Vsock,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    nix::sys::socket::connect(
        client.as_raw_fd(),
        &nix::sys::socket::VsockAddr::new(1, port),
    )
    .unwrap();
    assert_eq!(printed(child), "[1]\n");
}

#[test]
#[ignore = "needs root and a /sys that can be written to"]
fn a_uevent_arrives_on_a_netlink_socket() {
    let args = [
        "-v",
        "-netlink:multicast=1:kobject-uevent",
        &probe(),
        "receive",
        "3",
    ];
    let mut child = Run::new(LISTEN, args).start();
    assert_eq!(
        said(&mut child, "\n"),
        "listen: info: netlink kobject-uevent is open on fd 3 (label netlink)\n"
    );
    fs::write("/sys/devices/virtual/mem/null/uevent", "add").unwrap();
    assert!(printed(child).starts_with("add@/devices/virtual/mem/null"));
}

#[test]
#[ignore = "needs root with CAP_SYS_ADMIN, and unshare"]
fn a_socket_is_born_in_its_namespace_and_the_program_is_not() {
    let mut other = Command::new("unshare")
        .args(["-n", "sleep", "60"])
        .spawn()
        .unwrap();
    let (own, theirs) = (
        "/proc/self/ns/net".to_owned(),
        format!("/proc/{}/ns/net", other.id()),
    );
    let end = Instant::now() + Duration::from_secs(10);
    while fs::read_link(&own).unwrap() == fs::read_link(&theirs).unwrap() {
        assert!(Instant::now() < end);
    }
    // the same port here and there, and an abstract name
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let name = format!("lfm-ns-{port}");
    let _here = UnixListener::bind_addr(&abstract_name(&name)).unwrap();
    let tcp = format!("-tcp:netns={theirs}:127.0.0.1:{port}");
    let unix = format!("-unix:netns={theirs}:@{name}");
    let script = "readlink /proc/self/ns/net; ls /proc/self/fd";
    let ended = Run::new(
        LISTEN,
        [&tcp, &unix, "-udp::127.0.0.1:0", "/bin/sh", "-c", script],
    )
    .run();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    let want = format!(
        "{}\n0\n1\n2\n3\n4\n5\n6\n",
        fs::read_link(&own).unwrap().display()
    );
    assert_eq!(ended.stdout, want);
    // it listens over there
    let probe = format!("/proc/{}/net/tcp", other.id());
    let mut child = Run::new(LISTEN, ["-v", &tcp, "sleep", "30"]).start();
    said(&mut child, "\n");
    let listening = format!("0100007F:{port:04X} 00000000:0000 0A");
    assert!(fs::read_to_string(probe).unwrap().contains(&listening));
    child.kill().unwrap();
    child.wait().unwrap();
    let zone = format!("-tcp:netns={theirs}:[fe80::1%lfm0]:0");
    assert_eq!(Run::new(LISTEN, [&zone, "true"]).run().code, Some(111));
    other.kill().unwrap();
    other.wait().unwrap();
    let dir = Dir::new();
    for (netns, text) in [
        (
            "lfm-none",
            "No such file or directory (ip netns list shows those that have a name)",
        ),
        (
            "/dev/null",
            "Invalid argument (that is no network namespace)",
        ),
        (
            "/proc/self/ns/uts",
            "Invalid argument (that is no network namespace)",
        ),
    ] {
        let ended = Run::new(
            LISTEN,
            [
                "-unix::./s",
                &format!("-tcp:netns={netns}:127.0.0.1:0"),
                "true",
            ],
        )
        .cwd(&dir.0)
        .run();
        let want = format!(
            "listen: fatal: unable to enter network namespace {netns} for tcp 127.0.0.1:0 (label tcp): {text}\n"
        );
        assert_eq!(
            (ended.stderr, ended.code, dir.names()),
            (want, Some(111), vec![])
        );
    }
}

fn abstract_name(name: &str) -> std::os::unix::net::SocketAddr {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap()
}

#[test]
#[ignore = "needs root with CAP_SYS_ADMIN"]
fn a_process_that_cannot_come_back_does_not_go_on() {
    // the second setns(2) is the way back: its fd is 3, that of the namespace 4
    let fails = |fd| {
        Run::new(
            LISTEN,
            ["-tcp:netns=/proc/self/ns/net:127.0.0.1:0", "echo", "wrong"],
        )
        .refusing(libc::SYS_setns, 0, fd, libc::EPERM)
        .run()
    };
    let ended = fails(3);
    let want = "listen: fatal: unable to come back from the namespace of tcp 127.0.0.1:0 (label tcp): Operation not permitted\n";
    assert_eq!(
        (ended.stderr.as_str(), ended.code, ended.stdout.as_str()),
        (want, Some(111), "")
    );
    let want = "listen: fatal: unable to enter network namespace /proc/self/ns/net for tcp 127.0.0.1:0 (label tcp): Operation not permitted (that needs CAP_SYS_ADMIN)\n";
    assert_eq!(fails(4).stderr, want);
}
