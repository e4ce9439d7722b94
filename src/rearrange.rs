//! Fds to other numbers, over any cycle, without a copy left anywhere.
#![forbid(unsafe_code)]

use crate::describe::What;
use crate::edit::invalid;
use crate::failure::Failure;
use crate::sys;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{IntoRawFd as _, RawFd};

/// Refuses what would overwrite an fd from 3 up that neither moves away nor is closed before, or is beyond the limit.
pub fn check(closed: &[RawFd], moves: &[(RawFd, RawFd)]) -> Result<(), Failure<'static>> {
    let leaving: BTreeSet<RawFd> = closed
        .iter()
        .chain(moves.iter().map(|(from, _)| from))
        .copied()
        .collect();
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_err(|errno| Failure::System("read the open-file limit", errno))?
        .0;
    for &(_, to) in moves {
        if u64::try_from(to).is_ok_and(|to| to >= limit) {
            return Err(invalid(format!(
                "fd {to} is not below the open-file limit, {limit} (ulimit -n)"
            )));
        }
        if to > 2 && !leaving.contains(&to) && sys::is_open(to) {
            return Err(invalid(format!(
                "fd {to} is open already, and not in LISTEN_FD_MAP: {}",
                What(to)
            )));
        }
    }
    Ok(())
}

/// Closes, then moves each fd from the first number of a pair to the second. Every number is once a first one, and once
/// a second one, at most.
///
/// # Errors
/// What dup3(2) or fcntl(2) said; the process has to end then.
pub fn fds(closed: &[RawFd], moves: &[(RawFd, RawFd)]) -> Result<(), Errno> {
    closed.iter().for_each(|&fd| sys::close(fd));
    let moving = moves.iter().copied().filter(|(from, to)| from != to);
    let mut pending: BTreeMap<RawFd, RawFd> = moving.collect();
    for &(start, _) in moves {
        // what stands in the way, and what stands in its way
        let mut way = Vec::new();
        let mut at = start;
        while let Some(to) = pending.remove(&at) {
            way.push((at, to));
            at = to;
        }
        // in a cycle the first steps aside
        let mut aside = None;
        if at == start && !way.is_empty() {
            aside = Some(sys::duplicate_aside(start)?.into_raw_fd());
            sys::close(start);
        }
        for (place, (from, to)) in way.into_iter().enumerate().rev() {
            let from = aside.filter(|_| place == 0).unwrap_or(from);
            // it stays open there: it is the next program's
            let _ = sys::duplicate_onto(from, to)?.into_raw_fd();
            sys::close(from);
        }
    }
    Ok(())
}
