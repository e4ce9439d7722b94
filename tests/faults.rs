//! Every system call of the commands fails, or is the last that they make.
//!
//! A tracer stops the command at each call between `main` and the exec of the next program: it makes the call fail with
//! each errno of its manual page, or kills the process there, or looks at what stands in the file system at that moment.
#![cfg(all(feature = "tools", target_arch = "x86_64"))]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/trace.rs"]
mod trace;

use common::{Dir, FDMAP_TO, LISTEN, LISTEN_UNIT, Run, example};
use nix::errno::Errno;
use nix::libc;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use trace::{Action, Call, loader_calls, traced};

/// A command line that stands for many. `DIR` is the test's directory.
struct Line {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    /// Fds that are open, and the map that says so.
    open: &'static [i32],
    map: Option<&'static str>,
}

const fn line(name: &'static str, args: &'static [&'static str]) -> Line {
    Line {
        name,
        program: LISTEN,
        args,
        open: &[],
        map: None,
    }
}

static LINES: [Line; 10] = [
    line(
        "tcp and udp",
        &[
            "-tcp:label=web:127.0.0.1:0",
            "-udp:pktinfo,rcvbuf=9999,reuseaddr~:*:0",
        ],
    ),
    line(
        "unix with modes",
        &[
            "-unix:mode=0600:DIR/a",
            "-unix-dgram:mode=0660:DIR/b",
            "-unix-seqpacket::DIR/c",
            "-unix:label=d:@DIR",
        ],
    ),
    line(
        "what is around a path",
        &[
            "-unix:dirmode=0750,symlink=DIR/x/l,mode=0640:DIR/x/y/a",
            "-fifo:mode=0600,pipe-size~=8K,symlink=DIR/m:DIR/f",
        ],
    ),
    line(
        "numbers",
        &[
            "-tcp:fd=9:127.0.0.1:0",
            "-udp:fd=1:*:0",
            "-unix:fd=20:DIR/a",
            "-fd:fd=30:7",
        ],
    ),
    line(
        "variables and readiness",
        &[
            "-e",
            "-a",
            "-v",
            "-d",
            "7",
            "-tcp::127.0.0.1:0",
            "-unix::DIR/a",
        ],
    ),
    line(
        "a group",
        &[
            "-tcp:count=4:127.0.0.1:0",
            "-udp:count=2,label=dns,fd=10:127.0.0.1:0",
        ],
    ),
    Line {
        name: "an inherited map",
        program: LISTEN,
        args: &[
            "-unix::DIR/a",
            "-file::/dev/null",
            "-netlink:multicast~=1:route",
        ],
        open: &[8, 7],
        map: Some("x=8,y=7"),
    },
    Line {
        name: "no PROG to execute",
        program: LISTEN,
        args: &[
            "-unix:symlink=DIR/l:DIR/a",
            "-fifo:dirmode=0700:DIR/x/f",
            "/nonexistent/prog",
        ],
        open: &[],
        map: None,
    },
    Line {
        name: "fdmap-to systemd",
        program: FDMAP_TO,
        args: &["systemd"],
        open: &[3, 8],
        map: Some("x=8,y=3"),
    },
    Line {
        name: "listen-unit",
        program: LISTEN_UNIT,
        args: &["DIR/u.socket"],
        open: &[],
        map: None,
    },
];

/// What only root may do.
static OF_ROOT: [Line; 3] = [
    line(
        "owners",
        &[
            "-unix:mode=0660,user=65534,group=65534:DIR/a",
            "-fifo:mode=0640,user=65534:DIR/f",
            "-unix:label=b,user=nobody:DIR/b",
        ],
    ),
    line(
        "a namespace",
        &[
            "-tcp:netns=/proc/self/ns/net:127.0.0.1:0",
            "-unix:netns=/proc/self/ns/net:@DIR/n",
        ],
    ),
    line(
        "a low port and a queue",
        &[
            "-udp:mark=3,transparent:127.0.0.1:9",
            "-unix-dgram:user=1,mode=0777:DIR/d",
        ],
    ),
];

const UNIT: &str = "[Socket]\nListenStream=DIR/x/a\nListenFIFO=DIR/x/f\nListenDatagram=127.0.0.1:0x1\nListenStream=\n\
    ListenStream=DIR/x/a\nListenFIFO=DIR/x/f\nKeepAlive=yes\nSocketMode=0600\n";

impl Line {
    /// The command in `dir`, with the program that it ends in.
    fn run(&self, dir: &Dir) -> Run {
        let mut args: Vec<String> = self
            .args
            .iter()
            .map(|arg| arg.replace("DIR", dir.0.to_str().unwrap()))
            .collect();
        args.push("/bin/true".to_owned());
        let run = Run::new(self.program, &args)
            .cwd(&dir.0)
            .env("PATH", "/bin");
        // 7 is there for those that move it, or write to it
        let open: Vec<i32> = match (self.open, self.map) {
            ([], None) => vec![7],
            (open, _) => open.to_vec(),
        };
        let run = open
            .into_iter()
            .fold(run, |run, fd| run.open_for(libc::O_RDWR, fd));
        match self.map {
            Some(map) => run.env("LISTEN_FD_MAP", map),
            None => run,
        }
    }

    fn prepare(&self, dir: &Dir) {
        if self.program == LISTEN_UNIT {
            let text = UNIT.replace("DIR", dir.0.to_str().unwrap());
            fs::write(dir.0.join("u.socket"), text).unwrap();
        }
    }

    /// The calls between `main` and the exec, in order, and what they make.
    fn normal(&self, skip: usize) -> Normal {
        let dir = Dir::new();
        self.prepare(&dir);
        let mut calls = Vec::new();
        let ended = traced(self.run(&dir), skip, |call| {
            calls.push(*call);
            Action::Go
        });
        let code = self.code();
        assert_eq!(ended.code, Some(code), "{}: {ended:?}", self.name);
        Normal {
            calls,
            tree: tree(&dir.0),
        }
    }

    /// How it ends where nothing fails.
    fn code(&self) -> i32 {
        if self.name.starts_with("no PROG") {
            127
        } else {
            0
        }
    }

    fn skip(&self) -> usize {
        loader_calls(self.program)
    }
}

/// What stands below a directory: path, kind and mode, owner.
fn tree(dir: &Path) -> BTreeMap<String, (u32, u32, u32)> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let status = fs::symlink_metadata(&path).unwrap();
            if status.is_dir() {
                left.push(path.clone());
            }
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            found.insert(name, (status.mode(), status.uid(), status.gid()));
        }
    }
    found
}

/// What the manual pages (section 2, ERRORS) list for each call; EINTR is tried with all of them.
fn errnos(number: i64) -> &'static [Errno] {
    use Errno::*;
    match number {
        libc::SYS_socket => &[
            EACCES,
            EAFNOSUPPORT,
            EINVAL,
            EMFILE,
            ENFILE,
            ENOBUFS,
            ENOMEM,
            EPROTONOSUPPORT,
        ],
        libc::SYS_setsockopt => &[EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, EPERM, ENOMEM],
        libc::SYS_getsockopt => &[EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK],
        libc::SYS_bind => &[
            EACCES,
            EADDRINUSE,
            EBADF,
            EINVAL,
            ENOTSOCK,
            EADDRNOTAVAIL,
            EFAULT,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOTDIR,
            EROFS,
            ENOSPC,
        ],
        libc::SYS_listen => &[EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP],
        libc::SYS_getsockname => &[EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK],
        libc::SYS_fcntl => &[EACCES, EAGAIN, EBADF, EINVAL, EMFILE, EPERM],
        libc::SYS_dup2 | libc::SYS_dup3 => &[EBADF, EBUSY, EINVAL, EMFILE],
        libc::SYS_close => &[EBADF, EIO, ENOSPC, EDQUOT],
        libc::SYS_fchmod | libc::SYS_chmod | libc::SYS_fchmodat => &[
            EACCES, EBADF, EFAULT, EIO, ELOOP, ENOENT, ENOMEM, EPERM, EROFS,
        ],
        libc::SYS_fchownat => &[EACCES, EBADF, EINVAL, EIO, ENOENT, ENOMEM, EPERM, EROFS],
        libc::SYS_mkdir | libc::SYS_mkdirat => &[
            EACCES,
            EDQUOT,
            EEXIST,
            EFAULT,
            EINVAL,
            ELOOP,
            EMLINK,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOSPC,
            ENOTDIR,
            EPERM,
            EROFS,
        ],
        libc::SYS_mknod | libc::SYS_mknodat => &[
            EACCES,
            EDQUOT,
            EEXIST,
            EFAULT,
            EINVAL,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOSPC,
            ENOTDIR,
            EPERM,
            EROFS,
        ],
        libc::SYS_symlink | libc::SYS_symlinkat => &[
            EACCES,
            EDQUOT,
            EEXIST,
            EFAULT,
            EIO,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOSPC,
            ENOTDIR,
            EPERM,
            EROFS,
        ],
        libc::SYS_open | libc::SYS_openat => &[
            EACCES,
            EBADF,
            EEXIST,
            EFBIG,
            EINVAL,
            EISDIR,
            ELOOP,
            EMFILE,
            ENAMETOOLONG,
            ENFILE,
            ENODEV,
            ENOENT,
            ENOMEM,
            ENOTDIR,
            ENXIO,
            EPERM,
            EROFS,
        ],
        libc::SYS_newfstatat
        | libc::SYS_lstat
        | libc::SYS_stat
        | libc::SYS_fstat
        | libc::SYS_statx => &[
            EACCES,
            EBADF,
            EFAULT,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOTDIR,
            EOVERFLOW,
        ],
        libc::SYS_readlink | libc::SYS_readlinkat => {
            &[EACCES, EFAULT, EINVAL, EIO, ELOOP, ENOENT, ENOMEM, ENOTDIR]
        }
        libc::SYS_unlink | libc::SYS_unlinkat | libc::SYS_rmdir => &[
            EACCES, EBUSY, EFAULT, EIO, EISDIR, ELOOP, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS,
            ENOTEMPTY,
        ],
        libc::SYS_read | libc::SYS_pread64 => &[EAGAIN, EBADF, EFAULT, EINVAL, EIO, EISDIR],
        libc::SYS_write => &[
            EAGAIN, EBADF, EDQUOT, EFBIG, EINVAL, EIO, ENOSPC, EPERM, EPIPE,
        ],
        libc::SYS_execve => &[
            E2BIG,
            EACCES,
            EAGAIN,
            EFAULT,
            EINVAL,
            EIO,
            EISDIR,
            ELIBBAD,
            ELOOP,
            EMFILE,
            ENAMETOOLONG,
            ENFILE,
            ENOENT,
            ENOEXEC,
            ENOMEM,
            ENOTDIR,
            EPERM,
            ETXTBSY,
        ],
        libc::SYS_ioctl => &[EBADF, EFAULT, EINVAL, ENOTTY, EPERM, ENOENT, EMFILE],
        libc::SYS_prlimit64 | libc::SYS_getrlimit => &[EFAULT, EINVAL, EPERM],
        libc::SYS_mmap => &[ENOMEM, EAGAIN],
        libc::SYS_getrandom => &[EINVAL, ENOSYS],
        // these have no way to fail: brk(2) returns where the break is, and C libraries compare that
        libc::SYS_brk | libc::SYS_getpid | libc::SYS_umask | libc::SYS_geteuid => &[],
        libc::SYS_connect => &[EACCES, EADDRINUSE, EAGAIN, ECONNREFUSED, ENOENT, EPROTOTYPE],
        _ => &[EINVAL, EPERM, ENOMEM, ENOSYS],
    }
}

/// fchmodat2(2), which libc does not name for every C library.
const FCHMODAT2: i64 = 452;

/// Calls whose failure changes nothing that was promised, and why.
static TOLERATED: [(i64, &str); 21] = [
    (
        libc::SYS_close,
        "the fd is gone in any case: close(2), Linux",
    ),
    (
        libc::SYS_rt_sigprocmask,
        "around a write(2): without it, a reader that is gone would be fatal",
    ),
    (libc::SYS_rt_sigpending, "as rt_sigprocmask"),
    (libc::SYS_rt_sigtimedwait, "as rt_sigprocmask"),
    (
        libc::SYS_write,
        "EINTR is tried again, EPIPE of -d and every failure of a line of -v change no socket",
    ),
    (
        libc::SYS_bind,
        "EADDRINUSE and ENOENT are looked into, and bound once more",
    ),
    (
        libc::SYS_mkdir,
        "EEXIST is a directory that is there already; what it has is seen by the next call",
    ),
    (
        libc::SYS_mknodat,
        "EEXIST is a FIFO that is there already, ENOENT is made a directory for",
    ),
    (
        libc::SYS_symlinkat,
        "EEXIST is a link that is there already",
    ),
    (
        libc::SYS_setsockopt,
        "best effort where it was asked for so, and SO_RCVBUFFORCE where what is given is told",
    ),
    (
        libc::SYS_fcntl,
        "F_SETPIPE_SZ that is best effort, F_GETFD of a number that is found free",
    ),
    (
        libc::SYS_execve,
        "PATH has one element here: what cannot be executed is said",
    ),
    (
        libc::SYS_ioctl,
        "SIOCUNIXFILE: unix_diag tells the node as well",
    ),
    (
        FCHMODAT2,
        "the link in /proc/self/fd leads to the same node",
    ),
    (
        libc::SYS_unlinkat,
        "the next start removes the directory beside a FIFO",
    ),
    (
        libc::SYS_newfstatat,
        "ENOENT: nothing is there, and nothing was",
    ),
    (
        libc::SYS_socket,
        "EAFNOSUPPORT: all addresses are IPv4's without IPv6",
    ),
    (
        libc::SYS_read,
        "EINTR is tried again by the standard library",
    ),
    (
        libc::SYS_mmap,
        "the allocator tries brk(2) and mmap(2) in turn",
    ),
    (
        libc::SYS_openat,
        "a directory of drop-ins, or a file of the kernel's, that is not there",
    ),
    (
        libc::SYS_statx,
        "whether a name exists is asked before it is opened, and EINTR is not of that call",
    ),
];

/// What is tolerated: what is listed, and what a name service does for itself before the first umask(2) of ours.
fn is_tolerated(call: &Call, line: &Line, normal: &Normal) -> bool {
    if line.args.iter().any(|arg| arg.contains("user=nobody")) {
        let made = normal
            .calls
            .iter()
            .find(|call| call.number == libc::SYS_umask);
        if made.is_some_and(|made| call.index < made.index) {
            return true;
        }
    }
    let allocates = line.program != LISTEN;
    let listed = TOLERATED.iter().any(|(number, _)| *number == call.number);
    // what the standard library asks on its way, where it has an answer of its own
    let library = [
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_readlink,
        libc::SYS_newfstatat,
        libc::SYS_ioctl,
        libc::SYS_getrandom,
        libc::SYS_munmap,
        libc::SYS_madvise,
        libc::SYS_sched_getaffinity,
        libc::SYS_getdents64,
        // what an entry of the map is: asked of all, needed for some conventions
        libc::SYS_getsockopt,
        libc::SYS_lstat,
    ];
    listed || allocates && library.contains(&call.number)
}

/// What happens where nothing fails.
struct Normal {
    calls: Vec<Call>,
    tree: BTreeMap<String, (u32, u32, u32)>,
}

#[derive(Default)]
struct Counts {
    calls: usize,
    tried: usize,
    failed: usize,
    went_on: usize,
}

/// Makes call number `at` fail; what came of it that should not have.
fn inject(
    line: &Line,
    skip: usize,
    at: &Call,
    errno: Errno,
    normal: &Normal,
    counts: &mut Counts,
) -> Option<String> {
    let dir = Dir::new();
    line.prepare(&dir);
    let before = tree(&dir.0);
    let mut met = false;
    let ended = traced(line.run(&dir), skip, |call| {
        if call.index == at.index && call.number == at.number && !met {
            met = true;
            Action::Fail(errno as i32)
        } else {
            Action::Go
        }
    });
    let wrong = |what: &str| {
        Some(format!(
            "{what}: {}: {at:?} {errno:?}: {ended:?}\n",
            line.name
        ))
    };
    if !met {
        return wrong("the call did not come");
    }
    counts.tried += 1;
    let fatal = ended
        .stderr
        .lines()
        .filter(|line| line.contains(": fatal: "))
        .count();
    if ended.code == Some(0) {
        counts.went_on += 1;
        let removes = [libc::SYS_unlink, libc::SYS_unlinkat, libc::SYS_rmdir];
        return if !is_tolerated(at, line, normal) || fatal > 0 {
            wrong("it went on")
        } else if tree(&dir.0) != normal.tree && !removes.contains(&at.number) {
            wrong("something else was made")
        } else {
            None
        };
    }
    counts.failed += 1;
    // a message that cannot be written is not there
    let is_message = at.number == libc::SYS_write && at.args[0] == 2;
    if !matches!(ended.code, Some(100 | 111 | 126 | 127)) || (fatal != 1 && !is_message) {
        return wrong("it did not end as it should");
    }
    // a removal that fails leaves what it was to remove; there is nothing else that could be done
    let removes = [
        libc::SYS_unlink,
        libc::SYS_unlinkat,
        libc::SYS_rmdir,
        libc::SYS_lstat,
        libc::SYS_newfstatat,
    ];
    let undoing = line.code() == 127 && (removes.contains(&at.number) || is_identity(at.number));
    if before != tree(&dir.0) && !undoing {
        return wrong("something is left");
    }
    None
}

/// Calls by which a node is known again when it is to be removed.
fn is_identity(number: i64) -> bool {
    let ways = [
        libc::SYS_ioctl,
        libc::SYS_fstat,
        libc::SYS_close,
        // without CAP_NET_ADMIN
        libc::SYS_socket,
        libc::SYS_sendto,
        libc::SYS_recvfrom,
        libc::SYS_openat,
    ];
    ways.contains(&number)
}

fn every_call_fails(line: &Line, wrong: &mut Vec<String>) -> Counts {
    let skip = line.skip();
    let normal = line.normal(skip);
    let calls = &normal.calls;
    let mut counts = Counts {
        calls: calls.len(),
        ..Counts::default()
    };
    for (at, call) in calls.iter().enumerate() {
        // the standard library asks this before each close(2) in builds with debug assertions, and aborts
        let closes = calls
            .get(at + 1)
            .is_some_and(|next| next.number == libc::SYS_close && next.args[0] == call.args[0]);
        if closes && call.number == libc::SYS_fcntl && call.args[1] == libc::F_GETFD as u64 {
            continue;
        }
        let listed = errnos(call.number);
        let interrupted = [Errno::EINTR];
        for errno in listed
            .iter()
            .chain(interrupted.iter().filter(|_| !listed.is_empty()))
        {
            wrong.extend(inject(line, skip, call, *errno, &normal, &mut counts));
        }
    }
    counts
}

fn all_fail(lines: &[Line]) {
    let (mut sum, mut wrong) = (Counts::default(), Vec::new());
    for line in lines {
        let counts = every_call_fails(line, &mut wrong);
        sum.calls += counts.calls;
        sum.tried += counts.tried;
        sum.failed += counts.failed;
        sum.went_on += counts.went_on;
    }
    let found = wrong.len();
    let Counts {
        calls,
        tried,
        failed,
        went_on,
    } = sum;
    common::figure(format_args!(
        "{calls} calls, {tried} failures tried: {failed} ended in one line, {went_on} were tolerated, {found} were wrong"
    ));
    assert!(wrong.is_empty(), "{found} of {tried}:\n{}", wrong.concat());
    assert!(tried > 10 * lines.len() && calls > lines.len());
}

#[test]
fn every_system_call_that_fails_is_one_line_and_leaves_nothing() {
    all_fail(&LINES);
}

#[test]
#[ignore = "needs root"]
fn every_system_call_of_what_only_root_may_do_fails_as_well() {
    all_fail(&OF_ROOT);
}

fn all_killed(lines: &[Line]) {
    let mut kills = 0;
    for line in lines {
        let skip = line.skip();
        for at in line.normal(skip).calls {
            let dir = Dir::new();
            line.prepare(&dir);
            let ended = traced(line.run(&dir), skip, |call| {
                if call.index == at.index {
                    Action::Kill
                } else {
                    Action::Go
                }
            });
            assert_eq!(ended.code, None, "{}: {at:?}", line.name);
            let next = line.run(&dir).run();
            let code = line.code();
            assert_eq!(next.code, Some(code), "{}: {at:?}: {next:?}", line.name);
            kills += 1;
        }
    }
    common::figure(format_args!(
        "{kills} kills, after each of which the next start succeeded"
    ));
    assert!(kills > 2 * lines.len());
}

#[test]
fn after_a_kill_at_any_call_the_next_start_succeeds() {
    all_killed(&LINES);
}

#[test]
#[ignore = "needs root"]
fn after_a_kill_at_any_call_of_what_only_root_may_do_the_next_start_succeeds() {
    all_killed(&OF_ROOT);
}

#[test]
fn the_tracer_sees_what_there_is() {
    let dir = Dir::new();
    let mut binds = 0;
    let args = [
        "-unix::a".replace("a", &dir.path("a")),
        "/bin/true".to_owned(),
    ];
    let ended = traced(Run::new(LISTEN, &args), 0, |call| {
        binds += usize::from(call.number == libc::SYS_bind);
        Action::Go
    });
    assert_eq!(
        (ended.code, binds, dir.names()),
        (Some(0), 1, vec!["a".to_owned()])
    );
    assert!(example("report").exists());
}
