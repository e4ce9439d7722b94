#!/bin/sh
. "${0%/*}/listen_fd.sh"
for label; do
	if listen_fd "$label"; then echo "$fd"; else echo -1; fi
done
