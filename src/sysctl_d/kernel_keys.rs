//! Finds the keys of a kernel that a path names, or that a glob stands for, as a walk through `/proc/sys` does.
//!
//! Only the directories that lead to the given keys are known, and no links.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::glob;
use super::lines::separated;
use crate::kernel::catalog::Key;

/// The directory in which the loaders begin. A path may leave it by `..` and come back.
const START: &[u8] = b"/proc/sys";

/// The keys of a kernel, as files in directories.
pub(super) struct KernelKeys<'a> {
    keys: &'a BTreeSet<Key>,
    /// The entries of each directory: keys and other directories. Only globs and odd paths need them.
    directories: OnceCell<Directories<'a>>,
}

type Directories<'a> = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Option<&'a Key>>>;

/// One path that a glob stands for.
pub(super) struct Expansion<'a> {
    /// The path below `/proc/sys`, as the pattern spells it.
    pub(super) spelled: Vec<u8>,
    /// The key at that path.
    pub(super) key: &'a Key,
}

/// A path while its parts are read.
#[derive(Clone)]
struct Walk<'a> {
    spelled: Vec<Vec<u8>>,
    place: Vec<u8>,
    key: Option<&'a Key>,
}

impl<'a> KernelKeys<'a> {
    pub(super) fn new(keys: &'a BTreeSet<Key>) -> Self {
        KernelKeys { keys, directories: OnceCell::new() }
    }

    fn directories(&self) -> &Directories<'a> {
        self.directories.get_or_init(|| Self::directories_of(self.keys))
    }

    fn directories_of(keys: &'a BTreeSet<Key>) -> Directories<'a> {
        let mut directories = Directories::new();
        for key in keys {
            let mut path = [START, b"/", &separated(key.as_str().as_bytes())].concat();
            let mut entry = Some(key);
            while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
                let name = path.split_off(slash + 1);
                path.truncate(slash);
                // A directory that is known has known directories above it.
                if directories.entry(path.clone()).or_default().insert(name, entry.take()).is_some() {
                    break;
                }
            }
        }
        directories
    }

    /// The key at `path` below `/proc/sys`.
    pub(super) fn at(&self, path: &[u8]) -> Option<&'a Key> {
        let is_odd = |part: &[u8]| part.is_empty() || part.contains(&b'.');
        if !path.split(|byte| *byte == b'/').any(is_odd) {
            return self.keys.get(&Key::at(std::str::from_utf8(path).ok()?));
        }
        let mut parts = path.split(|byte| *byte == b'/');
        parts.try_fold(Walk::start(), |walk, part| self.step(walk, part))?.key
    }

    /// Whether a path that begins as `pattern` does up to its first sign may be that of a key. Most globs are about something
    /// else.
    fn may_match(&self, pattern: &[u8]) -> bool {
        let end = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\'));
        let start = &pattern[..end.unwrap_or(pattern.len())];
        let mut parts = start.strip_suffix(b"/").unwrap_or(start).split(|byte| *byte == b'/');
        let is_odd = |part: &[u8]| part.is_empty() || part.contains(&b'.');
        let Ok(text) = std::str::from_utf8(start) else { return true };
        if parts.any(is_odd) {
            return true;
        }
        let dotted = text.replace('/', ".");
        let mut from = self.keys.range::<str, _>((Bound::Included(dotted.as_str()), Bound::Unbounded));
        from.next().is_some_and(|key| key.as_str().starts_with(&dotted))
    }

    /// The paths that `pattern` stands for below `/proc/sys`, in the order of the bytes. If `dots` is set, a pattern
    /// that begins with a dot finds the entries `.` and `..` too.
    ///
    /// Two habits of glibc's `glob` are kept: slashes at the end demand a directory only behind a wildcard, and a
    /// backslash before a slash is dropped.
    pub(super) fn matching(&self, pattern: &[u8], dots: bool) -> Vec<Expansion<'a>> {
        if !self.may_match(pattern) {
            return Vec::new();
        }
        let slashes = pattern.iter().rev().take_while(|byte| **byte == b'/').count();
        let mut parts = pattern[..pattern.len() - slashes].split(|byte| *byte == b'/').peekable();
        let mut walks = vec![Walk::start()];
        let mut is_plain = true;
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let part = if is_last { part } else { glob::without_last_quote(part) };
            is_plain &= !is_last && !glob::is_pattern(part);
            if is_last && slashes > 0 && glob::needs_matching(part) {
                return Vec::new();
            }
            let step = |walk: Walk<'a>| {
                let names = if is_plain || !glob::needs_matching(part) {
                    vec![glob::unquoted(part)]
                } else {
                    self.names_matching(&walk.place, part, dots)
                };
                names.into_iter().filter_map(move |name| self.step(walk.clone(), &name))
            };
            walks = walks.into_iter().flat_map(step).take(glob::MOST).collect();
        }
        let ends = walks.into_iter().filter_map(|walk| {
            let spelled = walk.spelled.join(&b'/');
            walk.key.map(|key| Expansion { spelled, key })
        });
        ends.collect()
    }

    fn names_matching(&self, directory: &[u8], pattern: &[u8], dots: bool) -> Vec<Vec<u8>> {
        let special = [b".".to_vec(), b"..".to_vec()];
        let special = special.iter().filter(|_| dots);
        let names = self.directories().get(directory).into_iter().flat_map(BTreeMap::keys);
        special.chain(names).filter(|name| glob::matches(pattern, name)).cloned().collect()
    }

    /// `walk` with `part` added, if that path exists.
    fn step(&self, mut walk: Walk<'a>, part: &[u8]) -> Option<Walk<'a>> {
        let entries = self.directories().get(&walk.place)?;
        match part {
            b"" | b"." => {}
            b".." => walk.place.truncate(walk.place.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            name => {
                walk.key = *entries.get(name)?;
                walk.place = [&walk.place, &b"/"[..], name].concat();
            }
        }
        walk.spelled.push(part.to_vec());
        Some(walk)
    }
}

impl Walk<'_> {
    fn start() -> Self {
        Walk { spelled: Vec::new(), place: START.to_vec(), key: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_walked_part_by_part() {
        let keys = BTreeSet::from(["net.nf_conntrack_max", "net.netfilter.nf_conntrack_max"].map(Key::new));
        let kernel = KernelKeys::new(&keys);
        let cases: &[(&str, Option<&str>)] = &[
            ("net/nf_conntrack_max", Some("net.nf_conntrack_max")),
            ("net//netfilter/./nf_conntrack_max", Some("net.netfilter.nf_conntrack_max")),
            ("net/netfilter/../nf_conntrack_max", Some("net.nf_conntrack_max")),
            ("../sys/net/nf_conntrack_max", Some("net.nf_conntrack_max")),
            ("net/nf_conntrack_max/", None),
            ("net/ipv4/../nf_conntrack_max", None),
            ("net/netfilter", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(kernel.at(path.as_bytes()).map(Key::as_str), *expected, "{path}");
        }
    }

    #[test]
    fn a_pattern_that_goes_in_circles_comes_to_an_end() {
        let keys = BTreeSet::from([Key::new("net.nf_conntrack_max")]);
        let pattern = "net/".to_owned() + &".*/".repeat(60) + "net/nf_conntrack_m*";
        assert!(KernelKeys::new(&keys).matching(pattern.as_bytes(), true).len() <= glob::MOST);
    }
}
