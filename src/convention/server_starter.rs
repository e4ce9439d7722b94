//! Server::Starter (start_server): `SERVER_STARTER_PORT='127.0.0.1:81=4;/tmp/s=6'`.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered, number, text};
use crate::edit::{Chain, invalid};
use crate::failure::Failure;
use crate::sys;

pub const SERVER_STARTER: Convention = Convention {
    name: "server-starter",
    variables: "SERVER_STARTER_PORT SERVER_STARTER_GENERATION",
    owns: |name, _| [&b"SERVER_STARTER_PORT"[..], b"SERVER_STARTER_GENERATION"].contains(&name),
    import: Some(import),
    export: Some(export),
};

fn import(chain: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let Some(list) = chain.get(b"SERVER_STARTER_PORT")? else {
        return Ok(Found::Nothing);
    };
    let mut fds = Vec::new();
    let entries = list.split(|&b| b == b';').filter(|_| !list.is_empty());
    for entry in entries {
        // a path may have an equals sign, a number has none
        let at = entry.iter().rposition(|&b| b == b'=');
        let Some((key, fd)) = at.and_then(|at| Some((entry.get(..at)?, entry.get(at + 1..)?)))
        else {
            return Err(invalid(format!(
                "SERVER_STARTER_PORT has no fd in {}",
                text(entry)
            )));
        };
        let fd = number("an fd of SERVER_STARTER_PORT", fd)?;
        if !sys::is_open(fd) {
            return Err(invalid(format!(
                "SERVER_STARTER_PORT has fd {fd}, which is not open"
            )));
        }
        fds.push((Some(key.to_vec()), fd));
    }
    Ok(Found::Fds(fds))
}

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut entries = Vec::new();
    for item in items {
        let (_, address) = item.address("server-starter")?;
        if address.contains(';') {
            return Err(item.refuse(
                "server-starter",
                "its path has a semicolon, which divides there",
            ));
        }
        entries.push(format!("{address}={}", item.fd));
    }
    if entries.is_empty() {
        return Ok(Rendered::default());
    }
    Ok(Rendered::of(vec![
        ("SERVER_STARTER_PORT", entries.join(";")),
        ("SERVER_STARTER_GENERATION", "1".to_owned()),
    ]))
}
