/* A daemon for every world: its socket is web of LISTEN_FD_MAP, else fd 3 of systemd, else bound here.
 *     fallback PORT
 * Says which it was, and greets each client. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen_fd_map.h"

static int own(int port)
{
    struct sockaddr_in address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    const char *pid = getenv("LISTEN_PID"), *from = "map";
    int client, fd = listen_fd("web");

    if (fd < 0 && pid && getenv("LISTEN_FDS") && strtol(pid, NULL, 10) == (long)getpid()) {
        from = "systemd";
        fd = 3;
    }
    if (fd < 0) {
        from = "own";
        fd = own(argc > 1 ? atoi(argv[1]) : 8080);
    }
    if (fd < 0) {
        perror("fallback: fatal: unable to bind");
        return 111;
    }
    puts(from);
    fflush(stdout);
    while ((client = accept(fd, NULL, NULL)) >= 0) {
        if (write(client, "hello\n", 6) < 0)
            perror("fallback: warning: a client is gone");
        close(client);
    }
    return 111;
}
