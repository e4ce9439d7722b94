/* LISTEN_FD_MAP=tcp=3,control=6 says which inherited fd is which: listen-fd-map(7).
 *     int fd = listen_fd("tcp");
 * It is -1 if the map has no such label, or no number there. */
#include <stdlib.h>
#include <string.h>

static int listen_fd(const char *label)
{
    const char *p = getenv("LISTEN_FD_MAP");
    size_t len = strlen(label);
    unsigned long fd = 0;

    while (p && (strncmp(p, label, len) != 0 || p[len] != '='))
        p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL;
    if (!p || (p[len + 1] == '0' && p[len + 2] && p[len + 2] != ','))
        return -1;
    for (p += len + 1; fd <= 214748364 && *p >= '0' && *p <= '9'; p++)
        fd = fd * 10 + (unsigned long)(*p - '0');
    return p[-1] == '=' || (*p && *p != ',') || fd > 2147483647 ? -1 : (int)fd;
}
