//! Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP, a thread each.

use listen_fd_map::{Error, Kind, Sockets};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::thread;

/// What is there is served; a label that is not there is none of ours.
fn take<T: Kind>(sockets: &mut Sockets, label: &str) -> Result<Option<T>, Error> {
    match sockets.take(label) {
        Err(Error::Absent { .. }) => Ok(None),
        taken => taken.map(Some),
    }
}

fn answer(mut client: impl Read + Write) {
    let mut text = [0; 4096];
    // a client that goes away early is no reason to end
    if let Ok(len) = client.read(&mut text) {
        let _ = client.write_all(&text[..len]);
    }
}

fn main() -> Result<(), Error> {
    // SAFETY: the first thing in main, so nobody else owns these fds.
    let mut sockets = unsafe { Sockets::from_env() }?;
    let tcp: Option<TcpListener> = take(&mut sockets, "tcp")?;
    let unix: Option<UnixListener> = take(&mut sockets, "unix")?;
    let udp: Option<UdpSocket> = take(&mut sockets, "udp")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            tcp.iter()
                .flat_map(TcpListener::incoming)
                .flatten()
                .for_each(answer)
        });
        scope.spawn(|| {
            unix.iter()
                .flat_map(UnixListener::incoming)
                .flatten()
                .for_each(answer)
        });
        scope.spawn(|| {
            let mut text = [0; 4096];
            while let Some((socket, Ok((len, from)))) = udp
                .as_ref()
                .map(|socket| (socket, socket.recv_from(&mut text)))
            {
                let _ = socket.send_to(&text[..len], from);
            }
        });
    });
    Ok(())
}
