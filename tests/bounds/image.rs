//! An image of a machine, for the tests of the bounds and for their benchmark.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A directory that goes with the value.
pub(crate) struct Image(tempfile::TempDir);

impl Image {
    /// One that boots with systemd and loads the module early.
    pub(crate) fn new() -> Image {
        Image::with("usr/lib/systemd/systemd-sysctl")
    }

    /// One that boots with sysvinit, and so with the loader of procps.
    pub(crate) fn of_procps() -> Image {
        Image::with("etc/rcS.d/S09procps")
    }

    fn with(loader: &str) -> Image {
        let image = Image(tempfile::tempdir().expect("a directory can be made"));
        image.file(loader, "");
        image.file("etc/modules-load.d/early.conf", "nf_conntrack\n");
        image
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// A file of `size` bytes that takes no room on the disk.
    pub(crate) fn sparse(&self, path: &str, size: u64) {
        self.file(path, "");
        let file = File::options().write(true).open(self.path(path)).expect("it can be opened");
        file.set_len(size).expect("it can be made larger");
    }
}
