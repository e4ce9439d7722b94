//! Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP, as tasks of tokio.

use listen_fd_map::Sockets;
use std::error::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket, UnixListener};

async fn answer(mut client: impl AsyncReadExt + AsyncWriteExt + Unpin) -> std::io::Result<()> {
    let mut text = [0; 4096];
    let len = client.read(&mut text).await?;
    client.write_all(&text[..len]).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: the first thing in main, so nobody else owns these fds.
    let mut sockets = unsafe { Sockets::from_env() }?;
    let (tcp, unix, udp): (
        std::net::TcpListener,
        std::os::unix::net::UnixListener,
        std::net::UdpSocket,
    ) = (
        sockets.take("tcp")?,
        sockets.take("unix")?,
        sockets.take("udp")?,
    );
    // tokio wants them non-blocking, as `nonblock` in the spec would have made them
    tcp.set_nonblocking(true)?;
    unix.set_nonblocking(true)?;
    udp.set_nonblocking(true)?;
    let (tcp, unix, udp) = (
        TcpListener::from_std(tcp)?,
        UnixListener::from_std(unix)?,
        UdpSocket::from_std(udp)?,
    );
    let mut text = [0; 4096];
    loop {
        tokio::select! {
            client = tcp.accept() => drop(tokio::spawn(answer(client?.0))),
            client = unix.accept() => drop(tokio::spawn(answer(client?.0))),
            datagram = udp.recv_from(&mut text) => {
                let (len, from) = datagram?;
                udp.send_to(&text[..len], from).await?;
            }
        }
    }
}
