//! The whole way, from the arguments of `listen` to PROG: what `listen` does, and `listen-unit` with the arguments that it
//! makes of unit files.
//!
//! What most starts never come by (messages, answers, other things than sockets, undoing) is `#[cold]` where it stands: the
//! compiler keeps its rooms out of the frames on this way, and the linker its code off the pages.
#![forbid(unsafe_code)]

use crate::environment::{Environment, Strings};
use crate::exec::exec;
use crate::failure::{Failure, Log, answer};
use crate::inherited::Inherited;
use crate::plan::{Plan, Request};
use crate::sys::{self, List, Memory};
use crate::trail::Trail;
use crate::{help, make, print};

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
    let mut memory = Memory::new();
    let mut plan = match Plan::read(args, &mut memory)? {
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
    let inherited = Inherited::find(env)?;
    plan.check(&inherited, env, &mut memory)?;
    if plan.dry_run {
        return answer(|out| print::plan(&plan, out));
    }
    // all memory comes before the first socket
    let mut placed = memory.buffer(plan.sockets)?;
    let mut map = Strings::new(memory.buffer(plan.map_length(&inherited) + 1)?);
    let mut strings = Strings::new(memory.buffer(plan.text)?);
    let pointers = memory.buffer(env.len() + 2 + plan.variables)?;
    let mut trail = Trail::new(&mut memory, plan.traces)?;
    let made = make::sockets(&plan, &inherited, &mut map, &mut placed, &mut trail, log);
    let failure = match (made, map.end()) {
        (Ok(()), Some(map)) => {
            let mut new = Environment::new(pointers, env, inherited.place, map);
            match make::variables(&plan, &placed, env, &mut strings, &mut new) {
                Ok(()) => finish(&plan, env, new, log),
                Err(failure) => failure,
            }
        }
        (Ok(()), None) => Failure::TooMany,
        (Err(failure), _) => failure,
    };
    trail.undo();
    Err(failure)
}

/// The notification and the exec; why one of them failed.
fn finish(
    plan: &Plan<'static>,
    inherited: List,
    new: Environment<'static>,
    log: &Log,
) -> Failure<'static> {
    if let Some(Err(failure)) = plan.notify.map(|fd| make::notify(fd, log)) {
        return failure;
    }
    let env = if plan.sockets == 0 {
        inherited
    } else {
        new.finish()
    };
    Failure::Exec(exec(plan.prog, env, inherited))
}
