//! Looks for the signs of a container around this run: an engine's files, the first program, and the owners of the network
//! and its sysctls.
//!
//! No single sign is enough. The root of a virtual machine may come from an image with an engine's file in it; a chroot has
//! another root than the first program; a container may show the processes of the machine.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat};

use crate::snapshot::{Container, Network};

/// The name of the process 2 of a machine, a thread of the kernel. A PID namespace within the machine has another process
/// of this number, or none.
const SECOND_OF_A_MACHINE: &str = "kthreadd";

/// A sysctl that only the initial network namespace has (`net_core_table` in the kernel's `net/core/sysctl_net_core.c`).
const OF_THE_MACHINE_S_NETWORK: &str = "/proc/sys/net/core/netdev_budget";

/// A sysctl that every network namespace has.
const OF_EVERY_NETWORK: &str = "/proc/sys/net/core/somaxconn";

/// CAP_SYS_MODULE (linux/capability.h).
const LOADS_MODULES: u32 = 16;

/// The files by which a container is known, each with its engine if the file does not name it. Those of systemd's
/// Container Interface hold a name; podman, buildah and CRI-O make the third, Kubernetes mounts the last.
const SIGNS: [(&str, Option<&str>); 5] = [
    ("/run/systemd/container", None),
    ("/run/host/container-manager", None),
    ("/run/.containerenv", Some("podman")),
    ("/.dockerenv", Some("docker")),
    ("/dev/termination-log", Some("Kubernetes")),
];

/// The container that this run is in, if it is in one.
pub(super) fn container() -> Option<Container> {
    let sees_machine = match first_line("/proc/2/comm") {
        Ok(name) => name == SECOND_OF_A_MACHINE,
        // Any other error says nothing of the process.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    let same = |path: &str, own: &str| Some(identity(path).ok()? == identity(own).ok()?);
    let shares_root = same("/proc/1/root/", "/");
    // A chroot has another root, in the same tree of mounts.
    let is_chroot = || shares_root == Some(false) && same("/proc/1/ns/mnt", "/proc/self/ns/mnt") == Some(true);
    if is_chroot() || is_wsl() {
        return None;
    }
    let first = first_line("/proc/1/comm").ok().filter(|_| !sees_machine);
    let may_be_machine =
        first.is_none() && (shares_root == Some(true) || (shares_root.is_none() && !has_own_namespaces()));
    // Of a machine, /run is empty when it boots, and its root may come from an image with an engine's file in it.
    let engine = engine(|sign| !may_be_machine || sign.starts_with("/run/"));
    // A PID namespace alone may be a sandbox on the machine, with the machine's files.
    let is_one = engine.is_some() || (first.is_some() && has_own_namespaces());
    is_one.then(|| Container {
        engine,
        first_program: first.filter(|_| shares_root != Some(false)),
        network: if Path::new(OF_THE_MACHINE_S_NETWORK).exists() { Network::Machine } else { Network::Own },
        loads_modules: loads_modules(),
    })
}

/// Whether the network belongs to a user namespace outside that of this run: its root is not the user 0 here, and the
/// kernel refuses a write. (Kernels before 4.8 show no owner, but the second question is enough for those.)
pub(super) fn is_foreign() -> bool {
    let is_roots = std::fs::metadata(OF_EVERY_NETWORK).is_ok_and(|file| file.uid() == 0);
    let refused = || accessat(CWD, OF_EVERY_NETWORK, Access::WRITE_OK, AtFlags::EACCESS);
    !is_roots && refused() == Err(rustix::io::Errno::ACCESS)
}

/// The engine that one of the signs names for which `counts` is true.
fn engine(counts: impl Fn(&str) -> bool) -> Option<String> {
    let found = SIGNS.iter().filter(|(path, _)| counts(path)).find_map(|(path, engine)| match engine {
        Some(engine) => Path::new(path).exists().then(|| (*engine).to_owned()),
        None => first_line(path).ok().filter(|name| !name.is_empty()),
    });
    found.or_else(of_first_program)
}

/// The engine in the environment of the first program (systemd's Container Interface).
fn of_first_program() -> Option<String> {
    let environment = std::fs::read("/proc/1/environ").ok()?;
    let words = environment.split(|byte| *byte == 0);
    let name = words.filter_map(|word| word.strip_prefix(b"container=")).find(|name| !name.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Whether this run has another IPC or UTS namespace than the machine: engines make both. The numbers of the first ones are
/// part of the kernel's interface (`include/linux/proc_ns.h`, `PROC_IPC_INIT_INO`, `PROC_UTS_INIT_INO`).
fn has_own_namespaces() -> bool {
    let first = [("/proc/self/ns/ipc", 0xEFFF_FFFF), ("/proc/self/ns/uts", 0xEFFF_FFFE)];
    first.iter().any(|(path, number)| std::fs::metadata(path).is_ok_and(|file| file.ino() != *number))
}

/// Windows' virtual machine of Linux runs each distribution in a PID namespace, with a network that is the machine's.
fn is_wsl() -> bool {
    first_line("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("WSL"))
}

/// Whether a process with the rights of this one can load a module, and finds those of the running kernel.
fn loads_modules() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok()).unwrap_or_default();
    // In a user namespace these are rights over that namespace.
    let is_whole =
        std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.trim_end().ends_with("4294967295"));
    let release = first_line("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = ["/lib/modules", "/usr/lib/modules"].map(|directory| Path::new(directory).join(&release));
    rights >> LOADS_MODULES & 1 == 1 && is_whole && modules.iter().any(|path| path.join("modules.dep").exists())
}

fn identity(path: &str) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The first line of a small file. NONBLOCK: opening a FIFO would block.
fn first_line(path: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    // The kernel gives such a file at once, and so does a file system.
    let mut bytes = [0; 256];
    let length = rustix::io::read(&file, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).lines().next().unwrap_or_default().trim().to_owned())
}
