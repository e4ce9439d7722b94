"""Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP."""

import selectors
import socket

from listen_fd import listen_fd

sockets = selectors.DefaultSelector()
for label in ("tcp", "udp", "unix"):
    fd = listen_fd(label)
    if fd is not None:
        sockets.register(socket.socket(fileno=fd), selectors.EVENT_READ)
while True:
    for key, _ in sockets.select():
        if key.fileobj.type == socket.SOCK_DGRAM:
            text, client = key.fileobj.recvfrom(4096)
            key.fileobj.sendto(text, client)
        else:
            client, _ = key.fileobj.accept()
            with client:
                client.sendall(client.recv(4096))
