//! Defines the images that the cases of `tests/cases/boots` are judged on: Debian releases, with one init system each. The
//! reboot judge builds and boots them; the model knows the few files by which each boots its own way.

use super::case::{Case, Judge};

/// One image.
pub(crate) struct Image {
    /// The release, and the init system where that is not systemd.
    pub(crate) name: &'static str,
    /// The init system, as requests and reports name it: the cases of one have a directory in `tests/cases/boots`.
    pub(crate) system: &'static str,
    /// What else `expected` may say of it: the versions that make a difference. `sysvinit` are all that run its scripts.
    pub(crate) words: &'static [&'static str],
}

/// The images of all judges.
pub(crate) const IMAGES: [Image; 6] = [
    Image { name: "11", system: "systemd", words: &["debian-11", "linux-5.10"] },
    Image { name: "12", system: "systemd", words: &["debian-12", "linux-6.1"] },
    Image { name: "13", system: "systemd", words: &["debian-13", "linux-6.12"] },
    Image { name: "sid", system: "systemd", words: &["debian-sid", "systemd-262", "linux-7.2"] },
    Image { name: "11-sysvinit", system: "procps", words: &["debian-11", "linux-5.10", "sysvinit", "procps-3"] },
    Image { name: "12-sysvinit", system: "procps", words: &["debian-12", "linux-6.1", "sysvinit", "procps-4"] },
];

/// More images for the judge of reboots: the others would find nothing in their files that those above have not.
pub(crate) const ALIKE: [Image; 7] = [
    Image { name: "13-backports", system: "systemd", words: &["debian-13", "linux-7.3"] },
    Image { name: "sid-dracut", system: "systemd", words: &["debian-sid", "systemd-262", "linux-7.2", "dracut"] },
    Image { name: "13-sysvinit", system: "procps", words: &["debian-13", "linux-6.12", "sysvinit", "procps-4"] },
    Image { name: "13-runit", system: "procps", words: &["debian-13", "linux-6.12", "sysvinit", "procps-4"] },
    Image { name: "13-openrc", system: "procps", words: &["debian-13", "linux-6.12", "sysvinit", "procps-4"] },
    // Its pages are larger, and its processor is another.
    Image { name: "13-arm64-16k", system: "systemd", words: &["debian-13", "linux-6.12", "aarch64", "pages-16k"] },
    Image { name: "13-finit", system: "finit", words: &["debian-13", "linux-6.12", "procps-4"] },
];

/// The images of machines as Debian installs them, and the usual packages of a server. They are for the judge of reboots
/// alone, and there they boot the story: it must go without a warning.
pub(crate) const STOCK: [Image; 9] = [
    Image { name: "11-minimal", system: "systemd", words: &["debian-11", "linux-5.10"] },
    Image { name: "11-server", system: "systemd", words: &["debian-11", "linux-5.10"] },
    Image { name: "12-minimal", system: "systemd", words: &["debian-12", "linux-6.1"] },
    Image { name: "12-server", system: "systemd", words: &["debian-12", "linux-6.1"] },
    Image { name: "13-minimal", system: "systemd", words: &["debian-13", "linux-6.12"] },
    Image { name: "13-server", system: "systemd", words: &["debian-13", "linux-6.12"] },
    Image { name: "13-ufw", system: "systemd", words: &["debian-13", "linux-6.12"] },
    Image { name: "sid-minimal", system: "systemd", words: &["debian-sid", "systemd-262", "linux-7.2", "dracut"] },
    Image { name: "sid-server", system: "systemd", words: &["debian-sid", "systemd-262", "linux-7.2", "dracut"] },
];

impl Image {
    /// The words of `expected` that hold where `judge` judges on this image.
    pub(crate) fn words_for(&self, judge: Judge) -> Vec<&'static str> {
        [&[judge.name(), self.name, self.system], self.words].concat()
    }

    /// Whether it is one of [`STOCK`].
    pub(crate) fn is_stock(&self) -> bool {
        STOCK.iter().any(|image| image.name == self.name)
    }

    /// Whether it boots `case`: one for any init system of Debian, or for its own.
    pub(crate) fn boots(&self, case: &Case) -> bool {
        let group = case.name.strip_prefix("boots/").and_then(|name| name.split('/').next());
        let is_any = |group: &str| group == "any" && ["systemd", "procps"].contains(&self.system);
        group.is_some_and(|group| is_any(group) || group == self.system)
    }
}
