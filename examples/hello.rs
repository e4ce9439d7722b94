//! A small daemon that learns its socket from LISTEN_FD_MAP and answers every request with one line.
//!
//! ```text
//! listen -tcp:label=web:127.0.0.1:8080 hello
//! ```

use listen_fd_map::FdMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::FromRawFd;

fn main() -> Result<(), Box<dyn Error>> {
    let value = std::env::var("LISTEN_FD_MAP")?;
    let fd = FdMap::parse(&value)?
        .get("web")
        .ok_or("LISTEN_FD_MAP has no web")?;
    // SAFETY: the map promises that the fd is open, and nothing else in this program uses it.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    loop {
        let (mut client, _) = listener.accept()?;
        // one that goes away early is no reason to end
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
    }
}
