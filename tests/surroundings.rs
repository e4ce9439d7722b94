//! listen(1) where the kernel, the caller's rights or the environment are not the usual ones.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, Run, example, report};
use nix::libc;
use nix::sys::resource::Resource;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};

fn open_to_all(dir: &Dir) {
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn all_addresses_are_ipv4_where_the_kernel_has_no_ipv6() {
    let no_v6 = |run: Run| {
        run.refusing(
            libc::SYS_socket,
            0,
            libc::AF_INET6 as u32,
            libc::EAFNOSUPPORT,
        )
    };
    let report = report(LISTEN, &["-a", "-tcp::0"], no_v6);
    assert!(report.var("TCP_ADDR").unwrap().starts_with("0.0.0.0:"));
    for (spec, subject) in [("-tcp::[::1]:0", "[::1]:0"), ("-tcp:v6only:*:0", "*:0")] {
        let ended = no_v6(Run::new(LISTEN, [spec, "true"])).run();
        let want = format!(
            "listen: fatal: unable to create tcp {subject} (label tcp): Address family not supported by protocol (this kernel has no IPv6)\n"
        );
        assert_eq!((ended.stderr, ended.code), (want, Some(111)));
    }
}

#[test]
fn a_best_effort_option_that_is_refused_is_a_warning_and_any_other_is_fatal() {
    let refused = |run: Run| {
        run.refusing(
            libc::SYS_setsockopt,
            2,
            libc::SO_REUSEPORT as u32,
            libc::ENOPROTOOPT,
        )
    };
    let soft = report(LISTEN, &["-tcp:reuseport~:127.0.0.1:0"], refused);
    assert_eq!(
        soft.ended.stderr,
        "listen: warning: tcp:127.0.0.1:0: reuseport~ not applied: Protocol not available\n"
    );
    assert_eq!(soft.var("LISTEN_FD_MAP").unwrap(), "tcp=3");
    let hard = refused(Run::new(LISTEN, ["-tcp:reuseport:127.0.0.1:0", "true"])).run();
    let want = "listen: fatal: unable to set reuseport on tcp 127.0.0.1:0 (label tcp): Protocol not available (this kernel lacks it for such a socket)\n";
    assert_eq!((hard.stderr.as_str(), hard.code), (want, Some(111)));
}

#[test]
fn an_ordinary_user_is_told_what_needs_root() {
    let dir = Dir::new();
    open_to_all(&dir);
    let path = dir.path("s");
    let spec = format!("-unix:user=1:{path}");
    let ended = Run::new(LISTEN, [&spec, "true"]).ordinary().run();
    let want = format!(
        "listen: fatal: unable to change the owner of unix {path} (label unix): Operation not permitted (that needs root or CAP_CHOWN)\n"
    );
    assert_eq!(
        (ended.stderr, ended.code, dir.names()),
        (want, Some(111), vec![])
    );
    let soft = format!("-unix:user~=1,mode=640:{path}");
    let ended = Run::new(LISTEN, [&soft, "/bin/true"]).ordinary().run();
    let want =
        format!("listen: warning: unix:{path}: user~ not applied: Operation not permitted\n");
    assert_eq!((ended.stderr, ended.code), (want, Some(0)));
    assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn what_an_ordinary_user_made_is_removed_again_on_failure() {
    let dir = Dir::new();
    open_to_all(&dir);
    let args = [
        "-unix::./a",
        "-unix-dgram:mode=0600:./b",
        "-unix-seqpacket::./c",
        "./nosuch",
    ];
    let ended = Run::new(LISTEN, args).cwd(&dir.0).ordinary().run();
    assert_eq!(
        (ended.code, dir.names()),
        (Some(127), vec![]),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_node_is_identified_without_the_ioctl_and_never_mistaken() {
    let dir = Dir::new();
    let no_ioctl = |run: Run| run.refusing(libc::SYS_ioctl, 1, 0x89e0, libc::EPERM);
    let path = dir.path("s");
    let uid = nix::unistd::getuid();
    let ended = no_ioctl(Run::new(
        LISTEN,
        [
            format!("-unix:user={uid},mode=0640:{path}"),
            "/bin/true".into(),
        ],
    ))
    .run();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o640);
    let ended = no_ioctl(Run::new(LISTEN, ["-unix::./t", "./nosuch"]).cwd(&dir.0)).run();
    assert_eq!((ended.code, dir.names()), (Some(127), vec!["s".to_owned()]));
}

#[test]
fn a_listener_with_a_full_backlog_is_in_use() {
    let dir = Dir::new();
    let path = dir.path("s");
    let listener = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    let address = nix::sys::socket::UnixAddr::new(path.as_str()).unwrap();
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &address).unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let ended = Run::new(LISTEN, [format!("-unix::{path}"), "true".into()]).run();
    let want = format!(
        "listen: fatal: unable to bind unix {path} (label unix): {}\n",
        common::in_use_by_this_test()
    );
    assert_eq!((ended.stderr, ended.code), (want, Some(111)));
}

#[test]
fn what_cannot_be_told_is_not_touched() {
    let dir = Dir::new();
    open_to_all(&dir);
    let path = dir.path("s");
    drop(UnixListener::bind(&path).unwrap());
    // the probe is the only connect; its address has the family and the path
    let len = path.len() as u32 + 2;
    let probe_fails = |run: Run| run.refusing(libc::SYS_connect, 2, len, libc::EACCES);
    let ended = probe_fails(Run::new(LISTEN, [format!("-unix::{path}"), "true".into()])).run();
    let want = format!(
        "listen: fatal: unable to bind unix {path} (label unix): cannot tell whether {path} is in use: Permission denied\n"
    );
    assert_eq!(
        (ended.stderr, ended.code, dir.names()),
        (want, Some(111), vec!["s".to_owned()])
    );
}

#[test]
fn odd_environments_pass_and_a_second_map_is_refused() {
    let dir = Dir::new();
    let file = dir.path("report");
    let exec = |env: &[&str]| {
        let program = CString::new(LISTEN).unwrap();
        let args: Vec<CString> = [
            "listen",
            "-tcp::0",
            example("report").to_str().unwrap(),
            &file,
        ]
        .iter()
        .map(|arg| CString::new(*arg).unwrap())
        .collect();
        let env: Vec<CString> = env.iter().map(|var| CString::new(*var).unwrap()).collect();
        Run::new("/bin/true", [""; 0])
            .setup(move || {
                let pointers = |strings: &[CString], room: &mut [*const libc::c_char; 16]| {
                    for (place, string) in room.iter_mut().zip(strings) {
                        *place = string.as_ptr();
                    }
                };
                let (mut argv, mut envp) = ([std::ptr::null(); 16], [std::ptr::null(); 16]);
                pointers(&args, &mut argv);
                pointers(&env, &mut envp);
                // SAFETY: both lists are C strings that live, ended by null.
                unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
                Err(std::io::Error::last_os_error())
            })
            .run()
    };
    assert_eq!(
        exec(&["A=1", "no-equals", "A=2", "=x", "", "LISTEN_FD_MAPX=y"]).code,
        Some(0)
    );
    let text = fs::read_to_string(&file).unwrap();
    let env: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("env"))
        .collect();
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let want = [
        "A=1",
        "no-equals",
        "A=2",
        "=x",
        "",
        "LISTEN_FD_MAPX=y",
        "LISTEN_FD_MAP=tcp=3",
    ];
    assert_eq!(env, want.map(|var| format!("env {}", hex(var))));
    let twice = exec(&["LISTEN_FD_MAP=", "LISTEN_FD_MAP="]);
    let line =
        "listen: fatal: the inherited environment has more than one LISTEN_FD_MAP, unset it\n";
    assert_eq!((twice.stderr.as_str(), twice.code), (line, Some(100)));
}

#[test]
fn a_link_local_address_needs_an_interface_that_exists() {
    let ended = Run::new(LISTEN, ["-tcp::[fe80::1%lfm0]:0", "true"]).run();
    let want = "listen: fatal: unable to bind tcp [fe80::1%lfm0]:0 (label tcp): No such device\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
    let ended = Run::new(LISTEN, ["-tcp::[fe80::1]:0", "true"]).run();
    let want = "listen: fatal: unable to bind tcp [fe80::1]:0 (label tcp): Invalid argument (a link-local address needs its interface: [fe80::1%eth0]:80)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
}

#[test]
fn running_out_of_fds_is_said_and_undone() {
    let dir = Dir::new();
    let limit = |run: Run| run.limited(Resource::RLIMIT_NOFILE, 4);
    let ended = limit(Run::new(LISTEN, ["-unix::./a", "-tcp::0", "true"]).cwd(&dir.0)).run();
    let want = "listen: fatal: unable to create tcp 0 (label tcp): Too many open files (raise the open-file limit: ulimit -n)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root"]
fn an_owner_is_set_by_name_and_number() {
    let dir = Dir::new();
    for (options, uid, gid, mode) in [
        ("user=nobody,mode=0660", 65534, 0, 0o660),
        ("user=65534,group=12345,mode=0606", 65534, 12345, 0o606),
        ("group=daemon", 0, 1, 0o755),
    ] {
        let path = dir.path("s");
        let ended = Run::new(
            LISTEN,
            [format!("-unix:{options}:{path}"), "/bin/true".into()],
        )
        .setup(|| {
            // SAFETY: plain system call.
            unsafe { libc::umask(0o022) };
            Ok(())
        })
        .run();
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
        let status = fs::symlink_metadata(&path).unwrap();
        assert_eq!(
            (status.uid(), status.gid(), status.mode() & 0o7777),
            (uid, gid, mode),
            "{options}"
        );
    }
}

#[test]
fn a_low_port_is_refused_to_an_ordinary_user_with_the_way_out() {
    let low = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    assert!(
        low.trim().parse::<u16>().unwrap() > 1023,
        "this machine lets everybody bind low ports"
    );
    let ended = Run::new(LISTEN, ["-tcp:label=web:127.0.0.1:80", "true"])
        .ordinary()
        .run();
    let want = "listen: fatal: unable to bind tcp 127.0.0.1:80 (label web): Permission denied (a port below 1024 needs root or CAP_NET_BIND_SERVICE)\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (want, Some(111)));
}
