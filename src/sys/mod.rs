//! The system calls that nix lacks (or cannot make without a heap), the entry point, and memory without a heap.
//!
//! This is the one module of the crate that may be unsafe. What it offers is safe to call; numbers of fds are
//! plain [`RawFd`](std::os::fd::RawFd)s here, because which number holds what is exactly what these programs are about.

mod call;
mod memory;
mod names;
mod start;

pub use call::*;
pub use memory::*;
pub use names::*;
pub use start::*;
