# inside.sh: sourced by the first shell of new namespaces. Gives it a /run, /var/log and /dev of its own, loopback,
# and a copy of $folder, /run/service, to work in.
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
  cat /run/check 2>/dev/null || :
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

# nothing but this shell, and what it looks with
alone() { ps -e -o pid=,stat=,comm= | awk '$1 != 1 && $2 !~ /^Z/ && $3 !~ /^(daemons.sh|try.sh|ps|awk)$/ { exit 1 }'; }
nothing_left() {
  eventually 'processes are left' alone
  left=$(ss -Hlntux)
  [ -z "$left" ] || fail "sockets are left: $left"
}
