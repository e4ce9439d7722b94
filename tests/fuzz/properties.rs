//! What has to hold for every input: one function for each kind, which panics where it does not. tests/properties.rs tries
//! the seeds and random changes of them, tests/fuzz hands them to libFuzzer.

use listen_fd_map::argv::{Item, Walk};
use listen_fd_map::edit::Chain;
use listen_fd_map::inherited::Inherited;
use listen_fd_map::set::Key as _;
use listen_fd_map::spec::Spec;
use listen_fd_map::spec::option::OPTIONS;
use listen_fd_map::sys::{Arg, Start};
use listen_fd_map::unit::sockets::Note;
use listen_fd_map::unit::{Request, Unit, file, find, name::Name, sockets, value};
use listen_fd_map::{FdMap, convention};
use std::collections::HashSet;
use std::ffi::CString;

/// What has to hold for an input.
type Property = fn(&[u8]);

/// The kinds of input.
pub const TARGETS: [(&str, Property); 6] = [
    ("map", map),
    ("environment", environment),
    ("specs", specs),
    ("values", values),
    ("conventions", conventions),
    ("units", units),
];

/// An independent reading of listen-fd-map(7): labels and fds, or nothing.
fn reference(text: &str) -> Option<Vec<(String, i32)>> {
    let mut entries: Vec<(String, i32)> = Vec::new();
    if text.is_empty() {
        return Some(entries);
    }
    for entry in text.split(',') {
        let (label, fd) = entry.split_once('=')?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-@".contains(c);
        if label.is_empty()
            || label.len() > 255
            || label.starts_with('-')
            || !label.chars().all(legal)
        {
            return None;
        }
        let canonical = fd
            .parse::<i32>()
            .ok()
            .filter(|number| *number >= 0 && number.to_string() == fd)?;
        if entries
            .iter()
            .any(|(other, number)| other == label || *number == canonical)
        {
            return None;
        }
        entries.push((label.to_owned(), canonical));
    }
    Some(entries)
}

/// A map is accepted if the reference accepts it, and says the same.
pub fn map(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if text.len() > 5000 {
        return;
    }
    let ours = FdMap::parse(text);
    let theirs = reference(text);
    match (&ours, &theirs) {
        (Ok(ours), Some(theirs)) => {
            let entries: Vec<(String, i32)> = ours
                .iter()
                .map(|(label, fd)| (label.to_owned(), fd))
                .collect();
            assert_eq!(&entries, theirs);
            for (label, fd) in theirs {
                assert_eq!(ours.get(label), Some(*fd));
            }
            assert_eq!(ours.to_string(), text);
        }
        (Err(error), None) => assert!(!error.to_string().is_empty()),
        _ => panic!("{text:?}: {ours:?} {theirs:?}"),
    }
}

/// Strings divided by newlines, as C has them; what has a NUL ends there.
fn strings(data: &[u8]) -> Vec<CString> {
    let until_nul = |line: &[u8]| line.split(|&b| b == 0).next().unwrap_or_default().to_vec();
    data.split(|&b| b == b'\n')
        .map(|line| CString::new(until_nul(line)).unwrap())
        .collect()
}

/// A map is found in an environment if it is there once, and is well formed by entry.
pub fn environment(data: &[u8]) {
    let strings = strings(data);
    let mut env: Vec<Option<Arg>> = strings
        .iter()
        .map(|string| Some(Arg::from(string.as_c_str())))
        .collect();
    env.push(None);
    let values: Vec<&[u8]> = strings
        .iter()
        .filter_map(|string| string.to_bytes().strip_prefix(b"LISTEN_FD_MAP="))
        .collect();
    match (Inherited::find(&env), &values[..]) {
        (Ok(map), []) => assert!(map.text.is_empty() && map.place.is_none()),
        (Ok(map), [value]) => {
            assert!(map.place.is_some() && map.text.as_bytes() == *value);
            // each entry alone is a map
            for (_, label, fd) in map.entries() {
                assert!(FdMap::parse(&format!("{label}={fd}")).is_ok());
            }
        }
        (Err(error), [_, ..]) => assert!(!error.to_string().contains('\n')),
        (found, values) => panic!("{:?} {values:?}", found.is_ok()),
    }
}

/// The arguments of a process whose own name is `listen`.
fn arguments(strings: &[CString]) -> Vec<Option<Arg<'_>>> {
    let own = [Some(Arg::from(c"listen"))];
    let given = strings
        .iter()
        .map(|string| Some(Arg::from(string.as_c_str())));
    own.into_iter().chain(given).chain([None]).collect()
}

/// Arguments are specs or errors; a spec has what it says, once each, and its message is one line.
pub fn specs(data: &[u8]) {
    let strings = strings(data);
    let args = arguments(&strings);
    let mut walk = Walk::new(&args);
    for item in walk.by_ref() {
        match item {
            Err(error) => assert!(!error.to_string().contains('\n')),
            Ok(Item::Spec(written)) => match Spec::parse(&written) {
                Err(error) => {
                    let line = error.to_string();
                    assert!(!line.contains('\n') && line.len() < 5000, "{line}");
                }
                Ok(spec) => {
                    let mut seen = HashSet::new();
                    let _ = spec.settings(u64::MAX, |row, _, _| {
                        assert!(
                            row.families.contain(spec.family) && row.addresses.has(&spec.address)
                        );
                        assert!(seen.insert(row.name) || row.repeats, "{}", row.name);
                        Ok::<(), ()>(())
                    });
                    for label in spec.labels().take(3) {
                        let label: Vec<u8> = label.bytes().collect();
                        assert!(listen_fd_map::edit::is_label(
                            &String::from_utf8(label).unwrap()
                        ));
                    }
                    assert!(spec.count() >= 1);
                    let _ = spec.address.is_written(data);
                }
            },
            Ok(_) => {}
        }
    }
    assert!(matches!(walk.prog(), [.., None]));
}

/// No text has a value that the option does not take back when it is written as a number.
pub fn values(data: &[u8]) {
    for row in &OPTIONS {
        if let Some(listen_fd_map::spec::value::Value::Number(number)) = row.takes.parse(Some(data))
        {
            assert!(row.takes.is_number(), "{}: {number}", row.name);
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let plain = text.len() < 10 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let (true, Ok(number)) = (plain, text.parse::<u64>()) {
        assert_eq!(
            (value::size(text), value::seconds(text)),
            (Some(number), Some(number))
        );
    }
    if let Some(path) = value::simplified(text) {
        assert_eq!(value::simplified(&path).as_deref(), Some(path.as_str()));
        assert!(!path.contains("//") && path.starts_with('/'));
    }
    if let (Some(port), Some(number)) = (value::port(text), value::number(text)) {
        assert_eq!(i64::from(port), number);
    }
    let words = value::words(text).unwrap_or_default();
    assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
}

/// An importer finds fds that are open, or says why not.
pub fn conventions(data: &[u8]) {
    // what a chain reads lives as long as the process
    let strings: &'static [CString] = strings(data).leak();
    let mut env: Vec<Option<Arg<'static>>> = strings
        .iter()
        .map(|string| Some(Arg::from(string.as_c_str())))
        .collect();
    env.push(None);
    let start = Start {
        args: &[None],
        env: env.leak(),
    };
    let Ok(chain) = Chain::new(&start) else {
        return;
    };
    for row in convention::CONVENTIONS.iter() {
        let Some(import) = row.import else { continue };
        let labels = ["a".to_owned(), "b".to_owned()];
        for given in [None, Some(&labels[..])] {
            match import(&chain, given) {
                Ok(convention::Found::Fds(fds)) => {
                    assert!(fds.iter().all(|(_, fd)| *fd >= 0), "{}", row.name);
                }
                Ok(_) => {}
                Err(failure) => assert!(!failure.to_string().contains('\n'), "{failure}"),
            }
        }
    }
}

/// A unit is sockets that are specs of `listen`, or one line with the file's name.
pub fn units(data: &[u8]) {
    if let Ok(contents) = file::parse(data) {
        for assignment in contents.assignments {
            assert!(!assignment.key.contains(['=', '\n']) && !assignment.value.contains('\n'));
            assert!(assignment.line >= 1);
        }
    }
    let request = Request {
        user: false,
        root: None,
        accept: true,
        env: &[None],
    };
    let unit = Unit {
        name: Name::parse("f-g@h-i.socket").unwrap(),
        path: "/f".to_owned(),
        sources: vec![find::Source {
            shown: "f".to_owned(),
            bytes: data.to_vec(),
        }],
        is_user: false,
        env: &[None],
    };
    let mut notes = Vec::new();
    match sockets::read(&unit, &request, &mut notes) {
        Err(failure) => {
            let line = failure.to_string();
            assert!(!line.contains('\n') && line.len() < 5000, "{line}");
        }
        Ok(sockets) => {
            for socket in sockets {
                let mut text = format!("--{}\n{}", socket.family.name, socket.address);
                for option in &socket.options {
                    text.push_str(&format!("\n-o\n{option}"));
                }
                is_spec(&text);
            }
        }
    }
    for note in notes {
        let (Note::Warning(text) | Note::Info(text)) = note;
        assert!(!text.contains('\n'));
    }
}

fn is_spec(text: &str) {
    let strings = strings(text.as_bytes());
    let args = arguments(&strings);
    let first = Walk::new(&args).next();
    match first {
        Some(Ok(Item::Spec(written))) => {
            if let Err(error) = Spec::parse(&written) {
                panic!("{text}: {error}");
            }
        }
        _ => panic!("{text}"),
    }
}
