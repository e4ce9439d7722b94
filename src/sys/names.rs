//! Users and groups by name.

/// getpwnam(3) and getgrnam(3), which may use a heap and open files of their own.
#[cfg(not(target_env = "musl"))]
mod database {
    use core::ffi::CStr;
    use nix::errno::Errno;
    use nix::libc;

    /// The user id of a name, `None` if there is no such user.
    pub fn user_id(name: &CStr) -> Result<Option<u32>, Errno> {
        // SAFETY: the name is a C string; the record is read before any other call to the user database.
        found(|| unsafe {
            libc::getpwnam(name.as_ptr())
                .as_ref()
                .map(|record| record.pw_uid)
        })
    }

    /// The group id of a name, `None` if there is no such group.
    pub fn group_id(name: &CStr) -> Result<Option<u32>, Errno> {
        // SAFETY: as in user_id.
        found(|| unsafe {
            libc::getgrnam(name.as_ptr())
                .as_ref()
                .map(|record| record.gr_gid)
        })
    }

    /// "Not found" may leave any of these in errno: getpwnam(3), ERRORS.
    fn found(look_up: impl Fn() -> Option<u32>) -> Result<Option<u32>, Errno> {
        Errno::clear();
        match (look_up(), Errno::last()) {
            (Some(id), _) => Ok(Some(id)),
            (
                None,
                Errno::UnknownErrno | Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM,
            ) => Ok(None),
            (None, errno) => Err(errno),
        }
    }
}

/// The files of passwd(5) and group(5). musl knows no other source but nscd, and its functions would bring a heap, stdio
/// and the client of nscd into a static program: a sixth of it.
#[cfg(target_env = "musl")]
mod database {
    use super::Search;
    use core::ffi::CStr;
    use nix::errno::Errno;
    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::Mode;
    use nix::unistd::read;

    /// The user id of a name, `None` if there is no such user.
    pub fn user_id(name: &CStr) -> Result<Option<u32>, Errno> {
        look_up(c"/etc/passwd", name)
    }

    /// The group id of a name, `None` if there is no such group.
    pub fn group_id(name: &CStr) -> Result<Option<u32>, Errno> {
        look_up(c"/etc/group", name)
    }

    fn look_up(path: &CStr, name: &CStr) -> Result<Option<u32>, Errno> {
        let file = match open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            file => file?,
        };
        let mut search = Search::new(name.to_bytes());
        let mut room = [0; 1024];
        loop {
            let len = read(&file, &mut room)?;
            let read = room.get(..len).unwrap_or_default();
            let found = read.iter().find_map(|&byte| search.take(byte));
            if found.is_some() || read.is_empty() {
                return Ok(found);
            }
        }
    }
}

pub use database::{group_id, user_id};

/// Looks for the line of a name in a file of passwd(5) or group(5), whose lines are `NAME:PASSWORD:ID:...` and may be of any
/// length.
#[cfg(any(test, target_env = "musl"))]
struct Search<'a> {
    name: &'a [u8],
    /// What of the name the line has so far; `None` if it has another.
    rest: Option<&'a [u8]>,
    /// How many colons were there.
    field: usize,
    id: Option<u32>,
}

#[cfg(any(test, target_env = "musl"))]
impl<'a> Search<'a> {
    fn new(name: &'a [u8]) -> Self {
        Search {
            name,
            rest: Some(name),
            field: 0,
            id: None,
        }
    }

    /// Takes the next byte of the file; the id, once it is known.
    fn take(&mut self, byte: u8) -> Option<u32> {
        match (byte, self.field) {
            (b'\n', _) => *self = Search::new(self.name),
            (b':', field) => {
                self.field += 1;
                if field == 2 && self.rest == Some(b"") {
                    return self.id;
                }
            }
            (byte, 0) => {
                self.rest = match self.rest {
                    Some([first, rest @ ..]) if *first == byte => Some(rest),
                    _ => None,
                }
            }
            (b'0'..=b'9', 2) => {
                let id = self.id.unwrap_or(0).checked_mul(10);
                self.id = id.and_then(|id| id.checked_add(u32::from(byte - b'0')));
                if self.id.is_none() {
                    self.rest = None;
                }
            }
            // no number, no id
            (_, 2) => self.rest = None,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_a_line_of_its_own() {
        let file = b"+\nroot:x:0:0:root:/root:/bin/sh\nrootless:x:7:7::/:\n#no:x\nbad:x:y1:1:\nbig:x:4294967296:1:\n\
                     none:x::1:\nlast:x:4294967294:users,root";
        let id = |name: &str| {
            let mut search = Search::new(name.as_bytes());
            file.iter().find_map(|&byte| search.take(byte))
        };
        for (name, want) in [
            ("root", Some(0)),
            ("rootless", Some(7)),
            ("last", Some(4_294_967_294)),
            ("roo", None),
            ("users", None),
            ("bad", None),
            ("big", None),
            ("none", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(id(name), want, "{name}");
        }
    }
}
