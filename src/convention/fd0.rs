//! inetd's wait, UCSPI's and s6's way: the one socket on fd 0.
#![forbid(unsafe_code)]

use super::{Convention, Found, Item, Rendered};
use crate::describe;
use crate::edit::{Chain, invalid};
use crate::failure::Failure;

pub const FD0: Convention = Convention {
    name: "fd0",
    variables: "",
    owns: |_, _| false,
    import: Some(import),
    export: Some(export),
};

fn import(_: &Chain, _: Option<&[String]>) -> Result<Found, Failure<'static>> {
    // standard input that is no socket is nobody's convention
    Ok(match describe::socket(0) {
        Ok(_) => Found::Fds(vec![(None, 0)]),
        Err(_) => Found::Nothing,
    })
}

fn export(items: &[Item]) -> Result<Rendered, Failure<'static>> {
    match items {
        [_] => Ok(Rendered {
            first: Some(0),
            // fcgiwrap and php-cgi end where accept(2) does not wait
            nonblock: Some(false),
            ..Rendered::default()
        }),
        [] => Err(invalid(
            "fd0 takes one entry, and LISTEN_FD_MAP has none".to_owned(),
        )),
        items => {
            let labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
            Err(invalid(format!(
                "fd0 takes one entry, and there are {}: pick one with -l",
                labels.join(", ")
            )))
        }
    }
}
