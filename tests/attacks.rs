//! Paths under attack: what stands there is swapped at every moment, watched by others, and raced for.
#![cfg(all(feature = "tools", target_arch = "x86_64"))]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/trace.rs"]
mod trace;

use common::{Dir, LISTEN, Run};
use nix::libc;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use trace::{Action, loader_calls, traced};

fn is_root() -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::geteuid() == 0 }
}

/// What a swap puts in the place of the node: each but the symbolic link is a hard link to what keeps its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    Symlink,
    HardLink,
    Fifo,
    Socket,
    Directory,
}

const SWAPS: [Swap; 5] = [
    Swap::Symlink,
    Swap::HardLink,
    Swap::Fifo,
    Swap::Socket,
    Swap::Directory,
];

/// The victims: what nobody may change.
struct Victims {
    dir: PathBuf,
    _live: UnixListener,
}

impl Victims {
    fn new(dir: &Path) -> Victims {
        let dir = dir.join("victims");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("file"), "precious").unwrap();
        fs::create_dir(dir.join("directory")).unwrap();
        nix::unistd::mkfifo(
            &dir.join("fifo"),
            nix::sys::stat::Mode::from_bits_truncate(0o640),
        )
        .unwrap();
        let live = UnixListener::bind(dir.join("socket")).unwrap();
        Victims { dir, _live: live }
    }

    /// Kind, mode and owner of each, and the file's contents.
    fn state(&self) -> Vec<String> {
        let names = ["file", "directory", "fifo", "socket"];
        let mut state: Vec<String> = names
            .iter()
            .map(|name| {
                let status = fs::symlink_metadata(self.dir.join(name));
                status.map_or_else(
                    |error| format!("{name}: {error}"),
                    |status| {
                        format!(
                            "{name} {:o} {}:{}",
                            status.mode(),
                            status.uid(),
                            status.gid()
                        )
                    },
                )
            })
            .collect();
        state.push(fs::read_to_string(self.dir.join("file")).unwrap_or_default());
        state
    }

    /// Puts a victim in the place of `path`; what stood there is kept beside it. The inode of what is there now.
    fn swap(&self, path: &Path, swap: Swap) -> u64 {
        let aside = path.with_extension("aside");
        let _ = fs::rename(path, &aside);
        let link = |name: &str| fs::hard_link(self.dir.join(name), path);
        let done = match swap {
            Swap::Symlink => symlink(self.dir.join("file"), path),
            Swap::HardLink => link("file"),
            Swap::Fifo => link("fifo"),
            Swap::Socket => link("socket"),
            Swap::Directory => fs::create_dir(path),
        };
        // its directory may not be there yet
        done.map_or(0, |()| fs::symlink_metadata(path).unwrap().ino())
    }
}

/// Specs of what is made in a place that others can write to; `OWNER` is another owner where the test may give one.
static SPECS: [(&str, bool); 6] = [
    ("-unix:mode=0640,OWNER:DIR/node", false),
    ("-unix-dgram:mode=0600:DIR/node", true),
    ("-fifo:mode=0640,OWNER:DIR/node", false),
    ("-unix:dirmode=0755,symlink=DIR/link:DIR/node", true),
    ("-unix:mode=0604,OWNER:DIR/node", true),
    ("-fifo::DIR/node", false),
];

fn arguments(spec: &str, dir: &Path, prog: &str) -> [String; 2] {
    let owner = if is_root() {
        "user=65534,group=65534"
    } else {
        "unlink=stale"
    };
    let owner = if spec.starts_with("-fifo") && !is_root() {
        "dirmode=0755"
    } else {
        owner
    };
    let spec = spec
        .replace("OWNER", owner)
        .replace("DIR", dir.to_str().unwrap());
    [spec, prog.to_owned()]
}

/// A socket that nobody has open any more.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[test]
fn what_is_swapped_in_is_never_changed_and_removed_only_after_the_last_look() {
    let skip = loader_calls(LISTEN);
    let (mut swaps, mut removed) = (0, 0);
    for (spec, stale) in SPECS {
        // where PROG does not run, what was made is removed again
        for prog in ["/bin/true", "/nonexistent"] {
            for swap in SWAPS {
                let mut at = 0;
                loop {
                    let dir = Dir::new();
                    let victims = Victims::new(&dir.0);
                    let before = victims.state();
                    let node = dir.0.join("node");
                    if stale {
                        leave_stale(&node);
                    }
                    let (mut inode, mut after) = (0, Vec::new());
                    let args = arguments(spec, &dir.0, prog);
                    let ended = traced(Run::new(LISTEN, &args), skip, |call| {
                        if call.index == at {
                            inode = victims.swap(&node, swap);
                        }
                        if call.index >= at {
                            after.push((call.number, call.args[0]));
                        }
                        Action::Go
                    });
                    if after.is_empty() {
                        break;
                    }
                    swaps += 1;
                    let what = format!("{args:?} {swap:?} at call {at}: {ended:?}");
                    assert_eq!(victims.state(), before, "{what}");
                    let one_line = ended.stderr.lines().count() == 1
                        && ended.stderr.starts_with("listen: fatal: ");
                    assert!(
                        ended.code == Some(0) && ended.stderr.is_empty() || one_line,
                        "{what}"
                    );
                    let is_there =
                        fs::symlink_metadata(&node).is_ok_and(|status| status.ino() == inode);
                    // a FIFO is what a start may find, and replace
                    let is_meant = swap == Swap::Fifo && spec.starts_with("-fifo");
                    if inode != 0 && !is_there && !is_meant {
                        // removal is by name: DESIGN.md 6. It is never looked at again before it is removed.
                        let looks = [libc::SYS_lstat, libc::SYS_newfstatat, libc::SYS_statx];
                        let removes = [libc::SYS_unlink, libc::SYS_unlinkat];
                        let here = u64::from(libc::AT_FDCWD as u32);
                        let next = after.iter().find(|(call, dir)| {
                            looks.contains(call)
                                && (*dir as u32 as u64 == here || *call == libc::SYS_lstat)
                                || removes.contains(call)
                        });
                        assert!(
                            next.is_some_and(|(call, _)| removes.contains(call)),
                            "{what}"
                        );
                        removed += 1;
                    }
                    at += 1;
                }
            }
        }
    }
    common::figure(format_args!(
        "{swaps} swaps at a system call: no victim changed, {removed} removed by name after the last look"
    ));
    assert!(swaps > 300, "{swaps}");
    assert!(removed < swaps / 5, "{removed} of {swaps}");
}

#[test]
fn the_node_is_never_wider_than_asked_for_at_any_moment() {
    let skip = loader_calls(LISTEN);
    let mut seen = 0;
    for (spec, stale) in SPECS {
        let Some(mode) = spec
            .split("mode=0")
            .nth(1)
            .and_then(|rest| u32::from_str_radix(&rest[..3], 8).ok())
        else {
            continue;
        };
        if spec.contains("dirmode") {
            continue;
        }
        let dir = Dir::new();
        let node = dir.0.join("node");
        let mut old = 0;
        if stale {
            leave_stale(&node);
            old = fs::symlink_metadata(&node).unwrap().ino();
        }
        let owned = spec.contains("OWNER") && is_root();
        let args = arguments(spec, &dir.0, "/bin/true");
        // the widest umask there is: it must not matter
        let run = Run::new(LISTEN, &args).setup(|| {
            // SAFETY: no memory is passed.
            unsafe { libc::umask(0) };
            Ok(())
        });
        let mut unlinked = !stale;
        let ended = traced(run, skip, |call| {
            let Ok(status) = fs::symlink_metadata(&node) else {
                unlinked = true;
                return Action::Go;
            };
            if !unlinked && status.ino() == old {
                return Action::Go;
            }
            seen += 1;
            let bits = status.mode() & 0o7777;
            assert_eq!(bits & !mode, 0, "{spec}: {bits:o} at {call:?}");
            // nobody but the owner has anything until the owner is the one that was asked for
            if owned && status.uid() != 65534 {
                assert_eq!(bits & 0o077, 0, "{spec}: {bits:o} at {call:?}");
            }
            Action::Go
        });
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let status = fs::symlink_metadata(&node).unwrap();
        assert_eq!(status.mode() & 0o7777, mode);
        assert!(!owned || (status.uid(), status.gid()) == (65534, 65534));
    }
    assert!(seen > 10, "{seen}");
}

/// Another thread swaps the node as fast as it can, while `listen` is started `starts` times.
fn race(starts: usize) {
    let dir = Dir::new();
    let victims = Victims::new(&dir.0);
    let before = victims.state();
    let (node, stop) = (dir.0.join("node"), AtomicBool::new(false));
    let rounds = AtomicU64::new(0);
    let mut codes = std::collections::BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for swap in SWAPS {
                    victims.swap(&node, swap);
                    let _ = fs::remove_file(&node).or_else(|_| fs::remove_dir(&node));
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for start in 0..starts {
            let (spec, _) = SPECS[start % SPECS.len()];
            let args = arguments(spec, &dir.0, "/bin/true");
            let ended = Run::new(LISTEN, &args).run();
            *codes.entry(ended.code).or_insert(0) += 1;
            assert!(matches!(ended.code, Some(0 | 111)), "{args:?}: {ended:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    common::figure(format_args!(
        "{starts} starts, {rounds:?} swaps meanwhile, exit codes {codes:?}"
    ));
    assert_eq!(victims.state(), before, "{codes:?}");
    assert!(rounds.load(Ordering::Relaxed) > starts as u64, "{rounds:?}");
}

#[test]
fn a_tight_loop_of_swaps_changes_no_victim() {
    race(300);
}

#[test]
#[ignore = "needs a minute"]
fn a_tight_loop_of_swaps_changes_no_victim_in_5000_starts() {
    race(5000);
}

/// Counters that a forked process writes.
struct Shared(*mut AtomicU64);

impl Shared {
    fn new() -> Shared {
        let (prot, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: fresh memory, which is never unmapped; zero is a number.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0) };
        assert_ne!(memory, libc::MAP_FAILED);
        Shared(memory.cast())
    }

    fn get(&self, at: usize) -> &AtomicU64 {
        assert!(at < 512);
        // SAFETY: within the page.
        unsafe { &*self.0.add(at) }
    }
}

/// A process of another user that tries to connect to `path` until counter 0 is not 0: tries in 1, successes in 2.
fn intruder(path: &Path, shared: &Shared) -> libc::pid_t {
    // SAFETY: numbers and bytes, of which zero is one.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (place, byte) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *place = *byte as libc::c_char;
    }
    // SAFETY: the child makes system calls and touches shared counters, nothing else.
    unsafe {
        let pid = libc::fork();
        if pid != 0 {
            return pid;
        }
        libc::setgroups(0, std::ptr::null());
        libc::setresgid(65533, 65533, 65533);
        libc::setresuid(65533, 65533, 65533);
        while shared.get(0).load(Ordering::Relaxed) == 0 {
            let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0);
            let size = size_of::<libc::sockaddr_un>() as libc::socklen_t;
            let done = libc::connect(socket, (&raw const address).cast(), size);
            shared.get(1).fetch_add(1, Ordering::Relaxed);
            if done == 0 {
                shared.get(2).fetch_add(1, Ordering::Relaxed);
            }
            libc::close(socket);
        }
        libc::_exit(0)
    }
}

/// Starts `listen` with a mode and an owner, again and again, while another user tries to connect and a watcher looks at
/// the node at each event of inotify(7).
fn exposed(starts: u64) {
    let dir = Dir::new();
    // the intruder can come as far as the node
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&dir.0, open).unwrap();
    let node = dir.0.join("node");
    let shared = Shared::new();
    let pid = intruder(&node, &shared);
    let (stop, looked, wide) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let name = std::ffi::CString::new(dir.0.as_os_str().as_bytes()).unwrap();
            // SAFETY: the path is a C string; the kernel writes at most `room.len()` bytes.
            let watch = unsafe { libc::inotify_init1(libc::IN_NONBLOCK) };
            // SAFETY: as above.
            unsafe {
                libc::inotify_add_watch(watch, name.as_ptr(), libc::IN_CREATE | libc::IN_ATTRIB)
            };
            let mut room = [0u8; 4096];
            while !stop.load(Ordering::Relaxed) {
                // SAFETY: as above.
                let read = unsafe { libc::read(watch, room.as_mut_ptr().cast(), room.len()) };
                if read <= 0 {
                    std::thread::yield_now();
                }
                if let Ok(status) = fs::symlink_metadata(&node) {
                    looked.fetch_add(1, Ordering::Relaxed);
                    wide.fetch_add(u64::from(status.mode() & 0o077 != 0), Ordering::Relaxed);
                }
            }
            // SAFETY: the thread's own fd.
            unsafe { libc::close(watch) };
        });
        for _ in 0..starts {
            let spec = "-unix:mode=0600,user=65534:".to_owned() + node.to_str().unwrap();
            let ended = Run::new(LISTEN, [&spec, "/bin/true"]).run();
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    shared.get(0).store(1, Ordering::Relaxed);
    // SAFETY: the test's own child.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    let counts = [1, 2].map(|at| shared.get(at).load(Ordering::Relaxed));
    assert_eq!(
        (counts[1], wide.load(Ordering::Relaxed)),
        (0, 0),
        "{starts} starts, {counts:?}"
    );
    common::figure(format_args!(
        "{starts} starts, {} tries to connect, {looked:?} looks at the mode: none connected, none was wider",
        counts[0]
    ));
    assert!(
        counts[0] > starts && looked.load(Ordering::Relaxed) > starts,
        "{counts:?} {looked:?}"
    );
}

#[test]
#[ignore = "needs root"]
fn nobody_connects_who_should_not_in_10_000_starts() {
    exposed(10_000);
}

#[test]
#[ignore = "needs root"]
fn nobody_connects_who_should_not_in_300_starts() {
    exposed(300);
}

/// Starts a holder of `path`, which tells on its standard output that it has it, and stays until it is killed.
fn start(path: &Path, before: &[&str]) -> Child {
    let spec = format!("-unix::{}", path.display());
    let program = before.first().copied().unwrap_or(LISTEN);
    let mut args: Vec<&str> = before.iter().skip(1).copied().collect();
    if !before.is_empty() {
        args.push(LISTEN);
    }
    args.extend(["-d", "1", &spec, "/bin/sleep", "9"]);
    Run::new(program, args).start()
}

/// Two starters on one stale path at once, `rounds` times: how often both, one, and none of them ran.
fn contend(rounds: usize, before: &[&str]) -> [usize; 3] {
    let dir = Dir::new();
    let path = dir.0.join("node");
    let mut counts = [0; 3];
    for _ in 0..rounds {
        let _ = fs::remove_file(&path);
        leave_stale(&path);
        let both = [start(&path, before), start(&path, before)];
        let ran = both
            .into_iter()
            .map(|mut child| {
                let (mut out, mut said) = (child.stdout.take().unwrap(), [0; 1]);
                let ready = out.read(&mut said).unwrap() == 1;
                drop(out);
                (child, ready)
            })
            .collect::<Vec<_>>();
        let ready = ran.iter().filter(|(_, ready)| *ready).count();
        counts[2 - ready] += 1;
        for (mut child, _) in ran {
            // one that was refused is gone already
            let _ = child.kill();
            child.wait().unwrap();
        }
    }
    counts
}

#[test]
fn a_live_socket_is_never_stolen() {
    let dir = Dir::new();
    let path = dir.0.join("node");
    for _ in 0..20 {
        let _ = fs::remove_file(&path);
        let mut first = start(&path, &[]);
        let mut said = [0; 1];
        first.stdout.take().unwrap().read_exact(&mut said).unwrap();
        let inode = fs::symlink_metadata(&path).unwrap().ino();
        let ended = Run::new(
            LISTEN,
            [format!("-unix::{}", path.display()).as_str(), "/bin/true"],
        )
        .run();
        assert_eq!(ended.code, Some(111), "{ended:?}");
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), inode);
        first.kill().unwrap();
        first.wait().unwrap();
    }
}

#[test]
fn a_lock_keeps_two_starters_apart_where_they_would_race_for_a_stale_path() {
    let dir = Dir::new();
    let lock = dir.path("lock");
    // flock(1) of util-linux stands for s6-setlock and chpst -L: the lock is held by an inherited fd
    let [both, one, none] = contend(15, &["/usr/bin/flock", "-n", "-F", &lock]);
    assert_eq!((both, one, none), (0, 15, 0));
    // without one, at least one runs, and mostly one alone
    let [both, one, none] = contend(15, &[]);
    assert_eq!((both + one, none), (15, 0));
    common::figure(format_args!(
        "two starters, 15 times: with a lock one ran each time, without both ran {both} times"
    ));
}

#[test]
#[ignore = "needs s6 and runit"]
fn s6_setlock_and_chpst_keep_two_starters_apart() {
    let dir = Dir::new();
    let lock = dir.path("lock");
    for before in [
        &["/usr/bin/s6-setlock", "-n", &lock][..],
        &["/usr/bin/chpst", "-L", &lock],
    ] {
        assert_eq!(contend(15, before), [0, 15, 0], "{before:?}");
    }
}
