//! From a plan to sockets in place, the map, and the environment of the next program; and back, where a step fails.
#![forbid(unsafe_code)]

use crate::bind::{self, Doing};
use crate::describe;
use crate::environment::{Environment, Kind, Strings};
use crate::failure::{Claim, Failure, Log};
use crate::inherited::{Inherited, VARIABLE};
use crate::output::Shown;
use crate::place::Places;
use crate::plan::{Plan, Room};
use crate::set::Key as _;
use crate::spec::option::What;
use crate::spec::{Spec, Subject};
use crate::sys::{self, Arg};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

/// Makes every socket of the plan and puts it in its place; writes the new value of the map.
///
/// # Errors
/// The first socket that could not be made. Nothing is left in the file system then.
pub fn sockets<'a>(
    plan: &Plan<'a>,
    inherited: &Inherited<'a>,
    room: &mut Room<'a>,
    map: &mut Strings,
    log: &mut Log,
) -> Result<(), Failure<'a>> {
    map.put(
        VARIABLE
            .iter()
            .chain(b"=")
            .copied()
            .chain(inherited.text.bytes()),
    );
    let mut places = Places::new(&room.numbers);
    let mut first = inherited.text.is_empty();
    let each = plan.specs().zip(&room.names).zip(&mut room.placed);
    for (made, (((_, spec), names), placed)) in each.enumerate() {
        let fd = match socket(&spec, names, &mut places, plan.verbose, log) {
            Ok(fd) => fd,
            Err(error) => {
                undo(plan, room, made);
                return Err(Failure::Socket(Subject::from(&spec), error));
            }
        };
        *placed = fd;
        map.put(
            (!first)
                .then_some(b',')
                .into_iter()
                .chain(spec.label.iter().copied())
                .chain([b'=']),
        );
        map.put_number(fd);
        first = false;
    }
    Ok(())
}

fn socket(
    spec: &Spec,
    names: &bind::LookedUp,
    places: &mut Places,
    verbose: bool,
    log: &mut Log,
) -> Result<RawFd, bind::Error> {
    let mut warn = |option, errno: Errno| {
        let (family, address) = (spec.family.name, Shown(spec.address_text));
        log.line(
            "warning",
            format_args!(
                "{family}:{address}: {option}~ not applied: {}",
                errno.desc()
            ),
        );
    };
    let socket = bind::open(spec, names, &mut warn)?;
    let socket = places
        .place(socket, spec.number(What::Fd))
        .map_err(|(errno, socket)| {
            bind::forget(spec, socket.as_raw_fd());
            bind::Error::system(Doing::Place, errno)
        })?;
    log.silent |= socket.as_raw_fd() == 2;
    if verbose {
        let address = describe::local_address(socket.as_raw_fd()).map_err(|errno| {
            bind::forget(spec, socket.as_raw_fd());
            bind::Error::system(Doing::Name, errno)
        })?;
        let (family, fd) = (spec.family.name, socket.as_raw_fd());
        let (address, label) = (Shown(address.bytes()), Shown(spec.label));
        log.line(
            "info",
            format_args!("{family} {address} is bound on fd {fd} (label {label})"),
        );
    }
    Ok(socket.into_raw_fd())
}

/// Removes what the first `made` sockets have left in the file system.
pub fn undo(plan: &Plan, room: &Room, made: usize) {
    for ((_, spec), &fd) in plan.specs().zip(&room.placed).take(made) {
        bind::forget(&spec, fd);
    }
}

/// Adds the plan's variables, whose strings go to `strings`.
///
/// # Errors
/// A variable that turns out to be set to something else, an address that the kernel does not tell.
pub fn variables<'a>(
    plan: &Plan<'a>,
    room: &Room<'a>,
    inherited: &'a [Option<Arg<'a>>],
    strings: &mut Strings<'a>,
    env: &mut Environment<'a, '_>,
) -> Result<(), Failure<'a>> {
    if plan.variables == 0 {
        return Ok(());
    }
    for ((written, spec), &fd) in plan.specs().zip(&room.placed) {
        for variable in plan.variables_of(&spec) {
            strings.put(variable.bytes().chain([b'=']));
            let name_len = strings.written().len();
            match variable.kind {
                Kind::Fd | Kind::Named => strings.put_number(fd),
                Kind::Addr => {
                    let address = describe::local_address(fd).map_err(|errno| {
                        Failure::Socket(
                            Subject::from(&spec),
                            bind::Error::system(Doing::Name, errno),
                        )
                    })?;
                    strings.put(address.bytes().iter().copied());
                }
            }
            let name = strings
                .written()
                .get(..name_len.saturating_sub(1))
                .unwrap_or_default();
            let set = if plan.set_already {
                inherited
                    .iter()
                    .flatten()
                    .find_map(|string| string.value_of(name))
            } else {
                None
            };
            let same =
                |set: &&core::ffi::CStr| strings.written().get(name_len..) == Some(set.to_bytes());
            match set {
                Some(value) if !same(&value) => {
                    return Err(Failure::Claim(
                        written.at(),
                        Claim::SetVariable(variable, value.to_bytes()),
                    ));
                }
                // it says so already, and keeps its place
                Some(_) => strings.drop_written(),
                None => env.push(strings.end().ok_or(Failure::TooMany)?),
            }
        }
    }
    Ok(())
}

/// Tells readiness on the fd of `-d`, the way of s6: a newline, then the fd is closed. A reader that is gone is only
/// worth a warning.
pub fn notify(fd: RawFd, log: &Log) -> Result<(), Failure<'static>> {
    loop {
        match sys::write(fd, b"\n") {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno @ Errno::EPIPE) => {
                log.line(
                    "warning",
                    format_args!("unable to notify readiness on fd {fd}: {}", errno.desc()),
                );
                break;
            }
            Err(errno) => return Err(Failure::System("notify readiness on the fd of -d", errno)),
        }
    }
    sys::close(fd);
    Ok(())
}
