//! Finds the setting that a person names, or the one that was probably meant.
//!
//! The catalog has every connection tracking sysctl of the kernels 2.6 to 7.3, under all of its names. A
//! `nf_conntrack_*` name that the catalog lacks, of a newer or a vendor's kernel, is treated as a plain number
//! ([`Name::is_catalogued`] shows it). Nothing outside conntrack has a name here; nor has
//! `ip_conntrack_tcp_timeout_syn_sent2`, a legacy key without a successor.

pub use super::names::{BUCKETS, COUNT, FLOWTABLE, FRAG6_HIGH, FRAG6_LOW, Key, MAX, Name, PREFIX, WORDS};
pub use super::setting::{Access, Scope, Setting, ValueKind};
pub use super::settings::CATALOG;

/// The error for a name that is not a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The catalogued name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

/// The setting that a person means by `name`: a key, all dots or all slashes, or the bare last part of one.
///
/// A name that mixes the two is refused: the loaders would read `net.netfilter/nf_conntrack_max` as a file named
/// `netfilter.nf_conntrack_max`, which no kernel has.
pub fn find(name: &str) -> Result<Name, UnknownName> {
    let found = match (name.contains('.'), name.contains('/')) {
        (true, true) => None,
        (true, false) => Name::of_key(name),
        (false, true) => Key::at(name).name(),
        (false, false) => by_last_part(name),
    };
    found.ok_or_else(|| UnknownName { nearest: nearest(name) })
}

/// The kernel's default of the timeout `name` (canonical), in seconds.
#[must_use]
pub fn default_timeout(name: &str) -> Option<u32> {
    Name::of_key(name)?.setting().default
}

fn by_last_part(name: &str) -> Option<Name> {
    let ends_in_it = |key: &str| key.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
    let catalogued = CATALOG.iter().find(|setting| setting.keys().any(ends_in_it));
    catalogued.map(Name::from).or_else(|| Name::of_key(&format!("net.netfilter.{name}")))
}

fn last_part(key: &str) -> &str {
    key.rsplit(['.', '/']).next().unwrap_or(key)
}

/// The part of a name after the beginning that all settings share: `max` of `nf_conntrack_max`.
fn distinct_part(last_part: &str) -> Option<&str> {
    ["nf_conntrack_", "ip_conntrack_", "conntrack_"].iter().find_map(|shared| last_part.strip_prefix(shared))
}

/// The number of letters in which `typed` differs from `own`, if it is small enough for a slip: one, or one in six.
///
/// To compute a distance takes time and space by the product of the two lengths, and a request may hold very long names.
/// The distance is at least the difference of the lengths, so that only names of nearly the same length are measured.
fn slips(typed: &str, own: &str) -> Option<usize> {
    let most = usize::max(1, own.len() / 6);
    if typed.chars().count().abs_diff(own.len()) > most {
        return None;
    }
    let count = strsim::damerau_levenshtein(typed, own);
    (count <= most).then_some(count)
}

/// The catalogued name that `name` probably meant, compared by its last part.
///
/// If both names have the shared beginning, only their rests are compared: otherwise every `nf_conntrack_foo` would be
/// near to some setting. A name without that beginning may lack it, or have the slip in it.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let typed = last_part(name).trim().to_lowercase();
    let slips_from = |setting: &Setting| {
        if let Some(distinct) = distinct_part(&typed) {
            return slips(distinct, distinct_part(last_part(setting.name))?);
        }
        let whole = setting.keys().map(last_part);
        whole.flat_map(|own| [Some(own), distinct_part(own)]).flatten().filter_map(|own| slips(&typed, own)).min()
    };
    let near = CATALOG.iter().filter_map(|setting| Some((slips_from(setting)?, setting)));
    near.min_by_key(|(slips, _)| *slips).map(|(_, setting)| setting.name)
}
