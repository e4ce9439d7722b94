#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

// The number of the label's fd in LISTEN_FD_MAP.
inline std::optional<int> listen_fd(std::string_view label) {
    const char *value = std::getenv("LISTEN_FD_MAP");
    for (std::string_view rest = value ? value : ""; !rest.empty();) {
        const auto entry = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
        if (entry.substr(0, entry.find('=')) != label || entry.size() == label.size()) continue;
        const auto number = entry.substr(label.size() + 1);
        int fd = -1;
        std::from_chars(number.data(), number.data() + number.size(), fd);
        if (fd >= 0 && std::to_string(fd) == number) return fd;
        break;
    }
    return std::nullopt;
}
