//! A variable an fd: `TLS_FD=5 CONTROL_FD=6`.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered, number, text};
use crate::edit::{Chain, fd_variable, invalid};
use crate::failure::Failure;
use crate::sys;

pub const VARS: Convention = Convention {
    name: "vars",
    variables: "<LABEL>_FD ...",
    owns: |name, labels| labels.iter().any(|label| fd_variable(label) == name),
    import: Some(import),
    export: Some(export),
};

fn import(chain: &Chain, labels: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let Some(labels) = labels else {
        return Err(invalid(
            "vars needs the labels: -l tls,control reads TLS_FD and CONTROL_FD".to_owned(),
        ));
    };
    let mut fds = Vec::new();
    let mut missing = None;
    for label in labels {
        let name = fd_variable(label);
        let Some(value) = chain.get(&name)? else {
            missing = missing.or(Some(name));
            continue;
        };
        let shown = text(&name);
        let fd = number(&shown, value)?;
        if !sys::is_open(fd) {
            return Err(invalid(format!("{shown} is {fd}, which is not open")));
        }
        fds.push((Some(label.clone().into_bytes()), fd));
    }
    match missing {
        Some(name) if !fds.is_empty() => Err(invalid(format!("{} is not set", text(&name)))),
        Some(_) => Ok(Found::Nothing),
        None => Ok(Found::Fds(fds)),
    }
}

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let variable = |item: &Item| (fd_variable(&item.label), item.fd.to_string().into_bytes());
    let variables: Vec<(Vec<u8>, Vec<u8>)> = items.iter().map(variable).collect();
    for (at, (name, _)) in variables.iter().enumerate() {
        if variables.iter().take(at).any(|(other, _)| other == name) {
            return Err(invalid(format!(
                "two labels have the variable {}, pick with -l",
                text(name)
            )));
        }
    }
    Ok(Rendered {
        variables,
        ..Rendered::default()
    })
}
