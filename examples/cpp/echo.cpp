// Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP.
#include "listen_fd.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>

int main() {
    std::array<pollfd, 3> sockets{};
    const std::array labels{"tcp", "unix", "udp"};
    for (std::size_t i = 0; i < 3; i++) sockets[i] = {listen_fd(labels[i]).value_or(-1), POLLIN, 0};
    for (std::array<char, 4096> text; poll(sockets.data(), 3, -1) >= 0;) {
        for (std::size_t i = 0; i < 2; i++) {
            if (sockets[i].fd < 0 || !sockets[i].revents) continue;
            const int client = accept(sockets[i].fd, nullptr, nullptr);
            const auto n = read(client, text.data(), text.size());
            if (n > 0 && write(client, text.data(), static_cast<std::size_t>(n)) < 0) perror("write");
            close(client);
        }
        if (sockets[2].fd >= 0 && sockets[2].revents) {
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            auto *address = reinterpret_cast<sockaddr *>(&from);
            const auto n = recvfrom(sockets[2].fd, text.data(), text.size(), 0, address, &size);
            if (n >= 0) sendto(sockets[2].fd, text.data(), static_cast<std::size_t>(n), 0, address, size);
        }
    }
}
