#!/bin/sh
# daemons.sh FOLDER SUPERVISOR: the first process of namespaces of its own. Runs a service of examples/services under a
# supervisor, asks it, kills it, has it restarted, stops it, and says what went wrong.
set -eu
folder=$1 supervisor=$2
. "${0%/*}/inside.sh"

case $supervisor in
  s6-supervise) stop='s6-svc -xd .' terminate='s6-svc -t .' ;;
  runsv) stop='sv -w 30 exit .' terminate='sv term .' ;;
  supervise) stop='svc -dx .' terminate='svc -t .' ;;
esac
setsid "$supervisor" . >/run/output 2>&1 &
supervising=$!

# the process that the supervisor knows, which listen became
main() {
  main=$(cut -d' ' -f1 "/proc/$supervising/task/$supervising/children")
  [ -n "$main" ]
}
answers() { ./check >/run/check 2>&1; }
# the service is another process than $last, answers, and is still the same
anew() { main && [ "$main" != "$last" ] && new=$main && answers && main && [ "$main" = "$new" ]; }
serves() {
  eventually "$1" anew
  last=$main
  # every socket that is bound here is its own, and no address is bound a second time
  ls -l "/proc/$main/fd" >/run/fds
  for inode in $(ss -Hlntue | sed 's/.* ino:\([0-9]*\) .*/\1/') $(ss -Hlx | awk '{ print $6 }'); do
    grep -q "socket:.$inode.\$" /run/fds || fail "$1: it has not socket $inode: $(cat /run/fds; ss -lntuxe)"
  done
  twice=$(ss -Hlntux | awk '{ print $1, $5 }' | sort | uniq -d)
  [ -z "$twice" ] || fail "$1: bound twice: $twice"
}

last=
serves 'does not start'
kill -KILL "$last"
serves 'does not come back after SIGKILL'
$terminate
serves 'does not come back after SIGTERM'
$stop >/dev/null
ended() { ! [ -e "/proc/$supervising/comm" ]; }
eventually 'does not stop' ended

nothing_left
