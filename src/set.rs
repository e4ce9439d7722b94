//! Which labels, variables and numbers are taken: hash sets of a measured room, so that ten thousand sockets cost
//! ten thousand look-ups and not their square.
#![forbid(unsafe_code)]

use crate::sys::{Buffer, Memory, NoMemory};
use nix::errno::Errno;

/// What can be looked up: its bytes are what is compared.
pub trait Key: Copy {
    /// The bytes of the key, one by one, because some are made up on the way (`tls-1` is the variable `TLS_1_FD`).
    fn bytes(&self) -> impl Iterator<Item = u8>;
}

impl Key for &[u8] {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.iter().copied()
    }
}

impl Key for i32 {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.to_ne_bytes().into_iter()
    }
}

/// A set of keys in a room that was measured before: twice as many slots as keys, so that searches end soon.
pub struct Set<'a, K> {
    /// A power of two of them, or none.
    slots: Buffer<'a, Option<K>>,
    len: usize,
}

/// There is no more room.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl<'a, K: Key> Set<'a, K> {
    /// The empty set, that stays empty.
    pub fn none() -> Self {
        Set {
            slots: Buffer::none(),
            len: 0,
        }
    }

    /// The empty set, for at most `most` keys.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub fn new(memory: &mut Memory<'a>, most: usize) -> Result<Self, NoMemory> {
        let slots = most.saturating_mul(2).checked_next_power_of_two();
        let mut slots = memory.buffer(slots.ok_or(NoMemory(Errno::ENOMEM))?.max(2))?;
        slots.fill(None);
        Ok(Set { slots, len: 0 })
    }

    fn mask(&self) -> usize {
        self.slots.len().saturating_sub(1)
    }

    /// Whether no key is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: K) -> bool {
        !self.is_empty() && self.slots.get(self.slot(key)).is_some_and(Option::is_some)
    }

    /// Adds `key`; false if it was there already.
    pub fn insert(&mut self, key: K) -> Result<bool, Full> {
        let (at, mask) = (self.slot(key), self.mask());
        match self.slots.get_mut(at) {
            Some(slot @ None) if self.len < mask => {
                *slot = Some(key);
                self.len += 1;
                Ok(true)
            }
            Some(Some(_)) => Ok(false),
            _ => Err(Full),
        }
    }

    /// Where `key` is, or the free slot where it would be: linear probing after FNV-1a.
    fn slot(&self, key: K) -> usize {
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut at = (hash ^ hash >> 32) as usize & self.mask();
        // one slot is always free, so the search ends
        while let Some(Some(other)) = self.slots.get(at) {
            if other.bytes().eq(key.bytes()) {
                break;
            }
            at = (at + 1) & self.mask();
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_key_once_and_says_when_it_is_full() {
        let mut set = Set::new(&mut Memory::new(), 15).unwrap();
        assert!(!set.contains(1));
        for key in 0..31 {
            assert_eq!(set.insert(key), Ok(true));
            assert_eq!(set.insert(key), Ok(false));
        }
        assert!((0..31).all(|key| set.contains(key)));
        assert!(!set.contains(31));
        assert_eq!(set.insert(31), Err(Full));
        assert_eq!(set.insert(3), Ok(false));
    }

    #[test]
    fn a_set_keeps_texts_apart_and_one_without_room_is_empty() {
        let mut set = Set::<&[u8]>::new(&mut Memory::new(), 3).unwrap();
        for key in [&b"udp"[..], b"tcp", b"tls"] {
            assert_eq!(set.insert(key), Ok(true));
        }
        assert_eq!(set.insert(b"tcp"), Ok(false));
        let mut none = Set::none();
        assert!(!none.contains(1));
        assert_eq!(none.insert(1), Err(Full));
    }
}
