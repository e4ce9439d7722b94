//! Specifiers, `%x`: systemd.unit(5). They stand for what the unit is called, where it lies, and who runs it.
#![forbid(unsafe_code)]

use super::name::unescape;
use super::{Unit, variable};
use crate::sys::List;
use nix::unistd::{Gid, Group, Uid, User};

/// Puts in what the specifiers of `text` stand for.
///
/// # Errors
/// One that stands for nothing.
pub fn expand(text: &str, unit: &Unit) -> Result<String, String> {
    let mut parts = text.split('%');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        let mut rest = part.chars();
        match rest.next() {
            Some(letter) => {
                expanded.push_str(&stands_for(letter, unit)?);
                expanded.push_str(rest.as_str());
            }
            // %%, which the split has divided
            None => match parts.next() {
                Some(rest) => {
                    expanded.push('%');
                    expanded.push_str(rest);
                }
                None => return Err("a % alone (a percent sign is written %%)".to_owned()),
            },
        }
    }
    Ok(expanded)
}

fn stands_for(letter: char, unit: &Unit) -> Result<String, String> {
    let name = &unit.name;
    let instance = || name.instance.clone().unwrap_or_default();
    let part = || name.prefix.rsplit('-').next().unwrap_or_default();
    let plain = |text: &str| {
        unescape(text).ok_or_else(|| format!("%{letter} stands for what cannot be unescaped"))
    };
    let directory = |system: &str, user: &str, below: &str| match unit.is_user {
        true => of_user(unit, user, below),
        false => Ok(system.to_owned()),
    };
    let missing = |what: &str| format!("%{letter} is {what}, which cannot be found out here");
    let known = |value: Option<String>, what| value.ok_or_else(|| missing(what));
    match letter {
        'n' => Ok(name.full()),
        'N' => Ok(name.stem()),
        'p' => Ok(name.prefix.clone()),
        'P' => plain(&name.prefix),
        'i' => Ok(instance()),
        'I' => plain(&instance()),
        'j' => Ok(part().to_owned()),
        'J' => plain(part()),
        'f' => {
            let of = name.instance.as_deref().filter(|of| !of.is_empty());
            let path = plain(of.unwrap_or(&name.prefix))?;
            Ok(format!("/{}", path.trim_start_matches('/')))
        }
        'y' => Ok(unit.path.clone()),
        'Y' => Ok(unit
            .path
            .rsplit_once('/')
            .map_or("", |(dir, _)| dir)
            .to_owned()),
        't' => directory("/run", "XDG_RUNTIME_DIR", ""),
        'S' => directory("/var/lib", "XDG_STATE_HOME", "/.local/state"),
        'C' => directory("/var/cache", "XDG_CACHE_HOME", "/.cache"),
        'L' => match unit.is_user {
            true => Ok(of_user(unit, "XDG_STATE_HOME", "/.local/state")? + "/log"),
            false => Ok("/var/log".to_owned()),
        },
        'E' => directory("/etc", "XDG_CONFIG_HOME", "/.config"),
        'T' | 'V' => {
            let set = ["TMPDIR", "TEMP", "TMP"];
            let set = set.iter().find_map(|name| absolute(unit.env, name));
            let default = if letter == 'T' { "/tmp" } else { "/var/tmp" };
            Ok(set.unwrap_or_else(|| default.to_owned()))
        }
        'u' => known(user().map(|user| user.name), "the user's name"),
        'U' => Ok(Uid::effective().to_string()),
        'g' => {
            let group = Group::from_gid(Gid::effective()).ok().flatten();
            known(group.map(|group| group.name), "the group's name")
        }
        'G' => Ok(Gid::effective().to_string()),
        'h' => known(home(unit), "the user's home"),
        's' => {
            let shell = user().and_then(|user| user.shell.into_os_string().into_string().ok());
            known(shell, "the user's shell")
        }
        'H' => known(host(), "the host's name"),
        'l' => {
            let short = |host: String| host.split('.').next().map(str::to_owned);
            known(host().and_then(short), "the host's short name")
        }
        'v' => known(
            first_line("/proc/sys/kernel/osrelease"),
            "the kernel's release",
        ),
        'm' => known(first_line("/etc/machine-id"), "the machine's id"),
        'b' => {
            let id = first_line("/proc/sys/kernel/random/boot_id");
            known(id.map(|id| id.replace('-', "")), "the boot's id")
        }
        'a' => Ok(architecture().to_owned()),
        'o' => Ok(os_release("ID").unwrap_or_default()),
        'w' => Ok(os_release("VERSION_ID").unwrap_or_default()),
        'B' => Ok(os_release("BUILD_ID").unwrap_or_default()),
        'W' => Ok(os_release("VARIANT_ID").unwrap_or_default()),
        'M' => Ok(os_release("IMAGE_ID").unwrap_or_default()),
        'A' => Ok(os_release("IMAGE_VERSION").unwrap_or_default()),
        _ => Err(format!(
            "unknown specifier %{letter} (a percent sign is written %%)"
        )),
    }
}

/// A directory of the user's: that of the variable, or the one below the home.
///
/// # Errors
/// Neither is known.
pub fn of_user(unit: &Unit, name: &str, below: &str) -> Result<String, String> {
    if let Some(path) = absolute(unit.env, name) {
        return Ok(path);
    }
    match home(unit) {
        Some(home) if !below.is_empty() => Ok(home + below),
        _ => Err(format!("{name} is not set")),
    }
}

/// The value of a variable that holds an absolute path.
fn absolute(env: List, name: &str) -> Option<String> {
    variable(env, name).filter(|value| value.starts_with('/'))
}

fn user() -> Option<User> {
    User::from_uid(Uid::effective()).ok().flatten()
}

/// The home of whoever runs it; of a user's own units that of HOME first.
fn home(unit: &Unit) -> Option<String> {
    let set = unit.is_user.then(|| absolute(unit.env, "HOME")).flatten();
    set.or_else(|| user()?.dir.into_os_string().into_string().ok())
}

fn host() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

/// A field of os-release(5).
fn os_release(field: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release")
        .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix('='))?;
    super::value::words(value)?.into_iter().next()
}

/// The names that systemd has for architectures: ConditionArchitecture= of systemd.unit(5).
fn architecture() -> &'static str {
    match (std::env::consts::ARCH, cfg!(target_endian = "little")) {
        ("x86_64", _) => "x86-64",
        ("aarch64", _) => "arm64",
        ("powerpc64", true) => "ppc64-le",
        ("powerpc64", false) => "ppc64",
        ("powerpc", _) => "ppc",
        ("loongarch64", _) => "loongarch64",
        ("mips", true) => "mips-le",
        ("mips64", true) => "mips64-le",
        (other, _) => other,
    }
}
