//! The entry point, what it is given, and memory without a heap.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};
use nix::errno::Errno;
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

/// Static memory that is handed out once. Pages that nobody touches cost nothing.
pub struct Static<T>(UnsafeCell<T>, AtomicBool);

// SAFETY: take() gives the only reference to one caller, whichever thread it is on.
unsafe impl<T: Send> Sync for Static<T> {}

impl<T> Static<T> {
    /// Memory that begins as `value`.
    pub const fn new(value: T) -> Self {
        Static(UnsafeCell::new(value), AtomicBool::new(false))
    }

    /// The memory, the first time; `None` ever after.
    // clippy fears a second &mut from the same &self; the flag is what prevents it
    #[allow(clippy::mut_from_ref)]
    pub fn take(&'static self) -> Option<&'static mut T> {
        // SAFETY: the flag lets one caller through, so this reference is the only one.
        (!self.1.swap(true, Ordering::AcqRel)).then(|| unsafe { &mut *self.0.get() })
    }
}

/// Memory of which all bytes may be zero.
///
/// # Safety
/// Zero bytes are a value of the type.
pub unsafe trait Zeroed {}
// SAFETY: 0 is a number.
unsafe impl Zeroed for u8 {}
// SAFETY: a null pointer is None.
unsafe impl Zeroed for Option<Arg<'_>> {}

/// Room for `len` values: `room`, or fresh memory from mmap(2) where that is too small or given away.
// as in Static::take
#[allow(clippy::mut_from_ref)]
pub fn room<T: Zeroed + Send, const LEN: usize>(
    room: &'static Static<[T; LEN]>,
    len: usize,
) -> Result<&'static mut [T], Errno> {
    if len <= LEN {
        if let Some(room) = room.take() {
            return Ok(room);
        }
    }
    let start = anonymous(len.saturating_mul(size_of::<T>()))?;
    // SAFETY: fresh, aligned to a page, never unmapped, and zero bytes are values of T.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), len) })
}

fn anonymous(len: usize) -> Result<*mut libc::c_void, Errno> {
    let (prot, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping touches no memory that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), len.max(1), prot, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        Err(Errno::last())
    } else {
        Ok(start)
    }
}
