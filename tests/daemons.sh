#!/bin/sh
# daemons.sh FOLDER SUPERVISOR: the first process of namespaces of its own. Runs a service of examples/services under a
# supervisor, asks it, kills it, has it restarted, stops it, and says what went wrong.
set -eu
folder=$1 supervisor=$2
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -m 1777 /run/lock /run/tmp
# /dev/log is somebody's own here, too
mkdir /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
for node in null zero full random urandom tty fd stdin stdout stderr; do cp -a "/dev/$node" /run/dev; done
mkdir -m 1777 /run/dev/shm
mount --move /run/dev /dev
export TMPDIR=/run/tmp
ip link set lo up
cp -R "$folder" /run/service
cd /run/service

fail() {
  printf '%s\n' "$*"
  cat /run/check
  ps -ef --forest
  tail -n 50 /run/output
  exit 1
}

# eventually WHAT COMMAND...: tries for half a minute
eventually() {
  what=$1
  shift
  for _ in $(seq 150); do
    if "$@"; then return; fi
    sleep .2
  done
  fail "$what"
}

case $supervisor in
  s6-supervise) stop='s6-svc -xd .' terminate='s6-svc -t .' ;;
  runsv) stop='sv -w 30 exit .' terminate='sv term .' ;;
  supervise) stop='svc -dx .' terminate='svc -t .' ;;
esac
setsid $supervisor . >/run/output 2>&1 &
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

# nothing but this shell, and what it looks with
alone() { ps -e -o pid=,stat=,comm= | awk '$1 != 1 && $2 !~ /^Z/ && $3 !~ /^(daemons.sh|ps|awk)$/ { exit 1 }'; }
eventually 'processes are left' alone
left=$(ss -Hlntux)
[ -z "$left" ] || fail "sockets are left: $left"
