//! Defines the settings: every connection tracking sysctl of the kernels 2.6 to 6.18, under all of its names.
//!
//! The facts stand in [`CATALOG`], one entry a setting. A `nf_conntrack_*` name that is not there, because the kernel
//! is newer than the table or a vendor's, becomes a plain integer setting ([`Setting::is_catalogued`] tells). Nothing
//! outside conntrack has a name here; nor has `ip_conntrack_tcp_timeout_syn_sent2`, a legacy key without a successor.

use std::borrow::Cow;

use super::release::Release;

pub use super::settings::CATALOG;

/// The prefix of every canonical name.
pub const PREFIX: &str = "net.netfilter.nf_conntrack_";

/// The limit of the table.
pub const MAX: &str = "net.netfilter.nf_conntrack_max";

/// The number of buckets of its hash table, which the kernel rounds up.
pub const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";

/// The number of entries in it, a reading.
pub const COUNT: &str = "net.netfilter.nf_conntrack_count";

/// The two thresholds of IPv6 reassembly. The kernel refuses to make the low one higher than the high one, and the high one
/// lower than the low one, at each write (net/ipv6/netfilter/nf_conntrack_reasm.c).
pub const FRAG6_LOW: &str = "net.netfilter.nf_conntrack_frag6_low_thresh";

/// See [`FRAG6_LOW`].
pub const FRAG6_HIGH: &str = "net.netfilter.nf_conntrack_frag6_high_thresh";

/// The longest name that a file in /proc/sys can have, in bytes.
const MAX_NAME: usize = 255;

/// What the number of a setting means, and so which forms a request may give it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain number.
    Integer,
    /// 0 or 1.
    Boolean,
    /// A time in whole seconds.
    Seconds,
}

/// Whether each network namespace has its own value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One number for the whole machine; only the initial network namespace may write it.
    Global,
    /// One number for each network namespace.
    PerNamespace,
}

/// Whether the kernel lets the setting be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Readable and writable (0644).
    ReadWrite,
    /// Readable only (0444).
    ReadOnly,
}

/// One connection tracking sysctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The canonical name, as `sysctl` prints it: `net.netfilter.nf_conntrack_max`.
    pub name: Cow<'static, str>,
    /// The other sysctl keys that some kernel gives the same variable, newest first, dotted.
    pub other_keys: &'static [&'static str],
    /// What the number means.
    pub kind: Kind,
    /// What one of it is: `entries`, `buckets`, `seconds`, `bytes`; empty for a switch or a level.
    pub unit: &'static str,
    /// The smallest value that makes sense and that some kernel accepts.
    pub min: i64,
    /// The largest value that some kernel accepts.
    pub max: i64,
    /// The kernel's default in seconds; every timeout has one here, and no other setting.
    ///
    /// It is the default of the newest mainline release that has the setting. Older releases differ in four timeouts:
    /// they kept an established SCTP association for 5 days, two states of its shutdown for 0.3 seconds, and a UDP
    /// stream for 180 seconds.
    pub default: Option<u32>,
    /// One value for the machine, or one for each network namespace.
    pub scope: Scope,
    /// Writable or not, on today's kernels.
    pub access: Access,
    /// The first release that has the canonical name; None: the setting is not catalogued.
    pub since: Option<Release>,
    /// The last release that has it, if it is gone.
    pub until: Option<Release>,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The kernel documentation or source file that says so.
    pub source: &'static str,
}

/// Why a name is not a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The catalogued name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

impl Setting {
    /// Whether the catalog knows this setting, or only its name is known to be of conntrack.
    #[must_use]
    pub fn is_catalogued(&self) -> bool {
        self.since.is_some()
    }

    /// The sysctl keys of this setting, dotted, newest first: the canonical name, then the others.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_ref()).chain(self.other_keys.iter().copied())
    }
}

/// A setting whose name is of conntrack and that the table does not have.
fn uncatalogued(name: String) -> Setting {
    Setting {
        name: Cow::Owned(name),
        other_keys: &[],
        kind: Kind::Integer,
        unit: "",
        min: i64::MIN,
        max: i64::MAX,
        default: None,
        scope: Scope::PerNamespace,
        access: Access::ReadWrite,
        since: None,
        until: None,
        summary: "not in the catalog: a plain number",
        source: "",
    }
}

/// The setting that has the sysctl key `key`, dotted, exactly as the kernel names it.
///
/// A misspelt canonical name may look like a setting of a newer kernel: where the running kernel lacks a setting that
/// is not catalogued, [`nearest`] tells what was probably meant.
#[must_use]
pub fn by_key(key: &str) -> Option<Setting> {
    // Most lines of most files are about something else.
    if !key.contains("conntrack") {
        return None;
    }
    let catalogued = CATALOG.iter().find(|setting| setting.keys().any(|own| own == key));
    catalogued.cloned().or_else(|| {
        let rest = key.strip_prefix(PREFIX)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let may_be = !rest.is_empty() && last_part(key).len() <= MAX_NAME && rest.chars().all(plain);
        may_be.then(|| uncatalogued(key.to_owned()))
    })
}

/// The setting that a person means by `name`: a key, all dots or all slashes, or the bare last part of one.
///
/// A name that mixes the two is refused: the loaders would read `net.netfilter/nf_conntrack_max` as a file named
/// `netfilter.nf_conntrack_max`, which no kernel has.
pub fn find(name: &str) -> Result<Setting, UnknownName> {
    let found = match (name.contains('.'), name.contains('/')) {
        (true, true) => None,
        (true, false) => by_key(name),
        (false, true) => by_key(&name.replace('/', ".")),
        (false, false) => by_last_part(name),
    };
    found.ok_or_else(|| UnknownName { nearest: nearest(name) })
}

/// The kernel's default of the timeout `name` (canonical), in seconds.
#[must_use]
pub fn default_timeout(name: &str) -> Option<u32> {
    by_key(name)?.default
}

fn by_last_part(name: &str) -> Option<Setting> {
    let ends_in_it = |key: &str| key.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
    let catalogued = CATALOG.iter().find(|setting| setting.keys().any(ends_in_it));
    catalogued.cloned().or_else(|| by_key(&format!("net.netfilter.{name}")))
}

fn last_part(key: &str) -> &str {
    key.rsplit(['.', '/']).next().unwrap_or(key)
}

/// What follows the beginning that all settings share: `max` of `nf_conntrack_max`.
fn distinct_part(last_part: &str) -> Option<&str> {
    ["nf_conntrack_", "ip_conntrack_", "conntrack_"].iter().find_map(|shared| last_part.strip_prefix(shared))
}

/// How many letters `typed` is off from `own`, if so few that it is a slip: one, or one in six.
///
/// A distance takes time and space by the product of the lengths, and a request has room for very long names. It is never
/// less than the difference of the lengths, so that only what is about as long as our own name is measured.
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
/// Behind the shared beginning only the rest is compared, or every stray `nf_conntrack_foo` would be near to some
/// setting. A name that begins otherwise may lack the beginning or have the slip in it.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let typed = last_part(name).trim().to_lowercase();
    let slips_from = |setting: &Setting| {
        if let Some(distinct) = distinct_part(&typed) {
            return slips(distinct, distinct_part(last_part(&setting.name))?);
        }
        let whole = setting.keys().map(last_part);
        whole.flat_map(|own| [Some(own), distinct_part(own)]).flatten().filter_map(|own| slips(&typed, own)).min()
    };
    let near = CATALOG.iter().filter_map(|setting| Some((slips_from(setting)?, setting)));
    near.min_by_key(|(slips, _)| *slips).and_then(|(_, setting)| match setting.name {
        Cow::Borrowed(name) => Some(name),
        Cow::Owned(_) => None,
    })
}
