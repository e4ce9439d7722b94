//! systemd's .socket files, as arguments of `listen`: what `listen-unit` binds is what these say, and `-n` prints them.
//!
//! The way of a unit: operand, files ([`find`]), assignments ([`file`]), sockets ([`sockets`]), arguments ([`arguments`]). Only the
//! second step and specifiers ask the system.
#![forbid(unsafe_code)]

pub mod address;
pub mod arguments;
pub mod directive;
pub mod file;
pub mod find;
pub mod name;
pub mod sockets;
mod specifier;
pub mod value;

use crate::output::Shown;
use crate::sys::List;
use name::Name;

/// What is asked of all units.
pub struct Request {
    /// `--user`: units of the user's manager.
    pub user: bool,
    /// `--root`: what stands for `/` in the search for units.
    pub root: Option<std::ffi::OsString>,
    /// `--accept`: the program accepts connections itself.
    pub accept: bool,
    /// The environment.
    pub env: List,
}

/// A unit whose files are read.
pub struct Unit {
    /// What it is called, where it is called by a link by the name of the target.
    pub name: Name,
    /// The path of its file.
    pub path: String,
    /// The file, and its drop-ins in order.
    pub sources: Vec<find::Source>,
    /// Whether it is one of the user's manager.
    pub is_user: bool,
    /// The environment.
    pub env: List,
}

/// Text in a message.
fn text_of(bytes: &[u8]) -> String {
    Shown(bytes).to_string()
}

/// The value of a variable, where it is UTF-8.
fn variable(env: List, name: &str) -> Option<String> {
    let mut strings = env.iter().flatten();
    let value = strings.find_map(|string| string.value_of(name.as_bytes()))?;
    value.to_str().ok().map(str::to_owned)
}
