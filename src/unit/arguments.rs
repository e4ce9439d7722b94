//! From sockets of units to the arguments of `listen`, and back from its messages to the lines of the units.
#![forbid(unsafe_code)]

use super::sockets::Socket;
use crate::edit::{invalid, leak};
use crate::failure::{Claim, Failure, Log};
use crate::naming::{grouped, sanitize};
use crate::output::Shown;
use crate::spec::error::At;
use crate::sys::{Arg, List};

/// Arguments of `listen`, and the address of each socket among them.
pub type Arguments = (Vec<Option<Arg<'static>>>, Vec<&'static [u8]>);

/// The labels of the sockets: those of `-l`, or else their names, of which a repeated one is a group's.
///
/// # Errors
/// Too many or too few, or two that are the same.
pub fn labels(
    sockets: &[Socket],
    given: Option<Vec<String>>,
    log: &Log,
) -> Result<Vec<String>, Failure<'static>> {
    if let Some(given) = given {
        if given.len() != sockets.len() {
            let (labels, sockets) = (given.len(), sockets.len());
            return Err(invalid(format!(
                "-l has {labels} labels for {sockets} sockets"
            )));
        }
        return grouped(&given);
    }
    let mut names = Vec::new();
    for socket in sockets {
        let name = sanitize(socket.name.as_bytes());
        if name != socket.name && names.last() != Some(&name) {
            let is = Shown(socket.name.as_bytes());
            log.line(
                "warning",
                format_args!("{is} is no label, it is {name} in the map (-l gives another)"),
            );
        }
        names.push(name);
    }
    grouped(&names)
}

/// The arguments of `listen` that make the sockets: `flags` first, the program's own name among them, and PROG at the end.
///
/// # Errors
/// A text that no argument can be.
pub fn arguments(
    flags: Vec<String>,
    sockets: &[Socket],
    labels: Vec<String>,
    prog: List,
) -> Result<Arguments, Failure<'static>> {
    let (mut args, mut addresses) = (Vec::new(), Vec::new());
    let text = |text: String| leak(text.into_bytes());
    for flag in flags {
        args.push(Some(text(flag)?));
    }
    let option = text("-o".to_owned())?;
    for (socket, label) in sockets.iter().zip(labels) {
        let address = text(socket.address.clone())?;
        addresses.push(address.bytes());
        args.push(Some(text(format!("--{}", socket.family.name))?));
        args.push(Some(address));
        for value in [format!("label={label}")].iter().chain(&socket.options) {
            args.extend([Some(option), Some(text(value.clone())?)]);
        }
    }
    args.push(Some(text("--".to_owned())?));
    args.extend(prog);
    if prog.is_empty() {
        args.push(None);
    }
    Ok((args, addresses))
}

/// A failure that is about a socket's arguments says the line of the unit instead.
pub fn placed(
    failure: Failure<'static>,
    sockets: &[Socket],
    addresses: &[&'static [u8]],
) -> Failure<'static> {
    let Failure::Claim(at, claim) = failure else {
        return failure;
    };
    let socket = match at {
        At::Two(_, address) => {
            let found = addresses.iter().position(|of| std::ptr::eq(*of, address));
            found.and_then(|found| sockets.get(found))
        }
        At::One(_) => None,
    };
    let Some(socket) = socket else {
        return Failure::Claim(at, claim);
    };
    let place = &socket.place;
    match claim {
        Claim::InheritedLabel(label) => invalid(format!(
            "{place}: label {label} is taken in the inherited LISTEN_FD_MAP, choose others with -l (or unset it)"
        )),
        Claim::Variable(variable) => invalid(format!(
            "{place}: variable {variable} is taken by another socket, choose other labels with -l"
        )),
        Claim::SetVariable(variable, value) => invalid(format!(
            "{place}: variable {variable} is set already, to {}, unset it or choose other labels with -l",
            Shown(value)
        )),
        claim => invalid(format!("{place}: {claim}")),
    }
}
