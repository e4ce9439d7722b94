//! From a plan to sockets in place, the map, and the environment of the next program; and back, where a step fails.
#![forbid(unsafe_code)]

use crate::bind;
use crate::describe;
use crate::environment::{Environment, Kind, Strings};
use crate::failure::{Claim, Failure, Log};
use crate::inherited::{Inherited, VARIABLE};
use crate::output::Shown;
use crate::place::Places;
use crate::plan::Plan;
use crate::set::Key as _;
use crate::spec::address::Address;
use crate::spec::family::Addresses;
use crate::spec::{Label, Spec, Subject};
use crate::sys::{self, Arg, Buffer};
use crate::trail::Trail;
use crate::work::{Doing, Error, LookedUp, Work};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// Makes every socket of the plan and puts it in its place; writes the new value of the map, and tells where each was
/// placed. What is made in the file system is in the trail.
///
/// # Errors
/// The first socket that could not be made.
pub fn sockets<'a>(
    plan: &Plan<'a>,
    inherited: &Inherited<'a>,
    map: &mut Strings,
    placed: &mut Buffer<RawFd>,
    trail: &mut Trail<'a>,
    log: &mut Log,
) -> Result<(), Failure<'a>> {
    map.put(
        VARIABLE
            .iter()
            .chain(b"=")
            .copied()
            .chain(inherited.text.bytes()),
    );
    let mut places = Places::new();
    let mut first = inherited.text.is_empty();
    let mut names = plan.names.iter().copied();
    for spec in plan.specs.iter() {
        let names = names.next().unwrap_or(LookedUp::NOTHING);
        let mut port = None;
        for (member, label) in spec.labels().enumerate() {
            let mut work = Work {
                spec,
                names,
                claimed: spec.claims(member),
                port,
                places: &mut places,
                taken: &plan.taken,
                trail,
                log,
            };
            let failed = |error| Failure::Socket(Subject::new(spec, label), error);
            let fd = bind::open(&mut work).map_err(failed)?;
            if member == 0 && spec.count() > 1 {
                port = bind::port_to_share(&work, fd)
                    .map_err(|errno| failed(Error::system(Doing::Name, errno)))?;
            }
            if plan.verbose {
                say(spec, label, fd, log)
                    .map_err(|errno| failed(Error::system(Doing::Name, errno)))?;
            }
            placed.push(fd);
            let comma = (!first).then_some(b',').into_iter();
            map.put(comma.chain(label.bytes()).chain([b'=']));
            map.put_fd(fd);
            first = false;
        }
    }
    Ok(())
}

/// `-v`
#[cold]
fn say(spec: &Spec, label: Label, fd: RawFd, log: &Log) -> Result<(), Errno> {
    let family = spec.family.name;
    let line = |address| {
        log.line(
            "info",
            format_args!(
                "{family} {} is open on fd {fd} (label {label})",
                Shown(address)
            ),
        );
    };
    match spec.address {
        Address::Path(_) | Address::Abstract(_) | Address::Netlink(_) | Address::Queue(_) => {
            line(spec.address_text());
        }
        _ => line(local_address(spec, fd)?.bytes()),
    }
    Ok(())
}

/// The address of a socket; of an fd that is none, nothing.
fn local_address(spec: &Spec, fd: RawFd) -> Result<describe::LocalAddress, Errno> {
    match describe::local_address(fd) {
        Err(Errno::ENOTSOCK) if spec.adopts().is_some() => Ok(describe::LocalAddress::new()),
        address => address,
    }
}

/// Adds the plan's variables, whose strings go to `strings`.
///
/// # Errors
/// A variable that turns out to be set to something else, an address that the kernel does not tell.
pub fn variables<'a>(
    plan: &Plan<'a>,
    placed: &[RawFd],
    inherited: &'a [Option<Arg<'a>>],
    strings: &mut Strings<'a>,
    env: &mut Environment<'a>,
) -> Result<(), Failure<'a>> {
    if plan.variables == 0 {
        return Ok(());
    }
    let sockets = plan
        .specs
        .iter()
        .flat_map(|spec| spec.labels().map(move |label| (spec, label)));
    for ((spec, label), &fd) in sockets.zip(placed) {
        for variable in plan.variables_of(spec, label) {
            strings.put(variable.bytes().chain([b'=']));
            let name_len = strings.written().len();
            match variable.kind {
                Kind::Fd | Kind::Named => strings.put_fd(fd),
                Kind::Addr => match (spec.family.addresses, spec.address) {
                    (Addresses::Fifo | Addresses::File, Address::Path(path)) => {
                        strings.put(path.iter().copied());
                    }
                    _ => {
                        let address = local_address(spec, fd).map_err(|errno| {
                            let error = Error::system(Doing::Name, errno);
                            Failure::Socket(Subject::new(spec, label), error)
                        })?;
                        strings.put(address.bytes().iter().copied());
                    }
                },
            }
            if strings.written().len() == name_len {
                // no address, no variable
                strings.drop_written();
                continue;
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
                        spec.written.at(),
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
#[cold]
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
