//! Surroundings in which little works: no room, no memory, no files, no rights, or far too much of something.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    Dir, FDMAP, FDMAP_CHECK, FDMAP_EDIT, FDMAP_FROM, FDMAP_TO, LISTEN, LISTEN_UNIT, Run, example,
    report,
};
use nix::libc;
use nix::sys::resource::Resource;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Ends with the exec of /bin/true, or with one line and a code of ours, and leaves what the directory had.
#[track_caller]
fn ends_well(run: Run, dir: &Dir, before: &[String]) -> bool {
    let ended = run.cwd(&dir.0).run();
    let one_line = ended.stderr.lines().count() == 1 && ended.stderr.contains(": fatal: ");
    match ended.code {
        Some(0) => {
            assert_eq!(ended.stderr, "");
            true
        }
        // PROG runs, and its own loader needs more than there is
        Some(127) if ended.stderr.starts_with("/bin/true: error while loading") => true,
        Some(100 | 111 | 126 | 127) if one_line => {
            assert_eq!(dir.names(), before);
            false
        }
        _ => panic!("{ended:?}"),
    }
}

#[test]
fn little_room_is_enough_or_said() {
    for (resource, value) in [
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_STACK, 64 * 1024),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, 5),
        (Resource::RLIMIT_MEMLOCK, 0),
    ] {
        let dir = Dir::new();
        let run = Run::new(LISTEN, ["-unix:mode=0600:./a", "-fifo::./f", "/bin/true"]);
        assert!(
            ends_well(run.limited(resource, value), &dir, &[]),
            "{resource:?}"
        );
        assert_eq!(dir.names(), ["a", "f"]);
    }
    // the number of files: what fits, fits
    for files in 4..10 {
        let dir = Dir::new();
        let run = Run::new(
            LISTEN,
            [
                "-unix::./a",
                "-tcp::0",
                "-unix::./b",
                "-fifo::./f",
                "/bin/true",
            ],
        );
        ends_well(run.limited(Resource::RLIMIT_NOFILE, files), &dir, &[]);
    }
}

#[test]
fn little_memory_is_enough_or_said() {
    // a loader and a C library need their share; what a command needs beside it is little
    for megabytes in [8, 16, 64] {
        let dir = Dir::new();
        let run = Run::new(LISTEN, ["-unix::./a", "/bin/true"]);
        let ended = run
            .limited(Resource::RLIMIT_AS, megabytes << 20)
            .cwd(&dir.0)
            .run();
        let loader = ended
            .stderr
            .contains("error while loading shared libraries");
        let killed = ended.code.is_none() && ended.stderr.is_empty();
        assert!(
            ended.code == Some(0)
                || ((loader || killed) && dir.names().is_empty())
                || ended.code == Some(127),
            "{ended:?}"
        );
    }
}

#[test]
fn a_hundred_thousand_variables_and_long_arguments_pass() {
    let variables: Vec<(String, String)> = (0..10_000)
        .map(|at| (format!("V{at}"), "x".repeat(80)))
        .collect();
    let prepare = |run: Run| {
        let run = variables
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value));
        run.limited(Resource::RLIMIT_STACK, 64 << 20)
    };
    let long = "y".repeat(100_000);
    let got = report(
        LISTEN,
        &[
            "-e",
            "-tcp:label=w:127.0.0.1:0",
            "/usr/bin/env",
            "-u",
            "NOT",
            "X=1",
        ],
        |run| prepare(run).env("LONG", &long),
    );
    assert_eq!(got.env().len(), 10_000 + 4, "{:?}", got.ended);
    assert_eq!(got.var("LONG").unwrap().len(), 100_000);
    // argv of 2 MB: many arguments, each of which a kernel takes
    let script = format!(
        "ulimit -s 65536; set --; i=0; while [ $i -lt 20 ]; do set -- \"$@\" {}; i=$((i+1)); done; exec {LISTEN} -udp::0 {} /dev/null \"$@\"",
        "z".repeat(100_000),
        example("report").display()
    );
    let dir = Dir::new();
    fs::write(dir.path("script"), script).unwrap();
    let ended = Run::new("/bin/sh", [dir.path("script")]).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_hundred_thousand_variables_pass() {
    let prepare = |run: Run| {
        let run = (0..100_000).fold(run, |run, at| run.env(&format!("V{at}"), "x"));
        run.limited(Resource::RLIMIT_STACK, 64 << 20)
    };
    let got = report(LISTEN, &["-tcp::127.0.0.1:0"], prepare);
    assert_eq!(got.env().len(), 100_001);
}

#[test]
fn no_argument_at_all_is_wrong_usage() {
    for (program, usage) in [
        (LISTEN, "listen: usage: "),
        (LISTEN_UNIT, "listen-unit: usage: "),
        (FDMAP_TO, "fdmap-to: usage: "),
        (FDMAP_FROM, "fdmap-from: usage: "),
        (FDMAP_EDIT, "fdmap-edit: usage: "),
        (FDMAP_CHECK, "fdmap-check: usage: "),
    ] {
        // a kernel since 5.18 makes one empty argument of none
        let path = std::ffi::CString::new(program).unwrap();
        let run = Run::new(program, [""; 0]).setup(move || {
            let none = [std::ptr::null()];
            // SAFETY: the path is a C string, and both lists end at once.
            unsafe { libc::execve(path.as_ptr(), none.as_ptr(), none.as_ptr()) };
            Err(io::Error::last_os_error())
        });
        let ended = run.run();
        assert_eq!(ended.code, Some(100), "{ended:?}");
        assert!(ended.stderr.starts_with(usage), "{ended:?}");
    }
    let ended = Run::new(FDMAP, [""; 0]).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_directory_that_is_gone_or_cannot_be_written_to_is_said() {
    let dir = Dir::new();
    let gone = dir.path("gone");
    let script =
        format!("mkdir {gone}; cd {gone}; rmdir {gone}; exec {LISTEN} -unix::./a /bin/true");
    let ended = Run::new("/bin/sh", ["-c", &script]).run();
    let line = "listen: fatal: unable to bind unix ./a (label unix): No such file or directory (its directory does not exist, dirmode= makes it)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (line, Some(111)));
    let closed = dir.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    for spec in [
        "-unix::",
        "-unix:mode=0600:",
        "-fifo::",
        "-fifo:mode=0600:",
        "-unix:dirmode=0755:x/",
    ] {
        let (head, below) = spec.split_at(spec.rfind(':').unwrap() + 1);
        let spec = format!("{head}{closed}/{below}a");
        let ended = Run::new(LISTEN, [spec.as_str(), "/bin/true"])
            .ordinary()
            .run();
        assert_eq!(ended.code, Some(111), "{ended:?}");
        assert!(ended.stderr.contains(": Permission denied"), "{ended:?}");
    }
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

/// Every socket option that a line needs is refused by the kernel, one after another.
#[test]
fn each_socket_option_that_is_denied_is_one_line() {
    // SO_REUSEADDR, SO_KEEPALIVE, SO_PRIORITY, SO_RCVBUF, SO_PASSCRED; IPV6_V6ONLY; TCP_NODELAY
    for (option, spec) in [
        (2, "-tcp:reuseaddr:*:0"),
        (9, "-tcp:keepalive:*:0"),
        (12, "-udp:priority=1:*:0"),
        (8, "-udp:rcvbuf=8K:*:0"),
        (16, "-unix:passcred:./a"),
        (26, "-tcp::*:0"),
        (1, "-tcp:nodelay:127.0.0.1:0"),
    ] {
        let dir = Dir::new();
        let run = Run::new(LISTEN, ["-unix:label=first:./first", spec, "/bin/true"]);
        let run = run.refusing(libc::SYS_setsockopt, 2, option, libc::EPERM);
        assert!(!ends_well(run, &dir, &[]), "{spec}");
    }
}

#[test]
#[ignore = "needs user namespaces"]
fn a_user_namespace_without_rights_is_told_what_is_missing() {
    let dir = Dir::new();
    // a user namespace in which nobody is mapped has no capability after an exec
    let ended = Run::new(
        "/usr/bin/unshare",
        [
            "-U",
            LISTEN,
            "-tcp::127.0.0.1:0",
            "-unix:user=1:./a",
            "/bin/true",
        ],
    )
    .cwd(&dir.0)
    .run();
    assert_eq!(ended.code, Some(111), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root"]
fn a_set_id_file_is_refused_and_file_capabilities_are_not() {
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for program in [
        LISTEN,
        LISTEN_UNIT,
        FDMAP_TO,
        FDMAP_FROM,
        FDMAP_EDIT,
        FDMAP_CHECK,
        FDMAP,
    ] {
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let copy = dir.path(name);
        for mode in [0o4755, 0o2755] {
            fs::copy(program, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
            let args = [&as_nobody[..], &[&copy, "/usr/bin/id"]].concat();
            let ended = Run::new("/usr/bin/setpriv", args)
                .env("PATH", "/nonexistent")
                .run();
            let line = format!(
                "{name}: fatal: the file has a set-user-ID or set-group-ID bit, which would hand its rights to PROG: remove it (setcap cap_net_bind_service=ep is for low ports)\n"
            );
            assert_eq!(
                (ended.stderr, ended.code, ended.stdout),
                (line, Some(100), String::new())
            );
        }
    }
    let copy = dir.path("listen");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let set = Command::new("setcap")
        .args(["cap_net_bind_service=ep", &copy])
        .status()
        .unwrap();
    assert!(set.success());
    // the port is bound, and PROG has no right of it
    let script = "grep CapEff /proc/self/status";
    let args = [
        &as_nobody[..],
        &[&copy, "-tcp::127.0.0.1:1", "/bin/sh", "-c", script],
    ]
    .concat();
    let ended = Run::new("/usr/bin/setpriv", args).run();
    assert_eq!(
        (ended.stderr.as_str(), ended.code, ended.stdout.as_str()),
        ("", Some(0), "CapEff:\t0000000000000000\n")
    );
}

/// Runs a script of shell in a mount namespace of its own.
fn mounted(script: &str) -> (Option<i32>, String) {
    let dir = Dir::new();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, LISTEN, LISTEN_UNIT])
        .current_dir(&dir.0)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
#[ignore = "needs root"]
fn no_proc_no_dev_null_and_a_read_only_root_change_nothing() {
    let all = "\"$0\" -a -e -unix:mode=0600:/run/x/a -fifo:dirmode=0755:/run/x/f -tcp::127.0.0.1:0 -mqueue:maxmsg=3:/lfm-hostile /bin/true";
    for before in [
        "mount -t tmpfs tmpfs /proc",
        "mount --bind / / && mount -o remount,ro,bind /",
        "mount -t tmpfs tmpfs /dev",
    ] {
        let script = format!(
            "{before} && mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/x && exec {all}"
        );
        assert_eq!(mounted(&script), (Some(0), String::new()), "{before}");
    }
    // SAFETY: the name is a C string.
    unsafe { libc::mq_unlink(c"/lfm-hostile".as_ptr()) };
    let full = "mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /mnt && : >/mnt/x && exec \"$0\" -unix::/mnt/a /bin/true";
    let line = "listen: fatal: unable to bind unix /mnt/a (label unix): No space left on device\n";
    assert_eq!(mounted(full), (Some(111), line.to_owned()));
    let closed = "mount -t tmpfs -o ro tmpfs /mnt && exec \"$0\" -unix::/mnt/a /bin/true";
    let line = "listen: fatal: unable to bind unix /mnt/a (label unix): Read-only file system (its directory cannot be written to)\n";
    assert_eq!(mounted(closed), (Some(111), line.to_owned()));
}

#[test]
#[ignore = "needs valgrind"]
fn valgrind_finds_nothing() {
    let dir = Dir::new();
    fs::write(
        dir.path("u.socket"),
        format!(
            "[Socket]\nListenStream={}\nSocketUser=nobody\nSocketMode=0660\n",
            dir.path("unit")
        ),
    )
    .unwrap();
    let lines: [&[&str]; 12] = [
        &[
            LISTEN,
            "-e",
            "-a",
            "-v",
            "-tcp:label=w,fd=9:127.0.0.1:0",
            "-udp:pktinfo,rcvbuf=9999:*:0",
            "/bin/true",
        ],
        &[
            LISTEN,
            "-unix:mode=0600,dirmode=0700,symlink=DIR/l:DIR/x/a",
            "-fifo:mode=0640:DIR/f",
            "/bin/true",
        ],
        &[
            LISTEN,
            "-unix:mode=0600,dirmode=0700,symlink=DIR/l:DIR/x/a",
            "-fifo:mode=0600:DIR/f",
            "/nonexistent/x",
        ],
        &[
            LISTEN,
            "-tcp:count=4:127.0.0.1:0",
            "-unix:user=root,group=root:DIR/o",
            "/bin/true",
        ],
        &[
            LISTEN,
            "-n",
            "--tcp",
            "80",
            "-o",
            "nodelay~",
            "-udp:join=239.1.2.3:*:0",
        ],
        &[LISTEN, "-h"],
        &[LISTEN, "-tcp:labl=x:80", "/bin/true"],
        &[
            LISTEN,
            "-netlink:multicast~=1:route",
            "-file::/dev/null",
            "-mqueue:maxmsg=3:/lfm-valgrind",
            "/bin/true",
        ],
        &[LISTEN_UNIT, "DIR/u.socket", "/bin/true"],
        &[
            LISTEN,
            "-tcp:label=a:127.0.0.1:0",
            FDMAP_TO,
            "systemd",
            "/bin/true",
        ],
        &[
            LISTEN,
            "-tcp:label=a:127.0.0.1:0",
            FDMAP_EDIT,
            "--rename",
            "a=b",
            FDMAP_CHECK,
            "-l",
            "b=tcp,listening",
            "/bin/true",
        ],
        &[FDMAP, "-j"],
    ];
    for line in lines {
        let log = dir.path("log");
        let quiet = format!("--log-file={log}");
        let children = [
            "-q",
            "--trace-children=yes",
            "--trace-children-skip=/bin/true",
            "--error-exitcode=99",
            &quiet,
        ];
        let args: Vec<String> = children
            .iter()
            .chain(line)
            .map(|arg| arg.replace("DIR", dir.0.to_str().unwrap()))
            .collect();
        let ended = Run::new("/usr/bin/valgrind", &args)
            .cwd(&dir.0)
            .env("PATH", "/usr/bin:/bin")
            .run();
        let said = fs::read_to_string(&log).unwrap();
        // valgrind does not know SIOCUNIXFILE and fchmodat2(2)
        let known = [
            "unhandled amd64-linux syscall: 452",
            "write your own handler",
            "we consider this a bug",
            "valgrind.org/support",
            "unhandled ioctl 0x89e0",
            "spurious value errors",
            "README_MISSING_SYSCALL",
        ];
        let said: Vec<&str> = said
            .lines()
            .filter(|line| !known.iter().any(|known| line.contains(known)))
            .collect();
        assert!(said.is_empty(), "{line:?}: {ended:?}: {said:?}");
        assert!(
            matches!(ended.code, Some(0 | 100 | 127)),
            "{line:?}: {ended:?}"
        );
    }
    // SAFETY: the name is a C string.
    unsafe { libc::mq_unlink(c"/lfm-valgrind".as_ptr()) };
}
