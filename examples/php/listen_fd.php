<?php

/** The number of the label's fd in LISTEN_FD_MAP, or null. */
function listen_fd(string $label): ?int
{
    $map = ',' . getenv('LISTEN_FD_MAP');
    if (!preg_match('/,' . preg_quote($label, '/') . '=([^,]*)/', $map, $found)) {
        return null;
    }
    $good = preg_match('/\A(?:0|[1-9][0-9]{0,9})\z/', $found[1]) && (int) $found[1] <= 0x7fffffff;
    return $good ? (int) $found[1] : null;
}
