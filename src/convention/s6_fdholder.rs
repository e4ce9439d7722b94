//! s6-fdholder-getdump and s6-fdholder-setdump: `S6_FD#=2 S6_FD_0=5 S6_FDID_0=unix:/x`.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered, is_numbered, number, required};
use crate::edit::{Chain, invalid};
use crate::failure::Failure;
use crate::sys;

pub const S6_FDHOLDER: Convention = Convention {
    name: "s6-fdholder",
    variables: "S6_FD# S6_FD_0 S6_FDID_0 S6_FDLIMIT_0 ...",
    owns,
    import: Some(import),
    export: Some(export),
};

fn owns(name: &[u8], _: &[String]) -> bool {
    name == b"S6_FD#"
        || [&b"S6_FD_"[..], b"S6_FDID_", b"S6_FDLIMIT_"]
            .iter()
            .any(|prefix| is_numbered(name, prefix))
}

fn import(chain: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let Some(count) = chain.get(b"S6_FD#")? else {
        return Ok(Found::Nothing);
    };
    let count = number("S6_FD#", count)?;
    let because = format!("S6_FD# is {count}");
    let mut fds = Vec::new();
    for at in 0..count {
        let name = format!("S6_FD_{at}");
        let fd = number(&name, required(chain, &name, &because)?)?;
        if !sys::is_open(fd) {
            return Err(invalid(format!("{name} is {fd}, which is not open")));
        }
        let id = required(chain, &format!("S6_FDID_{at}"), &because)?;
        fds.push((Some(id.to_vec()), fd));
    }
    Ok(Found::Fds(fds))
}

/// An id is there once in a store, so members of groups keep their labels.
fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut rendered = Rendered::of(vec![("S6_FD#", items.len().to_string())]);
    if items.is_empty() {
        rendered.variables.clear();
    }
    for (at, item) in items.iter().enumerate() {
        let fd = (
            format!("S6_FD_{at}").into_bytes(),
            item.fd.to_string().into_bytes(),
        );
        let id = (
            format!("S6_FDID_{at}").into_bytes(),
            item.label.clone().into_bytes(),
        );
        rendered.variables.extend([fd, id]);
    }
    Ok(rendered)
}
