//! Defines the machines that only the model knows: the cases of their init systems are judged on a few files by which each
//! boots its own way. No release of Debian boots so by itself.

use super::images::{IMAGES, Image};

/// One machine for each init system.
pub(crate) const MODELLED: [Image; 6] = [
    Image { name: "gentoo", system: "openrc", words: &["gentoo", "linux-6.12"] },
    Image { name: "alpine-3", system: "alpine", words: &["alpine-3", "linux-6.12"] },
    Image { name: "openwrt-24", system: "openwrt", words: &["openwrt-24", "linux-6.12"] },
    Image { name: "debian-finit", system: "finit", words: &["debian-finit", "linux-6.12"] },
    Image { name: "void-linux", system: "void", words: &["void-linux", "linux-6.12"] },
    Image { name: "chimera-linux", system: "chimera", words: &["chimera-linux", "linux-6.12"] },
];

/// Every machine.
pub(crate) fn all() -> impl Iterator<Item = &'static Image> {
    IMAGES.iter().chain(&MODELLED)
}
