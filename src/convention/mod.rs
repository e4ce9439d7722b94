//! Socket-passing conventions, one file each.
#![forbid(unsafe_code)]

pub mod argv;
