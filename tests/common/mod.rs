//! Runs the commands as real processes: with a written environment, no stray fds, in a directory of their own.
// each test file uses a part of this module, and clippy takes helpers outside #[test] for shipped code
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};

pub const LISTEN: &str = env!("CARGO_BIN_EXE_listen");
pub const LISTEN_UNIT: &str = env!("CARGO_BIN_EXE_listen-unit");
pub const FDMAP: &str = env!("CARGO_BIN_EXE_fdmap");
pub const FDMAP_TO: &str = env!("CARGO_BIN_EXE_fdmap-to");
pub const FDMAP_FROM: &str = env!("CARGO_BIN_EXE_fdmap-from");
pub const FDMAP_EDIT: &str = env!("CARGO_BIN_EXE_fdmap-edit");
pub const FDMAP_CHECK: &str = env!("CARGO_BIN_EXE_fdmap-check");

/// An example that cargo built beside the commands.
pub fn example(name: &str) -> PathBuf {
    Path::new(LISTEN)
        .parent()
        .unwrap()
        .join("examples")
        .join(name)
}

/// A figure that a test has counted: `cargo test -- --nocapture` shows it.
// print! is what the harness keeps until it is asked for
#[allow(clippy::print_stdout)]
pub fn figure(text: std::fmt::Arguments) {
    println!("{text}");
}

/// What is said of an address that this test has.
pub fn in_use_by_this_test() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    let pid = std::process::id();
    format!("Address already in use by {}, pid {pid}", name.trim_end())
}

/// A directory that is gone when the test ends.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("lfm-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// What is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub pid: u32,
    pub stdout: String,
    pub stderr: String,
}

/// Closes what the test process has open above 2, at the exec: Rust's own pipe for its error is among them.
pub fn close_others(command: &mut Command) {
    // SAFETY: a system call, which is fine between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(
                libc::SYS_close_range,
                3,
                u32::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            Ok(())
        });
    }
}

/// A command to run: an empty environment, 0 to 2 open, everything above closed.
pub struct Run {
    command: Command,
    setup: Vec<Box<dyn FnMut() -> io::Result<()> + Send + Sync>>,
}

impl Run {
    pub fn new<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        // .ci/run has the commands watched by valgrind: errors become an exit code that no command has
        let watched = std::env::var_os("LISTEN_TEST_VALGRIND").filter(|_| program.starts_with('/'));
        let mut command = Command::new(if watched.is_some() {
            "valgrind"
        } else {
            program
        });
        if let Some(log) = watched {
            let mut file = OsString::from("--log-file=");
            file.push(log);
            command.args(["-q", "--trace-children=no", "--error-exitcode=99"]);
            command.arg(file).arg(program);
        }
        command.args(args).env_clear().stdin(Stdio::null());
        Run {
            command,
            setup: Vec::new(),
        }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn cwd(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs in the child, after the fds above 2 were closed. It may make system calls, nothing else.
    pub fn setup(mut self, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.setup.push(Box::new(step));
        self
    }

    /// Closes `fd` in the child.
    pub fn closed(self, fd: RawFd) -> Self {
        self.setup(move || {
            // SAFETY: plain system call.
            unsafe { libc::close(fd) };
            Ok(())
        })
    }

    /// Opens /dev/null on `fd` in the child.
    pub fn open(self, fd: RawFd) -> Self {
        self.open_for(libc::O_RDONLY, fd)
    }

    /// Opens /dev/null on `fd` in the child, with these flags.
    pub fn open_for(self, flags: i32, fd: RawFd) -> Self {
        self.setup(move || {
            // SAFETY: plain system calls; the path is a C string.
            unsafe {
                let null = libc::open(c"/dev/null".as_ptr(), flags);
                if null != fd {
                    libc::dup2(null, fd);
                    libc::close(null);
                }
            }
            Ok(())
        })
    }

    /// Sets a limit of the child, the soft and the hard one.
    pub fn limited(self, resource: Resource, value: u64) -> Self {
        self.setup(move || setrlimit(resource, value, value).map_err(io::Error::from))
    }

    /// Runs without any privilege: where the tests run as root, as a root that has no capabilities (SECBIT_NOROOT of
    /// capabilities(7)), who can still read the checkout.
    pub fn ordinary(self) -> Self {
        self.setup(|| {
            // SAFETY: plain system calls.
            let kept = unsafe {
                libc::geteuid() == 0 && libc::prctl(libc::PR_SET_SECUREBITS, 3, 0, 0, 0) != 0
            };
            if kept {
                Err(io::Error::last_os_error())
            } else {
                Ok(())
            }
        })
    }

    /// Makes the kernel refuse a system call with `errno` where its argument number `arg` is `value`: seccomp(2).
    pub fn refusing(self, call: libc::c_long, arg: u32, value: u32, errno: i32) -> Self {
        self.setup(move || {
            let step = |code: u32, jt, jf, k| libc::sock_filter {
                code: code as u16,
                jt,
                jf,
                k,
            };
            let (load, equal, end) = (0x20, 0x15, 0x06);
            let program = [
                step(load, 0, 0, 0),
                step(equal, 0, 3, call as u32),
                step(load, 0, 0, 16 + 8 * arg),
                step(equal, 0, 1, value),
                step(end, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
                step(end, 0, 0, libc::SECCOMP_RET_ALLOW),
            ];
            let filter = libc::sock_fprog {
                len: program.len() as u16,
                filter: program.as_ptr().cast_mut(),
            };
            // SAFETY: the kernel copies the program, which lives until the call returns.
            let done = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const filter,
                )
            };
            if done == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        })
    }

    pub fn start(mut self) -> Child {
        close_others(&mut self.command);
        for step in self.setup {
            // SAFETY: the steps make system calls, which is fine between fork and exec.
            unsafe { self.command.pre_exec(step) };
        }
        self.command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn run(self) -> Ended {
        let child = self.start();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code(),
            pid,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// What `report` wrote.
#[derive(Debug)]
pub struct Report {
    lines: Vec<(String, String)>,
    pub ended: Ended,
}

impl Report {
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn one(&self, key: &str) -> &str {
        self.all(key)[0]
    }

    pub fn env(&self) -> Vec<OsString> {
        self.all("env").into_iter().map(unhex).collect()
    }

    pub fn args(&self) -> Vec<OsString> {
        self.all("arg").into_iter().map(unhex).collect()
    }

    /// The value of a variable.
    pub fn var(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        self.env()
            .into_iter()
            .find_map(|var| var.to_str()?.strip_prefix(&prefix).map(str::to_owned))
    }

    pub fn fds(&self) -> Vec<i32> {
        self.all("fd")
            .iter()
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect()
    }

    /// A property of an fd: `family`, `address`, ...
    pub fn fd(&self, fd: i32, property: &str) -> Option<&str> {
        let prefix = format!("{fd} ");
        let line = self
            .all("fd")
            .into_iter()
            .find(|line| line.starts_with(&prefix))?;
        line.split(' ')
            .find_map(|word| word.strip_prefix(property)?.strip_prefix('='))
    }
}

fn unhex(text: &str) -> OsString {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    OsString::from_vec((0..text.len()).step_by(2).map(byte).collect())
}

/// Runs `program ARGS... report FILE`, prepared by `prepare`, and reads the report.
pub fn report(program: &str, args: &[&str], prepare: impl FnOnce(Run) -> Run) -> Report {
    let dir = Dir::new();
    let file = dir.path("report");
    let end = [example("report").into_os_string(), OsString::from(&file)];
    let args = args.iter().map(OsString::from).chain(end);
    let ended = prepare(Run::new(program, args)).run();
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let lines = text.lines().map(|line| {
        line.split_once(' ')
            .map_or((line.to_owned(), String::new()), |(k, v)| {
                (k.to_owned(), v.to_owned())
            })
    });
    Report {
        lines: lines.collect(),
        ended,
    }
}

/// `listen` refuses `args` with exactly this line and code, and makes nothing in its (empty) directory.
#[track_caller]
pub fn refused(args: &[&str], code: i32, line: &str) {
    let dir = Dir::new();
    let ended = Run::new(LISTEN, args).cwd(&dir.0).run();
    assert_eq!(
        (ended.stderr.as_str(), ended.code),
        (format!("listen: {line}\n").as_str(), Some(code)),
        "{args:?}"
    );
    assert_eq!(
        (ended.stdout.as_str(), dir.names()),
        ("", vec![]),
        "{args:?}"
    );
}

pub fn bytes(text: &OsStr) -> &[u8] {
    text.as_bytes()
}
