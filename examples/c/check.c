/* check LABEL...: the fd of each label on a line, or -1. With -DSTRICT: ok or bad on the first line. */
#include <stdio.h>
#ifdef STRICT
#include "listen_fd_map_strict.h"

static int listen_fd(const char *label)
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
#endif

int main(int argc, char **argv)
{
    int i;

#ifdef STRICT
    puts(listen_fd_map() ? "ok" : "bad");
#endif
    for (i = 1; i < argc; i++)
        printf("%d\n", listen_fd(argv[i]));
    return 0;
}
