//! Which labels, variables and numbers are taken: hash sets of a fixed room, so that ten thousand sockets cost
//! ten thousand look-ups and not their square.
#![forbid(unsafe_code)]

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

/// A set of at most `ROOM` keys (a power of two). Only the first part of the room is used where few are expected, so
/// that few pages are touched.
pub struct Set<K, const ROOM: usize> {
    slots: [Option<K>; ROOM],
    /// How much of the room is used, a power of two; 0, so that an empty set is all zeroes, for all of it.
    used: usize,
    len: usize,
}

/// There is no more room.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl<K: Key, const ROOM: usize> Set<K, ROOM> {
    /// The empty set.
    pub const fn new() -> Self {
        Set {
            slots: [None; ROOM],
            used: 0,
            len: 0,
        }
    }

    /// Says how many keys will come at most; to be called while the set is empty.
    pub fn expect(&mut self, most: usize) {
        let slots = most
            .saturating_mul(2)
            .checked_next_power_of_two()
            .unwrap_or(ROOM);
        self.used = slots.clamp(8, ROOM);
    }

    fn mask(&self) -> usize {
        (if self.used == 0 { ROOM } else { self.used }) - 1
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

impl<K: Key, const ROOM: usize> Default for Set<K, ROOM> {
    fn default() -> Self {
        Set::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_key_once_and_says_when_it_is_full() {
        let mut set = Set::<i32, 16>::new();
        assert!(!set.contains(1));
        for key in 0..15 {
            assert_eq!(set.insert(key), Ok(true));
            assert_eq!(set.insert(key), Ok(false));
        }
        assert!((0..15).all(|key| set.contains(key)));
        assert!(!set.contains(15));
        assert_eq!(set.insert(15), Err(Full));
        assert_eq!(set.insert(3), Ok(false));
    }

    #[test]
    fn a_set_uses_little_of_its_room_for_few_keys_and_still_keeps_them_apart() {
        let mut set = Set::<&[u8], 1024>::new();
        set.expect(3);
        for key in [&b"udp"[..], b"tcp", b"tls"] {
            assert_eq!(set.insert(key), Ok(true));
        }
        assert_eq!(set.insert(b"tcp"), Ok(false));
        assert!(set.slots[8..].iter().all(Option::is_none));
    }
}
