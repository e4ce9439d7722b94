//! A daemon for every world: its socket is web of LISTEN_FD_MAP, else fd 3 of systemd, else bound here.
//!
//! `fallback PORT` says which it was, and greets each client.

use listen_fd_map::{Error, Sockets};
use std::env;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::FromRawFd;

fn listener() -> Result<(&'static str, TcpListener), Box<dyn std::error::Error>> {
    // SAFETY: the first thing in main, so nobody else owns these fds.
    let mut sockets = unsafe { Sockets::from_env() }?;
    match sockets.take("web") {
        Err(Error::Absent { .. }) => {}
        web => return Ok(("map", web?)),
    }
    let pid = env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok());
    if env::var_os("LISTEN_FDS").is_some() && pid == Some(std::process::id()) {
        // SAFETY: sd_listen_fds(3) promises fd 3 to the process of this id, and nobody else uses it here.
        return Ok(("systemd", unsafe { TcpListener::from_raw_fd(3) }));
    }
    let port = env::args().nth(1).ok_or("usage: fallback PORT")?;
    Ok(("own", TcpListener::bind(("127.0.0.1", port.parse()?))?))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (from, listener) = listener()?;
    writeln!(std::io::stdout(), "{from}")?;
    for client in listener.incoming() {
        // a client that goes away early is no reason to end
        let _ = client?.write_all(b"hello\n");
    }
    Ok(())
}
