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
    fs::create_dir(dir.path("bin")).unwrap();
    let commands = Path::new(LISTEN).parent().unwrap().display().to_string();
    for name in [
        "chpst",
        "httpd",
        "dnsd",
        "appd",
        "uvicorn",
        "kresd",
        "cupsd",
        "s6-ipcserverd",
    ] {
        std::os::unix::fs::symlink("/bin/true", dir.path("bin/") + name).unwrap();
    }
    // the units of a machine, and of a directory
    let unit = format!("[Socket]\nListenStream={}\n", dir.path("cups"));
    for made in ["root/etc/systemd/system", "kresd", "app"] {
        fs::create_dir_all(dir.path(made)).unwrap();
    }
    fs::write(dir.path("root/etc/systemd/system/cups.socket"), &unit).unwrap();
    fs::write(
        dir.path("app.socket"),
        format!("{unit}ListenFIFO={}\n", dir.path("f")),
    )
    .unwrap();
    let line = line.replace("listen-unit cups", "listen-unit --root /srv/image cups");
    let line = line.replace("listen-unit app.socket", "listen-unit ./app.socket");
    let line = line.replace("/srv/image", &dir.path("root"));
    // addresses that only root, or only one test at a time, can have
    let mut line = line.replace("/run/", &dir.path(""));
    for port in ["853", "80", "53", "8080"] {
        for before in ["::", ":853", "tls:", "web:", "1:", "]:"] {
            line = line.replace(&format!("{before}{port} "), &format!("{before}0 "));
        }
    }
    line = line.replace("user=app -o ", "").replace("-d 3", "-d 1");
    let path = format!("{}:{commands}:/usr/bin:/bin", dir.path("bin"));
    let ended = Run::new("/bin/sh", ["-c", &line])
        .env("PATH", path)
        .cwd(&dir.0)
        .run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line}");
}

/// Runs each line that begins with `$ ` and compares what it says with the lines that follow.
#[track_caller]
fn says_what_is_shown(block: &str, files: &[(&str, &str)]) {
    let dir = Dir::new();
    for (name, text) in files {
        fs::write(dir.path(name), text).unwrap();
    }
    let commands = Path::new(LISTEN).parent().unwrap().display();
    // an address that no other test has
    let pid = std::process::id();
    let own = format!("127.{}.{}.1", 2 + pid % 200, pid / 200 % 250);
    let mut transcripts = block.split("$ ").skip(1).peekable();
    assert!(transcripts.peek().is_some(), "{block}");
    for transcript in transcripts {
        let (line, shown) = transcript.split_once('\n').unwrap_or((transcript, ""));
        let script = format!("({}) 2>&1", line.replace("127.0.0.1", &own));
        let ended = Run::new("/bin/sh", ["-c", &script])
            .env("PATH", format!("{commands}:/usr/bin:/bin"))
            .cwd(&dir.0)
            .run();
        let said = ended.stdout.replace(&own, "127.0.0.1");
        assert_eq!(said.trim_end(), shown.trim_end(), "{line}");
    }
}

/// Runs what a block shows, whatever kind it is of; false if that is not known.
#[track_caller]
fn is_run(block: &str, unit: Option<&str>) -> bool {
    let first = block.split_whitespace().next().unwrap();
    if block.starts_with("$ ") {
        let unit = unit.map(|unit| ("app.socket", unit));
        says_what_is_shown(block, unit.as_slice());
    } else if let Some(script) = block.strip_prefix("#!/bin/sh -e\n") {
        runs(script);
    } else if ["listen", "listen-unit"].contains(&first) || first.starts_with("fdmap") {
        block.lines().for_each(|line| runs(line));
    } else {
        return false;
    }
    true
}

#[test]
fn everything_that_a_page_shows_is_run() {
    let pages = fs::read_dir(project("doc")).unwrap();
    let pages = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let mut count = 0;
    for page in pages.filter(|page| page.ends_with(['1', '5', '7'])) {
        let text = text(&format!("doc/{page}"));
        let blocks = text.split("\n.Bd -literal").skip(1);
        let mut unit = None;
        for block in blocks {
            let (block, _) = block.split_once("\n.Ed").unwrap();
            let (_, block) = block.split_once('\n').unwrap();
            let block = block.replace("\\(aq", "'").replace("\\e", "\\");
            count += 1;
            match (page.as_str(), block.split_whitespace().next().unwrap()) {
                // another test has these
                ("listen-spec.5", "-tcp::80") => {}
                // the grammar, and what the first line of listen(1) gives
                ("listen-fd-map.7", "map" | "LISTEN_FD_MAP=udp=3,tcp=4,tls=5,control=6") => {}
                ("listen-migrate.7", "[Socket]") => unit = Some(block),
                _ => assert!(is_run(&block, unit.as_deref()), "{page}: {block}"),
            }
        }
    }
    assert!(count > 12);
}

#[test]
fn everything_that_the_readme_shows_is_run() {
    let readme = text("README.md");
    let mut blocks = vec![String::new()];
    for line in readme.lines() {
        match line.strip_prefix("    ") {
            Some(line) => *blocks.last_mut().unwrap() += &format!("{line}\n"),
            None if blocks.last().unwrap().is_empty() => {}
            None => blocks.push(String::new()),
        }
    }
    // those that other tests have, and the front page of the crate
    let known = [
        "LISTEN_FD_MAP=udp=3,tcp=4,tls=5,control=6\n",
        "cargo install --locked --path .\n",
        "cargo build ",
        "supervisor ",
        "// SAFETY: the first thing in main",
        "cargo test\n",
    ];
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        let is_known = known.iter().any(|known| block.starts_with(known));
        assert!(is_known || is_run(block, None), "{block}");
    }
    // the right column of the table of what is written today
    let cells = readme.lines().filter_map(|line| line.strip_suffix("` |"));
    let lines = cells.filter_map(|row| Some(row.rsplit_once("| `")?.1));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() > 10, "{lines:?}");
    lines.iter().for_each(|line| runs(line));
}

#[test]
fn what_pages_refer_to_is_there() {
    let pages = fs::read_dir(project("doc")).unwrap();
    let pages = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: Vec<String> = pages
        .filter(|page| page.ends_with(['1', '5', '7']))
        .collect();
    let readme = text("README.md");
    for page in &pages {
        let (name, section) = page.rsplit_once('.').unwrap();
        assert!(readme.contains(&format!("{name}({section})")), "{page}");
        let text = text(&format!("doc/{page}"));
        let names = text.lines().filter_map(|line| line.strip_prefix(".Xr "));
        for reference in names {
            let words: Vec<&str> = reference.split(' ').collect();
            let ours = ["listen", "fdmap"]
                .iter()
                .any(|ours| words[0].starts_with(ours));
            let file = format!("{}.{}", words[0], words[1]);
            // listen(2) is the kernel's
            let there = !ours || words[1] == "2" || pages.contains(&file);
            assert!(there, "{page}: {reference}");
        }
        if section == "1" {
            for heading in [
                "SYNOPSIS",
                "DESCRIPTION",
                "EXIT STATUS",
                "EXAMPLES",
                "SEE ALSO",
            ] {
                assert!(
                    text.contains(&format!("\n.Sh {heading}\n")),
                    "{page}: {heading}"
                );
            }
            // each option of -h is in the page, and no other
            let command = Path::new(LISTEN).with_file_name(name);
            let help = Run::new(command.to_str().unwrap(), ["-h"]).run().stdout;
            let long = |text: &str, before: &str| -> Vec<String> {
                let parts = text.split(before).skip(1);
                let names = parts.map(|part| {
                    let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-');
                    part[..end.unwrap_or(part.len())].to_owned()
                });
                let mut names: Vec<String> = names.filter(|name| name.len() > 1).collect();
                names.sort();
                names.dedup();
                names
            };
            let shown = help
                .lines()
                .filter(|line| line.starts_with("  -") || line.starts_with("      --"));
            let shown = shown.map(|line| format!("{line}\n")).collect::<String>();
            let items = text.lines().filter(|line| line.starts_with(".It Fl "));
            let items = items.map(|line| format!("{line}\n")).collect::<String>();
            assert_eq!(long(&shown, "--"), long(&items, " -"), "{page}");
        }
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
