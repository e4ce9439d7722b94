//! Socket-passing conventions, one file each; import and export of one stand together.
#![forbid(unsafe_code)]

pub mod argv;
mod einhorn;
mod fd0;
mod nginx;
mod php_fpm;
mod puma;
mod s6_fdholder;
mod server_starter;
mod systemd;
mod unicorn;
mod vars;

use crate::describe::{self, Socket};
use crate::edit::{Chain, invalid};
use crate::failure::Failure;
use crate::output::Shown;
use crate::spec::family::Addresses;
use std::os::fd::RawFd;

/// A row of the table of conventions.
pub struct Convention {
    /// The name on the command line.
    pub name: &'static str,
    /// Its variables, for help.
    pub variables: &'static str,
    /// Whether a variable is one of its own, where `-l` has named these labels.
    pub owns: fn(&[u8], &[String]) -> bool,
    /// Reads its variables, if it can be read.
    pub import: Option<Import>,
    /// Writes its variables, if it can be written.
    pub export: Option<Export>,
}

/// Reads the variables of a convention; the second is what `-l` says.
pub type Import = fn(&Chain, Option<&[String]>) -> Result<Found, Failure<'static>>;

/// Makes up the variables of a convention.
pub type Export = fn(&[Item]) -> Result<Rendered, Failure<'static>>;

/// What an importer finds.
pub enum Found {
    /// The convention's variables are not there.
    Nothing,
    /// They are meant for another process: why.
    NotOurs(String),
    /// Fds, and their names if they have some.
    Fds(Vec<(Option<Vec<u8>>, RawFd)>),
}

/// An entry of the map on its way into a convention.
pub struct Item {
    /// Its label.
    pub label: String,
    /// Its name where a convention has names: that of the group, for a member of one.
    pub name: String,
    /// Its fd.
    pub fd: RawFd,
    /// What the kernel says that it is, where that is a socket.
    pub socket: Option<Socket>,
}

/// What an exporter makes.
#[derive(Default)]
pub struct Rendered {
    /// Variables in order.
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
    /// The number of the first, where the convention dictates numbers that follow each other.
    pub first: Option<RawFd>,
    /// What O_NONBLOCK has to be.
    pub nonblock: Option<bool>,
}

impl Rendered {
    /// Variables alone.
    fn of(variables: Vec<(&str, String)>) -> Rendered {
        let bytes = |(name, value): (&str, String)| (name.as_bytes().to_vec(), value.into_bytes());
        Rendered {
            variables: variables.into_iter().map(bytes).collect(),
            ..Rendered::default()
        }
    }
}

/// Every convention that has variables, in the order of the manual page.
pub static CONVENTIONS: [Convention; 13] = [
    systemd::SYSTEMD,
    systemd::LISTENFD,
    s6_fdholder::S6_FDHOLDER,
    server_starter::SERVER_STARTER,
    einhorn::EINHORN,
    nginx::NGINX,
    php_fpm::PHP_FPM,
    unicorn::UNICORN,
    unicorn::GUNICORN,
    puma::PUMA,
    vars::VARS,
    fd0::FD0,
    argv::ARGV,
];

/// The convention called `name`, of those that `has` picks.
///
/// # Errors
/// No such convention; those there are.
pub fn find(
    name: &[u8],
    has: fn(&Convention) -> bool,
) -> Result<&'static Convention, Failure<'static>> {
    let known = || CONVENTIONS.iter().filter(|convention| has(convention));
    let found = known().find(|convention| convention.name.as_bytes() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = known().map(|convention| convention.name).collect();
        let near = crate::spec::error::nearest(name, names.iter().copied());
        let end = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.join(", ")),
        };
        invalid(format!("unknown convention {}, {end}", Shown(name)))
    })
}

impl Item {
    /// Asks the kernel what an entry is.
    pub fn new(label: String, name: String, fd: RawFd) -> Item {
        Item {
            label,
            name,
            fd,
            socket: describe::socket(fd).ok(),
        }
    }

    /// Why this entry cannot be passed on.
    fn refuse(&self, convention: &str, why: &str) -> Failure<'static> {
        let (label, fd) = (&self.label, describe::What(self.fd));
        invalid(format!(
            "{label} cannot be passed to {convention}: {why} (it is {fd})"
        ))
    }

    /// The address of an internet or unix socket that has one, as text: `1.2.3.4:80`, `[::1]:80`, `/path`.
    fn address(&self, convention: &str) -> Result<(Addresses, String), Failure<'static>> {
        let socket = self
            .socket
            .as_ref()
            .and_then(|socket| Some((socket.family?, socket)));
        let Some((family, socket)) = socket else {
            return Err(self.refuse(convention, "it takes internet and unix sockets"));
        };
        let address = socket.address.bytes();
        let is_path = family.addresses == Addresses::Unix
            && !address.starts_with(b"@")
            && !address.is_empty();
        if family.addresses != Addresses::Inet && !is_path {
            return Err(self.refuse(
                convention,
                "it takes internet sockets and unix sockets with a path",
            ));
        }
        let text = std::str::from_utf8(address)
            .map_err(|_| self.refuse(convention, "its path is not UTF-8"))?;
        Ok((family.addresses, text.to_owned()))
    }

    /// Whether it accepts connections.
    fn is_stream(&self) -> bool {
        self.socket
            .as_ref()
            .and_then(|socket| socket.family)
            .is_some_and(|family| family.listens)
    }
}

/// A number of fds, or of another thing that is counted from 0.
fn number(name: &str, value: &[u8]) -> Result<i32, Failure<'static>> {
    crate::map::parse_fd(value)
        .ok_or_else(|| invalid(format!("{name} is no number: {}", Shown(value))))
}

/// The variable `name`, which has to be there.
fn required(chain: &Chain, name: &str, because: &str) -> Result<&'static [u8], Failure<'static>> {
    chain
        .get(name.as_bytes())?
        .ok_or_else(|| invalid(format!("{name} is not set, but {because}")))
}

/// Whether `name` is `prefix` and a number.
fn is_numbered(name: &[u8], prefix: &[u8]) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
}

/// Text in a message.
fn text(bytes: &[u8]) -> String {
    Shown(bytes).to_string()
}
