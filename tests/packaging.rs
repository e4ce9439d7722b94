//! What packages say of the project is what Cargo.toml and Cargo.lock say.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn every_package_has_the_version_of_the_crate() {
    for (file, line) in [
        (
            ".packaging/debian/changelog",
            format!("listen-fd-map ({VERSION}) "),
        ),
        (
            ".packaging/alpine/APKBUILD",
            format!("\npkgver={VERSION}\n"),
        ),
        (".packaging/void/template", format!("\nversion={VERSION}\n")),
        ("doc/CHANGELOG.md", format!("\n## {VERSION}, ")),
    ] {
        assert!(text(file).contains(&line), "{file}: {line}");
    }
}

/// The crates that are there with these kinds of dependencies, with their licences.
fn crates(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix=none", "--format={p}|{l}"])
        .args(["--target=x86_64-unknown-linux-gnu", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let crates = lines.lines().map(|line| {
        let (name, licence) = line.trim_end_matches(" (*)").split_once('|').unwrap();
        format!("{} | {licence}", name.split(' ').next().unwrap())
    });
    let own = |row: &String| !row.starts_with("listen-fd-map ");
    crates.filter(own).collect()
}

#[test]
fn the_list_of_licences_is_that_of_the_lock_file() {
    let (linked, built, all) = (
        crates("normal"),
        crates("normal,build"),
        crates("normal,build,dev"),
    );
    let mut rows = Vec::new();
    for (crates, place) in [
        (linked.iter().collect::<Vec<_>>(), "commands"),
        (built.difference(&linked).collect(), "build"),
        (all.difference(&built).collect(), "tests"),
    ] {
        rows.extend(crates.iter().map(|row| format!("| {row} | {place} |")));
    }
    let list = text("doc/LICENSES.md");
    let listed: Vec<&str> = list
        .lines()
        .skip_while(|line| *line != "|---|---|---|")
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(listed, rows);
}
