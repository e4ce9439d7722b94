//! The node of a unix socket in the file system: bound, given to its owner, and removed again, without ever touching
//! what is somebody else's.
#![forbid(unsafe_code)]

use crate::output::Text;
use crate::{describe, sys};
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
}

impl Wish {
    fn is_owned(&self) -> bool {
        self.user.is_some() || self.group.is_some()
    }
}

/// Why a node is not as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// fchmod(2) on the socket failed.
    Mode(Errno),
    /// bind(2) failed.
    Bind(Errno),
    /// A socket that is open somewhere has the path.
    InUse,
    /// Something has the path, and `unlink=never` was said.
    Never,
    /// The path is something else than a socket; its file type.
    NoSocket(&'static str),
    /// Whether the path is in use cannot be found out.
    CannotTell(Errno),
    /// Which node was bound cannot be found out: a kernel without unix_diag, and no CAP_NET_ADMIN.
    Unknown(Errno),
    /// The path was something else a moment after it was bound.
    Swapped,
    /// The owner cannot be changed.
    Owner(Errno),
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

/// Binds `socket` to `path`. The node never has a wider mode than asked for, nor all of it before it has its owner.
///
/// # Errors
/// What went wrong; the node is gone again then, if it was made.
pub fn bind_path(socket: &OwnedFd, path: &CStr, wish: &Wish) -> Result<Refused, Problem> {
    let address = UnixAddr::new(path).map_err(Problem::Bind)?;
    let mut refused = Refused::default();
    match bind_once(socket, &address, wish, &mut refused) {
        Err(Problem::Bind(Errno::EADDRINUSE)) => {
            make_way(path, wish.replace)?;
            bind_once(socket, &address, wish, &mut refused).map_err(|problem| match problem {
                Problem::Bind(Errno::EADDRINUSE) => Problem::InUse,
                problem => problem,
            })?;
        }
        bound => bound?,
    }
    if wish.is_owned() {
        give(socket, path, wish, &mut refused).inspect_err(|_| remove(socket.as_raw_fd(), path))?;
    }
    Ok(refused)
}

/// bind(2), with the mode set on the socket before and a umask of 0 around it alone: the node is born with exactly this
/// mode (unless a default ACL of the directory narrows it: acl(5)).
fn bind_once(
    socket: &OwnedFd,
    address: &UnixAddr,
    wish: &Wish,
    refused: &mut Refused,
) -> Result<(), Problem> {
    let bind = || bind(socket.as_raw_fd(), address).map_err(Problem::Bind);
    if wish.mode.is_none() && !wish.is_owned() {
        return bind();
    }
    let inherited = sys::umask(0);
    let full = wish.mode.unwrap_or(0o777 & !inherited);
    let narrow = if wish.is_owned() { full & 0o700 } else { full };
    let bound = match sys::change_socket_mode(socket, narrow) {
        Ok(()) => bind(),
        Err(errno) if wish.mode_soft => {
            refused.mode = Some(errno);
            sys::umask(inherited);
            bind()
        }
        Err(errno) => Err(Problem::Mode(errno)),
    };
    sys::umask(inherited);
    bound
}

/// Gives the node to its owner and then the rest of its mode.
fn give(socket: &OwnedFd, path: &CStr, wish: &Wish, refused: &mut Refused) -> Result<(), Problem> {
    let node = pin(socket.as_raw_fd(), path)?;
    // one by one, because each may be refused by itself; until the mode is set nobody but the owner gets in
    if wish.group.is_some() {
        match sys::change_owner(&node, None, wish.group) {
            Err(errno) if wish.group_soft => refused.group = Some(errno),
            changed => changed.map_err(Problem::Owner)?,
        }
    }
    if wish.user.is_some() {
        match sys::change_owner(&node, wish.user, None) {
            Err(errno) if wish.user_soft => refused.user = Some(errno),
            changed => changed.map_err(Problem::Owner)?,
        }
    }
    let inherited = || 0o777 & !current_umask();
    match change_mode(&node, wish.mode.unwrap_or_else(inherited)) {
        Err(errno) if wish.mode_soft => refused.mode = Some(errno),
        changed => changed.map_err(Problem::Mode)?,
    }
    Ok(())
}

/// umask(2) cannot be asked without being set.
fn current_umask() -> u32 {
    let mask = sys::umask(0);
    sys::umask(mask);
    mask
}

/// fchmodat2(2), or its older equivalent through /proc, where the kernel or a seccomp filter lacks it.
fn change_mode(node: &OwnedFd, mode: u32) -> Result<(), Errno> {
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
fn make_way(path: &CStr, replace: bool) -> Result<(), Problem> {
    let status = match lstat(path) {
        Ok(status) => status,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(Problem::CannotTell(errno)),
    };
    if status.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return Err(Problem::NoSocket(describe::kind(status.st_mode)));
    }
    if !replace {
        return Err(Problem::Never);
    }
    match probe(path) {
        Err(Errno::ECONNREFUSED) => match unlink(path) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Problem::Bind(errno)),
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

/// Removes the node at `path` if it is the one that `socket` was bound to.
///
/// Nothing tells of a failure: it happens on the way out, after another one was found.
pub fn remove(socket: RawFd, path: &CStr) {
    let Ok(at_path) = lstat(path) else { return };
    match pin(socket, path).map(|node| sys::status(node.as_raw_fd())) {
        Ok(Ok(ours)) if (ours.st_dev, ours.st_ino) == (at_path.st_dev, at_path.st_ino) => {
            let _ = unlink(path);
        }
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
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const UDIAG_SHOW_VFS: u32 = 2;
    const UNIX_DIAG_VFS: u16 = 1;
    let own = sys::status(socket)?.st_ino as u32;
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

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
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
