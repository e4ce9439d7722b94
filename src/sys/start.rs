//! The entry point, and what it is given.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr::NonNull;
use nix::libc;

// panic is abort, but Rust's standard library asks for libgcc_s all the same, and loading it costs a fifth of the
// start-up. The static half of the same library has what little is referenced.
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh")]
unsafe extern "C" {}

unsafe extern "C" {
    static environ: *const Option<Arg<'static>>;
}

/// Defines the C entry point of a command: `main!(run)` with `fn run(start: Start) -> i32`.
///
/// Rust's own start-up code would ignore SIGPIPE and open /dev/null on closed fds 0 to 2, and the next program of the
/// chain would inherit both.
#[macro_export]
macro_rules! main {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(_argc: core::ffi::c_int, argv: $crate::sys::Argv) -> core::ffi::c_int {
            if $crate::sys::is_set_id() {
                return $crate::failure::refuse_set_id(env!("CARGO_BIN_NAME"));
            }
            $run($crate::sys::start(argv))
        }
    };
}

/// Gives a command its heap: `heap!()`. `listen` has none.
#[macro_export]
macro_rules! heap {
    () => {
        #[global_allocator]
        static HEAP: $crate::sys::Heap = $crate::sys::Heap::new();
    };
}

/// Whether the file is set-user-ID or set-group-ID and the caller somebody else: what follows trusts argv, PATH and the map,
/// and would hand them the rights of another user. Asks the kernel's auxiliary vector, getauxval(3), not the kernel.
pub fn is_set_id() -> bool {
    let get = |kind| {
        // SAFETY: any kind may be asked for.
        unsafe { libc::getauxval(kind) }
    };
    get(libc::AT_UID) != get(libc::AT_EUID) || get(libc::AT_GID) != get(libc::AT_EGID)
}

/// What C hands to `main` as argv. Nothing but the C start-up code can make one.
#[repr(transparent)]
pub struct Argv(*const Option<Arg<'static>>);

/// Strings as execve(2) has them, with the terminating `None`, that live as long as the process.
pub type List = &'static [Option<Arg<'static>>];

/// The arguments and the environment that the process began with, each with its terminating `None`.
pub struct Start {
    /// argv, the program's own name included.
    pub args: List,
    /// The environment, in order, duplicates and entries without `=` included.
    pub env: List,
}

/// Wraps argv and environ for [`main!`].
pub fn start(argv: Argv) -> Start {
    // SAFETY: only the C start-up code makes an Argv, with the kernel's argv; environ is the kernel's too, because no
    // program that uses this module calls setenv or putenv. Both stay as they are as long as the process lives.
    unsafe {
        Start {
            args: terminated(argv.0),
            env: terminated(environ),
        }
    }
}

/// # Safety
/// `list` is null, or points to pointers to C strings, ended by a null pointer, that live and do not change for
/// as long as the process does.
unsafe fn terminated(list: *const Option<Arg<'static>>) -> &'static [Option<Arg<'static>>] {
    if list.is_null() {
        return &[None];
    }
    let mut len = 0;
    // SAFETY: every element up to the terminating None may be read, and so may the slice of them.
    unsafe {
        while (*list.add(len)).is_some() {
            len += 1;
        }
        core::slice::from_raw_parts(list, len + 1)
    }
}

/// A C string of argv or of the environment: one pointer wide, so that a slice of `Option<Arg>` is what execve takes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Arg<'a>(NonNull<c_char>, PhantomData<&'a CStr>);

impl<'a> Arg<'a> {
    /// The string as Rust's C string; its length is counted on each call.
    pub fn c_str(self) -> &'a CStr {
        // SAFETY: an Arg points to a C string that lives for 'a: From<&CStr> and the kernel are its only sources.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }
    }

    /// The bytes of the string, without the terminating NUL.
    pub fn bytes(self) -> &'a [u8] {
        self.c_str().to_bytes()
    }

    /// The first two bytes; the terminating NUL stands for what is missing.
    pub fn start(self) -> [u8; 2] {
        let at = self.0.as_ptr();
        // SAFETY: the first byte is there, a NUL at least, and the second where the first is none.
        unsafe {
            match *at as u8 {
                0 => [0, 0],
                first => [first, *at.add(1) as u8],
            }
        }
    }

    /// The value, if this is the environment string `name=value`. Reads no further than the names agree.
    pub fn value_of(self, name: &[u8]) -> Option<&'a CStr> {
        let mut at = self.0.as_ptr();
        for &byte in name.iter().chain(b"=") {
            // SAFETY: bytes are compared one by one and `name` has no NUL that could agree with the terminating one
            // and lead beyond it: a NUL in `name` ends the loop.
            unsafe {
                if *at as u8 != byte || byte == 0 {
                    return None;
                }
                at = at.add(1);
            }
        }
        // SAFETY: `at` is within the string or at its NUL.
        Some(unsafe { CStr::from_ptr(at) })
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Arg(NonNull::from(text).cast(), PhantomData)
    }
}

// SAFETY: an Arg is a shared reference to bytes that do not change.
unsafe impl Send for Arg<'_> {}
