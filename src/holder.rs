//! Who has an address that is in use: what /proc tells of it, proc_net(5) and proc_pid_fd(5). A help in a message, so it
//! says nothing where it cannot be sure, and looks at so much and no more.
#![forbid(unsafe_code)]

use crate::node::{self, u16_at};
use crate::output::{Shown, Text};
use crate::spec::address::{Address, cut};
use crate::spec::family::Family;
use crate::sys;
use core::ffi::CStr;
use core::fmt::{self, Write as _};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::read;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// A process that has a socket open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pid: u32,
    /// What it calls itself: proc_pid_comm(5).
    name: [u8; 16],
}

impl fmt::Display for Holder {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == std::process::id() {
            return f.write_str("this very command");
        }
        let name = self.name.split(|&b| b == 0).next().unwrap_or_default();
        write!(f, "{}, pid {}", Shown(name), self.pid)
    }
}

/// The first process that has a socket at `address`, as far as it can be seen from here.
#[cold]
pub fn of(family: &Family, address: &Address) -> Option<Holder> {
    let inode = match *address {
        Address::Any { port } => port_inode(family, port, &[]),
        Address::V4 { ip, port } => port_inode(family, port, &ip),
        Address::V6 { ip, port, .. } => port_inode(family, port, &ip),
        Address::Path(path) => path_inode(b"", path),
        Address::Abstract(name) => path_inode(b"@", name),
        _ => None,
    }?;
    process(inode)
}

/// The inode of the socket that has a port: on this address (in network order), on all, or on any if this is all.
fn port_inode(family: &Family, port: u16, ip: &[u8]) -> Option<u32> {
    let name = match (family.kind, family.protocol) {
        (libc::SOCK_STREAM, libc::IPPROTO_SCTP) => return None,
        (libc::SOCK_STREAM, _) => "tcp",
        (_, libc::IPPROTO_UDPLITE) => "udplite",
        _ => "udp",
    };
    ["", "6"].into_iter().find_map(|version| {
        let mut rows = Lines::open(path(format_args!("/proc/net/{name}{version}")).bytes())?;
        while let Some(row) = rows.next() {
            if let Some(inode) = row_inode(row.bytes(), name == "tcp", port, ip) {
                return Some(inode);
            }
        }
        None
    })
}

/// The inode in a row of /proc/net/tcp and its like, if the row is of such a socket:
/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ...`
fn row_inode(row: &[u8], listens: bool, port: u16, ip: &[u8]) -> Option<u32> {
    let (local, rest) = word(row, 1)?;
    let (state, rest) = word(rest, 1)?;
    let (inode, _) = word(rest, 5)?;
    let (there, port_there) = cut(local, b':')?;
    let is_port = number(port_there, 16) == Some(u32::from(port));
    // an address is written as words in the machine's own order
    let same = |(word, ip): (&[u8], &[u8])| {
        number(word, 16) == ip.first_chunk().map(|ip| u32::from_ne_bytes(*ip))
    };
    let is_there = there.len() == 2 * ip.len() && there.chunks(8).zip(ip.chunks(4)).all(same);
    let is_all = |bytes: &[u8], zero| bytes.iter().all(|&b| b == zero);
    let conflicts = is_there || is_all(there, b'0') || is_all(ip, 0);
    // TCP_LISTEN of the kernel's tcp_states.h
    if is_port && conflicts && (!listens || state == b"0A") {
        number(inode, 10).filter(|&inode| inode != 0)
    } else {
        None
    }
}

/// The inode of the socket at a path, or of an abstract name after its `@`:
/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x`
fn path_inode(before: &[u8], name: &[u8]) -> Option<u32> {
    let mut rows = Lines::open(b"/proc/net/unix")?;
    while let Some(row) = rows.next() {
        let Some((inode, there)) = word(row.bytes(), 6) else {
            continue;
        };
        if there.strip_prefix(before) == Some(name) {
            let inode = number(inode, 10)?;
            // another socket may have been bound to the same path before
            if !before.is_empty() || node::is_at(inode, Text::<128>::from(name).c_str()?) {
                return Some(inode);
            }
        }
    }
    None
}

/// The first process that has the socket open. Those of other users can only be looked into by root.
fn process(inode: u32) -> Option<Holder> {
    let mut wanted = Text::<32>::new();
    write!(wanted, "socket:[{inode}]").ok()?;
    // readlink(2) takes about a microsecond
    let mut budget = 100_000u32;
    let mut processes = Numbers::open(&path(format_args!("/proc")))?;
    while let Some(pid) = processes.next() {
        let Some(mut fds) = Numbers::open(&path(format_args!("/proc/{pid}/fd"))) else {
            continue;
        };
        while let Some(fd) = fds.next() {
            budget = budget.checked_sub(1)?;
            let mut room = [0; 32];
            let link = path(format_args!("/proc/{pid}/fd/{fd}"));
            if sys::read_link(link.c_str()?, &mut room) == Ok(wanted.bytes()) {
                let file = path(format_args!("/proc/{pid}/comm"));
                let mut name = [0; 16];
                let line = Lines::open(file.bytes())?.next()?;
                for (place, byte) in name.iter_mut().zip(line.bytes()) {
                    *place = *byte;
                }
                return Some(Holder { pid, name });
            }
        }
    }
    None
}

/// The word number `n` of a line, and what comes after it and a space.
fn word(line: &[u8], n: usize) -> Option<(&[u8], &[u8])> {
    let mut rest = line.trim_ascii_start();
    for _ in 0..n {
        rest = cut(rest, b' ')?.1.trim_ascii_start();
    }
    cut(rest, b' ')
}

fn number(text: &[u8], radix: u32) -> Option<u32> {
    let add = |n: u32, b: &u8| {
        n.checked_mul(radix)?
            .checked_add(char::from(*b).to_digit(radix)?)
    };
    text.iter().try_fold(0, add).filter(|_| !text.is_empty())
}

/// A path of /proc.
fn path(text: fmt::Arguments) -> Text<48> {
    let mut path = Text::new();
    // two numbers and 20 bytes fit
    let _ = path.write_fmt(text);
    path
}

fn open_path(path: &Text<48>, flags: OFlag) -> Option<OwnedFd> {
    open(path.c_str()?, flags | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// The lines of a file, as far as they fit.
struct Lines {
    file: OwnedFd,
    room: [u8; 1024],
    at: usize,
    len: usize,
}

impl Lines {
    fn open(path: &[u8]) -> Option<Self> {
        Some(Lines {
            file: open_path(&Text::from(path), OFlag::O_RDONLY)?,
            room: [0; 1024],
            at: 0,
            len: 0,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        if self.at == self.len {
            (self.at, self.len) = (0, read(&self.file, &mut self.room).ok()?);
        }
        self.at += 1;
        self.room.get(..self.len)?.get(self.at - 1).copied()
    }

    fn next(&mut self) -> Option<Text<256>> {
        let mut line = Text::new();
        loop {
            match self.byte()? {
                b'\n' => return Some(line),
                byte => line.put(&[byte]),
            }
        }
    }
}

/// The names in a directory that are numbers.
struct Numbers {
    directory: OwnedFd,
    room: [u8; 1024],
    at: usize,
    len: usize,
}

impl Numbers {
    fn open(path: &Text<48>) -> Option<Self> {
        Some(Numbers {
            directory: open_path(path, OFlag::O_DIRECTORY)?,
            room: [0; 1024],
            at: 0,
            len: 0,
        })
    }

    fn next(&mut self) -> Option<u32> {
        loop {
            if self.at >= self.len {
                let len = sys::read_directory(self.directory.as_raw_fd(), &mut self.room).ok()?;
                (self.at, self.len) = (0, len);
            }
            // struct linux_dirent64 of getdents64(2)
            let entry = self.room.get(..self.len)?.get(self.at..)?;
            self.at += usize::from(u16_at(entry, 16)?);
            let name = CStr::from_bytes_until_nul(entry.get(19..)?).ok()?;
            if let Some(number) = number(name.to_bytes(), 10) {
                return Some(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_proc_net_tells_whether_it_has_the_port() {
        let row = |address: &str, state: &str| {
            format!(
                "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000 100 0 0 10 0"
            )
        };
        let (one, all) = ([127, 0, 0, 1], [0; 4]);
        let mut loopback = [0; 16];
        loopback[15] = 1;
        let v6 = "00000000000000000000000001000000:1F90";
        for (address, state, listens, port, ip, found) in [
            ("0100007F:1F90", "0A", true, 8080, &one[..], true),
            ("00000000:1F90", "0A", true, 8080, &one, true),
            ("0100007F:1F90", "0A", true, 8080, &all, true),
            ("0100007F:1F90", "0A", true, 8080, &[], true),
            ("0200007F:1F90", "0A", true, 8080, &one, false),
            ("0100007F:1F91", "0A", true, 8080, &one, false),
            ("0100007F:1F90", "01", true, 8080, &one, false),
            ("0100007F:1F90", "07", false, 8080, &one, true),
            (v6, "0A", true, 8080, &loopback, true),
            (v6, "0A", true, 8080, &one, false),
        ] {
            let inode = row_inode(row(address, state).as_bytes(), listens, port, ip);
            assert_eq!(inode.is_some(), found, "{address} {state} {ip:?}");
            assert!(inode.is_none_or(|inode| inode == 12345));
        }
        for text in ["", "sl  local_address", "0: x 0 0A", "0: :1F90 0 0A"] {
            assert_eq!(row_inode(text.as_bytes(), true, 8080, &all), None);
        }
    }
}
