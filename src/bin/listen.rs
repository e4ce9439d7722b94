//! `listen SPEC... PROG...`: binds sockets, adds them to LISTEN_FD_MAP, execs PROG.
#![no_main]
#![forbid(unsafe_code)]

use listen_fd_map::environment::{Environment, LONGEST, Strings};
use listen_fd_map::exec::exec;
use listen_fd_map::failure::{Failure, Log};
use listen_fd_map::inherited::Inherited;
use listen_fd_map::output::Output;
use listen_fd_map::plan::{Plan, Request, Room};
use listen_fd_map::sys::{self, Arg, Start, Static};
use listen_fd_map::{help, make, print};

static ROOM: Static<Room> = Static::new(Room::new());
static MAP: Static<[u8; LONGEST + 1]> = Static::new([0; LONGEST + 1]);
static STRINGS: Static<[u8; 4096]> = Static::new([0; 4096]);
static POINTERS: Static<[Option<Arg<'static>>; 512]> = Static::new([None; 512]);

listen_fd_map::main!(run);

fn run(start: Start) -> i32 {
    let mut log = Log {
        command: "listen",
        silent: false,
    };
    let (Some(room), Some(map)) = (ROOM.take(), MAP.take()) else {
        return 111;
    };
    listen(&start, room, map, &mut log).unwrap_or_else(|failure| log.fatal(&failure))
}

/// The exit code of what does not exec.
fn listen(
    start: &Start,
    room: &mut Room<'static>,
    map: &'static mut [u8],
    log: &mut Log,
) -> Result<i32, Failure<'static>> {
    let inherited = Inherited::find(start.env);
    let text = inherited.as_ref().map_or("", |map| map.text);
    let mut plan = match Plan::read(start.args, text, room)? {
        Request::Help(family) => return output(|out| help::listen(family, out)),
        Request::Version => {
            return output(|out| {
                out.put(concat!("listen ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
            });
        }
        Request::Listen(plan) => plan,
    };
    if !plan.dry_run && matches!(plan.prog, [] | [None, ..]) {
        return Err(Failure::Usage(help::LISTEN_USAGE));
    }
    // a name service may leave a file open, on fd 2 if that is free
    log.silent = plan.looks_up && !sys::is_open(2);
    let inherited = inherited?;
    plan.check(&inherited, start.env, room)?;
    if plan.dry_run {
        return output(|out| print::plan(&plan, &room.numbers, out));
    }
    let mut strings = Strings::new(sys::room(&STRINGS, plan.text).map_err(no_memory)?);
    let pointers = sys::room(&POINTERS, start.env.len() + 2 + plan.variables).map_err(no_memory)?;
    let mut map = Strings::new(map);
    let made = make::sockets(&plan, &inherited, room, &mut map, log);
    let failure = match made {
        Ok(()) => finish(&plan, room, start, map.end(), &mut strings, pointers, log),
        Err(failure) => failure,
    };
    room.trail.undo();
    Err(failure)
}

/// The environment, the notification, the exec; why one of them failed.
fn finish(
    plan: &Plan<'static>,
    room: &Room<'static>,
    start: &Start,
    map: Option<Arg<'static>>,
    strings: &mut Strings<'static>,
    pointers: &mut [Option<Arg<'static>>],
    log: &Log,
) -> Failure<'static> {
    let Some(map) = map else {
        return Failure::TooMany;
    };
    let mut env = Environment::new(pointers, start.env, map);
    if let Err(failure) = make::variables(plan, room, start.env, strings, &mut env) {
        return failure;
    }
    if let Some(Err(failure)) = plan.notify.map(|fd| make::notify(fd, log)) {
        return failure;
    }
    let env = if plan.sockets == 0 {
        start.env
    } else {
        env.finish()
    };
    Failure::Exec(exec(plan.prog, env, start.env))
}

fn output(write: impl FnOnce(&mut Output)) -> Result<i32, Failure<'static>> {
    let mut out = Output::new(1);
    write(&mut out);
    out.finish()
        .map(|()| 0)
        .map_err(|errno| Failure::System("write to standard output", errno))
}

fn no_memory(errno: nix::errno::Errno) -> Failure<'static> {
    Failure::System("get memory", errno)
}
