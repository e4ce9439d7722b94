//! IPv4 and IPv6 addresses from text and to text. The standard library's own can do both, but reach the heap
//! and the panic machinery, which `listen` is built without; the tests hold the two together.
#![forbid(unsafe_code)]

use core::fmt;

/// `1.2.3.4`: four decimal numbers without leading zeros.
pub fn parse_v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut address = [0; 4];
    let mut places = address.iter_mut();
    let mut number: Option<u8> = None;
    for &byte in text {
        number = match (byte, number) {
            (b'0'..=b'9', None) => Some(byte - b'0'),
            // no leading zero
            (b'0'..=b'9', Some(n @ 1..)) => Some(n.checked_mul(10)?.checked_add(byte - b'0')?),
            (b'.', Some(n)) => {
                *places.next()? = n;
                None
            }
            _ => return None,
        };
    }
    *places.next()? = number?;
    places.next().is_none().then_some(address)
}

/// A decimal number of at most `digits` (at most 9) digits, without sign or leading zero.
pub fn decimal(text: &[u8], digits: usize) -> Option<u32> {
    if text.is_empty() || text.len() > digits || text.len() > 1 && text.first() == Some(&b'0') {
        return None;
    }
    let add = |n: u32, b: &u8| {
        b.is_ascii_digit()
            .then(|| n.wrapping_mul(10).wrapping_add(u32::from(b - b'0')))
    };
    text.iter().try_fold(0, add)
}

/// An IPv6 address in any form of RFC 4291, section 2.2, without a zone.
pub fn parse_v6(text: &[u8]) -> Option<[u8; 16]> {
    let gap = text.windows(2).position(|pair| pair == b"::");
    let (head, tail) = match gap {
        Some(at) => (text.get(..at)?, text.get(at + 2..)?),
        None => (text, &[][..]),
    };
    let mut front = Groups::default();
    let mut back = Groups::default();
    front.parse(head, gap.is_none())?;
    back.parse(tail, true)?;
    let groups = front.len + back.len;
    if if gap.is_some() {
        groups > 7
    } else {
        groups != 8
    } {
        return None;
    }
    let mut address = [0; 16];
    for (place, byte) in address.iter_mut().zip(front.bytes()) {
        *place = byte;
    }
    for (place, byte) in address
        .iter_mut()
        .skip((8 - back.len) * 2)
        .zip(back.bytes())
    {
        *place = byte;
    }
    Some(address)
}

/// The 16-bit groups on one side of `::`.
#[derive(Default)]
struct Groups {
    values: [u16; 8],
    len: usize,
}

impl Groups {
    /// Adds the groups of `text`; the last may be an IPv4 address where `ends` says that the address ends here.
    fn parse(&mut self, text: &[u8], ends: bool) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let mut parts = text.split(|&b| b == b':').peekable();
        while let Some(part) = parts.next() {
            if ends && parts.peek().is_none() && part.contains(&b'.') {
                let [a, b, c, d] = parse_v4(part)?;
                self.push(u16::from_be_bytes([a, b]))?;
                self.push(u16::from_be_bytes([c, d]))?;
            } else {
                self.push(hex(part)?)?;
            }
        }
        Some(())
    }

    fn push(&mut self, group: u16) -> Option<()> {
        *self.values.get_mut(self.len)? = group;
        self.len += 1;
        Some(())
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.values
            .iter()
            .take(self.len)
            .flat_map(|group| group.to_be_bytes())
    }
}

fn hex(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    let digit = |b: &u8| char::from(*b).to_digit(16);
    text.iter()
        .try_fold(0u16, |n, b| Some(n << 4 | u16::try_from(digit(b)?).ok()?))
}

/// An IPv4 address as text.
pub struct V4(pub [u8; 4]);

impl fmt::Display for V4 {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

/// An IPv6 address in the form of RFC 5952.
pub struct V6(pub [u8; 16]);

impl fmt::Display for V6 {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] = self.0 {
            return write!(f, "::ffff:{}", V4([a, b, c, d]));
        }
        let group = |at: usize| match (self.0.get(at * 2), self.0.get(at * 2 + 1)) {
            (Some(&high), Some(&low)) => u16::from_be_bytes([high, low]),
            _ => 0,
        };
        let zeros = |from: usize| (from..8).take_while(|&at| group(at) == 0).count();
        // the first of the longest runs of two or more zero groups
        let (mut start, mut len) = (8, 1);
        for at in 0..8 {
            if zeros(at) > len {
                (start, len) = (at, zeros(at));
            }
        }
        let mut separate = false;
        for at in 0..8 {
            if at == start {
                f.write_str("::")?;
                separate = false;
            } else if at < start || at >= start + len {
                let colon = if separate { ":" } else { "" };
                write!(f, "{colon}{:x}", group(at))?;
                separate = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn agrees_with_std(text: &str) {
        let v4 = text.parse::<Ipv4Addr>().ok().map(|ip| ip.octets());
        let v6 = text.parse::<Ipv6Addr>().ok().map(|ip| ip.octets());
        assert_eq!(parse_v4(text.as_bytes()), v4, "{text:?}");
        assert_eq!(parse_v6(text.as_bytes()), v6, "{text:?}");
    }

    /// A small generator (xorshift64*, Vigna 2016), so that the texts are the same on every run.
    fn numbers() -> impl FnMut() -> u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
        }
    }

    #[test]
    fn texts_are_addresses_exactly_where_the_standard_library_says_so() {
        for text in [
            "",
            "0.0.0.0",
            "1.2.3.4",
            "255.255.255.255",
            "256.1.1.1",
            "01.2.3.4",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            ".1.2.3",
            "1.2.3.4 ",
            "1..2.3",
            "0x1.2.3.4",
            "::",
            "::1",
            "1::",
            ":::",
            "::1::",
            ":1",
            "1:",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::3:4:5:6:7:8",
            "1::2:3:4:5:6:7:8",
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "1.2.3.4::",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1.2.3",
            "fe80::1%lo",
            "12345::",
            "g::",
            "ABCD::ef01",
            "::00001",
            "1:2:3::1.2.3.4:5",
        ] {
            agrees_with_std(text);
        }
        let mut next = numbers();
        for _ in 0..200_000 {
            let len = next() % 20;
            let text: String = (0..len)
                .map(|_| char::from(b"0123456789af::::.."[next() as usize % 18]))
                .collect();
            agrees_with_std(&text);
        }
    }

    #[test]
    fn addresses_are_printed_as_the_standard_library_prints_them() {
        let mut next = numbers();
        for _ in 0..100_000 {
            let mut octets = [0; 16];
            for pair in octets.chunks_mut(2) {
                if next() % 2 == 0 {
                    pair.copy_from_slice(&(next() as u16 >> (next() % 16)).to_be_bytes());
                }
            }
            let ip = Ipv6Addr::from(octets);
            assert_eq!(V6(octets).to_string(), ip.to_string());
            let [.., a, b, c, d] = octets;
            assert_eq!(
                V4([a, b, c, d]).to_string(),
                Ipv4Addr::new(a, b, c, d).to_string()
            );
        }
    }
}
