//! Every convention in both directions: what comes back, what each writes, and that nothing else changes.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, FDMAP_CHECK, FDMAP_EDIT, FDMAP_FROM, FDMAP_TO, LISTEN, Report, Run, report};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// The minimal standard generator of Park and Miller: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % end
    }
}

/// Labels, some of them members of groups, with numbers from `first` up to 900, and numbers that are open besides.
struct Generated {
    map: Vec<(String, i32)>,
    others: Vec<i32>,
}

fn generate(random: &mut Random, count: usize, first: i32, consecutive: bool) -> Generated {
    let mut numbers: Vec<i32> = (first..900).collect();
    if !consecutive {
        for at in (1..numbers.len()).rev() {
            numbers.swap(at, random.below(at as u64 + 1) as usize);
        }
    }
    let mut labels = Vec::new();
    while labels.len() < count {
        let name = format!("l{}", labels.len());
        let members = random.below(4).min((count - labels.len()) as u64);
        match members {
            0 | 1 => labels.push(name),
            members => labels.extend((0..members).map(|member| format!("{name}.{member}"))),
        }
    }
    let mut others: Vec<i32> = numbers.split_off(count).into_iter().take(20).collect();
    // systemd dictates 3 and up
    others.retain(|&fd| fd > 310);
    Generated {
        map: labels.into_iter().zip(numbers).collect(),
        others,
    }
}

impl Generated {
    fn text(&self) -> String {
        let entries: Vec<String> = self
            .map
            .iter()
            .map(|(label, fd)| format!("{label}={fd}"))
            .collect();
        entries.join(",")
    }

    /// Binds a socket of that path for each entry, then runs `args` and the report.
    fn run(&self, args: &[&str]) -> Report {
        let dir = Dir::new();
        let specs = self
            .map
            .iter()
            .map(|(label, fd)| format!("-unix:label={label},fd={fd}:./{label}"));
        let specs: Vec<String> = specs.collect();
        let mut all: Vec<&str> = specs.iter().map(String::as_str).collect();
        all.extend(args);
        let report = report(LISTEN, &all, |run| {
            self.others
                .iter()
                .fold(run.cwd(&dir.0), |run, &fd| run.open(fd))
        });
        // the same sockets and files are open, and no other
        let open: BTreeSet<String> = report
            .fds()
            .into_iter()
            .filter_map(|fd| report.fd(fd, "address").map(str::to_owned))
            .collect();
        assert_eq!(
            open,
            self.map
                .iter()
                .map(|(label, _)| format!("./{label}"))
                .collect()
        );
        assert_eq!(report.fds().len(), 3 + self.map.len() + self.others.len());
        report
    }
}

/// What is called how, by the address of what is open there.
fn sockets(report: &Report) -> Vec<(String, String)> {
    let map = report.var("LISTEN_FD_MAP").unwrap_or_default();
    let entries = map.split_terminator(',').map(|entry| {
        let (label, fd) = entry.split_once('=').unwrap();
        let address = report.fd(fd.parse().unwrap(), "address").unwrap();
        (
            label.to_owned(),
            address.strip_prefix("./").unwrap().to_owned(),
        )
    });
    entries.collect()
}

#[test]
fn what_goes_to_a_convention_comes_back_from_it() {
    let mut random = Random(20_161_123);
    for count in [0, 1, 2, 3, 7, 40, 300] {
        for convention in [
            "systemd",
            "listenfd",
            "s6-fdholder",
            "server-starter",
            "einhorn",
            "vars",
        ] {
            let generated = generate(&mut random, count, 3, convention == "listenfd");
            let labels: Vec<String> = generated
                .map
                .iter()
                .map(|(label, _)| label.clone())
                .collect();
            let list = labels.join(",");
            let mut args = vec![FDMAP_TO, convention, FDMAP_FROM];
            if convention == "vars" {
                if count == 0 {
                    continue;
                }
                args.extend(["-l", &list]);
            }
            args.push(convention);
            let report = generated.run(&args);
            let want = labels.iter().enumerate().map(|(at, label)| {
                let back = match convention {
                    // it has no names, and one fd alone is called as it is
                    "einhorn" if count == 1 => "einhorn".to_owned(),
                    "einhorn" => format!("einhorn.{at}"),
                    // its names are addresses, in which a slash is no byte of a label
                    "server-starter" => format!("._{label}"),
                    _ => label.clone(),
                };
                (back, label.clone())
            });
            assert_eq!(
                sockets(&report),
                want.collect::<Vec<_>>(),
                "{convention} {count}"
            );
            let numbers: Vec<i32> = report
                .var("LISTEN_FD_MAP")
                .unwrap_or_default()
                .split_terminator(',')
                .map(|entry| entry.split_once('=').unwrap().1.parse().unwrap())
                .collect();
            let want: Vec<i32> = match convention {
                "systemd" => (3..).take(count).collect(),
                _ => generated.map.iter().map(|&(_, fd)| fd).collect(),
            };
            assert_eq!(numbers, want, "{convention} {count}");
            // nothing of the convention is left
            let left: Vec<OsString> = report
                .env()
                .into_iter()
                .filter(|var| !var.to_str().unwrap().starts_with("LISTEN_FD_MAP="))
                .collect();
            assert_eq!(left, [""; 0], "{convention} {count}");
        }
    }
}

#[test]
fn picked_entries_go_and_the_others_stay() {
    let mut random = Random(7);
    for count in [2, 9, 200] {
        let generated = generate(&mut random, count, 3, false);
        let labels: Vec<&str> = generated
            .map
            .iter()
            .map(|(label, _)| label.as_str())
            .collect();
        // every second one, from the last to the first
        let picked: Vec<&str> = labels.iter().copied().step_by(2).rev().collect();
        let report = generated.run(&[FDMAP_TO, "-l", &picked.join(","), "systemd"]);
        for (label, fd) in picked.iter().zip(3..) {
            assert_eq!(report.fd(fd, "address").unwrap(), format!("./{label}"));
        }
        assert_eq!(report.var("LISTEN_FDS").unwrap(), picked.len().to_string());
        let stay = labels.iter().skip(1).step_by(2);
        let stay: Vec<(String, String)> = stay
            .map(|label| (label.to_string(), label.to_string()))
            .collect();
        assert_eq!(sockets(&report), stay);
        let kept = generated.run(&[FDMAP_TO, "-k", "-l", &picked.join(","), "systemd"]);
        let all: Vec<(String, String)> = labels
            .iter()
            .map(|label| (label.to_string(), label.to_string()))
            .collect();
        assert_eq!(sockets(&kept), all);
    }
}

#[test]
fn a_map_that_comes_through_untouched_is_the_same_text() {
    let generated = generate(&mut Random(3), 50, 3, false);
    for args in [
        &[FDMAP_EDIT][..],
        &[FDMAP_CHECK],
        &[FDMAP_FROM, "listenfd"],
        &[FDMAP_TO, "argv"],
    ] {
        let report = generated.run(args);
        assert_eq!(
            report.var("LISTEN_FD_MAP").unwrap(),
            generated.text(),
            "{args:?}"
        );
    }
}

#[test]
fn each_command_changes_nothing_else() {
    let bytes = OsString::from_vec((1..=255).filter(|&b| b != b'=').collect());
    let long = "x".repeat(100_000);
    let state = |program: &str, args: &[&str]| {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let dir = Dir::new();
        let file = dir.path("report");
        let end = [
            common::example("report").into_os_string(),
            OsString::from(&file),
            bytes.clone(),
            OsString::new(),
        ];
        let args: Vec<OsString> = args.into_iter().chain(end).collect();
        let (program, args) = match program {
            "" => (args[0].to_str().unwrap().to_owned(), args[1..].to_vec()),
            program => (program.to_owned(), args),
        };
        let ended = Run::new(&program, &args)
            .env("BYTES", &bytes)
            .env("LONG", &long)
            .env("EMPTY", "")
            .env("LISTEN_FD_MAP", "")
            .open(7)
            .open(300)
            .closed(0)
            .setup(|| {
                // SAFETY: plain system calls.
                unsafe {
                    nix::libc::umask(0o027);
                    nix::libc::signal(nix::libc::SIGPIPE, nix::libc::SIG_IGN);
                    nix::libc::signal(nix::libc::SIGUSR1, nix::libc::SIG_IGN);
                    let mut set = std::mem::zeroed();
                    nix::libc::sigaddset(&raw mut set, nix::libc::SIGHUP);
                    nix::libc::sigprocmask(
                        nix::libc::SIG_BLOCK,
                        &raw const set,
                        std::ptr::null_mut(),
                    );
                }
                Ok(())
            })
            .run();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let text = std::fs::read_to_string(&file).unwrap();
        // the file's own name is another one in each run
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let pid = lines
            .iter()
            .position(|line| line.starts_with("pid "))
            .unwrap();
        assert_eq!(lines.remove(pid), format!("pid {}", ended.pid));
        let argument = lines
            .iter()
            .position(|line| line.starts_with("arg "))
            .unwrap()
            + 1;
        lines.remove(argument);
        // a pipe of each run's own
        lines.retain(|line| !line.starts_with("fd 1 ") && !line.starts_with("fd 2 "));
        lines
    };
    let direct = state("", &[]);
    assert!(
        direct.iter().any(|line| line.starts_with("fd 300 "))
            && !direct.iter().any(|line| line.starts_with("fd 0 "))
    );
    for (program, args) in [
        (FDMAP_FROM, &["systemd"][..]),
        (FDMAP_FROM, &["-ea", "fd0"]),
        (FDMAP_TO, &["systemd"]),
        (FDMAP_TO, &["vars"]),
        (FDMAP_TO, &["-k", "nginx"]),
        (FDMAP_TO, &["argv"]),
        (FDMAP_EDIT, &["-ea"]),
        (FDMAP_CHECK, &["-x"]),
        (LISTEN, &[]),
    ] {
        assert_eq!(state(program, args), direct, "{program} {args:?}");
    }
}

#[test]
fn a_failing_command_says_one_line_or_nothing_where_nobody_listens() {
    for (program, args) in [
        (FDMAP_FROM, &["-r", "listenfd", "true"][..]),
        (FDMAP_TO, &["fd0", "true"]),
        (FDMAP_EDIT, &["--drop", "x", "true"]),
        (FDMAP_CHECK, &["-l", "x", "true"]),
    ] {
        let heard = Run::new(program, args).run();
        assert_eq!(heard.stderr.lines().count(), 1, "{program}");
        let silent = Run::new(program, args).closed(2).run();
        assert_eq!(
            (silent.stderr.as_str(), silent.code),
            ("", heard.code),
            "{program}"
        );
        let missing = Run::new(program, ["-h"]).run();
        assert_eq!(missing.code, Some(0));
        assert!(missing.stdout.lines().count() <= 60, "{program}");
        let version = Run::new(program, ["-V"]).run().stdout;
        assert!(version.ends_with(concat!(" ", env!("CARGO_PKG_VERSION"), "\n")));
    }
}
