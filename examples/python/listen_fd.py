import os
import re


def listen_fd(label):
    """The number of the label's fd in LISTEN_FD_MAP, or None."""
    for entry in os.environb.get(b"LISTEN_FD_MAP", b"").split(b","):
        name, equals, fd = entry.partition(b"=")
        if equals and name == label.encode():
            good = re.fullmatch(b"0|[1-9][0-9]{0,9}", fd) and int(fd) <= 0x7FFFFFFF
            return int(fd) if good else None
    return None
