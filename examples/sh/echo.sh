#!/bin/sh
# echo.sh LABEL: sends back what comes in on that stream socket of LISTEN_FD_MAP. A shell has no accept(2) of its own,
# s6-ipcserverd has (-P: a tcp client has no credentials); nothing like it answers on an inherited udp socket.
. "${0%/*}/listen_fd.sh"
listen_fd "$1" || exit 100
# dash takes one digit here; fdmap-to -l LABEL fd0 takes any
exec s6-ipcserverd -P cat <&"$fd"
