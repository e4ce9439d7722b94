#!/bin/sh
# try.sh FOLDER: the first process of namespaces of its own. Does what the file `try` of an example says.
set -eu
folder=$1
. "${0%/*}/inside.sh"
: >/run/output
. ./try
nothing_left
