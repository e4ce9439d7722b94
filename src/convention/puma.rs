//! puma's own restarts: `PUMA_INHERIT_0='7:tcp://0.0.0.0:80'`.
#![forbid(unsafe_code)]

use super::{Convention, Item, Rendered, is_numbered};
use crate::failure::Failure;
use crate::spec::family::Addresses;

pub const PUMA: Convention = Convention {
    name: "puma",
    variables: "PUMA_INHERIT_0 ...",
    owns: |name, _| is_numbered(name, b"PUMA_INHERIT_"),
    import: None,
    export: Some(export),
};

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    let mut rendered = Rendered::default();
    for (at, item) in items.iter().enumerate() {
        let (addresses, address) = item.address("puma")?;
        if !item.is_stream() {
            return Err(item.refuse("puma", "it takes sockets that accept connections"));
        }
        let scheme = match addresses {
            Addresses::Unix => "unix",
            _ => "tcp",
        };
        let value = format!("{}:{scheme}://{address}", item.fd);
        rendered.variables.push((
            format!("PUMA_INHERIT_{at}").into_bytes(),
            value.into_bytes(),
        ));
    }
    Ok(rendered)
}
