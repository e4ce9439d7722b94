//! The last step: PROG is found along PATH and takes the process over.
#![forbid(unsafe_code)]

use crate::sys::{self, Arg};
use core::ffi::CStr;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{AccessFlags, access};

/// Why PROG does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoExec<'a> {
    /// PROG as it was given.
    pub prog: &'a [u8],
    /// The error of execve(2).
    pub errno: Errno,
    /// PROG is there, so what is missing is its interpreter or its loader.
    pub no_interpreter: bool,
}

impl NoExec<'_> {
    /// Whether PROG was not found, rather than found and refused.
    pub fn not_found(&self) -> bool {
        matches!(self.errno, Errno::ENOENT | Errno::ENOTDIR) && !self.no_interpreter
    }
}

/// Runs `argv` with `env`; both end with `None`. A PROG without a slash is searched in the PATH of `inherited`, or in
/// /usr/bin:/bin if there is none, the way of execvp(3), but ENOEXEC is an error: no shell is tried.
///
/// Returns only if that fails.
pub fn exec<'a>(
    argv: &[Option<Arg<'a>>],
    env: &[Option<Arg>],
    inherited: &[Option<Arg>],
) -> NoExec<'a> {
    let name = argv.first().copied().flatten().map_or(c"", Arg::c_str);
    let prog = name.to_bytes();
    if prog.is_empty() || prog.contains(&b'/') {
        let errno = sys::execve(name, argv, env);
        let no_interpreter = errno == Errno::ENOENT && access(name, AccessFlags::F_OK).is_ok();
        return NoExec {
            prog,
            errno,
            no_interpreter,
        };
    }
    search(prog, argv, env, inherited)
}

/// Not part of [`exec`], so that its room takes no page where PROG is a path.
#[inline(never)]
fn search<'a>(
    prog: &'a [u8],
    argv: &[Option<Arg<'a>>],
    env: &[Option<Arg>],
    inherited: &[Option<Arg>],
) -> NoExec<'a> {
    let path = inherited
        .iter()
        .flatten()
        .find_map(|variable| variable.value_of(b"PATH"));
    let mut result = Errno::ENOENT;
    let mut room = [0; libc::PATH_MAX as usize];
    for directory in path
        .unwrap_or(c"/usr/bin:/bin")
        .to_bytes()
        .split(|&b| b == b':')
    {
        let Some(file) = join(&mut room, directory, prog) else {
            continue;
        };
        match sys::execve(file, argv, env) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => {}
            Errno::EACCES => result = Errno::EACCES,
            errno => {
                return NoExec {
                    prog,
                    errno,
                    no_interpreter: false,
                };
            }
        }
    }
    NoExec {
        prog,
        errno: result,
        no_interpreter: false,
    }
}

/// `directory/prog`, or `prog` for the empty directory, which is the current one; `None` if that is longer than a path
/// can be.
fn join<'a>(
    room: &'a mut [u8; libc::PATH_MAX as usize],
    directory: &[u8],
    prog: &[u8],
) -> Option<&'a CStr> {
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut len = 0;
    for (place, byte) in room
        .iter_mut()
        .zip(directory.iter().chain(slash).chain(prog).chain(b"\0"))
    {
        *place = *byte;
        len += 1;
    }
    CStr::from_bytes_with_nul(room.get(..len)?).ok()
}
