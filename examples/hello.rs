//! The daemon of the crate's front page: it takes its socket from LISTEN_FD_MAP and greets every client.
//!
//! ```text
//! listen -tcp:label=web:127.0.0.1:8080 hello
//! ```

use listen_fd_map::Sockets;
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: the first thing in main, so nobody else owns these fds.
    let mut sockets = unsafe { Sockets::from_env() }?;
    let web: TcpListener = sockets.take("web")?;
    loop {
        let (mut client, _) = web.accept()?;
        std::thread::spawn(move || {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
        });
    }
}
