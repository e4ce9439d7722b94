"""completions.py DIR: types at a bash, a zsh and a fish on a pseudo terminal, and looks what the files of DIR make of it.
The commands are scripts that print their arguments, so that a line is read where it matters: after the shell has read it."""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time

COMMANDS = "listen listen-fd listen-unit fdmap fdmap-check fdmap-edit fdmap-from fdmap-to frobnicate".split()

# what is typed, and the arguments that the shell makes of it
LINES = [
    (r"listen -tcp:nod<TAB>", "-tcp:nodelay"),
    (r"listen -tcp:keepidle=3,user-t<TAB>5::80", "-tcp:keepidle=3,user-timeout=5::80"),
    (r"listen -tcp:timestamp=n<TAB>", "-tcp:timestamp=ns"),
    (r"listen -udp:v6only=k<TAB>", "-udp:v6only=kernel"),
    (r"listen '-tcp::*:80' -udp:v6o<TAB>", "-tcp::*:80|-udp:v6only"),
    (r"listen '-tcp::*:80' frobn<TAB>", "-tcp::*:80|frobnicate"),
    (r"listen -unix-s<TAB>:./x", "-unix-seqpacket::./x"),
    (r"listen -unix:user=roo<TAB>", "-unix:user=root"),
    (r"listen -unix:mode=0600:./so<TAB>", "-unix:mode=0600:./sockets"),
    (r"listen -udp:join=\[ff02::fb%lo\],fre<TAB>", "-udp:join=[ff02::fb%lo],freebind"),
    (r"listen -netlink::kob<TAB>", "-netlink::kobject-uevent"),
    (r"listen --sct<TAB> 80 -o freeb<TAB>", "--sctp|80|-o|freebind"),
    (r"listen --unix ./so<TAB>", "--unix|./sockets"),
    (r"listen --unix ./a -o unlink=st<TAB>", "--unix|./a|-o|unlink=stale"),
    (r"listen -tcp::80 --option=congestion~=cub<TAB>", "-tcp::80|--option=congestion~=cubic"),
    (r"listen --dry<TAB>", "--dry-run"),
    (r"listen -h mq<TAB>", "-h|mqueue"),
    (r"listen -d 3 -tcp::80 frobn<TAB>", "-d|3|-tcp::80|frobnicate"),
    (r"listen -evd 3 -tcp::80 frobnicate ./so<TAB>", "-evd|3|-tcp::80|frobnicate|./sockets"),
    (r"listen -tcp::80 -- frobnicate ./so<TAB>", "-tcp::80|--|frobnicate|./sockets"),
    (r"listen -tcp::80 fdmap-to -k syst<TAB>", "-tcp::80|fdmap-to|-k|systemd"),
    (r"listen -tcp::80 fdmap-to systemd frobn<TAB>", "-tcp::80|fdmap-to|systemd|frobnicate"),
    (r"fdmap-from --req<TAB> -l web server-s<TAB> frobn<TAB>", "--required|-l|web|server-starter|frobnicate"),
    (r"fdmap-to gun<TAB>", "gunicorn"),
    (r"fdmap-edit --ren<TAB> a=b --dr<TAB> c frobn<TAB>", "--rename|a=b|--drop|c|frobnicate"),
    (r"fdmap-check -l web=tcp --ex<TAB>", "-l|web=tcp|--exact"),
    (r"listen-unit ./foo.so<TAB> frobn<TAB>", "./foo.socket|frobnicate"),
    (r"fdmap --js<TAB>", "--json"),
    (r"listen-fd -tcp:nod<TAB>", "-tcp:nodelay"),
    (r"fdmap-edit listen-fd -tcp:nod<TAB>", "listen-fd|-tcp:nodelay"),
]
# what is typed, and some of the words that the shell then lists
LISTS = [
    (r"listen -tcp:no<TAB><TAB>", ["nonblock", "nodelay"]),
    (r"listen -unix::/run/x --mqueue /q -o m<TAB><TAB>", ["mode", "maxmsg", "msgsize"]),
    (r"listen -tcp::80 fdmap-to <TAB><TAB>", ["systemd", "puma", "argv"]),
    (r"listen -vsock<TAB><TAB>", ["-vsock:", "-vsock-dgram:"]),
]


class Shell:
    def __init__(self, argv, home):
        self.name = argv[0]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            environment = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "150", "LANG": "C.UTF-8"}
            os.execvpe(argv[0], argv, environment)
        self.seen = ""

    def until(self, pattern, what):
        end = time.monotonic() + 20
        while not (found := re.search(pattern, self.seen, re.S)):
            ready = select.select([self.fd], [], [], end - time.monotonic())[0] if time.monotonic() < end else []
            if not ready:
                sys.exit(f"{self.name}: {what}: waited in vain for {pattern!r}, saw {self.seen!r}")
            self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()=>].?", "", os.read(self.fd, 65536).decode(errors="replace"))
        self.seen = self.seen[found.end():]
        return found

    def type(self, keys):
        self.seen = ""
        os.write(self.fd, keys.replace("<TAB>", "\t").encode())

    def run(self, line, expected):
        self.type(line + "\r")
        # whether a directory keeps its slash is the shell's habit
        ran = self.until(r"RAN([^\r\n]*?)/?NAR", line).group(1)
        if ran != expected:
            sys.exit(f"{self.name}: {line} ran with {ran!r}, expected {expected!r}")

    def list(self, line, words):
        self.type(line)
        for word in words:
            self.until(rf"(?=.*(?<![\w-]){word}(?![\w-]))", line)
        # ^U: a ^C would drop what is typed before the shell has read it
        self.type("\x15")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def main(completions):
    home = pathlib.Path(tempfile.mkdtemp())
    for folder in "bin", "sockets", ".config/fish/completions":
        (home / folder).mkdir(parents=True)
    (home / "foo.socket").touch()
    for name in COMMANDS:
        script = home / "bin" / name
        script.write_text('#!/bin/sh\nIFS="|"\nprintf "RAN%sNAR\\n" "$*"\n')
        script.chmod(0o755)
        # as a package installs it: a link for each command
        if name != "frobnicate":
            (home / f".config/fish/completions/{name}.fish").symlink_to(completions / "listen.fish")
    bash, zsh = ["bash", "--norc", "--noprofile"], ["zsh", "-f"]
    source = f"source {completions}/listen.bash"
    shells = [
        (bash, source),
        (bash, f"COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}; {source}"),
        (zsh, f"fpath=({completions} $fpath); autoload -Uz compinit; compinit -u -d {home}/dump"),
        (["fish"], "set -g fish_greeting; set -g fish_autosuggestion_enabled 0"),
    ]
    framework = pathlib.Path("/usr/share/bash-completion/bash_completion")
    if framework.exists():
        shells.append((bash, f"source {framework}; {source}"))
    for argv, setup in shells:
        shell = Shell(argv, home)
        shell.type(f"{setup}; echo rea''dy\r")
        shell.until("ready", setup)
        for line, expected in LINES:
            # fish ends an option of a spec with a colon, since it would add a space
            if argv == ["fish"] and re.search(r" -(tcp|udp|unix):[^ ]*[a-z]<TAB>$", line) and "." not in line:
                expected += ":"
            shell.run(line, expected)
        for line, words in LISTS:
            shell.list(line, words)
        shell.end()
        print(f"{argv[0]}: {len(LINES) + len(LISTS)} lines")
    shutil.rmtree(home)


main(pathlib.Path(sys.argv[1]).resolve())
