//! Hashes what a table has by the million.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers that multiply and fold, with a secret key. The standard one takes three times as long, and an address
/// costs nobody anything who wants it to meet another one: the key is what keeps them apart.
#[derive(Clone, Copy, Debug)]
pub struct Folding {
    key: u64,
}

impl Default for Folding {
    fn default() -> Folding {
        Folding { key: RandomState::new().hash_one(0_u8) }
    }
}

impl BuildHasher for Folding {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.key }
    }
}

/// A hash in the making.
#[derive(Debug)]
pub struct Folded {
    state: u64,
}

impl Folded {
    fn fold(&mut self, word: u64) {
        // An odd number without a pattern in its bits: the fraction of the golden ratio.
        self.state = (self.state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        // An address of IPv4.
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return self.fold(u32::from_le_bytes(octets).into());
        }
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.fold(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = self.state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 32)
    }
}
