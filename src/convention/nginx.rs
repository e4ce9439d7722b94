//! nginx's own upgrades: `NGINX="6;7;"`, each fd terminated.
#![forbid(unsafe_code)]

use super::{Convention, Item, Rendered};
use crate::failure::Failure;

pub const NGINX: Convention = Convention {
    name: "nginx",
    variables: "NGINX",
    owns: |name, _| name == b"NGINX",
    import: None,
    export: Some(export),
};

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    for item in items {
        // it finds its sockets by their addresses
        item.address("nginx")?;
    }
    let fds: Vec<String> = items.iter().map(|item| format!("{};", item.fd)).collect();
    if fds.is_empty() {
        return Ok(Rendered::default());
    }
    Ok(Rendered {
        // nginx leaves the flags of inherited fds as they are, and blocks on those that are not so
        nonblock: Some(true),
        ..Rendered::of(vec![("NGINX", fds.concat())])
    })
}
