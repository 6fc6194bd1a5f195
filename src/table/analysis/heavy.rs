//! Finds the heavy hitters in a stream of any length, which are the most frequent items, in bounded memory (Misra and
//! Gries, "Finding repeated elements", 1982).
//!
//! With k counters and n items, no count is too high, or too low by more than n / (k + 1), and every item that occurs
//! more often than that is kept. With no more than k different items, all counts are exact.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::order::sorted_by;

/// The items that occur most often.
#[derive(Clone, Debug)]
pub struct HeavyHitters<T> {
    counts: HashMap<T, Count, Folding>,
    most: usize,
    missing: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    items: u64,
    /// The least number that came with one of them.
    least: u32,
}

impl<T: Hash + Eq + Ord + Clone> HeavyHitters<T> {
    /// No items yet, and room for `most` counters.
    #[must_use]
    pub fn new(most: usize) -> HeavyHitters<T> {
        HeavyHitters { counts: HashMap::with_capacity_and_hasher(most, Folding::new()), most, missing: 0 }
    }

    /// Counts an item.
    pub fn add(&mut self, item: T) {
        self.add_with(item, u32::MAX);
    }

    /// Counts an item that comes with a number, the least of which is kept.
    pub fn add_with(&mut self, item: T, number: u32) {
        if let Some(count) = self.counts.get_mut(&item) {
            count.items += 1;
            count.least = count.least.min(number);
        } else if self.counts.len() < self.most {
            self.counts.insert(item, Count { items: 1, least: number });
        } else {
            // Each round takes one from every counter, so there are at most n / (k + 1) rounds. An item costs one step on
            // average, whatever the stream.
            self.missing += 1;
            self.counts.retain(|_, count| {
                count.items -= 1;
                count.items > 0
            });
        }
    }

    /// The count of `item`; 0: it is not among those that are kept.
    #[must_use]
    pub fn count(&self, item: &T) -> u64 {
        self.counts.get(item).map_or(0, |count| count.items)
    }

    /// The least number that came with `item`; None: it is not among those that are kept.
    #[must_use]
    pub fn least(&self, item: &T) -> Option<u32> {
        self.counts.get(item).map(|count| count.least)
    }

    /// The most that a count may be too low.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The number of different items; None: the counts are not exact.
    #[must_use]
    pub fn different(&self) -> Option<usize> {
        (self.missing == 0).then_some(self.counts.len())
    }

    /// The `most` items with the highest counts, the highest first; equal counts in the items' order.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<(T, u64)> {
        let items: Vec<(&T, u64)> = self.counts.iter().map(|(item, count)| (item, count.items)).collect();
        let items = sorted_by(items, |(item, count), (other, others)| others.cmp(count).then_with(|| item.cmp(other)));
        items.into_iter().take(most).map(|(item, count)| (item.clone(), count)).collect()
    }
}

/// Makes hashers that multiply and fold, with a secret key. The standard one takes three times as long, and an address
/// costs nobody anything who wants it to meet another one: the key is what keeps them apart.
#[derive(Clone, Copy, Debug)]
struct Folding {
    key: u64,
}

impl Folding {
    fn new() -> Folding {
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
struct Folded {
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
