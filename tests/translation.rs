//! The conventions on the real programs: those that hand sockets out, and those that take them.
#![cfg(feature = "tools")]
// helpers outside #[test] count as shipped code to clippy
#![allow(clippy::unwrap_used)]

mod common;

use common::{Dir, LISTEN, example};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script of shell in network and process namespaces of its own, which end with it, in a directory of its own
/// with these files.
fn inside(files: &[(&str, &str)], script: &str) -> String {
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        let path = dir.path(name);
        fs::write(&path, text.replace("DIR", dir.0.to_str().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let commands = Path::new(LISTEN).parent().unwrap().display();
    // what .ci/run installs from crates.io and PyPI
    let more = std::env::var("LISTEN_TEST_PATH").unwrap_or_default();
    let path = format!("{commands}:{more}:/usr/sbin:/usr/bin:/sbin:/bin");
    let script = format!(
        "ip link set lo up\n{}",
        script.replace("REPORT", example("report").to_str().unwrap())
    );
    let mut command = Command::new("unshare");
    command.args([
        "-n",
        "-p",
        "-f",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-euc",
        &script,
    ]);
    command
        .current_dir(&dir.0)
        .env_clear()
        .env("PATH", path)
        .env("HOME", &dir.0)
        .stdin(Stdio::null());
    common::close_others(&mut command);
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

/// Starts `listen SPECS PROG...`, asks each of `requests` until it answers what it should, and compares what the daemon has
/// open with what `listen` bound.
#[track_caller]
fn serves(files: &[(&str, &str)], specs: &str, prog: &str, requests: &[(&str, &str)]) {
    let mut script = format!(
        "listen {specs} sh -c 'fdmap >map; exec \"$@\"' sh {prog} >log 2>&1 </dev/null & pid=$!\n\
         ask() {{ for try in $(seq 100); do answer=$(sh -c \"$1\" 2>&1) || :\n\
           case $answer in *\"$2\"*) return;; esac; sleep .1; done\n\
           echo \"$1: $answer\"; cat log; exit 1; }}\n"
    );
    for (request, answer) in requests {
        script.push_str(&format!("ask {} '{answer}'\n", quoted(request)));
    }
    script.push_str(
        "for inode in $(awk 'NR > 1 { print $NF }' map); do\n\
           ls -l /proc/$pid/fd | grep -q \"socket:.$inode.\" || { ls -l /proc/$pid/fd; cat map log; exit 1; }\n\
         done; echo same; [ $(wc -l <map) -gt 1 ]\n\
         kill -9 $pid\n",
    );
    assert!(inside(files, &script).ends_with("same\n"));
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

const ROOT_PAGE: (&str, &str) = ("index.html", "hello\n");
const TCP: (&str, &str) = ("curl -s http://127.0.0.1:8080/index.html", "hello");
const TCP6: (&str, &str) = ("curl -s http://[::1]:8081/index.html", "hello");
const UNIX: (&str, &str) = ("curl -s --unix-socket ./web http://x/index.html", "hello");
const THREE: &str =
    "-tcp:label=v4:127.0.0.1:8080 -tcp:label=v6:[::1]:8081 --unix $PWD/web -o mode=0666";

#[test]
#[ignore = "needs root, curl, and the package nginx-light"]
fn nginx_takes_its_own_variable() {
    let config = "daemon off; pid DIR/pid; error_log stderr; user root; events {}\n\
        http { access_log off; server { listen 127.0.0.1:8080; listen [::1]:8081; listen unix:DIR/web; root DIR; } }\n";
    let files = [ROOT_PAGE, ("conf", config)];
    serves(
        &files,
        THREE,
        "fdmap-to nginx nginx -e stderr -c $PWD/conf",
        &[TCP, TCP6, UNIX],
    );
}

#[test]
#[ignore = "needs root, curl, and the package lighttpd"]
fn lighttpd_takes_systemds() {
    let config = "server.systemd-socket-activation = \"enable\"\nserver.document-root = \"DIR\"\n\
        server.bind = \"127.0.0.1\"\nserver.port = 8080\n$SERVER[\"socket\"] == \"[::1]:8081\" { }\n\
        $SERVER[\"socket\"] == \"DIR/web\" { }\n";
    let files = [ROOT_PAGE, ("conf", config)];
    serves(
        &files,
        THREE,
        "fdmap-to systemd lighttpd -D -f conf",
        &[TCP, TCP6, UNIX],
    );
}

#[test]
#[ignore = "needs root, curl, and the package h2o"]
fn h2o_takes_server_starters() {
    let config = "listen: {host: 127.0.0.1, port: 8080}\nhosts:\n  default:\n    listen: {host: '::1', port: 8081}\n    \
        paths:\n      /: {file.dir: DIR}\n";
    let files = [ROOT_PAGE, ("conf", config)];
    let specs = "-tcp:label=v4:127.0.0.1:8080 -tcp:label=v6:[::1]:8081";
    serves(
        &files,
        specs,
        "fdmap-to server-starter h2o -c conf",
        &[TCP, TCP6],
    );
}

#[test]
#[ignore = "needs root, curl, and the package haproxy"]
fn haproxy_takes_numbers_from_variables() {
    let config = "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n\
        frontend f\n  bind fd@${V4_FD}\n  bind fd@${V6_FD}\n  bind fd@${UNIX_FD}\n  http-request return status 200 content-type text/plain string hello\n";
    serves(
        &[("conf", config)],
        THREE,
        "fdmap-to vars haproxy -db -f conf",
        &[TCP, TCP6, UNIX],
    );
}

#[test]
#[ignore = "needs root, curl, and the package prometheus-node-exporter"]
fn node_exporter_takes_systemds() {
    let prog = "fdmap-to systemd prometheus-node-exporter --web.systemd-socket --collector.disable-defaults --collector.loadavg";
    let specs = "-tcp:label=v4:127.0.0.1:8080 -tcp:label=v6:[::1]:8081";
    let requests = [
        ("curl -s http://127.0.0.1:8080/metrics", "node_load1"),
        ("curl -s http://[::1]:8081/metrics", "node_load1"),
    ];
    serves(&[], specs, prog, &requests);
}

#[test]
#[ignore = "needs root, and the packages fcgiwrap, libfcgi-bin and s6"]
fn inetds_way_serves_fcgiwrap_and_s6_ipcserverd() {
    let cgi = "#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo hello\n";
    let ask = "SCRIPT_FILENAME=$PWD/cgi REQUEST_METHOD=GET cgi-fcgi -bind -connect ./s";
    // what was set non-blocking is blocking again
    serves(
        &[("cgi", cgi)],
        "-unix:nonblock:./s",
        "fdmap-to fd0 fcgiwrap",
        &[(ask, "hello")],
    );
    let ask = "s6-ipcclient -l 0 ./s sh -c 'cat <&6'";
    serves(
        &[],
        "-unix::./s -udp:label=other:127.0.0.1:5",
        "fdmap-to -l unix fd0 s6-ipcserverd echo hello",
        &[(ask, "hello")],
    );
}

#[test]
#[ignore = "needs root, curl, and the packages unicorn, gunicorn and puma"]
fn unicorn_gunicorn_and_puma_take_their_own_variables() {
    let rack = (
        "config.ru",
        "run lambda { |env| [200, {'content-type' => 'text/plain'}, ['hello']] }\n",
    );
    let specs = "-tcp:label=v4:127.0.0.1:8080 --unix $PWD/web";
    let config = ("unicorn.rb", "listen '127.0.0.1:8080'\nlisten 'DIR/web'\n");
    serves(
        &[rack, config],
        specs,
        "fdmap-to unicorn unicorn -c unicorn.rb config.ru",
        &[TCP, UNIX],
    );
    let prog = "fdmap-to puma puma -b tcp://127.0.0.1:8080 -b unix://$PWD/web config.ru";
    serves(&[rack], specs, prog, &[TCP, UNIX]);
    let wsgi = (
        "app.py",
        "def app(env, start):\n    start('200 OK', [('Content-Type', 'text/plain')])\n    return [b'hello']\n",
    );
    serves(
        &[wsgi],
        specs,
        "fdmap-to gunicorn gunicorn --preload app:app",
        &[TCP, UNIX],
    );
}

#[test]
#[ignore = "needs root, curl, and the package php-fpm and libfcgi-bin"]
fn php_fpm_takes_its_own_variable() {
    let pool = |name: &str, listen: &str| {
        format!("[{name}]\nuser = www-data\nlisten = {listen}\npm = static\npm.max_children = 1\n")
    };
    let config = format!(
        "[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\n{}{}{}",
        pool("a", "127.0.0.1:8080"),
        pool("b", "[::1]:8081"),
        pool("c", "DIR/web")
    );
    let php = ("hello.php", "<?php echo 'hel' . 'lo';");
    let ask = |to: &str| {
        format!("SCRIPT_FILENAME=$PWD/hello.php REQUEST_METHOD=GET cgi-fcgi -bind -connect {to}")
    };
    let (tcp, unix) = (ask("127.0.0.1:8080"), ask("./web"));
    let prog = "fdmap-to php-fpm php-fpm8.2 -F -y conf";
    serves(
        &[php, ("conf", &config)],
        THREE,
        prog,
        &[(&tcp, "hello"), (&unix, "hello")],
    );
}

#[test]
#[ignore = "needs root, curl, and uvicorn from PyPI"]
fn uvicorn_takes_a_number_in_its_arguments() {
    let app = "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n    \
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    \
        await send({'type': 'http.response.body', 'body': b'hello'})\n";
    let prog = "fdmap-to argv uvicorn --lifespan off --fd %{v4} app:app";
    serves(
        &[("app.py", app)],
        "-tcp:label=v4:127.0.0.1:8080",
        prog,
        &[TCP],
    );
}

/// What a real program hands to `fdmap-from`: the map, and the addresses of what is open there.
fn handed(script: &str) -> Vec<(String, String)> {
    let out = inside(&[], script);
    let rows = out.lines().filter(|line| !line.starts_with("LABEL"));
    let rows = rows.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.len() == 6 && words[2] != "closed", "{out}");
        (words[0].to_owned(), words[3].to_owned())
    });
    rows.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
#[ignore = "needs root, curl, and the package systemd"]
fn systemd_socket_activate_hands_sockets_over() {
    let start = "systemd-socket-activate -l 127.0.0.1:8080 -l $PWD/s";
    let with = |options: &str, from: &str| {
        handed(&format!(
            "{start} {options} fdmap-from {from} sh -c 'fdmap >map' 2>/dev/null & pid=$!\n\
             until curl -s -m 1 http://127.0.0.1:8080/ || [ -s map ]; do sleep .1; done; wait $pid; cat map | sed \"s|$PWD||\""
        ))
    };
    assert_eq!(
        with("", "-r systemd"),
        pairs(&[("systemd.0", "127.0.0.1:8080"), ("systemd.1", "/s")])
    );
    assert_eq!(
        with("--fdname web:control", "-r systemd"),
        pairs(&[("web", "127.0.0.1:8080"), ("control", "/s")])
    );
}

#[test]
#[ignore = "needs root, and systemfd from crates.io"]
fn systemfd_hands_sockets_over() {
    let rows = handed(
        "systemfd -q -s http::127.0.0.1:8080 -s udp::127.0.0.1:8081 -- fdmap-from -r listenfd fdmap",
    );
    assert_eq!(
        rows,
        pairs(&[
            ("listenfd.0", "127.0.0.1:8080"),
            ("listenfd.1", "127.0.0.1:8081")
        ])
    );
}

#[test]
#[ignore = "needs root, and the package libserver-starter-perl"]
fn start_server_hands_sockets_over() {
    let rows = handed(
        "start_server --port 127.0.0.1:8080 --port 8081 --path $PWD/s -- sh -c 'fdmap-from -r -l a,b,c server-starter fdmap >new; mv new map; exec sleep 60' 2>log & \
         until [ -s map ]; do sleep .1; done; sed \"s|$PWD||\" map; cat log >&2",
    );
    let addresses: Vec<&str> = rows.iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(addresses, ["127.0.0.1:8080", "0.0.0.0:8081", "/s"]);
    let rows = handed(
        "start_server --port 127.0.0.1:8080 -- sh -c 'fdmap-from -r server-starter fdmap >new; mv new map; exec sleep 60' 2>log & \
         until [ -s map ]; do sleep .1; done; cat map",
    );
    assert_eq!(rows, pairs(&[("127.0.0.1_8080", "127.0.0.1:8080")]));
}

#[test]
#[ignore = "needs root, and the package s6"]
fn a_dump_of_s6_fdholder_goes_in_and_comes_out() {
    let rows = handed(
        "listen -unix::./holder fdmap-to fd0 s6-fdholderd -1 -i $PWD/rules >up 2>log & \
         mkdir -p rules/uid/0/env; : >rules/uid/0/allow; echo 1 >rules/uid/0/env/S6_FDHOLDER_SETDUMP; echo 1 >rules/uid/0/env/S6_FDHOLDER_GETDUMP; \
         echo '^' >rules/uid/0/env/S6_FDHOLDER_STORE_REGEX; echo . >rules/uid/0/env/S6_FDHOLDER_RETRIEVE_REGEX; echo 1 >rules/uid/0/env/S6_FDHOLDER_LIST; \
         until [ -s up ]; do sleep .1; done; listen -tcp:label=web.0:127.0.0.1:8080 -tcp:label=web.1:127.0.0.1:8081 fdmap-to s6-fdholder s6-fdholder-setdump ./holder; \
         s6-fdholder-getdump ./holder fdmap-from -r s6-fdholder fdmap; cat log >&2",
    );
    let mut rows = rows;
    rows.sort();
    assert_eq!(
        rows,
        pairs(&[("web.0", "127.0.0.1:8080"), ("web.1", "127.0.0.1:8081")])
    );
}

#[test]
#[ignore = "needs root"]
fn a_shells_variables_become_entries() {
    let rows = handed(
        "export TLS_FD=0; listen -tcp:fd=0:127.0.0.1:8443 env -u LISTEN_FD_MAP fdmap-from -l tls vars fdmap",
    );
    assert_eq!(rows, pairs(&[("tls", "127.0.0.1:8443")]));
    let rows = handed(
        "listen -tcp:fd=0:127.0.0.1:8443 env -u LISTEN_FD_MAP fdmap-from -r -l web fd0 fdmap",
    );
    assert_eq!(rows, pairs(&[("web", "127.0.0.1:8443")]));
}

#[test]
#[ignore = "needs root, the package systemd, and LISTEN_TEST_LAB: a command that runs systemd in namespaces"]
fn systemd_itself_hands_sockets_over() {
    let lab = std::env::var("LISTEN_TEST_LAB").unwrap();
    let dir = Dir::new();
    let commands = Path::new(LISTEN).parent().unwrap();
    for command in ["fdmap-from", "fdmap"] {
        fs::copy(commands.join(command), dir.path(command)).unwrap();
    }
    fs::create_dir(dir.path("u")).unwrap();
    let unit = |name: &str, text: &str| fs::write(dir.path(&format!("u/{name}")), text).unwrap();
    let start = "[Unit]\nDefaultDependencies=no\n[Socket]\n";
    unit(
        "plain.socket",
        &format!(
            "{start}ListenStream=127.0.0.1:8080\nListenDatagram=[::1]:8081\nListenFIFO=/run/f\n"
        ),
    );
    unit(
        "named.socket",
        &format!("{start}ListenStream=/run/named\nFileDescriptorName=control\nAccept=no\n"),
    );
    unit(
        "made@.socket",
        &format!("{start}ListenSequentialPacket=/run/%i\n"),
    );
    for (name, file) in [("plain", "plain"), ("named", "named"), ("made@", "made")] {
        unit(
            &format!("{name}.service"),
            &format!(
                "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
                 ExecStart=/run/lab/fdmap-from -r systemd /bin/sh -c '/run/lab/fdmap >/run/lab/out/{file}; env >>/run/lab/out/{file}'\n"
            ),
        );
    }
    let lab = |args: &[&str]| {
        let status = Command::new(&lab)
            .args(args)
            .env("LAB_STATE", dir.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        status.success()
    };
    assert!(lab(&["up", dir.0.to_str().unwrap()]));
    let all = ["plain", "named", "made@x"].map(|unit| {
        lab(&["run", "systemctl", "start", &format!("{unit}.socket")])
            && lab(&["run", "systemctl", "start", &format!("{unit}.service")])
    });
    assert!(lab(&["down"]));
    assert_eq!(all, [true; 3]);
    for (file, want) in [
        (
            "plain",
            &[
                ("plain.socket.0", "3", "tcp", "127.0.0.1:8080"),
                ("plain.socket.1", "4", "udp", "[::1]:8081"),
                ("plain.socket.2", "5", "fifo", "/run/f"),
            ][..],
        ),
        ("named", &[("control", "3", "unix", "/run/named")]),
        (
            "made",
            &[("made@x.socket", "3", "unix-seqpacket", "/run/x")],
        ),
    ] {
        let text = fs::read_to_string(dir.path(&format!("out/{file}"))).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .take(want.len())
            .map(|line| line.split_whitespace().collect())
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row[0], row[1], row[2], row[3]))
            .collect();
        assert_eq!(rows, want, "{text}");
        assert!(
            !text.contains("LISTEN_PID") && !text.contains("LISTEN_FDS"),
            "{text}"
        );
    }
}
