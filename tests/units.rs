//! Debian's daemons with the .socket files of their own packages, under s6-supervise instead of systemd.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN};
use std::path::Path;
use std::process::{Command, Stdio};

/// What each daemon is run and asked with. `ask COMMAND ANSWER` waits until the command says the answer.
const LIBRARY: &str = r#"
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run; mkdir -m 1777 /run/lock
mount -t tmpfs -o mode=755 tmpfs /var/log
ask() {
  for try in $(seq 100); do
    answer=$(sh -c "$1" 2>&1) || :
    case $answer in *"$2"*) return;; esac
    sleep .1
  done
  echo "$1: $answer"; cat log; exit 1
}
connect() { # python: `s` is connected to an address or path
  echo "python3 -c 'import socket
a = $1
s = socket.socket(socket.AF_UNIX) if type(a) is str else socket.socket(socket.AF_INET6 if \":\" in a[0] else socket.AF_INET)
s.settimeout(5); s.connect(a)
$2'"
}
mkdir service
printf '#!/bin/sh\nexec 2>&1\nexec %s\n' "$RUN" >service/run; chmod 755 service/run
prepare
s6-supervise service >log 2>&1 &
request
# what it has left is replaced by the next start
s6-svc -k service; request
s6-svc -xd service; wait
"#;

/// Runs the daemon that `run` starts as a service, in namespaces of its own, asks it, kills it, and asks it again.
#[track_caller]
fn serves(run: &str, prepare: &str, request: &str) {
    let dir = Dir::new();
    let commands = Path::new(LISTEN).parent().unwrap().display();
    let script = format!("prepare() {{ {prepare}\n:; }}\nrequest() {{ {request}\n}}\n{LIBRARY}");
    let mut command = Command::new("unshare");
    let namespaces = ["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc"];
    command
        .args(namespaces)
        .args(["sh", "-euc", &script])
        .current_dir(&dir.0)
        .env_clear()
        .env("PATH", format!("{commands}:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("RUN", run)
        .stdin(Stdio::null());
    common::close_others(&mut command);
    // a daemon's user looks into it
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&dir.0, mode).unwrap();
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{run}: {said}{errors}");
}

#[test]
#[ignore = "needs root, s6, curl, cups-daemon"]
fn cups_serves_on_the_socket_of_its_unit() {
    serves(
        "listen-unit cups.socket fdmap-to systemd cupsd -l",
        "mkdir /var/log/cups",
        "ask 'curl -s --unix-socket /run/cups/cups.sock http://localhost/' CUPS",
    );
}

#[test]
#[ignore = "needs root, s6, dbus-user-session, dbus-bin"]
fn dbus_serves_on_the_socket_of_the_users_unit() {
    serves(
        "listen-unit --user dbus.socket fdmap-to systemd \
         dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only",
        "export XDG_RUNTIME_DIR=/run/own; mkdir -m 700 /run/own",
        "ask 'DBUS_SESSION_BUS_ADDRESS=unix:path=/run/own/bus dbus-send --print-reply \
         --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames' 'string \"org.freedesktop.DBus\"'",
    );
}

#[test]
#[ignore = "needs root, s6, uuid-runtime"]
fn uuidd_serves_on_the_socket_of_its_unit() {
    serves(
        "listen-unit uuidd.socket fdmap-to systemd s6-setuidgid uuidd uuidd --socket-activation",
        "",
        "ask 'uuidd -t -n 3' 'and 2 subsequent UUIDs'",
    );
}

#[test]
#[ignore = "needs root, s6, erlang-base"]
fn epmd_serves_on_the_sockets_of_its_unit() {
    serves(
        "listen-unit epmd.socket fdmap-to systemd s6-setuidgid nobody epmd -systemd",
        "",
        "ask 'epmd -names' 'running on port 4369'",
    );
}

#[test]
#[ignore = "needs root, s6, fcgiwrap, libfcgi-bin"]
fn fcgiwrap_serves_on_the_socket_of_its_unit() {
    serves(
        "listen-unit fcgiwrap.socket fdmap-to fd0 s6-setuidgid www-data fcgiwrap",
        "printf '#!/bin/sh\\nprintf \"Content-Type: text/plain\\\\n\\\\nhello\"\\n' >cgi; chmod 755 cgi",
        "ask \"SCRIPT_FILENAME=$PWD/cgi REQUEST_METHOD=GET cgi-fcgi -bind -connect /run/fcgiwrap.socket\" hello",
    );
}

#[test]
#[ignore = "needs root, s6, python3, pgbouncer"]
fn pgbouncer_serves_on_the_sockets_of_its_unit() {
    // an SSLRequest of the protocol of PostgreSQL is answered by one letter
    let ask =
        "import struct; s.sendall(struct.pack(\">ii\", 8, 80877103)); print(\"says\", s.recv(1))";
    serves(
        "listen-unit pgbouncer.socket fdmap-to systemd s6-setuidgid postgres pgbouncer pgbouncer.ini",
        "printf '[databases]\\n[pgbouncer]\\nauth_type=any\\nunix_socket_dir=\\nlisten_addr=\\n' >service/pgbouncer.ini",
        &format!(
            "for address in '\"/run/postgresql/.s.PGSQL.6432\"' '(\"127.0.0.1\", 6432)' '(\"::1\", 6432)'; do\n\
               ask \"$(connect \"$address\" '{ask}')\" 'says b'; done"
        ),
    );
}

#[test]
#[ignore = "needs root, s6, python3, gpsd"]
fn gpsd_serves_on_the_sockets_of_its_unit() {
    serves(
        "listen-unit gpsd.socket fdmap-to systemd gpsd -N -n",
        "",
        "for host in 127.0.0.1 ::1; do ask \"$(connect \"(\\\"$host\\\", 2947)\" 'print(s.recv(99))')\" VERSION; done\n\
         ask \"$(connect '\"/run/gpsd.sock\"' 's.sendall(bytes([120, 10])); print(s.recv(99))')\" ERROR",
    );
}

#[test]
#[ignore = "needs root, s6, mariadb-server"]
fn mariadb_serves_on_the_sockets_of_two_units() {
    let ask = |how: &str| format!("ask 'mariadb -u root {how} -N -e \"select 40+2\"' 42\n");
    serves(
        "listen-unit mariadb.socket mariadb-extra@x.socket fdmap-to systemd \
         s6-setuidgid mysql mariadbd --no-defaults --datadir=/var/lib/mysql",
        "mount -t tmpfs -o mode=755 tmpfs /var/lib/mysql; chown mysql: /var/lib/mysql\n\
         mkdir /run/mysqld; chown mysql: /run/mysqld\n\
         mariadb-install-db --user=mysql --datadir=/var/lib/mysql --auth-root-authentication-method=normal >/dev/null 2>&1",
        &[
            ask("-S /run/mysqld/mysqld.sock"),
            ask("-h 127.0.0.1 -P 3306"),
            ask("-S /run/mysqld/mysqld.sock-extra-x"),
            // the names tell the daemon which are its extra port
            "[ $(grep -c 'activated unix socket.*(extra)' log) -ge 2 ]".to_owned(),
        ]
        .concat(),
    );
}
