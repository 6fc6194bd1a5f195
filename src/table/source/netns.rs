//! Enters network namespaces.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Makes the network namespace of the process `pid` that of this thread, and so that of all it reads and asks. It must be the
/// main thread: /proc/self is about that one.
pub fn enter(pid: u32) -> io::Result<()> {
    enter_file(&Path::new("/proc").join(pid.to_string()).join("ns/net"))
}

fn enter_file(path: &Path) -> io::Result<()> {
    Ok(move_into_link_name_space(File::open(path)?.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// What `read` returns in the network namespace at `path`. A thread of its own enters it, so that this one stays.
pub fn within<T: Send>(path: &Path, read: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| enter_file(path).map(|()| read()));
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")))
    })
}
