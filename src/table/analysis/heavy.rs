//! Finds what occurs most often in a stream of any length, in bounded memory (Misra and Gries, "Finding repeated
//! elements", 1982).
//!
//! With k counters and n items, each count that is kept is at most n / (k + 1) too low and never too high, and whatever
//! occurs more often than that is kept. While no more than k different items come, all counts are exact.

use std::collections::HashMap;
use std::hash::Hash;

/// The items that occur most often.
#[derive(Clone, Debug)]
pub struct Heavy<T> {
    counts: HashMap<T, u64>,
    most: usize,
    missing: u64,
}

impl<T: Hash + Eq + Ord + Clone> Heavy<T> {
    /// A summary with `most` counters.
    #[must_use]
    pub fn new(most: usize) -> Heavy<T> {
        Heavy { counts: HashMap::with_capacity(most), most, missing: 0 }
    }

    /// Counts an item.
    pub fn add(&mut self, item: T) {
        if let Some(count) = self.counts.get_mut(&item) {
            *count += 1;
        } else if self.counts.len() < self.most {
            self.counts.insert(item, 1);
        } else {
            // Each round takes one from every counter, so that there are at most n / (k + 1) rounds: on average, an item
            // costs one step, whatever comes.
            self.missing += 1;
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// By how much a count may be too low.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// How many different items there are, where that is known: where all counts are exact.
    #[must_use]
    pub fn different(&self) -> Option<usize> {
        (self.missing == 0).then_some(self.counts.len())
    }

    /// The `most` items with the highest counts, the highest first; equal counts in the items' order.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<(T, u64)> {
        let mut items: Vec<(&T, u64)> = self.counts.iter().map(|(item, count)| (item, *count)).collect();
        items.sort_unstable_by(|(item, count), (other, others)| others.cmp(count).then_with(|| item.cmp(other)));
        items.into_iter().take(most).map(|(item, count)| (item.clone(), count)).collect()
    }
}
