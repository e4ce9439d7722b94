//! The whole way, from the arguments of `listen` to PROG: what `listen` does, and `listen-unit` with the arguments that it
//! makes of unit files.
#![forbid(unsafe_code)]

use crate::environment::{Environment, LONGEST, Strings};
use crate::exec::exec;
use crate::failure::{Failure, Log, answer};
use crate::inherited::Inherited;
use crate::plan::{Plan, Request, Room};
use crate::sys::{self, Arg, List, Static};
use crate::{help, make, print};

static ROOM: Static<Room> = Static::new(Room::new());
static MAP: Static<[u8; LONGEST + 1]> = Static::new([0; LONGEST + 1]);
static STRINGS: Static<[u8; 4096]> = Static::new([0; 4096]);
static POINTERS: Static<[Option<Arg<'static>>; 512]> = Static::new([None; 512]);

/// Does what `args` (the program's own name first) ask for; `usage` is said where they have no PROG. Called once: the
/// exit code of what does not exec.
///
/// # Errors
/// Why PROG does not run. Nothing is left in the file system.
pub fn run(
    args: List,
    env: List,
    usage: &'static str,
    log: &mut Log,
) -> Result<i32, Failure<'static>> {
    let (Some(room), Some(map)) = (ROOM.take(), MAP.take()) else {
        return Ok(111);
    };
    let inherited = Inherited::find(env);
    let text = inherited.as_ref().map_or("", |map| map.text);
    let mut plan = match Plan::read(args, text, room)? {
        Request::Help(family) => return answer(|out| help::listen(family, out)),
        Request::Version => {
            return answer(|out| {
                out.put(concat!("listen ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
            });
        }
        Request::Listen(plan) => plan,
    };
    if !plan.dry_run && matches!(plan.prog, [] | [None, ..]) {
        return Err(Failure::Usage(usage));
    }
    // a name service may leave a file open, on fd 2 if that is free
    log.silent |= plan.looks_up && !sys::is_open(2);
    let inherited = inherited?;
    plan.check(&inherited, env, room)?;
    if plan.dry_run {
        return answer(|out| print::plan(&plan, &room.numbers, out));
    }
    let mut strings = Strings::new(sys::room(&STRINGS, plan.text).map_err(no_memory)?);
    let pointers = sys::room(&POINTERS, env.len() + 2 + plan.variables).map_err(no_memory)?;
    let mut map = Strings::new(map);
    let made = make::sockets(&plan, &inherited, room, &mut map, log);
    let failure = match made {
        Ok(()) => finish(&plan, room, env, map.end(), &mut strings, pointers, log),
        Err(failure) => failure,
    };
    room.trail.undo();
    Err(failure)
}

/// The environment, the notification, the exec; why one of them failed.
fn finish(
    plan: &Plan<'static>,
    room: &Room<'static>,
    inherited: List,
    map: Option<Arg<'static>>,
    strings: &mut Strings<'static>,
    pointers: &mut [Option<Arg<'static>>],
    log: &Log,
) -> Failure<'static> {
    let Some(map) = map else {
        return Failure::TooMany;
    };
    let mut env = Environment::new(pointers, inherited, map);
    if let Err(failure) = make::variables(plan, room, inherited, strings, &mut env) {
        return failure;
    }
    if let Some(Err(failure)) = plan.notify.map(|fd| make::notify(fd, log)) {
        return failure;
    }
    let env = if plan.sockets == 0 {
        inherited
    } else {
        env.finish()
    };
    Failure::Exec(exec(plan.prog, env, inherited))
}

fn no_memory(errno: nix::errno::Errno) -> Failure<'static> {
    Failure::System("get memory", errno)
}
