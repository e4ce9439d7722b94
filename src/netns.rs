//! Network namespaces: a socket is born in one, and the process is back in its own before anything else happens.
#![forbid(unsafe_code)]

use crate::output::Text;
use crate::spec::value::LONGEST_PATH;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;

/// Where ip-netns(8) keeps the namespaces that have a name.
const NAMED: &[u8] = b"/run/netns/";

/// Why something could not be done in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It could not be entered; nothing was done.
    Enter(Errno),
    /// There is no way back: the process must end.
    Return(Errno),
}

/// Makes something in the network namespace `name`, a name of ip-netns(8) or a path: setns(2).
///
/// # Errors
/// Where the namespace cannot be entered, or cannot be left again.
#[cold]
pub fn within<T>(name: &[u8], make: impl FnOnce() -> T) -> Result<T, Trouble> {
    let mut path = Text::<{ LONGEST_PATH + 1 }>::new();
    if !name.contains(&b'/') {
        path.put(NAMED);
    }
    path.put(name);
    let path = path.c_str().ok_or(Trouble::Enter(Errno::ENAMETOOLONG))?;
    let own = namespace(c"/proc/self/ns/net").map_err(Trouble::Enter)?;
    let other = namespace(path).map_err(Trouble::Enter)?;
    setns(other, CloneFlags::CLONE_NEWNET).map_err(Trouble::Enter)?;
    let made = make();
    setns(own, CloneFlags::CLONE_NEWNET).map_err(Trouble::Return)?;
    Ok(made)
}

fn namespace(path: &core::ffi::CStr) -> Result<OwnedFd, Errno> {
    // a FIFO at the path would otherwise wait for a writer
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    open(path, flags, Mode::empty())
}
