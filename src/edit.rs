//! The map for the commands that take entries out of it. Unlike what `listen` uses, this allocates.
#![forbid(unsafe_code)]

use crate::environment::Variable;
use crate::failure::Failure;
use crate::inherited::{Inherited, VARIABLE};
use crate::map::FdMap;
use crate::set::Key as _;
use crate::spec::Label;
use crate::sys::{Arg, Start};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;

/// The arguments for lexopt, the program's own name first.
pub fn parser(start: &Start) -> lexopt::Parser {
    let args = start.args.iter().flatten();
    lexopt::Parser::from_iter(args.map(|arg| OsString::from_vec(arg.bytes().to_vec())))
}

/// A message made up for one failure. The process ends with it, so the text may stay.
pub fn invalid(text: String) -> Failure<'static> {
    Failure::Invalid(text.leak())
}

/// The inherited map, well formed; whether its fds are open is for the caller to check.
pub fn read_map(
    env: &'static [Option<Arg<'static>>],
) -> Result<Inherited<'static>, Failure<'static>> {
    let inherited = Inherited::find(env)?;
    FdMap::parse(inherited.text).map_err(|error| inherited.malformed(error))?;
    Ok(inherited)
}

/// The entries that `name` picks: the label called so, or else the members of the group in order
/// (`name.0`, `name.1`, ...).
pub fn pick<'a>(map: &Inherited<'a>, name: &str) -> Vec<(&'a str, i32)> {
    let find = |label: &str| {
        map.entries()
            .find(|&(_, of, _)| of == label)
            .map(|(_, label, fd)| (label, fd))
    };
    match find(name) {
        Some(entry) => vec![entry],
        None => (0..)
            .map_while(|member| find(&format!("{name}.{member}")))
            .collect(),
    }
}

/// A string for the next program's arguments or environment, which lives until the exec.
///
/// # Errors
/// A NUL inside. No text that came as an argument has one.
pub fn leak(text: Vec<u8>) -> Result<Arg<'static>, Failure<'static>> {
    let string = CString::new(text).map_err(|_| invalid("a text has a NUL byte".to_owned()))?;
    Ok(Arg::from(&*Box::leak(string.into_boxed_c_str())))
}

/// The environment after the entries called `taken` have left the map: they are gone from it, and so are their `_FD`
/// variables, where those have the entry's number, and with them their `_ADDR` variables. A map without entries is
/// unset.
pub fn without(
    env: &'static [Option<Arg<'static>>],
    map: &Inherited,
    taken: &[&str],
) -> Result<Vec<Option<Arg<'static>>>, Failure<'static>> {
    if taken.is_empty() {
        return Ok(env.to_vec());
    }
    let mut gone: Vec<Vec<u8>> = Vec::new();
    let mut left = Vec::new();
    for (_, label, fd) in map.entries() {
        if !taken.contains(&label) {
            left.push(format!("{label}={fd}"));
            continue;
        }
        let name: Vec<u8> = Variable::fd(Label::new(label.as_bytes())).bytes().collect();
        let number = |variable: &Arg| {
            variable
                .value_of(&name)
                .map(|value| value.to_bytes() == fd.to_string().as_bytes())
        };
        if env.iter().flatten().find_map(number) == Some(true) {
            gone.push(name);
            gone.push(
                Variable::addr(Label::new(label.as_bytes()))
                    .bytes()
                    .collect(),
            );
        }
    }
    let left = match left.as_slice() {
        [] => None,
        entries => Some(leak(
            [VARIABLE, b"=", entries.join(",").as_bytes()].concat(),
        )?),
    };
    let keep = |variable: &Arg<'static>| {
        if variable.value_of(VARIABLE).is_some() {
            return left;
        }
        let is_gone = gone.iter().any(|name| variable.value_of(name).is_some());
        (!is_gone).then_some(*variable)
    };
    Ok(env
        .iter()
        .flatten()
        .filter_map(keep)
        .map(Some)
        .chain([None])
        .collect())
}
