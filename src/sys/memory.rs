//! Memory without a heap: a static room, and mmap(2) where that is too small.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use nix::errno::Errno;
use nix::libc;

/// Enough for some five hundred sockets. Pages that nobody touches cost nothing.
const ROOM: usize = 256 << 10;

/// The static room, handed out once.
struct Static(UnsafeCell<[MaybeUninit<u8>; ROOM]>, AtomicBool);

// SAFETY: whoever turns the flag has the only reference, whichever thread that is on.
unsafe impl Sync for Static {}

static STATIC: Static = Static(
    UnsafeCell::new([MaybeUninit::uninit(); ROOM]),
    AtomicBool::new(false),
);

/// Memory that is taken in pieces, one after the other, and never given back.
pub struct Memory<'a> {
    free: &'a mut [MaybeUninit<u8>],
}

impl<'a> Memory<'a> {
    /// The static room, for the first who asks. Whoever comes later gets none, and so all that it takes from mmap(2).
    pub fn new() -> Memory<'static> {
        let free = match STATIC.1.swap(true, Ordering::AcqRel) {
            true => &mut [][..],
            // SAFETY: the flag lets one caller through, so this reference is the only one.
            false => unsafe { &mut *STATIC.0.get() },
        };
        Memory { free }
    }

    /// A buffer for at most `most` values.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub fn buffer<T: Copy>(&mut self, most: usize) -> Result<Buffer<'a, T>, Errno> {
        let len = most.checked_mul(size_of::<T>()).ok_or(Errno::ENOMEM)?;
        let free = core::mem::take(&mut self.free);
        let start = free.as_ptr().align_offset(align_of::<T>());
        let piece = match start.checked_add(len) {
            Some(end) if end <= free.len() => {
                let (piece, rest) = free.split_at_mut_checked(end).ok_or(Errno::ENOMEM)?;
                self.free = rest;
                piece.get_mut(start..).ok_or(Errno::ENOMEM)?
            }
            _ => {
                self.free = free;
                anonymous(len)?
            }
        };
        // SAFETY: the piece is aligned, long enough, and nobody else's; MaybeUninit takes whatever is in it.
        let room = unsafe { core::slice::from_raw_parts_mut(piece.as_mut_ptr().cast(), most) };
        Ok(Buffer { room, len: 0 })
    }
}

/// A new mapping, which begins with a page and so is aligned to whatever there is.
fn anonymous<'a>(len: usize) -> Result<&'a mut [MaybeUninit<u8>], Errno> {
    let (prot, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping touches no memory that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), len.max(1), prot, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: the mapping has `len` bytes, is never unmapped, and nobody else knows of it.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), len) })
}

/// A vector that never grows: what was pushed, and room for more. The room is not touched before it is needed.
pub struct Buffer<'a, T> {
    room: &'a mut [MaybeUninit<T>],
    len: usize,
}

impl<'a, T: Copy> Buffer<'a, T> {
    /// A buffer without room.
    pub fn none() -> Self {
        Buffer {
            room: &mut [],
            len: 0,
        }
    }

    /// Adds a value at the end; false if there is no room for it.
    pub fn push(&mut self, value: T) -> bool {
        let Some(place) = self.room.get_mut(self.len) else {
            return false;
        };
        place.write(value);
        self.len += 1;
        true
    }

    /// Fills the rest of the room.
    pub fn fill(&mut self, value: T) {
        while self.push(value) {}
    }

    /// Takes back what was pushed.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Parts with what was pushed; the buffer goes on behind it, empty.
    pub fn part(&mut self) -> &'a mut [T] {
        let room = core::mem::take(&mut self.room);
        let Some((full, rest)) = room.split_at_mut_checked(core::mem::take(&mut self.len)) else {
            return &mut [];
        };
        self.room = rest;
        // SAFETY: the first `len` places were written.
        unsafe { core::slice::from_raw_parts_mut(full.as_mut_ptr().cast(), full.len()) }
    }
}

impl<T> Deref for Buffer<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` places were written.
        unsafe { core::slice::from_raw_parts(self.room.as_ptr().cast(), self.len) }
    }
}

impl<T> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in deref.
        unsafe { core::slice::from_raw_parts_mut(self.room.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_apart_and_as_large_as_asked() {
        let mut memory = Memory {
            free: &mut [MaybeUninit::uninit(); 64],
        };
        let mut bytes = memory.buffer::<u8>(3).unwrap();
        let mut words = memory.buffer::<u64>(4).unwrap();
        let mut far = memory.buffer::<u64>(4).unwrap();
        let mut none = memory.buffer::<u64>(0).unwrap();
        bytes.fill(0xff);
        words.fill(1);
        far.fill(2);
        assert!(!none.push(3));
        assert_eq!((&bytes[..], &words[..]), (&[0xff; 3][..], &[1; 4][..]));
        assert_eq!(&far[..], [2; 4]);
        assert!(!words.push(4));
        assert_eq!(words.as_ptr().align_offset(8), 0);
        assert_eq!(memory.buffer::<u64>(usize::MAX).err(), Some(Errno::ENOMEM));
    }

    #[test]
    fn a_buffer_parts_with_what_it_has() {
        let mut memory = Memory { free: &mut [] };
        let mut bytes = memory.buffer::<u8>(4).unwrap();
        assert!(bytes.push(1) && bytes.push(2));
        assert_eq!(bytes.part(), [1, 2]);
        bytes.push(9);
        bytes.clear();
        bytes.fill(3);
        assert_eq!(&bytes[..], [3, 3]);
        assert_eq!((bytes.part(), bytes.part()), (&mut [3, 3][..], &mut [][..]));
    }
}
