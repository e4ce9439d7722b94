//! einhorn: `EINHORN_FD_COUNT=2 EINHORN_FD_0=6 EINHORN_FD_1=7`, before that `EINHORN_FDS="6 7"`.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered, is_numbered, number, required};
use crate::edit::{Chain, invalid};
use crate::failure::Failure;
use crate::sys;

pub const EINHORN: Convention = Convention {
    name: "einhorn",
    variables: "EINHORN_FD_COUNT EINHORN_FD_0 ... EINHORN_MASTER_PID",
    owns: |name, _| {
        let names = [
            &b"EINHORN_FD_COUNT"[..],
            b"EINHORN_FDS",
            b"EINHORN_MASTER_PID",
        ];
        names.contains(&name) || is_numbered(name, b"EINHORN_FD_")
    },
    import: Some(import),
    export: Some(export),
};

fn import(chain: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    let fds: Vec<(String, &[u8])> = match chain.get(b"EINHORN_FD_COUNT")? {
        Some(count) => {
            let count = number("EINHORN_FD_COUNT", count)?;
            let because = format!("EINHORN_FD_COUNT is {count}");
            let one = |at| {
                let name = format!("EINHORN_FD_{at}");
                let value = required(chain, &name, &because)?;
                Ok((name, value))
            };
            (0..count)
                .map(one)
                .collect::<Result<_, Failure<'static>>>()?
        }
        None => match chain.get(b"EINHORN_FDS")? {
            None => return Ok(Found::Nothing),
            Some(b"") => Vec::new(),
            Some(list) => {
                let fds = list.split(|&b| b == b' ');
                fds.map(|fd| ("an fd of EINHORN_FDS".to_owned(), fd))
                    .collect()
            }
        },
    };
    let open = |(name, fd): (String, &[u8])| {
        let fd = number(&name, fd)?;
        if sys::is_open(fd) {
            Ok((None, fd))
        } else {
            Err(invalid(format!("{name} is {fd}, which is not open")))
        }
    };
    fds.into_iter()
        .map(open)
        .collect::<Result<_, _>>()
        .map(Found::Fds)
}

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    if items.is_empty() {
        return Ok(Rendered::default());
    }
    let mut rendered = Rendered::of(vec![("EINHORN_FD_COUNT", items.len().to_string())]);
    for (at, item) in items.iter().enumerate() {
        let fd = (
            format!("EINHORN_FD_{at}").into_bytes(),
            item.fd.to_string().into_bytes(),
        );
        rendered.variables.push(fd);
    }
    // workers take fds only from their parent
    let parent = nix::unistd::getppid().to_string().into_bytes();
    rendered
        .variables
        .push((b"EINHORN_MASTER_PID".to_vec(), parent));
    Ok(rendered)
}
