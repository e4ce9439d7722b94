//! The node of a unix socket in the file system: bound, given to its owner, and removed again, without ever touching
//! what is somebody else's.
#![forbid(unsafe_code)]

use crate::output::Text;
use crate::sys;
use crate::work::Problem;
use core::ffi::CStr;
use core::fmt::Write as _;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::libc;
use nix::sys::socket::{MsgFlags, UnixAddr, bind, connect, recv, send};
use nix::sys::stat::FchmodatFlags::FollowSymlink;
use nix::sys::stat::{Mode, fchmodat, lstat};
use nix::unistd::unlink;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What is asked of a node.
#[derive(Clone, Copy, Default)]
pub struct Wish {
    /// Permission bits, whatever the umask.
    pub mode: Option<u32>,
    /// The owner's id.
    pub user: Option<u32>,
    /// The group's id.
    pub group: Option<u32>,
    /// A stale node may be replaced.
    pub replace: bool,
    /// A refused mode is only worth a warning.
    pub mode_soft: bool,
    /// A refused owner is only worth a warning.
    pub user_soft: bool,
    /// A refused group is only worth a warning.
    pub group_soft: bool,
    /// The permission bits of which the umask takes its part, where `mode` is not given.
    pub default: u32,
}

impl Wish {
    /// Whether the owner is to be another than the caller.
    pub fn is_owned(&self) -> bool {
        self.user.is_some() || self.group.is_some()
    }

    /// Makes a node with the mode that it is to be born with, under a umask of 0; `None` leaves it to the umask. One that
    /// gets another owner has nothing for the group and others until it has.
    pub fn born<T>(&self, make: impl FnOnce(Option<u32>) -> T) -> T {
        if self.mode.is_none() && !self.is_owned() {
            return make(None);
        }
        sys::without_umask(|inherited| {
            let full = self.mode.unwrap_or(self.default & !inherited);
            make(Some(if self.is_owned() { full & 0o700 } else { full }))
        })
    }

    /// The mode that it has in the end.
    pub fn full_mode(&self) -> u32 {
        let umask = || sys::without_umask(|inherited| inherited);
        self.mode.unwrap_or_else(|| self.default & !umask())
    }
}

/// What was refused where the spec said to go on: `mode~`, `user~`, `group~`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The mode is not as asked.
    pub mode: Option<Errno>,
    /// The owner is not as asked.
    pub user: Option<Errno>,
    /// The group is not as asked.
    pub group: Option<Errno>,
}

/// Binds `socket` to `path`. The node never has a wider mode than asked for, and nothing for the group and others
/// before it has its owner: [`give`] comes next.
///
/// # Errors
/// What went wrong; there is no node then.
pub fn bind_path(
    socket: RawFd,
    path: &CStr,
    wish: &Wish,
    refused: &mut Refused,
) -> Result<(), Problem> {
    let address = UnixAddr::new(path).map_err(Problem::System)?;
    match bind_once(socket, &address, wish, refused) {
        Err(Problem::System(Errno::EADDRINUSE)) => {
            make_way(path, wish.replace)?;
            bind_once(socket, &address, wish, refused).map_err(|problem| match problem {
                Problem::System(Errno::EADDRINUSE) => Problem::InUse,
                problem => problem,
            })
        }
        bound => bound,
    }
}

/// bind(2), with the mode set on the socket before and a umask of 0 around it alone: the node is born with exactly this
/// mode (unless a default ACL of the directory narrows it: acl(5)).
fn bind_once(
    socket: RawFd,
    address: &UnixAddr,
    wish: &Wish,
    refused: &mut Refused,
) -> Result<(), Problem> {
    let bind = || bind(socket, address).map_err(Problem::System);
    let bound = wish.born(|mode| match mode {
        None => bind(),
        Some(mode) => sys::fchmod(socket, mode)
            .map_err(Problem::Mode)
            .and_then(|()| bind()),
    });
    match bound {
        Err(Problem::Mode(errno)) if wish.mode_soft => {
            refused.mode = Some(errno);
            bind()
        }
        bound => bound,
    }
}

/// Gives the node of a bound socket to its owner, if it is to have another, and then the rest of its mode.
///
/// # Errors
/// What was refused; the node is still there then.
#[cold]
pub fn give(socket: RawFd, path: &CStr, wish: &Wish, refused: &mut Refused) -> Result<(), Problem> {
    if !wish.is_owned() {
        return Ok(());
    }
    let node = pin(socket, path)?;
    change_owner(node.as_raw_fd(), wish, refused)?;
    match change_mode(&node, wish.full_mode()) {
        Err(errno) if wish.mode_soft => refused.mode = Some(errno),
        changed => changed.map_err(Problem::Mode)?,
    }
    Ok(())
}

/// Changes the owner of the file that an fd stands for. User and group one by one, because each may be refused by
/// itself; until the mode is set nobody but the owner gets in.
pub fn change_owner(file: RawFd, wish: &Wish, refused: &mut Refused) -> Result<(), Problem> {
    if wish.group.is_some() {
        match sys::change_owner(file, None, wish.group) {
            Err(errno) if wish.group_soft => refused.group = Some(errno),
            changed => changed.map_err(Problem::Owner)?,
        }
    }
    if wish.user.is_some() {
        match sys::change_owner(file, wish.user, None) {
            Err(errno) if wish.user_soft => refused.user = Some(errno),
            changed => changed.map_err(Problem::Owner)?,
        }
    }
    Ok(())
}

/// fchmodat2(2), or its older equivalent through /proc, where the kernel or a seccomp filter lacks it.
pub fn change_mode(node: &OwnedFd, mode: u32) -> Result<(), Errno> {
    sys::change_mode(node, mode).or_else(|errno| {
        let mut path = Text::<32>::new();
        // 25 bytes at most
        let _ = write!(path, "/proc/self/fd/{}", node.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        match path
            .c_str()
            .map(|path| fchmodat(AT_FDCWD, path, mode, FollowSymlink))
        {
            Some(Err(Errno::ENOENT)) | None => Err(errno),
            Some(changed) => changed,
        }
    })
}

/// After EADDRINUSE: removes a stale socket at `path`; leaves everything else as it is and says what it is.
#[cold]
fn make_way(path: &CStr, replace: bool) -> Result<(), Problem> {
    let status = match lstat(path) {
        Ok(status) => status,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(Problem::CannotTell(errno)),
    };
    if status.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return Err(Problem::Other(status.st_mode, "a socket"));
    }
    if !replace {
        return Err(Problem::Never);
    }
    match probe(path) {
        Err(Errno::ECONNREFUSED) => match unlink(path) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Problem::System(errno)),
        },
        Err(Errno::ENOENT) => Ok(()),
        Ok(()) | Err(Errno::EPROTOTYPE) => Err(Problem::InUse),
        Err(errno) => Err(Problem::CannotTell(errno)),
    }
}

/// connect(2) of a datagram socket to `path`: ECONNREFUSED where nobody has the socket open, EPROTOTYPE where it is a
/// live one of another type, which sees nothing of this.
fn probe(path: &CStr) -> Result<(), Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let socket = sys::socket(libc::AF_UNIX, kind, 0)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

/// Whether two names are of one file: device and inode.
pub fn same(one: &libc::stat, other: &libc::stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Removes the node at `path` if it is the one that `socket` was bound to.
///
/// Nothing tells of a failure: it happens on the way out, after another one was found.
#[cold]
pub fn remove(socket: RawFd, path: &CStr) {
    match pin(socket, path).map(|node| sys::status(node.as_raw_fd())) {
        // what is at the path is looked at last: from here on there is a name, and nothing better
        Ok(Ok(ours)) => match lstat(path) {
            Ok(there) if same(&ours, &there) => {
                let _ = unlink(path);
            }
            _ => {}
        },
        Err(Problem::Unknown(_)) => {
            // no way to know the node; but a socket at the path that dies with ours is ours, or as stale
            sys::close(socket);
            let _ = make_way(path, true);
        }
        _ => {}
    }
}

/// The very node that `socket` was bound to, as an O_PATH fd.
fn pin(socket: RawFd, path: &CStr) -> Result<OwnedFd, Problem> {
    if let Ok(node) = sys::bound_node(socket) {
        return Ok(node);
    }
    // without CAP_NET_ADMIN: what is at the path now, if the kernel's list says that it is what was bound
    let inode = bound_inode(socket).map_err(Problem::Unknown)?;
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let node = open(path, flags, Mode::empty()).map_err(|_| Problem::Swapped)?;
    let status = sys::status(node.as_raw_fd()).map_err(|_| Problem::Swapped)?;
    let is_socket = status.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    // the list has the low 32 bits of the inode number, and a device number that overlayfs does not share
    if is_socket && status.st_ino as u32 == inode {
        Ok(node)
    } else {
        Err(Problem::Swapped)
    }
}

/// The low 32 bits of the inode number of the node that `socket` was bound to: sock_diag(7), UNIX_DIAG_VFS.
fn bound_inode(socket: RawFd) -> Result<u32, Errno> {
    node_inode(sys::status(socket)?.st_ino as u32)
}

/// Whether the socket with this inode of its own is bound to what is at the path.
pub fn is_at(socket: u32, path: &CStr) -> bool {
    lstat(path).is_ok_and(|there| node_inode(socket) == Ok(there.st_ino as u32))
}

/// Of the node that the socket with this inode of its own is bound to.
fn node_inode(own: u32) -> Result<u32, Errno> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const UDIAG_SHOW_VFS: u32 = 2;
    const UNIX_DIAG_VFS: u16 = 1;
    let netlink = sys::socket(
        libc::AF_NETLINK,
        libc::SOCK_RAW | libc::SOCK_CLOEXEC,
        libc::NETLINK_SOCK_DIAG,
    )?;
    // struct nlmsghdr, then struct unix_diag_req: linux/netlink.h, linux/unix_diag.h
    let mut request = Text::<40>::new();
    request.put(&40u32.to_ne_bytes());
    request.put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.put(&NLM_F_REQUEST.to_ne_bytes());
    request.put(&[0; 8]);
    request.put(&[libc::AF_UNIX as u8, 0, 0, 0]);
    request.put(&u32::MAX.to_ne_bytes());
    request.put(&own.to_ne_bytes());
    request.put(&UDIAG_SHOW_VFS.to_ne_bytes());
    request.put(&[0xff; 8]);
    send(netlink.as_raw_fd(), request.bytes(), MsgFlags::empty())?;
    let mut room = [0; 512];
    let len = recv(netlink.as_raw_fd(), &mut room, MsgFlags::MSG_DONTWAIT)?;
    let reply = room.get(..len).unwrap_or_default();
    // struct nlmsghdr (16 bytes) and struct unix_diag_msg (16 bytes), then attributes
    if u16_at(reply, 4) != Some(SOCK_DIAG_BY_FAMILY) {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut rest = reply.get(32..).unwrap_or_default();
    while let (Some(len), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        if kind == UNIX_DIAG_VFS {
            return u32_at(rest, 4).ok_or(Errno::EBADMSG);
        }
        rest = rest
            .get((usize::from(len).max(4) + 3) & !3..)
            .unwrap_or_default();
    }
    Err(Errno::EOPNOTSUPP)
}

/// Two bytes of a structure of the kernel's.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u16::from_ne_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u32::from_ne_bytes(*chunk))
}
