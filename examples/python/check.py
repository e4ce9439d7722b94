import sys

from listen_fd import listen_fd

for label in sys.argv[1:]:
    fd = listen_fd(label)
    print(-1 if fd is None else fd)
