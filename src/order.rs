//! Puts values in order, with one sort for all types.
//!
//! The standard library's sort is compiled again for each type of value, which takes some 6 KB. To collect into a
//! BTreeMap or a BTreeSet is a sort, too. The sorts of all types took a tenth of the binary, which is copied to every
//! host.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Collects without a sort: each value goes to its place.
pub trait InOrder: Iterator + Sized {
    /// The pairs as a map. The last of two values with one key counts.
    fn into_map<K: Ord, V>(self) -> BTreeMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        let mut map = BTreeMap::new();
        map.extend(self);
        map
    }

    /// The values as a set.
    fn into_set(self) -> BTreeSet<Self::Item>
    where
        Self::Item: Ord,
    {
        let mut set = BTreeSet::new();
        set.extend(self);
        set
    }
}

impl<I: Iterator> InOrder for I {}

/// The values in the order of `compare`. Equal values keep their order.
#[must_use]
pub fn sorted_by<T>(values: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let order = order(values.len(), &|one, other| compare(&values[one], &values[other]));
    let mut values: Vec<Option<T>> = values.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| values[index].take()).collect()
}

/// The indexes of so many values, in the order of the values.
fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| compare(*one, *other));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_keep_their_order() {
        let values: Vec<(usize, usize)> = (0..100).map(|index| (index * 7 % 5, index)).collect();
        let mut expected = values.clone();
        expected.sort_by_key(|(key, _)| *key);
        assert_eq!(sorted_by(values, |one, other| one.0.cmp(&other.0)), expected);
    }

    #[test]
    fn the_last_value_of_a_key_counts() {
        let pairs = [(2, 'a'), (1, 'b'), (2, 'c')];
        assert_eq!(pairs.into_iter().into_map(), pairs.into_iter().collect());
        assert_eq!([3, 1, 3].into_iter().into_set(), BTreeSet::from([1, 3]));
    }
}
