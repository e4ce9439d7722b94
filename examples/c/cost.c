/* What looking one label of four up costs: cost N does it N times. With -DSTRICT it is the strict reader, with
 * -DSYSTEMD (and -lsystemd) sd_listen_fds_with_names(3).
 *     listen -udp:fd=3:127.0.0.1:0 -tcp:fd=4:127.0.0.1:0 -tcp:label=tls,fd=5:127.0.0.1:0 -unix:label=control,fd=6:@cost \
 *         fdmap-to -k systemd valgrind --tool=callgrind ./cost 1000
 * The difference to `./cost 0`, divided by 1000, is the instructions of one. */
#include <stdlib.h>
#include <string.h>

#if defined SYSTEMD
#include <systemd/sd-daemon.h>

static int find(const char *label)
{
    char **names = NULL;
    int i, fd = -1, n = sd_listen_fds_with_names(0, &names);

    for (i = 0; i < n; i++) {
        if (fd < 0 && strcmp(names[i], label) == 0)
            fd = SD_LISTEN_FDS_START + i;
        free(names[i]);
    }
    free(names);
    return fd;
}
#elif defined STRICT
#include "listen_fd_map_strict.h"

static int find(const char *label)
{
    const char *map = listen_fd_map();
    struct listen_fd_entry entry;

    while (listen_fd_next(&map, &entry))
        if (entry.len == strlen(label) && memcmp(entry.label, label, entry.len) == 0)
            return entry.fd;
    return -1;
}
#else
#include "listen_fd_map.h"
#define find listen_fd
#endif

int main(int argc, char **argv)
{
    long left = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

    for (; left > 0; left--)
        if (find("tls") != 5)
            return 1;
    return 0;
}
