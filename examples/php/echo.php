<?php

// Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP.
require __DIR__ . '/listen_fd.php';

$sockets = [];
foreach (['tcp', 'udp', 'unix'] as $label) {
    $fd = listen_fd($label);
    if ($fd !== null) {
        $sockets[$label] = socket_import_stream(fopen("php://fd/$fd", 'r+'));
    }
}
while (true) {
    $ready = $sockets;
    $none = null;
    socket_select($ready, $none, $none, null);
    foreach ($ready as $label => $socket) {
        if ($label === 'udp') {
            socket_recvfrom($socket, $text, 4096, 0, $address, $port);
            socket_sendto($socket, $text, strlen($text), 0, $address, $port);
        } else {
            $client = socket_accept($socket);
            socket_write($client, socket_read($client, 4096));
            socket_close($client);
        }
    }
}
