//! Finds the heavy hitters in a stream of any length, which are the most frequent items, in bounded memory (Misra and
//! Gries, "Finding repeated elements", 1982).
//!
//! With k counters and n items, no count is too high, or too low by more than n / (k + 1), and every item that occurs
//! more often than that is kept. With no more than k different items, all counts are exact.

use std::collections::HashMap;
use std::hash::Hash;

use crate::order::sorted_by;
use crate::table::model::folding::Folding;

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
        HeavyHitters { counts: HashMap::with_capacity_and_hasher(most, Folding::default()), most, missing: 0 }
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
            let mut are_left = false;
            for count in self.counts.values_mut() {
                count.items -= 1;
                are_left |= count.items > 0;
            }
            // To empty the map is cheaper than to take each item out, and all of them go if most are different.
            if are_left { self.counts.retain(|_, count| count.items > 0) } else { self.counts.clear() }
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
