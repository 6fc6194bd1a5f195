//! Defines how settings are named: by a [`Name`] in this program, by a [`Key`] in a kernel.

use std::borrow::{Borrow, Cow};
use std::fmt;

use serde::Serialize;

use super::setting::Setting;
use super::settings::{CATALOG, UNCATALOGUED};

/// The prefix of every canonical name but those of [`FLOWTABLE`].
pub const PREFIX: &str = "net.netfilter.nf_conntrack_";

/// The prefix of the timeouts of offloaded connections, which connection tracking makes too.
pub const FLOWTABLE: &str = "net.netfilter.nf_flowtable_";

/// The words of which every key of a setting has one.
pub const WORDS: [&str; 2] = ["conntrack", "nf_flowtable"];

/// The limit of the table.
pub const MAX: Name = Name(Cow::Borrowed("net.netfilter.nf_conntrack_max"));

/// The number of buckets of the hash table, which the kernel rounds up.
pub const BUCKETS: Name = Name(Cow::Borrowed("net.netfilter.nf_conntrack_buckets"));

/// The number of entries in the table. The kernel counts them, and nobody can set the number.
pub const COUNT: Name = Name(Cow::Borrowed("net.netfilter.nf_conntrack_count"));

/// The lower threshold of IPv6 reassembly. At each write the kernel refuses a lower threshold above the upper one, and an
/// upper threshold below the lower one (net/ipv6/netfilter/nf_conntrack_reasm.c).
pub const FRAG6_LOW: Name = Name(Cow::Borrowed("net.netfilter.nf_conntrack_frag6_low_thresh"));

/// The upper threshold of IPv6 reassembly; see [`FRAG6_LOW`].
pub const FRAG6_HIGH: Name = Name(Cow::Borrowed("net.netfilter.nf_conntrack_frag6_high_thresh"));

/// The longest name that a file in /proc/sys can have, in bytes.
const LONGEST: usize = 255;

/// The canonical name of a setting, as `sysctl` prints it: `net.netfilter.nf_conntrack_max`.
///
/// Only the name of a conntrack setting can be a `Name`. A clone of one that the catalog has costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Cow<'static, str>);

/// The dotted name of a sysctl in some kernel: `net.netfilter.nf_conntrack_max`, `net.ipv4.ip_conntrack_max`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Cow<'static, str>);

impl Name {
    /// The setting that has the sysctl key `key`, dotted, exactly as the kernel names it.
    ///
    /// A name that the catalog lacks may be that of a newer kernel's setting, or a misspelt one: if the running kernel
    /// does not have it, [`super::catalog::nearest`] suggests the name that was probably meant.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Name> {
        // Most lines of most files are about something else.
        if !WORDS.iter().any(|word| key.contains(word)) {
            return None;
        }
        let by_name = CATALOG.binary_search_by(|setting| setting.name.cmp(key)).ok().map(|index| &CATALOG[index]);
        let by_other_key = || CATALOG.iter().find(|setting| setting.other_keys.contains(&key));
        let catalogued = by_name.or_else(by_other_key);
        catalogued.map(Name::from).or_else(|| is_possible(key).then(|| Name(Cow::Owned(key.to_owned()))))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The facts about the setting. A setting that is not in the catalog is only known to be a number.
    #[must_use]
    pub fn setting(&self) -> &'static Setting {
        CATALOG
            .binary_search_by(|setting| setting.name.cmp(self.as_str()))
            .map_or(UNCATALOGUED, |index| &CATALOG[index])
    }

    /// Whether the catalog knows this setting, or only its name is known to be of conntrack.
    #[must_use]
    pub fn is_catalogued(&self) -> bool {
        self.setting().is_catalogued()
    }

    /// The keys that kernels give this setting, newest first: the canonical name, then the others.
    pub fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let others = self.setting().other_keys.iter().map(|key| Key(Cow::Borrowed(key)));
        std::iter::once(Key(self.0.clone())).chain(others)
    }
}

/// Whether `key` could be the canonical name of a setting that the catalog lacks.
fn is_possible(key: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_short = key.rsplit('.').next().is_some_and(|last| last.len() <= LONGEST);
    is_short && key.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_plain))
}

impl Key {
    /// The key that is written `dotted`.
    pub fn new(dotted: impl Into<Cow<'static, str>>) -> Key {
        Key(dotted.into())
    }

    /// The key whose file is at `path` below /proc/sys.
    #[must_use]
    pub fn at(path: &str) -> Key {
        Key(Cow::Owned(path.replace('/', ".")))
    }

    /// The key as text, dotted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of its file below /proc/sys.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.replace('.', "/")
    }

    /// The setting that has this key.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        Name::of_key(self.as_str())
    }
}

/// The name of a row of the catalog.
impl From<&'static Setting> for Name {
    fn from(setting: &'static Setting) -> Name {
        Name(Cow::Borrowed(setting.name))
    }
}

impl From<Name> for Key {
    fn from(name: Name) -> Key {
        Key(name.0)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.into_owned()
    }
}

impl From<&Name> for String {
    fn from(name: &Name) -> String {
        name.as_str().to_owned()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
