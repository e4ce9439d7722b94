/* Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen_fd_map.h"

int main(void)
{
    struct pollfd sockets[3];
    char text[4096];
    ssize_t len;
    int i;

    sockets[0].fd = listen_fd("tcp");
    sockets[1].fd = listen_fd("unix");
    sockets[2].fd = listen_fd("udp");
    for (i = 0; i < 3; i++)
        sockets[i].events = POLLIN; /* poll skips an fd of -1 */
    for (;;) {
        if (poll(sockets, 3, -1) < 0)
            return 111;
        for (i = 0; i < 2; i++)
            if (sockets[i].fd >= 0 && sockets[i].revents) {
                int client = accept(sockets[i].fd, NULL, NULL);
                len = client < 0 ? -1 : read(client, text, sizeof text);
                if (len > 0 && write(client, text, (size_t)len) < 0)
                    len = 0; /* a client that is gone */
                if (client >= 0)
                    close(client);
            }
        if (sockets[2].fd >= 0 && sockets[2].revents) {
            struct sockaddr_storage from;
            socklen_t size = sizeof from;
            len = recvfrom(sockets[2].fd, text, sizeof text, 0, (struct sockaddr *)&from, &size);
            if (len >= 0)
                sendto(sockets[2].fd, text, (size_t)len, 0, (struct sockaddr *)&from, size);
        }
    }
}
