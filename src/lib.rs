//! `LISTEN_FD_MAP` says which listening socket is on which file descriptor:
//!
//! ```text
//! LISTEN_FD_MAP=udp=3,tcp=4,tls=5,control=6
//! ```
//!
//! listen(1) binds a daemon's sockets, writes the variable and execs the daemon; this crate is the daemon's side of
//! it. Add it without the commands:
//!
//! ```text
//! cargo add listen-fd-map --no-default-features
//! ```
//!
//! and look a socket up by its label:
//!
//! ```
//! use listen_fd_map::FdMap;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let value = "web=4";
//! # let _ = r#"
//! let value = std::env::var("LISTEN_FD_MAP")?;
//! # "#;
//! let map = FdMap::parse(&value)?;
//! let fd = map.get("web").ok_or("LISTEN_FD_MAP has no web")?;
//! # assert_eq!(fd, 4);
//! # Ok(())
//! # }
//! ```
//!
//! The reader needs neither the standard library nor a heap nor another crate. What the map promises (each fd
//! is open, unique and not close-on-exec) is written in listen-fd-map(7).
#![cfg_attr(not(any(feature = "std", test)), no_std)]

pub mod map;

pub use map::{FdMap, ParseError};

// The steps of the commands, in the order in which data takes them. They are public for src/bin alone.
#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod sys;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod output;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod failure;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod ip;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod spec;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod argv;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod set;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod inherited;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod plan;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod print;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod work;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod bind;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod sockopt;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod netns;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod special;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod node;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod path;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod trail;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod describe;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod place;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod environment;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod exec;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod make;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod help;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod edit;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod rearrange;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod requirement;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod convention;
