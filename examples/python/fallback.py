"""A daemon for every world: its socket is web of LISTEN_FD_MAP, else fd 3 of systemd, else bound here.

fallback.py PORT says which it was, and greets each client.
"""

import os
import socket
import sys

from listen_fd import listen_fd

fd = listen_fd("web")
if fd is not None:
    source, listener = "map", socket.socket(fileno=fd)
elif "LISTEN_FDS" in os.environ and os.environ.get("LISTEN_PID") == str(os.getpid()):
    source, listener = "systemd", socket.socket(fileno=3)
else:
    source, listener = "own", socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(source, flush=True)
while True:
    client, _ = listener.accept()
    with client:
        client.sendall(b"hello\n")
