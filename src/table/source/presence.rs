//! Decides from files whether the kernel has connection tracking, and whether ctnetlink can be asked.
//!
//! A look must not change the machine. The kernel loads `nf_conntrack_netlink`, and with it `nf_conntrack`, for the first
//! program that asks ctnetlink or opens a socket of netfilter (`net/netfilter/nfnetlink.c`, `request_module`). So nobody may
//! ask before the files say that it is there.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::table::source::lines::Lines;

/// The files of a kernel that has connection tracking: today's, and those of old kernels. A container may hide some.
const TRACKING: [&str; 6] = [
    "proc/sys/net/netfilter/nf_conntrack_count",
    "proc/net/stat/nf_conntrack",
    "proc/net/nf_conntrack",
    "sys/module/nf_conntrack",
    "proc/sys/net/ipv4/netfilter/ip_conntrack_max",
    "proc/net/ip_conntrack",
];

/// The directories of the module of ctnetlink: today's, and that of old kernels.
const MODULES: [&str; 2] = ["sys/module/nf_conntrack_netlink", "sys/module/ip_conntrack_netlink"];

/// The most bytes of /proc/kallsyms that are read. A kernel of today has some 10 MiB.
const SYMBOLS: u64 = 64 << 20;

/// Whether the kernel has connection tracking. `root` is `/`, or a directory that stands for it in a test.
#[must_use]
pub fn has_tracking(root: &Path) -> bool {
    TRACKING.iter().any(|path| root.join(path).exists())
}

/// The evidence that ctnetlink is in the kernel. Every question to ctnetlink takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ctnetlink(());

impl Ctnetlink {
    /// Looks for the evidence in this machine's files.
    pub fn find() -> io::Result<Ctnetlink> {
        Ctnetlink::find_in(Path::new("/")).ok_or_else(|| {
            let reason =
                "nf_conntrack_netlink is not loaded, and a look loads nothing (`modprobe nf_conntrack_netlink`)";
            io::Error::new(io::ErrorKind::Unsupported, reason)
        })
    }

    /// Looks for the evidence below `root`, which stands for `/`.
    #[must_use]
    pub fn find_in(root: &Path) -> Option<Ctnetlink> {
        let is_there = has_tracking(root)
            && (MODULES.iter().any(|path| root.join(path).exists()) || loads_nothing(root) || is_built_in(root));
        is_there.then_some(Ctnetlink(()))
    }
}

/// Whether this kernel loads no modules at all. Then a question cannot load one.
fn loads_nothing(root: &Path) -> bool {
    let kernel = root.join("proc/sys/kernel");
    let says =
        |name: &str, value: &str| std::fs::read_to_string(kernel.join(name)).is_ok_and(|text| text.trim() == value);
    // A kernel that has modules names the program that loads them; a hidden /proc/sys names nothing.
    (kernel.join("ostype").exists() && !kernel.join("modprobe").exists()) || says("modules_disabled", "1")
}

/// Whether ctnetlink is built into the kernel. Such a part has no directory in /sys/module.
fn is_built_in(root: &Path) -> bool {
    let release = std::fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    let list = root.join("lib/modules").join(release.trim()).join("modules.builtin");
    match std::fs::read_to_string(list) {
        Ok(list) if !release.trim().is_empty() => list.lines().any(|line| line.ends_with("/nf_conntrack_netlink.ko")),
        // A container has no list of its machine's modules. The kernel's own symbols stand before those of its modules.
        _ => File::open(root.join("proc/kallsyms")).is_ok_and(|file| has_symbol(file).unwrap_or(false)),
    }
}

fn has_symbol(file: File) -> io::Result<bool> {
    let mut lines = Lines::new(file.take(SYMBOLS));
    while let Some(line) = lines.next_line()? {
        if line.ends_with(b"]") {
            break;
        }
        if line.ends_with(b" ctnetlink_dump_table") {
            return Ok(true);
        }
    }
    Ok(false)
}
