#!/bin/sh
# Sends back what comes in on the socket unix of LISTEN_FD_MAP: a shell has no accept(2) of its own, s6-ipcserverd has.
. "${0%/*}/listen_fd.sh"
listen_fd unix || exit 100
# dash takes one digit here; fdmap-to -l unix fd0 takes any
exec s6-ipcserverd cat <&"$fd"
