//! Finds how a kernel that can boot was built: the ticks of its clock, and its memory pages. Its configuration says so, or its
//! name, or the programs that it must be able to run. The kernel that looks at an image says nothing of the image's own.

use std::path::{Path, PathBuf};

use crate::kernel::pages::Pages;
use crate::tree::{Read, Tree};

/// The directories of the modules, of which one may be a link to the other.
pub(super) const MODULES: [&str; 2] = ["/usr/lib/modules", "/lib/modules"];

/// The line of a kernel's configuration that says how often its clock ticks.
const HZ: &str = "CONFIG_HZ=";

/// The lines of a configuration that tell the pages, and those of the clock.
const LINES: &[&str] = &[
    HZ,
    "CONFIG_64BIT=y",
    "# CONFIG_64BIT is not set",
    "CONFIG_PAGE_SHIFT=",
    // Before 6.9 each architecture had options of its own.
    "CONFIG_ARM64_4K_PAGES=y",
    "CONFIG_ARM64_16K_PAGES=y",
    "CONFIG_ARM64_64K_PAGES=y",
    "CONFIG_PPC_4K_PAGES=y",
    "CONFIG_PPC_64K_PAGES=y",
    "CONFIG_PAGE_SIZE_4KB=y",
    "CONFIG_PAGE_SIZE_16KB=y",
    "CONFIG_PAGE_SIZE_64KB=y",
];

/// The sizes of pages in bytes, with the words of a configuration that say so.
const SIZES: [(u64, [&str; 4]); 3] = [
    (4 << 10, ["CONFIG_PAGE_SHIFT=12", "CONFIG_ARM64_4K_PAGES=y", "CONFIG_PPC_4K_PAGES=y", "CONFIG_PAGE_SIZE_4KB=y"]),
    (16 << 10, ["CONFIG_PAGE_SHIFT=14", "CONFIG_ARM64_16K_PAGES=y", "CONFIG_PAGE_SIZE_16KB=y", ""]),
    (
        64 << 10,
        ["CONFIG_PAGE_SHIFT=16", "CONFIG_ARM64_64K_PAGES=y", "CONFIG_PPC_64K_PAGES=y", "CONFIG_PAGE_SIZE_64KB=y"],
    ),
];

/// The ends of the names of kernels that tell their pages, as Debian, Fedora, RHEL, Ubuntu and Raspberry Pi OS name them. The
/// arm64 of Debian has pages of 4 KiB; that of RHEL 8, aarch64, has larger ones.
const NAMES: &[(&str, Pages)] = &[
    ("64k", Pages::of_64_bits(Some(64 << 10))),
    ("16k", Pages::of_64_bits(Some(16 << 10))),
    ("-2712", Pages::of_64_bits(Some(16 << 10))),
    ("amd64", Pages::USUAL),
    ("x86_64", Pages::USUAL),
    ("s390x", Pages::USUAL),
    ("riscv64", Pages::USUAL),
    ("-arm64", Pages::USUAL),
    ("-686", Pages::OF_32_BITS),
    ("-686-pae", Pages::OF_32_BITS),
    (".i686", Pages::OF_32_BITS),
    ("-armmp", Pages::OF_32_BITS),
    ("-armmp-lpae", Pages::OF_32_BITS),
    (".armv7hl", Pages::OF_32_BITS),
];

/// The program that loads the libraries of all others on an architecture, and the pages of its kernels. A kernel of 64 bits also
/// runs the programs of 32 bits.
const LOADERS: &[(&str, Pages)] = &[
    ("/lib64/ld-linux-x86-64.so.2", Pages::USUAL),
    ("/lib/ld-musl-x86_64.so.1", Pages::USUAL),
    ("/lib/ld64.so.1", Pages::USUAL),
    ("/lib/ld-linux-riscv64-lp64d.so.1", Pages::USUAL),
    ("/lib/ld-musl-riscv64.so.1", Pages::USUAL),
    ("/lib/ld-linux.so.2", Pages::OF_X86),
    ("/lib/ld-musl-i386.so.1", Pages::OF_X86),
];

/// The pages of the kernel of this name. None: no kernel is on the disk.
pub(super) fn pages(tree: &Tree, name: Option<&str>) -> Pages {
    let of_kernel = name.and_then(|name| configured(tree, name).or_else(|| named(name)));
    of_kernel.unwrap_or_else(|| of_programs(tree))
}

/// The pages that a configuration tells.
fn configured(tree: &Tree, name: &str) -> Option<Pages> {
    configurations(name).find_map(|path| {
        let text = String::from_utf8_lossy(tree.bytes(path)?).into_owned();
        let has = |line: &str| text.lines().any(|it| it == line);
        let size = SIZES.iter().find(|(_, lines)| lines.iter().any(|line| has(line))).map(|(size, _)| *size);
        match size {
            _ if has("# CONFIG_64BIT is not set") => Some(Pages::OF_32_BITS),
            Some(size) => Some(Pages::of_64_bits(Some(size))),
            None => None,
        }
    })
}

/// The pages that a name tells.
fn named(name: &str) -> Option<Pages> {
    NAMES.iter().find(|(end, _)| name.ends_with(end)).map(|(_, pages)| *pages)
}

fn of_programs(tree: &Tree) -> Pages {
    LOADERS.iter().find(|(path, _)| tree.get(path).is_some()).map_or(Pages::UNKNOWN, |(_, pages)| *pages)
}

/// The reads by which the architecture of the programs is told.
pub(super) fn reads() -> impl Iterator<Item = Read> {
    LOADERS.iter().map(|(path, _)| Read::Presence(path.into()))
}

/// The ticks of a second of the kernel of this name, by the files of its configuration.
pub(super) fn hz_of(tree: &Tree, name: &str) -> Option<i64> {
    let files = configurations(name).filter_map(|path| tree.bytes(path));
    let line = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().find_map(|line| line.strip_prefix(HZ)?.trim().parse().ok())
    };
    files.filter_map(line).find(|hz| *hz > 0)
}

/// The possible files of a kernel's configuration, as distributions name them.
fn configurations(name: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let beside = MODULES.map(|directory| Path::new(directory).join(name).join("config"));
    [PathBuf::from(format!("/boot/config-{name}"))].into_iter().chain(beside)
}

/// The reads of the configuration of the kernel of this name: it is long, and read no further than necessary.
pub(super) fn reads_of(tree: &Tree, name: &str) -> impl Iterator<Item = Read> + use<> {
    let is_known = named(name).unwrap_or_else(|| of_programs(tree)).are_known();
    let starts = if is_known { &LINES[..1] } else { LINES };
    configurations(name).map(move |path| Read::FirstLines { path, starts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Entry;

    fn pages_of(name: &str, path: &str, text: &str) -> Pages {
        let tree: Tree = [(PathBuf::from(path), Entry::File(text.into()))].into_iter().collect();
        pages(&tree, Some(name))
    }

    #[test]
    fn the_name_of_a_kernel_tells_its_pages() {
        let of_name = |name| pages_of(name, "/etc/hostname", "");
        let (large, larger) = (Pages::of_64_bits(Some(16 << 10)), Pages::of_64_bits(Some(64 << 10)));
        for (name, expected) in [
            ("6.12.117+deb13-amd64", Pages::USUAL),
            ("6.12.117+deb13-cloud-arm64", Pages::USUAL),
            ("6.12.117+deb13-686-pae", Pages::OF_32_BITS),
            ("6.1.0-686", Pages::OF_32_BITS),
            ("6.12.117+deb13-arm64-16k", large),
            ("6.12.47+rpt-rpi-2712", large),
            ("5.14.0-611.el9.aarch64+64k", larger),
            ("6.8.0-1686-generic", Pages::UNKNOWN),
            ("4.18.0-553.el8_10.aarch64", Pages::UNKNOWN),
        ] {
            assert_eq!(of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn the_configuration_of_a_kernel_tells_more_than_its_name() {
        let name = "6.12.1-custom";
        let of_text = |text| pages_of(name, "/boot/config-6.12.1-custom", text);
        assert_eq!(of_text("CONFIG_64BIT=y\nCONFIG_PAGE_SHIFT=14\n"), Pages::of_64_bits(Some(16 << 10)));
        assert_eq!(of_text("CONFIG_64BIT=y\nCONFIG_PPC_64K_PAGES=y\n"), Pages::of_64_bits(Some(64 << 10)));
        assert_eq!(of_text("# CONFIG_64BIT is not set\nCONFIG_PAGE_SHIFT=12\n"), Pages::OF_32_BITS);
        assert_eq!(of_text("CONFIG_64BIT=y\nCONFIG_HZ=250\n"), Pages::UNKNOWN);
        assert_eq!(pages_of(name, "/lib64/ld-linux-x86-64.so.2", ""), Pages::USUAL);
        assert_eq!(pages_of(name, "/lib/ld-linux.so.2", ""), Pages::OF_X86);
    }
}
