//! Defines a release of the mainline kernel, so that releases can be compared.

use std::fmt;

/// A mainline release: `5.10`, or `2.6.27` as they were numbered before 3.0. A stable update has the release that it
/// updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
    /// The third number of 2.6.N; 0 since 3.0.
    patch: u32,
}

impl Release {
    /// The release `major.minor`, which is 3.0 or newer.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Release {
        Release { major, minor, patch: 0 }
    }

    /// The release 2.6.`patch`.
    #[must_use]
    pub const fn v2_6(patch: u32) -> Release {
        Release { major: 2, minor: 6, patch }
    }

    /// The release behind the name that a kernel gives itself: 6.18 for `6.18.44-cloud-amd64`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Release> {
        let mut numbers = name.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        if major >= 3 {
            return Some(Release::new(major, minor));
        }
        Some(Release { major, minor, patch: numbers.next()?.ok()? })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Release { major, minor, patch } = self;
        if *major >= 3 { write!(f, "{major}.{minor}") } else { write!(f, "{major}.{minor}.{patch}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_behind_a_kernels_name() {
        let cases = [
            ("6.18.44-cloud-amd64", Some(Release::new(6, 18))),
            ("7.2", Some(Release::new(7, 2))),
            ("5.15.0-1-generic", Some(Release::new(5, 15))),
            ("2.6.32-754.el6.x86_64", Some(Release::v2_6(32))),
            ("2.6", None),
            ("6", None),
            ("rolling", None),
            ("", None),
        ];
        for (name, release) in cases {
            assert_eq!(Release::parse(name), release, "{name}");
        }
    }

    #[test]
    fn releases_are_ordered_and_written_by_their_numbers() {
        let releases =
            [Release::v2_6(15), Release::v2_6(39), Release::new(3, 0), Release::new(6, 2), Release::new(6, 18)];
        assert!(releases.is_sorted());
        assert_eq!(releases.map(|release| release.to_string()), ["2.6.15", "2.6.39", "3.0", "6.2", "6.18"]);
    }
}
