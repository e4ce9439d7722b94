//! A program at the end of a chain in the tests: asks the kernel about an fd that it inherited, with system calls of its
//! own.
//!
//! `probe options FD LEVEL NAME...` prints a line of hex for each pair, what getsockopt(2) gives (or `-ERRNO`);
//! `probe receive FD` waits for one message and prints its bytes, then the level and type of each control message;
//! `probe queue FD` waits for one message of a queue; `probe accept SECONDS FD...` prints how many connections each has
//! accepted when that time is over.
// a test's program: what fails here has to fail the test
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use nix::libc;
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let numbers: Vec<i32> = args[2..].iter().map(|arg| arg.parse().unwrap()).collect();
    match args[1].as_str() {
        "options" => numbers[1..]
            .chunks(2)
            .for_each(|pair| println!("{}", option(numbers[0], pair[0], pair[1]))),
        "receive" => receive(numbers[0]),
        "queue" => queue(numbers[0]),
        _ => accept(numbers[0], &numbers[1..]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn option(fd: i32, level: i32, name: i32) -> String {
    let mut room = [0u8; 64];
    let mut len = room.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `room`.
    let got = unsafe { libc::getsockopt(fd, level, name, room.as_mut_ptr().cast(), &raw mut len) };
    match got {
        0 => hex(&room[..len as usize]),
        _ => format!(
            "-{}",
            std::io::Error::last_os_error().raw_os_error().unwrap()
        ),
    }
}

fn receive(fd: i32) {
    let (mut data, mut control) = ([0u8; 2048], [0u64; 64]);
    let mut part = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    // SAFETY: a msghdr of zeroes is valid; the pointers are to values that live as long as it is used.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let len = libc::recvmsg(fd, &raw mut message, 0);
        println!(
            "{}",
            String::from_utf8_lossy(&data[..usize::try_from(len).unwrap()])
        );
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            println!("{} {}", (*header).cmsg_level, (*header).cmsg_type);
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
}

fn queue(fd: i32) {
    let mut room = [0u8; 8192];
    // SAFETY: the library writes at most the room's length to it.
    let len = unsafe {
        libc::mq_receive(
            fd,
            room.as_mut_ptr().cast(),
            room.len(),
            std::ptr::null_mut(),
        )
    };
    println!(
        "{}",
        String::from_utf8_lossy(&room[..usize::try_from(len).unwrap()])
    );
}

fn accept(seconds: i32, fds: &[i32]) {
    let end = Instant::now() + Duration::from_secs(seconds.unsigned_abs().into());
    let mut counts = vec![0; fds.len()];
    while Instant::now() < end {
        for (fd, count) in fds.iter().zip(&mut counts) {
            // SAFETY: no memory is passed; the fds were made non-blocking.
            if unsafe { libc::accept(*fd, std::ptr::null_mut(), std::ptr::null_mut()) } >= 0 {
                *count += 1;
            }
        }
    }
    println!("{counts:?}");
}
