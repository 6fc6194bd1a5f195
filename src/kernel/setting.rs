//! Defines the facts about a setting: a row of the catalog.

use super::release::Release;

/// The meaning of a setting's number. It decides the forms that a request may give the number in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
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

/// A smallest value that newer kernels have raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The smallest value since then.
    pub min: i64,
    /// The last release that is known to take less.
    pub not_until: Release,
    /// The first release that is known to refuse less.
    pub from: Release,
}

/// One connection tracking sysctl.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The canonical name, as `sysctl` prints it: `net.netfilter.nf_conntrack_max`.
    pub name: &'static str,
    /// The other sysctl keys that some kernel gives the same variable, newest first, dotted.
    pub other_keys: &'static [&'static str],
    /// The meaning of the number.
    pub kind: ValueKind,
    /// The unit: `entries`, `buckets`, `seconds`, `bytes`; empty for a switch or a level.
    pub unit: &'static str,
    /// The smallest value that makes sense and that some kernel accepts.
    pub min: i64,
    /// The largest value that some kernel accepts.
    pub max: i64,
    /// The kernel's default in seconds; every timeout has one here, and no other setting.
    ///
    /// The number is that of the newest mainline release that has the setting. Older releases differ in four timeouts:
    /// they kept an established SCTP association for 5 days, two states of its shutdown for 0.3 seconds, and a UDP
    /// stream for 180 seconds.
    pub default: Option<u32>,
    /// One value for the machine, or one for each network namespace.
    pub scope: Scope,
    /// Writable or not, on today's kernels.
    pub access: Access,
    /// The module that makes the key.
    pub module: &'static str,
    /// A larger smallest value of newer kernels.
    pub raised: Option<Raised>,
    /// The first release that has the canonical name; None: the setting is not catalogued.
    pub since: Option<Release>,
    /// The last release that has it, if it is gone.
    pub until: Option<Release>,
    /// The effect of the setting, in one line.
    pub summary: &'static str,
    /// The kernel document or source file for these facts.
    pub source: &'static str,
}

impl Setting {
    /// Whether the catalog knows this setting, or only its name is known to be of conntrack.
    #[must_use]
    pub fn is_catalogued(&self) -> bool {
        self.since.is_some()
    }

    /// Whether the mainline kernel `release` has the canonical name.
    #[must_use]
    pub fn is_in(&self, release: Release) -> bool {
        self.since.is_some_and(|since| since <= release) && self.until.is_none_or(|until| release <= until)
    }

    /// The sysctl keys of this setting, dotted, newest first: the canonical name, then the others.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.other_keys.iter().copied())
    }
}
