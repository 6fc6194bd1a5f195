//! Defines the settings: every connection tracking sysctl of the kernels 2.6 to 6.18, under all of its names.
//!
//! The facts stand in [`table`], one entry a setting. A `nf_conntrack_*` name that is not there, because the kernel is
//! newer than the table, becomes a plain integer setting ([`Setting::is_catalogued`] tells). Nothing outside
//! conntrack has a name here.

mod table;

use std::borrow::Cow;

pub use table::CATALOG;

/// The prefix of every canonical name.
pub const PREFIX: &str = "net.netfilter.nf_conntrack_";

/// The limit of the table.
pub const MAX: &str = "net.netfilter.nf_conntrack_max";

/// The number of buckets of its hash table, which the kernel rounds up.
pub const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";

/// The number of entries in it, a reading.
pub const COUNT: &str = "net.netfilter.nf_conntrack_count";

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
    /// One value for the machine, or one for each network namespace.
    pub scope: Scope,
    /// Writable or not, on today's kernels.
    pub access: Access,
    /// The first kernel release that has the canonical name.
    pub since: &'static str,
    /// The last kernel release that has it, if it is gone.
    pub until: Option<&'static str>,
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
        !self.since.is_empty()
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
        scope: Scope::PerNamespace,
        access: Access::ReadWrite,
        since: "",
        until: None,
        summary: "not in the catalog: a plain number",
        source: "",
    }
}

/// The setting that has the sysctl key `key`, dotted, exactly as the kernel names it.
#[must_use]
pub fn by_key(key: &str) -> Option<Setting> {
    let catalogued = CATALOG.iter().find(|setting| setting.keys().any(|own| own == key));
    catalogued.cloned().or_else(|| {
        let rest = key.strip_prefix(PREFIX)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (!rest.is_empty() && rest.chars().all(plain)).then(|| uncatalogued(key.to_owned()))
    })
}

/// The setting that a person means by `name`: a key with dots or slashes, or the bare last part of one.
pub fn find(name: &str) -> Result<Setting, UnknownName> {
    let dotted = name.replace('/', ".");
    if let Some(setting) = by_key(&dotted) {
        return Ok(setting);
    }
    let has_bare_name = |key: &str| key.rsplit('.').next() == Some(dotted.as_str());
    if let Some(setting) = CATALOG.iter().find(|setting| setting.keys().any(has_bare_name)) {
        return Ok(setting.clone());
    }
    if dotted.starts_with("nf_conntrack_") {
        if let Some(setting) = by_key(&format!("net.netfilter.{dotted}")) {
            return Ok(setting);
        }
    }
    Err(UnknownName { nearest: nearest(&dotted) })
}

/// The catalogued name that `name` probably meant, compared by its last part.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let candidates = CATALOG.iter().filter_map(|setting| match &setting.name {
        Cow::Borrowed(name) => Some(*name),
        Cow::Owned(_) => None,
    });
    candidates
        .map(|candidate| {
            let own = candidate.rsplit('.').next().unwrap_or(candidate);
            (strsim::jaro_winkler(bare, own), candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
