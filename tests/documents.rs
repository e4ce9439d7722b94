//! README and manual pages: what they show is run, what they list is what there is.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, Run, close_others, example};
use listen_fd_map::convention::{CONVENTIONS, Convention};
use listen_fd_map::spec::family::FAMILIES;
use listen_fd_map::spec::option::{OPTIONS, find};
use listen_fd_map::unit::directive;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(project(file)).unwrap()
}

/// The commands that a manual page shows under EXAMPLES.
fn examples(page: &str) -> Vec<String> {
    let page = text(page);
    let (_, rest) = page.split_once(".Sh EXAMPLES\n.Bd -literal\n").unwrap();
    let (block, _) = rest.split_once("\n.Ed").unwrap();
    block
        .lines()
        .map(|line| line.replace("\\(aq", "'"))
        .collect()
}

/// Runs a line of shell in which every program that is not ours is replaced by one that reports and ends.
#[track_caller]
fn runs(line: &str) {
    let dir = Dir::new();
    let commands = Path::new(LISTEN).parent().unwrap().display().to_string();
    for name in [
        "chpst", "httpd", "dnsd", "appd", "uvicorn", "kresd", "cupsd",
    ] {
        std::os::unix::fs::symlink("/bin/true", dir.path(name)).unwrap();
    }
    // the units of a machine, and of a directory
    let unit = format!("[Socket]\nListenStream={}\n", dir.path("cups"));
    fs::create_dir_all(dir.path("root/etc/systemd/system")).unwrap();
    fs::write(dir.path("root/etc/systemd/system/cups.socket"), &unit).unwrap();
    fs::write(
        dir.path("app.socket"),
        format!("{unit}ListenFIFO={}\n", dir.path("f")),
    )
    .unwrap();
    let line = line.replace("listen-unit cups", "listen-unit --root /srv/image cups");
    let line = line.replace("/srv/image", &dir.path("root"));
    // addresses that only root, or only one test at a time, can have
    let mut line = line.replace("/run/", &dir.path(""));
    for port in ["853", "80", "53", "8080"] {
        for before in ["::", ":853", "tls:", "web:", "1:", "]:"] {
            line = line.replace(&format!("{before}{port} "), &format!("{before}0 "));
        }
    }
    line = line.replace("user=app -o ", "").replace("-d 3", "-d 1");
    let path = format!("{}:{commands}:/usr/bin:/bin", dir.0.display());
    let ended = Run::new("/bin/sh", ["-c", &line])
        .env("PATH", path)
        .cwd(&dir.0)
        .run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line}");
}

#[test]
fn the_examples_of_the_commands_pages_run() {
    for page in [
        "doc/listen.1",
        "doc/listen-unit.1",
        "doc/fdmap.1",
        "doc/fdmap-to.1",
        "doc/fdmap-from.1",
        "doc/fdmap-edit.1",
        "doc/fdmap-check.1",
    ] {
        let lines = examples(page);
        assert!(!lines.is_empty());
        lines.iter().for_each(|line| runs(line));
    }
}

#[test]
fn the_page_of_listen_unit_has_every_directive_and_no_other() {
    let page = text("doc/listen-unit.1");
    let rows = page.lines().filter_map(|line| line.strip_prefix(".It Cm "));
    let mut rows: Vec<(&str, &str)> = rows.filter_map(|row| row.split_once(" Ta ")).collect();
    rows.sort_unstable();
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, directive::supported());
    for (name, meaning) in rows {
        let options = OPTIONS.iter().filter(|row| row.directive == name);
        let families = FAMILIES.iter().filter(|row| row.directive == name);
        let mut made = options
            .map(|row| row.name)
            .chain(families.map(|row| row.name));
        let said = |word: &str| meaning.split([' ', ',', ':']).any(|other| other == word);
        assert!(made.all(said), "{name}: {meaning}");
    }
    // the manager's own of systemd.socket(5), by name
    let own = directive::managers().take_while(|name| *name != "AllowedCPUs");
    for name in own {
        assert!(
            page.split([' ', ',', '\n', ';']).any(|word| word == name),
            "{name}"
        );
    }
}

#[test]
fn the_examples_of_listen_spec_are_specs() {
    for line in examples("doc/listen-spec.5") {
        let line = line
            .replace("user=app", "user=0")
            .replace("group=www-data", "group=0");
        let ended = Run::new("/bin/sh", ["-c", &format!("{LISTEN} -n {line}")]).run();
        assert_eq!(
            (
                ended.code,
                ended.stderr.as_str(),
                ended.stdout.lines().count()
            ),
            (Some(0), "", 1),
            "{line}"
        );
    }
}

#[test]
fn listen_spec_has_every_family_and_option_and_no_other() {
    let page = text("doc/listen-spec.5");
    let section = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).unwrap();
        rest.split_once(to).unwrap().0.to_owned()
    };
    let items = |section: &str| -> Vec<String> {
        let items = section
            .lines()
            .filter_map(|line| line.strip_prefix(".It Cm "));
        // `.It Cm tcp , udp` and `.It Cm rcvbuf Ns = Ns Ar size , Cm sndbuf Ns = Ns Ar size`
        let names = items.flat_map(|item| {
            let names = item.split(" , ").map(|item| item.trim_start_matches("Cm "));
            let first = |item: &str| item.split(' ').next().unwrap().to_owned();
            names.map(first).collect::<Vec<_>>()
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let families = items(&section(".Ss Families\n", ".Ss Options\n"));
    assert_eq!(
        families,
        sorted(FAMILIES.iter().map(|family| family.name).collect())
    );
    let options = items(&section(".Ss Options\n", ".Sh EXAMPLES\n"));
    assert_eq!(
        options,
        sorted(OPTIONS.iter().map(|row| row.name).collect())
    );
}

#[test]
fn listen_spec_says_of_each_option_which_families_have_it() {
    let page = text("doc/listen-spec.5");
    let (_, options) = page.split_once(".Ss Options\n").unwrap();
    let items = options.split("\n.It Cm ").skip(1);
    for item in items {
        let (names, description) = item.split_once('\n').unwrap();
        let first = names.split(' ').next().unwrap();
        let (_, row) = find(first.as_bytes()).unwrap();
        let families: Vec<&str> = row.families.iter().map(|family| family.name).collect();
        let listed = match families.len() {
            15 => continue,
            11 => "All sockets.".to_owned(),
            // what only some of them, or some kernels, have is said in words
            _ if ["netns", "user-timeout", "maxseg"].contains(&first) => continue,
            _ => families.join(", "),
        };
        assert!(description.starts_with(&listed), "{first}: {listed}");
    }
}

#[test]
fn the_pages_of_both_directions_have_every_convention_and_no_other() {
    for (page, has) in [
        ("doc/fdmap-to.1", (|_| true) as fn(&Convention) -> bool),
        ("doc/fdmap-from.1", |convention| convention.import.is_some()),
    ] {
        let page = text(page);
        let (_, section) = page.split_once(".Ss Conventions\n").unwrap();
        let items: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix(".It Cm "))
            .collect();
        let rows = CONVENTIONS.iter().filter(|convention| has(convention));
        assert_eq!(items, rows.map(|row| row.name).collect::<Vec<_>>());
    }
}

#[test]
fn the_help_of_a_family_has_every_row_of_the_table() {
    for family in &FAMILIES {
        let help = Run::new(LISTEN, ["-h", family.name]).run().stdout;
        for row in &OPTIONS {
            let line = format!("  {:<12} {}\n", row.name, row.help);
            assert_eq!(
                help.contains(&line),
                row.families.contain(family),
                "{} {}",
                family.name,
                row.name
            );
        }
    }
}

#[test]
fn the_readme_is_short_and_its_first_request_is_served() {
    let readme = text("README.md");
    assert!(readme.lines().count() < 200);
    let line = readme
        .lines()
        .find(|line| line.contains("cargo build "))
        .unwrap()
        .trim();
    let (build, serve) = line.split_once(" && ").unwrap();
    assert_eq!(build, "cargo build --release --bins --examples");
    assert_eq!(
        serve,
        "target/release/listen -tcp:label=web:127.0.0.1:8080 target/release/examples/hello"
    );
    assert!(readme.lines().any(|line| line.trim() == "cargo test"));
    // the same with this build's commands, and a port that is free
    let mut command = Command::new(LISTEN);
    command
        .args(["-v", "-tcp:label=web:127.0.0.1:0"])
        .arg(example("hello"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    close_others(&mut command);
    let mut daemon = command.spawn().unwrap();
    let mut said = String::new();
    let mut stderr = daemon.stderr.take().unwrap();
    while !said.ends_with('\n') {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    let address = said
        .split(' ')
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap();
    let start = Instant::now();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(
        read.is_ok() && answer.ends_with("\r\n\r\nhello\n"),
        "{answer:?} after {:?}",
        start.elapsed()
    );
}

#[test]
fn the_daemon_of_the_front_page_is_the_one_that_the_readme_starts() {
    let page = text("src/lib.rs");
    let (_, code) = page.split_once("doc = \"```ignore\")]\n").unwrap();
    let (code, _) = code.split_once("//! ```\n").unwrap();
    let lines = code.lines().map(|line| {
        line.trim_start_matches("//!")
            .strip_prefix(' ')
            .unwrap_or("")
    });
    let code = lines.collect::<Vec<_>>().join("\n");
    assert!(text("examples/hello.rs").ends_with(&format!("\n\n{code}\n")));
    assert!(code.lines().count() <= 20);
}

#[test]
fn the_run_script_of_the_example_is_the_one_of_the_readme_in_todays_form() {
    let specs = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .filter(|word| {
                word.starts_with('-') && word.contains("::")
                    || word.starts_with("-tcp:")
                    || word.starts_with("-unix:")
            })
            .map(str::to_owned)
            .collect()
    };
    let script = text("examples/services/kresd/run");
    let readme = text("README.md");
    let (_, line) = readme.split_once("exec listen").unwrap();
    let (line, _) = line.split_once("/usr/sbin/kresd").unwrap();
    assert_eq!(specs(line), specs(&script));
    assert_eq!(specs(line).len(), 4);
}
