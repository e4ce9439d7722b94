//! The end of a chain in the tests: writes down what it was given, as the kernel and its own memory tell it.
#![no_main]
listen_fd_map::main!(run);
fn run(_: listen_fd_map::sys::Start) -> i32 {
    0
}
