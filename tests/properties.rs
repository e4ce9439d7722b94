//! What holds for every input, tried with the seeds of tests/fuzz and random changes of them.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;
#[path = "fuzz/properties.rs"]
mod properties;

use common::{LISTEN, Run};
use std::fs;
use std::path::Path;

/// xorshift64*: the same inputs each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }

    /// One of the seeds with a few bytes changed, left out, doubled, or taken from another.
    fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let other = &seeds[self.below(seeds.len())];
            let from = self.below(other.len() + 1);
            let piece = &other[from..(from + self.below(20)).min(other.len())];
            let end = (at + self.below(8)).min(input.len());
            match self.below(4) {
                0 => input.splice(at..end, []).for_each(drop),
                1 => input.splice(at..end, piece.iter().copied()).for_each(drop),
                2 => input.insert(at, self.below(256) as u8),
                _ => input.splice(at..at, piece.iter().copied()).for_each(drop),
            }
        }
        input
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_property_holds_for_the_seeds_and_for_changes_of_them() {
    for (name, holds) in properties::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name}");
        seeds.iter().for_each(|seed| holds(seed));
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3000 {
            holds(&random.change(&seeds));
        }
    }
}

/// The arguments of a spec that changes of a seed have made, as a shell has them.
fn printed(args: &[String]) -> Option<String> {
    let ended = Run::new(LISTEN, [&["-n".to_owned()], args].concat()).run();
    (ended.code == Some(0)).then_some(ended.stdout)
}

#[test]
fn what_dash_n_prints_is_the_same_plan() {
    let options = [
        "fd=9",
        "nonblock",
        "backlog=5",
        "keepalive~",
        "rcvbuf~=8K",
        "tos=0x10",
        "priority=3",
        "env=X",
        "mark~=1",
        "listen=no",
        "mode=0640",
        "user=0",
        "symlink=/l,m",
        "unlink=never",
        "dirmode=755",
        "ttl=5",
        "device=lo",
        "count=3",
        "timestamp=ns",
        "freebind",
        "v6only=kernel",
        "nodelay~=no",
        "join=[ff02::1%lo]",
    ];
    let addresses = [
        ("tcp", "80"),
        ("tcp", "[fe80::1%eth0]:80"),
        ("udp", "::1/53"),
        ("unix", "/a b"),
        ("unix", "@it's"),
        ("unix-dgram", "./x:y"),
        ("udp", "1.2.3.4:5"),
        ("fifo", "/f"),
        ("tcp", "*:0"),
    ];
    let mut random = Random(0x5851_f42d_4c95_7f2d);
    let mut same = 0;
    for _ in 0..400 {
        let (family, address) = addresses[random.below(addresses.len())];
        let mut args = vec![
            format!("--{family}"),
            address.to_owned(),
            "-o".to_owned(),
            "label=l.x".to_owned(),
        ];
        for _ in 0..random.below(3) {
            args.extend([
                "-o".to_owned(),
                options[random.below(options.len())].to_owned(),
            ]);
        }
        let Some(first) = printed(&args) else {
            continue;
        };
        // a shell reads it back
        let script = format!("exec {LISTEN} -n {first}");
        let again = Run::new("/bin/sh", ["-c", script.trim_end()]).run();
        assert_eq!(
            (again.stdout.as_str(), again.code),
            (first.as_str(), Some(0)),
            "{args:?}: {again:?}"
        );
        same += 1;
    }
    assert!(same > 150, "{same}");
}
