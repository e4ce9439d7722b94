//! What an fd is, as the kernel tells it: family, local address, whether it listens.
#![forbid(unsafe_code)]

use crate::ip::{V4, V6};
use crate::output::{Shown, Text};
use crate::spec::address::PROTOCOLS;
use crate::spec::family::{Addresses, FAMILIES, Family};
use crate::sys;
use core::fmt::{self, Write as _};
use nix::errno::Errno;
use nix::libc;
use std::os::fd::RawFd;

/// A socket, as getsockopt(2) and getsockname(2) describe it.
pub struct Socket {
    /// The family of specs that makes such sockets, if there is one.
    pub family: Option<&'static Family>,
    /// Whether it is listening (SO_ACCEPTCONN).
    pub listening: bool,
    /// Where it is bound.
    pub address: LocalAddress,
}

/// Describes the socket on `fd`.
///
/// # Errors
/// ENOTSOCK if it is something else, EBADF if it is closed.
pub fn socket(fd: RawFd) -> Result<Socket, Errno> {
    let about = |name| sys::get_int(fd, libc::SOL_SOCKET, name);
    let (kind, protocol) = (about(libc::SO_TYPE)?, about(libc::SO_PROTOCOL)?);
    let addresses = match about(libc::SO_DOMAIN)? {
        libc::AF_INET | libc::AF_INET6 => Some(Addresses::Inet),
        libc::AF_UNIX => Some(Addresses::Unix),
        libc::AF_VSOCK => Some(Addresses::Vsock),
        libc::AF_NETLINK => Some(Addresses::Netlink),
        _ => None,
    };
    let alike = |family: &&Family| {
        Some(family.addresses) == addresses
            && match family.addresses {
                Addresses::Inet => (family.kind, family.protocol) == (kind, protocol),
                // SOCK_DGRAM and SOCK_RAW are the same there: netlink(7)
                Addresses::Netlink => true,
                _ => family.kind == kind,
            }
    };
    let mut address = local_address(fd)?;
    if addresses == Some(Addresses::Netlink) {
        let named = PROTOCOLS.iter().find(|&&(_, number)| number == protocol);
        // every name fits
        let _ = match named {
            Some((name, _)) => address.write_str(name),
            None => write!(address, "{protocol}"),
        };
    }
    Ok(Socket {
        family: FAMILIES.iter().find(alike),
        listening: about(libc::SO_ACCEPTCONN)? != 0,
        address,
    })
}

/// The family of specs that opens such files, of what is no socket.
pub fn file_family(fd: RawFd) -> Result<&'static str, Errno> {
    // MQUEUE_MAGIC of linux/magic.h
    const MQUEUE: u64 = 0x1980_0202;
    let status = sys::status(fd)?;
    Ok(match status.st_mode & libc::S_IFMT {
        libc::S_IFIFO if status.st_nlink > 0 && is_named(fd) => "fifo",
        libc::S_IFREG if sys::file_system(fd)? == MQUEUE => "mqueue",
        libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK => "file",
        _ => kind(status.st_mode).trim_start_matches("a "),
    })
}

/// Whether a pipe has a path: a FIFO has.
fn is_named(fd: RawFd) -> bool {
    let mut room = [0; 16];
    !link_of(fd, &mut room).is_some_and(|target| target.starts_with(b"pipe:"))
}

/// What /proc says that an fd is: proc_pid_fd(5).
pub fn link_of(fd: RawFd, room: &mut [u8]) -> Option<&[u8]> {
    let mut path = Text::<32>::new();
    // 24 bytes at most
    let _ = write!(path, "/proc/self/fd/{fd}");
    sys::read_link(path.c_str()?, room).ok()
}

/// A local address as the map's `_ADDR` variables have it: `1.2.3.4:53`, `[::1]:53`, `/path`, `@name`, `CID:PORT`; empty for an
/// unnamed socket and for families that have none of these.
pub type LocalAddress = Text<128>;

/// Where a socket is bound: getsockname(2).
pub fn local_address(fd: RawFd) -> Result<LocalAddress, Errno> {
    let mut room = [0; 128];
    Ok(address(sys::local_address(fd, &mut room)?))
}

/// Reads a sockaddr: ip(7), ipv6(7), unix(7), vsock(7).
fn address(sockaddr: &[u8]) -> LocalAddress {
    let mut text = LocalAddress::new();
    let [low, high, rest @ ..] = sockaddr else {
        return text;
    };
    // every address fits into the room
    let _ = match (i32::from(u16::from_ne_bytes([*low, *high])), rest) {
        (libc::AF_INET, [p, q, a, b, c, d, ..]) => {
            write!(
                text,
                "{}:{}",
                V4([*a, *b, *c, *d]),
                u16::from_be_bytes([*p, *q])
            )
        }
        (libc::AF_INET6, [p, q, _, _, _, _, tail @ ..]) => {
            put_v6(&mut text, tail, u16::from_be_bytes([*p, *q]))
        }
        // struct sockaddr_vm: reserved, port, context id
        (libc::AF_VSOCK, [_, _, rest @ ..]) => {
            let [a, b, c, d, e, f, g, h, ..] = *rest else {
                return text;
            };
            let (port, cid) = ([a, b, c, d], [e, f, g, h]);
            write!(
                text,
                "{}:{}",
                u32::from_ne_bytes(cid),
                u32::from_ne_bytes(port)
            )
        }
        (libc::AF_UNIX, [0, name @ ..]) => {
            text.put(b"@");
            name.iter()
                .for_each(|&b| text.put(&[if b == 0 { b'@' } else { b }]));
            Ok(())
        }
        (libc::AF_UNIX, path) => {
            text.put(path.split(|&b| b == 0).next().unwrap_or_default());
            Ok(())
        }
        _ => Ok(()),
    };
    text
}

/// The end of a sockaddr_in6: the address and the scope id.
fn put_v6(text: &mut LocalAddress, tail: &[u8], port: u16) -> fmt::Result {
    let Some((ip, scope)) = tail.split_first_chunk::<16>() else {
        return Ok(());
    };
    write!(text, "[{}", V6(*ip))?;
    let scope = scope
        .first_chunk()
        .map_or(0, |scope| u32::from_ne_bytes(*scope));
    if scope != 0 {
        let mut room = [0; libc::IF_NAMESIZE];
        text.put(b"%");
        match sys::interface_name(scope, &mut room) {
            Some(name) => text.put(name),
            None => write!(text, "{scope}")?,
        }
    }
    write!(text, "]:{port}")
}

/// What is open on an fd, for a message: `tcp socket 127.0.0.1:80`, `/dev/null`, `pipe:[4711]`.
pub struct What(pub RawFd);

impl fmt::Display for What {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(socket) = socket(self.0) {
            let family = socket.family.map_or("", |family| family.name);
            let space = if family.is_empty() { "" } else { " " };
            write!(f, "a {family}{space}socket")?;
            return match socket.address.bytes() {
                b"" => Ok(()),
                address => write!(f, " {}", Shown(address)),
            };
        }
        let mut room = [0; 256];
        match link_of(self.0, &mut room) {
            Some(target) => write!(f, "{}", Shown(target)),
            None => f.write_str(kind(sys::status(self.0).map_or(0, |status| status.st_mode))),
        }
    }
}

/// The type of a file as a noun: inode(7).
pub fn kind(mode: libc::mode_t) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFREG => "a regular file",
        libc::S_IFDIR => "a directory",
        libc::S_IFLNK => "a symbolic link",
        libc::S_IFIFO => "a FIFO",
        libc::S_IFCHR => "a character device",
        libc::S_IFBLK => "a block device",
        libc::S_IFSOCK => "a socket",
        _ => "a file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sockaddr: &[u8]) -> String {
        String::from_utf8(address(sockaddr).bytes().to_vec()).unwrap()
    }

    fn with_family(family: i32, rest: &[u8]) -> Vec<u8> {
        [&(family as u16).to_ne_bytes()[..], rest].concat()
    }

    #[test]
    fn addresses_of_the_kernel_are_written_as_the_map_has_them() {
        assert_eq!(
            text(&with_family(
                libc::AF_INET,
                &[0, 53, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]
            )),
            "1.2.3.4:53"
        );
        let mut v6 = vec![0x20, 0xfb, 0, 0, 0, 0];
        v6.extend([0; 15]);
        v6.push(1);
        v6.extend([0; 4]);
        assert_eq!(text(&with_family(libc::AF_INET6, &v6)), "[::1]:8443");
        let lo = v6.len() - 4;
        v6[lo..].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(
            text(&with_family(libc::AF_INET6, &v6)),
            "[::1%4294967295]:8443"
        );
        assert_eq!(text(&with_family(libc::AF_UNIX, b"/run/x\0junk")), "/run/x");
        assert_eq!(text(&with_family(libc::AF_UNIX, b"\0name")), "@name");
        assert_eq!(text(&with_family(libc::AF_UNIX, b"")), "");
        assert_eq!(text(&with_family(libc::AF_NETLINK, &[0; 10])), "");
        assert_eq!(text(b""), "");
    }
}
