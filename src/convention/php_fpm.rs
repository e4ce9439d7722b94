//! php-fpm's own reloads: `FPM_SOCKETS='/run/php.sock=3,127.0.0.1:9000=4'`.
#![forbid(unsafe_code)]

use super::{Convention, Item, Rendered, is_numbered};
use crate::edit::invalid;
use crate::failure::Failure;

pub const PHP_FPM: Convention = Convention {
    name: "php-fpm",
    variables: "FPM_SOCKETS FPM_SOCKETS_1 ...",
    owns: |name, _| name == b"FPM_SOCKETS" || is_numbered(name, b"FPM_SOCKETS_"),
    import: None,
    export: Some(export),
};

/// Sockets in one variable, and variables: FPM_ENV_SOCKET_SET_SIZE and _MAX of sapi/fpm/fpm/fpm_sockets.h
const SET_SIZE: usize = 128;
const SETS: usize = 256;

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut entries = Vec::new();
    for item in items {
        let (_, address) = item.address("php-fpm")?;
        if !item.is_stream() {
            return Err(item.refuse("php-fpm", "it takes sockets that accept connections"));
        }
        if address.contains([',', '=']) {
            return Err(item.refuse(
                "php-fpm",
                "its path has a comma or an equals sign, which divides there",
            ));
        }
        // its key for [::1]:9000 has no brackets
        let key = address.replace(['[', ']'], "");
        let key = if address.starts_with('[') {
            key
        } else {
            address
        };
        entries.push(format!("{key}={}", item.fd));
    }
    if entries.len() > SET_SIZE * SETS {
        return Err(invalid(format!(
            "php-fpm takes at most {} sockets",
            SET_SIZE * SETS
        )));
    }
    let mut rendered = Rendered::default();
    for (at, set) in entries.chunks(SET_SIZE).enumerate() {
        let name = match at {
            0 => "FPM_SOCKETS".to_owned(),
            at => format!("FPM_SOCKETS_{at}"),
        };
        rendered
            .variables
            .push((name.into_bytes(), set.join(",").into_bytes()));
    }
    Ok(rendered)
}
