//! doc/completions/: what the shells know of families, options and conventions is what the tables and `-h` say, and a real
//! bash, zsh and fish complete with it. `LISTEN_WRITE=1 cargo test --test completions` writes that part of the files anew.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{FDMAP, FDMAP_CHECK, FDMAP_EDIT, FDMAP_FROM, FDMAP_TO, LISTEN, LISTEN_UNIT, Run};
use listen_fd_map::convention::CONVENTIONS;
use listen_fd_map::spec::address::PROTOCOLS;
use listen_fd_map::spec::family::{Addresses, FAMILIES, Families};
use listen_fd_map::spec::option::{OPTIONS, What};
use listen_fd_map::spec::value::Takes;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BEGIN: &str = "# made from the tables: LISTEN_WRITE=1 cargo test --test completions\n";
const END: &str = "# end of what is made\n";

fn file(name: &str) -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    project.join("doc/completions").join(name)
}

fn words<T: Copy>(words: &[(&'static str, T)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    words.join(" ")
}

/// `NAME|VALUES|HELP`; in capitals, VALUES is what the shell itself has to look for.
fn families() -> Vec<String> {
    let row = |family: &listen_fd_map::spec::family::Family| {
        let values = match family.addresses {
            Addresses::Unix | Addresses::Fifo | Addresses::File => "FILE".to_owned(),
            Addresses::Netlink => words(&PROTOCOLS),
            _ => String::new(),
        };
        format!("{}|{values}|{}", family.name, family.addresses.help())
    };
    FAMILIES.iter().map(row).collect()
}

/// `NAME|FAMILIES|VALUES|HELP`; a name that needs a value ends in `=`.
fn options() -> Vec<String> {
    let row = |row: &listen_fd_map::spec::option::Row| {
        let values = match &row.takes {
            Takes::Flag(more) => format!("yes no {}", words(more)).trim_end().to_owned(),
            Takes::Word(all) => words(all),
            Takes::Owner if row.what == What::Group => "GROUP".to_owned(),
            Takes::Owner => "USER".to_owned(),
            Takes::Interface => "INTERFACE".to_owned(),
            Takes::Congestion => "CONGESTION".to_owned(),
            Takes::Name => "NETNS".to_owned(),
            Takes::Path => "FILE".to_owned(),
            _ => String::new(),
        };
        let equals = if row.takes.parse(None).is_some() {
            ""
        } else {
            "="
        };
        let families: Vec<&str> = row.families.iter().map(|family| family.name).collect();
        let families = if row.families == Families::ALL {
            "*".to_owned()
        } else {
            families.join(" ")
        };
        format!("{}{equals}|{families}|{values}|{}", row.name, row.help)
    };
    OPTIONS.iter().map(row).collect()
}

/// `COMMAND|-SHORT|--LONG|ARGUMENT|HELP`, from `-h`.
fn flags() -> Vec<String> {
    let commands = [
        LISTEN,
        LISTEN_UNIT,
        FDMAP,
        FDMAP_CHECK,
        FDMAP_EDIT,
        FDMAP_FROM,
        FDMAP_TO,
    ];
    let mut rows = Vec::new();
    for path in commands {
        let command = path.rsplit('/').next().unwrap();
        let help = Run::new(path, ["-h"]).run().stdout;
        for line in help.lines() {
            let flag = line.trim_start();
            if !flag.starts_with('-') || line.len() - flag.len() > 6 {
                continue;
            }
            let (names, help) = flag.split_once("  ").unwrap_or((flag, ""));
            let (short, long) = names.split_once(", ").unwrap_or(("", names));
            let (long, argument) = long.split_once(' ').unwrap_or((long, ""));
            rows.push(format!(
                "{command}|{short}|{long}|{argument}|{}",
                help.trim_start()
            ));
        }
    }
    rows
}

/// `COMMAND|NAME|VARIABLES`
fn conventions() -> Vec<String> {
    // argv has no variables to export
    let to = CONVENTIONS.iter();
    let from = CONVENTIONS.iter().filter(|row| row.import.is_some());
    let to = to.map(|row| format!("fdmap-to|{}|{}", row.name, row.variables));
    let from = from.map(|row| format!("fdmap-from|{}|{}", row.name, row.variables));
    from.chain(to).collect()
}

/// The four tables as variables of a shell.
fn tables(fish: bool) -> String {
    let mut text = String::new();
    for (name, rows, fields) in [
        ("families", families(), 3),
        ("options", options(), 4),
        ("flags", flags(), 5),
        ("conventions", conventions(), 3),
    ] {
        let (before, between, after) = match fish {
            true => (format!("set -g _listen_{name}"), " \\\n  ", "\n"),
            false => (format!("_listen_{name}=("), "\n  ", "\n)\n"),
        };
        text += &before;
        for row in rows {
            assert_eq!(row.split('|').count(), fields, "{row}");
            assert!(!row.contains(['"', '$', '`', '\\', '\n']), "quote {row}");
            text += &format!("{between}\"{row}\"");
        }
        text += after;
    }
    text
}

#[test]
fn the_completions_have_the_tables_of_the_commands() {
    for (name, fish) in [
        ("listen.bash", false),
        ("_listen", false),
        ("listen.fish", true),
    ] {
        let text = fs::read_to_string(file(name)).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let made = format!("{before}{BEGIN}{}{END}{after}", tables(fish));
        if std::env::var_os("LISTEN_WRITE").is_some() {
            fs::write(file(name), &made).unwrap();
        }
        let said = "LISTEN_WRITE=1 cargo test --test completions";
        assert!(
            fs::read_to_string(file(name)).unwrap() == made,
            "{name} is old: {said}"
        );
    }
}

#[test]
#[ignore = "needs bash, zsh, fish and python3"]
fn shells_on_a_terminal_complete_specs_options_and_what_follows_them() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/completions.py");
    let ended = Command::new("python3").arg(script).arg(file("")).status();
    assert!(ended.unwrap().success());
}
