//! sd_listen_fds(3): LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, LISTEN_PIDFDID; and the listenfd crate's variant of it
//! (systemfd), which begins at LISTEN_FDS_FIRST_FD and needs no process id.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered, number, text};
use crate::edit::{Chain, invalid};
use crate::failure::Failure;
use crate::sys;
use std::os::fd::RawFd;

/// The fd that systemd begins with: SD_LISTEN_FDS_START.
const START: RawFd = 3;

/// The longest name in bytes: FDNAME_MAX of systemd.
const LONGEST_NAME: usize = 255;

pub const SYSTEMD: Convention = Convention {
    name: "systemd",
    variables: "LISTEN_FDS LISTEN_PID LISTEN_FDNAMES LISTEN_PIDFDID",
    owns,
    import: Some(import_systemd),
    export: Some(export_systemd),
};

pub const LISTENFD: Convention = Convention {
    name: "listenfd",
    variables: "LISTEN_FDS LISTEN_FDS_FIRST_FD LISTEN_PID LISTEN_FDNAMES",
    owns,
    import: Some(import_listenfd),
    export: Some(export_listenfd),
};

fn owns(name: &[u8], _: &[String]) -> bool {
    [
        &b"LISTEN_FDS"[..],
        b"LISTEN_PID",
        b"LISTEN_FDNAMES",
        b"LISTEN_PIDFDID",
        b"LISTEN_FDS_FIRST_FD",
    ]
    .contains(&name)
}

fn import_systemd(chain: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let Some(count) = chain.get(b"LISTEN_FDS")? else {
        return Ok(Found::Nothing);
    };
    let Some(pid) = chain.get(b"LISTEN_PID")? else {
        return Err(invalid(
            "LISTEN_FDS is set and LISTEN_PID is not: fdmap-from listenfd reads that".to_owned(),
        ));
    };
    if pid.is_empty() {
        return Err(invalid(
            "LISTEN_PID is empty: fdmap-from listenfd takes that".to_owned(),
        ));
    }
    import(chain, START, count, pid)
}

fn import_listenfd(chain: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let Some(count) = chain.get(b"LISTEN_FDS")? else {
        return Ok(Found::Nothing);
    };
    let first = match chain.get(b"LISTEN_FDS_FIRST_FD")? {
        None | Some(b"") => START,
        Some(first) => number("LISTEN_FDS_FIRST_FD", first)?,
    };
    import(
        chain,
        first,
        count,
        chain.get(b"LISTEN_PID")?.unwrap_or_default(),
    )
}

/// An empty `pid` is nobody's.
fn import(
    chain: &Chain,
    first: RawFd,
    count: &[u8],
    pid: &[u8],
) -> Result<Found, Failure<'static>> {
    let count = number("LISTEN_FDS", count)?;
    if count == 0 {
        return Err(invalid(
            "LISTEN_FDS is 0, which sd_listen_fds(3) does not take: unset it".to_owned(),
        ));
    }
    if !pid.is_empty() {
        let own = std::process::id();
        let pid = number("LISTEN_PID", pid)?;
        if u32::try_from(pid) != Ok(own) {
            return Ok(Found::NotOurs(format!(
                "LISTEN_PID is {pid}, and this is process {own}"
            )));
        }
        if let Some(id) = chain.get(b"LISTEN_PIDFDID")? {
            let id = std::str::from_utf8(id)
                .ok()
                .and_then(|id| id.parse::<u64>().ok());
            let id = id.ok_or_else(|| invalid("LISTEN_PIDFDID is no number".to_owned()))?;
            if sys::pidfd_id(own).is_some_and(|own| own != id) {
                return Ok(Found::NotOurs(format!(
                    "LISTEN_PIDFDID is {id}, which is another process"
                )));
            }
        }
    }
    let last = first
        .checked_add(count - 1)
        .ok_or_else(|| invalid(format!("LISTEN_FDS is {count}, more than there are fds")))?;
    let names = names(chain, count)?;
    let names = names.into_iter().map(Some).chain(std::iter::repeat(None));
    let mut fds = Vec::new();
    for (fd, name) in (first..=last).zip(names) {
        if !sys::is_open(fd) {
            return Err(invalid(format!(
                "LISTEN_FDS is {count}, but fd {fd} is not open"
            )));
        }
        fds.push((name, fd));
    }
    Ok(Found::Fds(fds))
}

/// The names, none if there is no LISTEN_FDNAMES.
fn names(chain: &Chain, count: i32) -> Result<Vec<Vec<u8>>, Failure<'static>> {
    let Some(names) = chain.get(b"LISTEN_FDNAMES")? else {
        return Ok(Vec::new());
    };
    let list: Vec<Vec<u8>> = names.split(|&b| b == b':').map(<[u8]>::to_vec).collect();
    if usize::try_from(count) != Ok(list.len()) {
        return Err(invalid(format!(
            "LISTEN_FDNAMES has {} names and LISTEN_FDS is {count}: {}",
            list.len(),
            text(names)
        )));
    }
    Ok(list)
}

fn export_systemd(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut rendered = render(items, "systemd")?;
    if !items.is_empty() {
        rendered.first = Some(START);
        let pid = std::process::id().to_string().into_bytes();
        rendered.variables.insert(1, (b"LISTEN_PID".to_vec(), pid));
    }
    Ok(rendered)
}

fn export_listenfd(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut rendered = render(items, "listenfd")?;
    let Some(first) = items.first().map(|item| item.fd) else {
        return Ok(rendered);
    };
    for (item, fd) in items.iter().zip(first..) {
        if item.fd != fd {
            let (label, is) = (&item.label, item.fd);
            return Err(invalid(format!(
                "{label} cannot be passed to listenfd: its fds follow each other from {first}, and {label} is {is}, not {fd} (fdmap-edit --move {label}={fd}, or another order with -l)"
            )));
        }
    }
    let first = first.to_string().into_bytes();
    rendered
        .variables
        .insert(1, (b"LISTEN_FDS_FIRST_FD".to_vec(), first));
    // what the crate's users hand to an event loop has to be non-blocking
    rendered.nonblock = Some(true);
    Ok(rendered)
}

/// The count and the names; nothing where there are no fds, because a count of 0 is an error to readers.
fn render(items: &[Item], convention: &str) -> Result<Rendered, Failure<'static>> {
    if items.is_empty() {
        return Ok(Rendered::default());
    }
    if let Some(item) = items.iter().find(|item| item.name.len() > LONGEST_NAME) {
        return Err(item.refuse(convention, "its name is longer than 255 bytes"));
    }
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    Ok(Rendered::of(vec![
        ("LISTEN_FDS", items.len().to_string()),
        ("LISTEN_FDNAMES", names.join(":")),
    ]))
}
