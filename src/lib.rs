//! ```text
//! cargo add listen-fd-map --no-default-features --features std
//! ```
//!
//! A daemon should not have to know about binding ports, permissions or privileges. listen(1) binds its sockets, says in
//! one variable which is on which file descriptor, `LISTEN_FD_MAP=udp=3,tcp=4,tls=5,control=6`, and execs it. This crate is
//! the daemon's side of that; a whole daemon:
//!
#![cfg_attr(feature = "std", doc = "```no_run")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use listen_fd_map::Sockets;
//! use std::io::{Read, Write};
//! use std::net::TcpListener;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // SAFETY: the first thing in main, so nobody else owns these fds.
//!     let mut sockets = unsafe { Sockets::from_env() }?;
//!     let web: TcpListener = sockets.take("web")?;
//!     loop {
//!         let (mut client, _) = web.accept()?;
//!         std::thread::spawn(move || {
//!             let _ = client.read(&mut [0; 1024]);
//!             let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
//!         });
//!     }
//! }
//! ```
//!
//! A socket is taken once, as what the kernel says that it is: [`Sockets`]. Without the feature `std` there is [`FdMap`]
//! alone, which needs neither the standard library nor a heap, and no other crate in either case:
//!
//! ```
//! use listen_fd_map::FdMap;
//!
//! let map = FdMap::parse("udp=3,tcp=4,tls=5,control=6")?;
//! assert_eq!(map.get("tls"), Some(5));
//! # Ok::<(), listen_fd_map::ParseError>(())
//! ```
//!
//! What the map promises (each fd is open, unique and not close-on-exec) is written in listen-fd-map(7).
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(not(feature = "std"), forbid(unsafe_code))]

pub mod map;

#[cfg(feature = "std")]
mod sockets;

pub use map::{FdMap, ParseError};
#[cfg(feature = "std")]
pub use sockets::{Error, Kind, Sockets};

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
pub mod holder;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod edit;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod naming;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod rearrange;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod requirement;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod convention;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod run;

#[cfg(feature = "tools")]
#[doc(hidden)]
pub mod unit;
