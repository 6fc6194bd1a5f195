//! Lists the processes in /proc with the network namespace of each, in few steps: a machine has hundreds, and nearly all of
//! them share one namespace.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, readlinkat_raw};
use rustix::io::{Errno, Result};

use crate::table::source::proc::text;

/// The bit of a thread that the kernel itself runs, among the flags of /proc/PID/stat (`PF_KTHREAD`).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The bytes of /proc that are listed at once: some 300 processes.
const LISTED: usize = 8 << 10;

/// The link to the network namespace in the directory of a process.
const LINK: &[u8] = b"/ns/net\0";

/// The bytes of the path of that link: those of the largest number are fewer.
const PATH: usize = 32;

/// Gives each process to `each`, with the number of its network namespace. The kernel's own threads are left out, but for
/// the first: all of them run in the first namespace.
pub fn with_namespaces(mut each: impl FnMut(u32, Result<u64>)) {
    let Ok(proc) = open() else { return };
    let threads = kernel_threads();
    // Not on the stack, where each page of it would be the first to be used, and the last.
    let mut buffer: Vec<u8> = Vec::with_capacity(LISTED);
    let mut entries = RawDir::new(&proc, buffer.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().ok().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if threads.binary_search(&pid).is_ok() {
            continue;
        }
        each(pid, namespace(&proc, name));
    }
}

/// The number of the network namespace of this process.
#[must_use]
pub fn own_namespace() -> Option<u64> {
    namespace(&open().ok()?, c"self").ok()
}

fn open() -> Result<OwnedFd> {
    rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The number in the link `net:[4026531840]` of a process. Its path takes no memory and no formatting: that is for each process.
fn namespace(proc: &OwnedFd, process: &CStr) -> Result<u64> {
    let process = process.to_bytes();
    let mut path = [0; PATH];
    let whole = path.get_mut(..process.len() + LINK.len()).ok_or(Errno::INVAL)?;
    whole[..process.len()].copy_from_slice(process);
    whole[process.len()..].copy_from_slice(LINK);
    let path = CStr::from_bytes_with_nul(whole).map_err(|_| Errno::INVAL)?;
    let mut buffer = [0; 64];
    let length = readlinkat_raw(proc, path, &mut buffer)?;
    let link = std::str::from_utf8(&buffer[..length]).ok();
    let number = link.and_then(|link| link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok());
    number.ok_or(Errno::INVAL)
}

/// The kernel's threads that the first of them, process 2, has started, in order; none where process 2 is something else, as
/// in a container.
fn kernel_threads() -> Vec<u32> {
    if !text("/proc/2/stat").is_ok_and(|stat| is_kernel_thread(&stat)) {
        return Vec::new();
    }
    let children = text("/proc/2/task/2/children").unwrap_or_default();
    let mut threads: Vec<u32> = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    threads.sort_unstable();
    threads
}

/// Whether `stat`, the content of /proc/PID/stat, is of a thread of the kernel. Its name, in brackets, may be anything.
fn is_kernel_thread(stat: &str) -> bool {
    // The state, and the numbers of the parent, the group, the session, the terminal and its group.
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(6)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_tell_threads_of_the_kernel() {
        assert!(is_kernel_thread("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2 0 0"));
        assert!(!is_kernel_thread("2 (kthreadd) S 1 2 2 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 2 0 0"));
        assert!(!is_kernel_thread("2 (a) S 0 0 0 0 -1 2129984) S 1 2 2 0 -1 4194560 0 0 0 0 0 0"));
        assert!(!is_kernel_thread(""));
    }

    #[test]
    fn this_process_is_listed_with_its_namespace() {
        let mut found = None;
        with_namespaces(|pid, namespace| {
            if pid == std::process::id() {
                found = namespace.ok();
            }
        });
        assert!(found.is_some());
        assert_eq!(found, own_namespace());
    }
}
