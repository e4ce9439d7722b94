//! Memory without a heap: a static room, and mmap(2) where that is too small.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use nix::errno::Errno;
use nix::libc;

/// Enough for some five hundred sockets. Pages that nobody touches cost nothing.
const ROOM: usize = 256 << 10;

/// What is asked of the kernel at once where that is not enough. Pages that nobody touches cost nothing here either.
const MORE: usize = 1 << 20;

/// The static room, handed out once, and before it, on its first page, whether it was.
#[repr(C)]
struct Static(AtomicBool, UnsafeCell<[MaybeUninit<u8>; ROOM]>);

// SAFETY: whoever turns the flag has the only reference, whichever thread that is on.
unsafe impl Sync for Static {}

static STATIC: Static = Static(
    AtomicBool::new(false),
    UnsafeCell::new([MaybeUninit::uninit(); ROOM]),
);

/// The kernel has no more memory, for this reason.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory(pub Errno);

const TOO_MUCH: NoMemory = NoMemory(Errno::ENOMEM);

/// Memory that is taken in pieces, one after the other, and never given back.
pub struct Memory<'a> {
    free: &'a mut [MaybeUninit<u8>],
}

impl<'a> Memory<'a> {
    /// The static room, for the first who asks. Whoever comes later gets none, and so all that it takes from mmap(2).
    pub fn new() -> Memory<'static> {
        let free = match STATIC.0.swap(true, Ordering::AcqRel) {
            true => &mut [][..],
            // SAFETY: the flag lets one caller through, so this reference is the only one.
            false => unsafe { &mut *STATIC.1.get() },
        };
        Memory { free }
    }

    /// A buffer for at most `most` values.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub fn buffer<T: Copy>(&mut self, most: usize) -> Result<Buffer<'a, T>, NoMemory> {
        let len = most.checked_mul(size_of::<T>()).ok_or(TOO_MUCH)?;
        let piece = self.piece(len, align_of::<T>())?;
        // SAFETY: the piece is aligned, long enough, and nobody else's; MaybeUninit takes whatever is in it.
        let room = unsafe { core::slice::from_raw_parts_mut(piece.as_mut_ptr().cast(), most) };
        Ok(Buffer { room, len: 0 })
    }

    /// The next `len` bytes that begin at a multiple of `align`.
    fn piece(&mut self, len: usize, align: usize) -> Result<&'a mut [MaybeUninit<u8>], NoMemory> {
        // align_offset() can panic; an alignment is a power of two
        let start =
            |free: &[MaybeUninit<u8>]| free.as_ptr().addr().wrapping_neg() & align.wrapping_sub(1);
        let longest = len.checked_add(align).ok_or(TOO_MUCH)?;
        if start(self.free) + len > self.free.len() {
            self.free = anonymous(longest.max(MORE))?;
        }
        let free = core::mem::take(&mut self.free);
        let start = start(free);
        let (piece, rest) = free.split_at_mut_checked(start + len).ok_or(TOO_MUCH)?;
        self.free = rest;
        piece.get_mut(start..).ok_or(TOO_MUCH)
    }
}

/// A new mapping.
fn anonymous<'a>(len: usize) -> Result<&'a mut [MaybeUninit<u8>], NoMemory> {
    let (prot, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping touches no memory that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(NoMemory(Errno::last()));
    }
    // SAFETY: the mapping has `len` bytes, is never unmapped, and nobody else knows of it.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), len) })
}

/// The heap of the commands that have one: memory that is never given back, because they end in an exec at once. The C
/// library's own costs them a dozen system calls and as many pages.
pub struct Heap {
    memory: UnsafeCell<Option<Memory<'static>>>,
    busy: AtomicBool,
}

// SAFETY: the flag lets one thread at a time to the memory.
unsafe impl Sync for Heap {}

impl Heap {
    /// For `#[global_allocator]`.
    #[allow(clippy::new_without_default)] // there is one, made by heap!
    pub const fn new() -> Self {
        Heap {
            memory: UnsafeCell::new(None),
            busy: AtomicBool::new(false),
        }
    }
}

// SAFETY: pieces are apart from each other, as long and as aligned as the layout says, and nobody's until they are handed out.
// A reallocation is the trait's own: a new piece, and a copy.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        while self.busy.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        // SAFETY: the flag is ours.
        let memory = unsafe { &mut *self.memory.get() }.get_or_insert_with(Memory::new);
        let piece = memory.piece(layout.size(), layout.align());
        let start = piece.map_or(ptr::null_mut(), |piece| piece.as_mut_ptr().cast());
        self.busy.store(false, Ordering::Release);
        start
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
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

    /// Adds values at the end, as many as there is room for.
    pub fn extend(&mut self, values: &[T]) {
        let room = self.room.get_mut(self.len..).unwrap_or_default();
        for (place, value) in room.iter_mut().zip(values) {
            place.write(*value);
        }
        self.len += room.len().min(values.len());
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
        assert_eq!(memory.buffer::<u64>(usize::MAX).err(), Some(TOO_MUCH));
    }

    #[test]
    fn a_heap_hands_out_what_a_layout_asks_for() {
        let heap = Heap::new();
        for (size, align) in [(1, 1), (3, 8), (4096, 4096), (2 * MORE, 64), (5, 16)] {
            // SAFETY: no layout is of size 0, and what is written is ours.
            unsafe {
                let start = heap.alloc(Layout::from_size_align(size, align).unwrap());
                assert!(!start.is_null() && start.addr() % align == 0);
                start.write_bytes(7, size);
            }
        }
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
