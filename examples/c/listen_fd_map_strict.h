/* The whole of LISTEN_FD_MAP, checked: listen-fd-map(7). Nothing here allocates.
 *     struct listen_fd_entry entry = { 0, 0, 0 };
 *     const char *map = listen_fd_map();           NULL if it is malformed, "" if it is empty or not set
 *     while (listen_fd_next(&map, &entry)) ...     entry.label, entry.len, entry.fd
 */
#include <stdlib.h>
#include <string.h>

struct listen_fd_entry {
    const char *label; /* not terminated by a NUL */
    size_t len;        /* bytes of the label */
    int fd;            /* -1 if the entry is malformed */
};

/* Whether a label may have this byte, in any locale. */
static int listen_fd_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '-' || c == '@';
}

/* Takes the next entry off the map; 0 at its end. */
static int listen_fd_next(const char **map, struct listen_fd_entry *entry)
{
    const char *p = *map;
    unsigned long fd = 0;

    if (!p || !*p)
        return 0;
    entry->label = p;
    entry->fd = -1;
    *map = "";
    while (listen_fd_legal(*p))
        p++;
    entry->len = (size_t)(p - entry->label);
    if (entry->len == 0 || entry->len > 255 || entry->label[0] == '-' || *p != '=')
        return 1;
    p++;
    if (p[0] == '0' && p[1] && p[1] != ',')
        return 1;
    for (; fd <= 214748364 && *p >= '0' && *p <= '9'; p++)
        fd = fd * 10 + (unsigned long)(*p - '0');
    /* a comma is followed by one more entry */
    if (p[-1] == '=' || fd > 2147483647 || (*p && (*p != ',' || !p[1])))
        return 1;
    entry->fd = (int)fd;
    *map = *p ? p + 1 : p;
    return 1;
}

/* The map, if it is one: every entry well formed, no label and no fd twice. */
static const char *listen_fd_map(void)
{
    const char *map = getenv("LISTEN_FD_MAP");
    const char *rest, *seen;
    struct listen_fd_entry entry, earlier;

    if (!map)
        return "";
    for (rest = map; listen_fd_next(&rest, &entry);) {
        if (entry.fd < 0)
            return NULL;
        for (seen = map; listen_fd_next(&seen, &earlier) && earlier.label != entry.label;)
            if (earlier.fd == entry.fd ||
                (earlier.len == entry.len && memcmp(earlier.label, entry.label, entry.len) == 0))
                return NULL;
    }
    return map;
}
