//! Finds the heavy hitters in a stream of any length, which are the most frequent items, in bounded memory (Misra and
//! Gries, "Finding repeated elements", 1982).
//!
//! With k counters and n items, no count is too high, or too low by more than n / (k + 1), and every item that occurs
//! more often than that is kept. With no more than k different items, all counts are exact.

use std::collections::HashMap;
use std::hash::Hash;

use crate::order::sorted_by;

/// The items that occur most often.
#[derive(Clone, Debug)]
pub struct HeavyHitters<T> {
    counts: HashMap<T, u64>,
    most: usize,
    missing: u64,
}

impl<T: Hash + Eq + Ord + Clone> HeavyHitters<T> {
    /// No items yet, and room for `most` counters.
    #[must_use]
    pub fn new(most: usize) -> HeavyHitters<T> {
        HeavyHitters { counts: HashMap::with_capacity(most), most, missing: 0 }
    }

    /// Counts an item.
    pub fn add(&mut self, item: T) {
        if let Some(count) = self.counts.get_mut(&item) {
            *count += 1;
        } else if self.counts.len() < self.most {
            self.counts.insert(item, 1);
        } else {
            // Each round takes one from every counter, so there are at most n / (k + 1) rounds. An item costs one step on
            // average, whatever the stream.
            self.missing += 1;
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
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
        let items: Vec<(&T, u64)> = self.counts.iter().map(|(item, count)| (item, *count)).collect();
        let items = sorted_by(items, |(item, count), (other, others)| others.cmp(count).then_with(|| item.cmp(other)));
        items.into_iter().take(most).map(|(item, count)| (item.clone(), count)).collect()
    }
}
