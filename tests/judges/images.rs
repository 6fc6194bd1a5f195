//! Defines the images that the cases of `tests/cases/boots` are judged on: Debian releases, with one init system each. The
//! reboot judge builds and boots them; the model knows the few files by which each boots its own way.

use super::case::{Case, Judge};

/// One image.
pub(crate) struct Image {
    /// The release, and the init system where that is not systemd.
    pub(crate) name: &'static str,
    /// The init system, as requests and reports name it: the cases of one have a directory in `tests/cases/boots`.
    pub(crate) system: &'static str,
    /// What else `expected` may say of it: the versions that make a difference.
    words: &'static [&'static str],
}

/// Every image.
pub(crate) const IMAGES: [Image; 5] = [
    Image { name: "11", system: "systemd", words: &["debian-11", "linux-5.10"] },
    Image { name: "12", system: "systemd", words: &["debian-12", "linux-6.1"] },
    Image { name: "13", system: "systemd", words: &["debian-13", "linux-6.12"] },
    Image { name: "11-sysvinit", system: "procps", words: &["debian-11", "linux-5.10", "sysvinit", "procps-3"] },
    Image { name: "12-sysvinit", system: "procps", words: &["debian-12", "linux-6.1", "sysvinit", "procps-4"] },
];

impl Image {
    /// The words of `expected` that hold where `judge` judges on this image.
    pub(crate) fn words_for(&self, judge: Judge) -> Vec<&'static str> {
        [&[judge.name(), self.name, self.system], self.words].concat()
    }

    /// Whether it boots `case`: one for any init system, or for its own.
    pub(crate) fn boots(&self, case: &Case) -> bool {
        let group = case.name.strip_prefix("boots/").and_then(|name| name.split('/').next());
        group.is_some_and(|group| group == "any" || group == self.system)
    }
}
