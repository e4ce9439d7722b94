//! From an operand to the files of a unit: the file itself and its drop-ins, found the way of systemd.unit(5).
#![forbid(unsafe_code)]

use super::name::{Name, SUFFIX};
use super::{Request, Unit, specifier};
use crate::edit::invalid;
use crate::failure::Failure;
use crate::output::Shown;
use nix::errno::Errno;
use nix::libc;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The longest file in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// As many links as the kernel follows: MAXSYMLINKS of linux/namei.h.
const MOST_LINKS: usize = 40;

/// A file of a unit.
pub struct Source {
    /// Its path, for messages.
    pub shown: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Where units are, the first that counts first: systemd.unit(5).
const SYSTEM: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Finds the files of the unit that an operand names.
///
/// # Errors
/// No such file, one that cannot be read, one that is masked, a template without an instance.
pub fn unit(operand: &[u8], request: &Request) -> Result<Unit, Failure<'static>> {
    let shown = Shown(operand).to_string();
    let file_name = operand.rsplit(|&b| b == b'/').next().unwrap_or(operand);
    let name = std::str::from_utf8(file_name).ok().and_then(Name::parse);
    let name = name.ok_or_else(|| invalid(format!("{shown}: no name of a .socket unit")))?;
    if name.is_template() {
        let example = format!("{}@NAME{SUFFIX}", name.prefix);
        return Err(invalid(format!(
            "{shown}: a template needs an instance, like {example}"
        )));
    }
    let mut unit = Unit {
        name,
        path: String::new(),
        sources: Vec::new(),
        is_user: request.user,
        env: request.env,
    };
    if operand.contains(&b'/') {
        by_path(Path::new(OsStr::from_bytes(operand)), request, &mut unit)?;
    } else {
        by_name(&shown, request, &mut unit)?;
    }
    Ok(unit)
}

/// A path under `--root`.
fn rooted(path: &Path, request: &Request) -> PathBuf {
    match (&request.root, path.strip_prefix("/")) {
        (Some(root), Ok(below)) => Path::new(root).join(below),
        _ => path.to_owned(),
    }
}

fn by_path(path: &Path, request: &Request, unit: &mut Unit) -> Result<(), Failure<'static>> {
    let path = rooted(path, request);
    let names: Vec<Name> = [Some(unit.name.clone()), unit.name.template()]
        .into_iter()
        .flatten()
        .collect();
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut file = first(&[beside.to_owned()], &unit.name).unwrap_or(path.clone());
    for _ in 0..MOST_LINKS {
        let Some(target) = link(&file, request)? else {
            break;
        };
        let target_name = target.file_name().and_then(OsStr::to_str);
        if let Some(target_name) = target_name.and_then(Name::parse) {
            unit.name = target_name.with_instance_of(&unit.name);
        }
        file = target;
    }
    unit.path = text(&file);
    unit.sources.push(fragment(&file)?);
    let dirs: Vec<PathBuf> = names.iter().map(|name| drop_in_dir(beside, name)).collect();
    drop_ins(&dirs, request, unit)
}

fn by_name(shown: &str, request: &Request, unit: &mut Unit) -> Result<(), Failure<'static>> {
    let dirs: Vec<PathBuf> = if request.user {
        user_dirs(unit)
    } else {
        SYSTEM.iter().map(PathBuf::from).collect()
    };
    let dirs: Vec<PathBuf> = dirs.iter().map(|dir| rooted(dir, request)).collect();
    let mut names = vec![unit.name.clone()];
    let mut file = first(&dirs, &unit.name).ok_or_else(|| {
        let dirs: Vec<String> = dirs.iter().map(|dir| text(dir)).collect();
        let there = dirs.join(", ");
        invalid(format!(
            "{shown}: no such unit in {there} (a path has a slash: ./{shown})"
        ))
    })?;
    for _ in 0..MOST_LINKS {
        let Some(target) = link(&file, request)? else {
            break;
        };
        let is_in_dirs = dirs.iter().any(|dir| same_dir(target.parent(), dir));
        let target_name = target.file_name().and_then(OsStr::to_str);
        let alias = target_name.and_then(Name::parse).filter(|_| is_in_dirs);
        // a link to the same name elsewhere, or to a file outside, is only a way to it
        let alias = alias.map(|alias| alias.with_instance_of(&unit.name));
        file = match alias {
            Some(alias) if !names.contains(&alias) => {
                let of = first(&dirs, &alias).unwrap_or(target);
                names.push(alias.clone());
                unit.name = alias;
                of
            }
            _ => target,
        };
    }
    unit.path = text(&file);
    unit.sources.push(fragment(&file)?);
    // the unit's own name first, then those by which it is called
    let mut all: Vec<Name> = Vec::new();
    for name in names.iter().rev().flat_map(Name::drop_ins) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let named = all
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| drop_in_dir(dir, name)));
    let of_all = dirs.iter().map(|dir| dir.join("socket.d"));
    let all: Vec<PathBuf> = named.chain(of_all).collect();
    drop_ins(&all, request, unit)
}

fn drop_in_dir(dir: &Path, name: &Name) -> PathBuf {
    dir.join(name.full() + ".d")
}

/// Where a user's own units are.
fn user_dirs(unit: &Unit) -> Vec<PathBuf> {
    let own = |variable: &str, below: &str| {
        let dir = specifier::of_user(unit, variable, below).ok()?;
        Some(Path::new(&dir).join("systemd/user"))
    };
    let fixed = |dir: &str| Some(PathBuf::from(dir));
    [
        own("XDG_CONFIG_HOME", "/.config"),
        fixed("/etc/systemd/user"),
        own("XDG_RUNTIME_DIR", ""),
        fixed("/run/systemd/user"),
        own("XDG_DATA_HOME", "/.local/share"),
        fixed("/usr/local/share/systemd/user"),
        fixed("/usr/share/systemd/user"),
        fixed("/usr/local/lib/systemd/user"),
        fixed("/usr/lib/systemd/user"),
        fixed("/lib/systemd/user"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The first file of a name, or else of its template.
fn first(dirs: &[PathBuf], name: &Name) -> Option<PathBuf> {
    let of = |name: &Name| {
        let paths = dirs.iter().map(|dir| dir.join(name.full()));
        paths
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
    };
    of(name).or_else(|| of(&name.template()?))
}

fn same_dir(dir: Option<&Path>, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    dir.is_some_and(|dir| dir == other || real(dir).is_some_and(|dir| Some(dir) == real(other)))
}

/// Where a link leads, none if the path is no link.
fn link(path: &Path, request: &Request) -> Result<Option<PathBuf>, Failure<'static>> {
    let Ok(target) = fs::read_link(path) else {
        return Ok(None);
    };
    if target == Path::new("/dev/null") {
        return Err(masked(path));
    }
    Ok(Some(if target.is_absolute() {
        rooted(&target, request)
    } else {
        path.parent().unwrap_or(Path::new("")).join(target)
    }))
}

fn text(path: &Path) -> String {
    Shown(path.as_os_str().as_bytes()).to_string()
}

fn masked(path: &Path) -> Failure<'static> {
    invalid(format!(
        "{}: the unit is masked (it is empty, or a link to /dev/null)",
        text(path)
    ))
}

fn fragment(path: &Path) -> Result<Source, Failure<'static>> {
    let bytes = read(path)?;
    if bytes.is_empty() {
        return Err(masked(path));
    }
    Ok(Source {
        shown: text(path),
        bytes,
    })
}

/// Reads a regular file that is not too long.
fn read(path: &Path) -> Result<Vec<u8>, Failure<'static>> {
    let wrong = |why: &str| invalid(format!("{}: {why}", text(path)));
    let failed = |error| unreadable(path, &error);
    // a FIFO or a device is not waited for
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file: File = options.open(path).map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    if !is_file {
        return Err(wrong("not a regular file"));
    }
    let mut bytes = Vec::new();
    let mut limited = file.take(LONGEST_FILE + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(wrong("the file is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// What a file or directory that cannot be read is: what was written is wrong, or the system has not what it takes.
fn unreadable(path: &Path, error: &io::Error) -> Failure<'static> {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    match errno {
        Errno::EACCES
        | Errno::EPERM
        | Errno::EMFILE
        | Errno::ENFILE
        | Errno::EIO
        | Errno::ENOMEM => Failure::System(format!("read {}", text(path)).leak(), errno),
        errno => invalid(format!("{}: {}", text(path), errno.desc())),
    }
}

/// Adds the drop-ins of `dirs`, of which the first that has a name counts, in the order of their names.
fn drop_ins(dirs: &[PathBuf], request: &Request, unit: &mut Unit) -> Result<(), Failure<'static>> {
    let mut files: Vec<(OsString, PathBuf)> = Vec::new();
    for dir in dirs {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => return Err(unreadable(dir, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(dir, &error))?;
            let name = entry.file_name();
            let bytes = name.as_bytes();
            let is_new = !files.iter().any(|(other, _)| *other == name);
            if bytes.ends_with(b".conf") && !bytes.starts_with(b".") && is_new {
                files.push((name, entry.path()));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, path) in files {
        // a link to /dev/null masks those of its name further down
        let target = fs::read_link(&path).ok();
        if target.as_deref() == Some(Path::new("/dev/null")) || path.is_dir() {
            continue;
        }
        let file = match target {
            Some(target) if target.is_absolute() => rooted(&target, request),
            _ => path.clone(),
        };
        let bytes = read(&file)?;
        unit.sources.push(Source {
            shown: text(&path),
            bytes,
        });
    }
    Ok(())
}
