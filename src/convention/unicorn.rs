//! The own upgrades of unicorn, `UNICORN_FD=3,4`, and of gunicorn, `GUNICORN_FD=3,4` beside GUNICORN_PID.
#![forbid(unsafe_code)]

use super::{Convention, Item, Rendered};
use crate::failure::Failure;

pub const UNICORN: Convention = Convention {
    name: "unicorn",
    variables: "UNICORN_FD",
    owns: |name, _| name == b"UNICORN_FD",
    import: None,
    export: Some(|items| {
        let fds = list(items, "unicorn")?;
        Ok(Rendered::of(
            fds.map(|fds| ("UNICORN_FD", fds)).into_iter().collect(),
        ))
    }),
};

pub const GUNICORN: Convention = Convention {
    name: "gunicorn",
    variables: "GUNICORN_FD GUNICORN_PID",
    owns: |name, _| [&b"GUNICORN_FD"[..], b"GUNICORN_PID"].contains(&name),
    import: None,
    export: Some(|items| {
        let Some(fds) = list(items, "gunicorn")? else {
            return Ok(Rendered::default());
        };
        // without a pid it does not look at the fds; one that is not its parent's makes it a master of its own
        let pid = std::process::id().to_string();
        Ok(Rendered::of(vec![
            ("GUNICORN_FD", fds),
            ("GUNICORN_PID", pid),
        ]))
    }),
};

fn list(items: &[Item], convention: &str) -> Result<Option<String>, Failure<'static>> {
    for item in items {
        item.address(convention)?;
        if !item.is_stream() {
            return Err(item.refuse(convention, "it takes sockets that accept connections"));
        }
    }
    let fds: Vec<String> = items.iter().map(|item| item.fd.to_string()).collect();
    Ok((!fds.is_empty()).then(|| fds.join(",")))
}
