//! Lists the ways in which older kernels differ from today's, one row for each span of releases.
//!
//! A quirk is a difference that a live kernel does not show. The differences that it shows (the keys that exist, the
//! keys that can be written) come from the snapshot. To add a quirk: a variant that describes the difference, and a
//! row.

use super::release::Release;

/// A way in which some kernels differ from today's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// `frag6_high_thresh` can be lowered and never raised: the kernel uses the present value as the upper bound.
    Frag6HighOnlyFalls,
    /// The default limit is four entries for each bucket. Today it is one.
    FourEntriesPerBucket,
}

/// The kernels that have a quirk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The difference.
    pub quirk: Quirk,
    /// The first release that has it.
    pub from: Release,
    /// The last release that has it.
    pub until: Release,
    /// The kernel's source file that shows it.
    pub source: &'static str,
}

/// Every known quirk.
pub const QUIRKS: &[Span] = &[
    // Measured on 5.10, and not there in 6.1; the releases before 5.10 are assumed to be like it.
    Span {
        quirk: Quirk::Frag6HighOnlyFalls,
        from: Release::v2_6(15),
        until: Release::new(5, 10),
        source: "net/ipv6/netfilter/nf_conntrack_reasm.c",
    },
    Span {
        quirk: Quirk::FourEntriesPerBucket,
        from: Release::v2_6(15),
        until: Release::new(5, 14),
        source: "net/netfilter/nf_conntrack_core.c",
    },
];

impl Quirk {
    /// Whether the kernel `release` has this quirk. An unknown kernel counts as one of today.
    #[must_use]
    pub fn applies_to(self, release: Option<Release>) -> bool {
        let Some(release) = release else { return false };
        QUIRKS.iter().any(|span| span.quirk == self && (span.from..=span.until).contains(&release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quirk_applies_from_its_first_release_until_its_last() {
        for span in QUIRKS {
            assert!(span.from <= span.until, "{span:?}");
            assert!(
                [span.from, span.until].into_iter().all(|release| span.quirk.applies_to(Some(release))),
                "{span:?}"
            );
            assert!(!span.quirk.applies_to(None), "{span:?}");
        }
        let cases = [
            (Quirk::Frag6HighOnlyFalls, Release::v2_6(14), false),
            (Quirk::Frag6HighOnlyFalls, Release::new(4, 19), true),
            (Quirk::Frag6HighOnlyFalls, Release::new(5, 11), false),
            (Quirk::FourEntriesPerBucket, Release::new(5, 10), true),
            (Quirk::FourEntriesPerBucket, Release::new(5, 15), false),
        ];
        for (quirk, release, applies) in cases {
            assert_eq!(quirk.applies_to(Some(release)), applies, "{quirk:?} {release}");
        }
    }
}
