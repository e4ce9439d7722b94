//! `listen SPEC... PROG...`: binds sockets, adds them to LISTEN_FD_MAP, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use listen_fd_map::failure::Log;
use listen_fd_map::help::LISTEN_USAGE;
use listen_fd_map::run::run;
use listen_fd_map::sys::Start;

listen_fd_map::main!(listen);

fn listen(start: Start) -> i32 {
    let mut log = Log {
        command: "listen",
        silent: false,
    };
    run(start.args, start.env, LISTEN_USAGE, &mut log).unwrap_or_else(|failure| log.fatal(&failure))
}
