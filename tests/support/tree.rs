//! Reads the files of a root into a [`Tree`], without the program's own code for that.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use conntrack_sysctl::sysctl_d::paths::{CREDENTIALS, SYSCTL_CONF, SYSCTL_D};
use conntrack_sysctl::tree::{Entry, Obstacle, Tree};

/// The files under `root` that a loader may read.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut tree = Tree::default();
    for directory in SYSCTL_D {
        // If /lib is a link to /usr/lib, its files have been read already.
        let is_link = root.join("lib").is_symlink() && directory.starts_with("/lib/");
        let Ok(items) = fs::read_dir(inside(root, Path::new(directory))) else { continue };
        for item in items.filter(|_| !is_link) {
            let path = Path::new(directory).join(item.expect("a directory can be read").file_name());
            let entry = entry(root, &path).expect("it is in the directory");
            tree.insert(path, entry);
        }
    }
    for file in CREDENTIALS.iter().chain([&SYSCTL_CONF]).map(Path::new) {
        if let Some(entry) = entry(root, file) {
            tree.insert(file, entry);
        }
    }
    tree
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").expect("it is absolute"))
}

fn entry(root: &Path, path: &Path) -> Option<Entry> {
    fs::symlink_metadata(inside(root, path)).ok()?;
    let end = end_of_links(root, path);
    if end == Path::new("/dev/null") {
        return Some(Entry::Null);
    }
    if inside(root, &end).is_symlink() {
        return Some(Entry::Endless);
    }
    let Ok(metadata) = fs::symlink_metadata(inside(root, &end)) else { return Some(Entry::Dangling) };
    if metadata.is_dir() {
        return Some(Entry::Directory);
    }
    if metadata.file_type().is_fifo() || !metadata.is_file() {
        return Some(Entry::Unreadable(Obstacle::NotRegular));
    }
    let bytes = fs::read(inside(root, &end)).expect("a file can be read");
    Some(if end == path { Entry::File(bytes) } else { Entry::Link { target: end, bytes } })
}

/// The path at the end of the links that begin at `path`. Links among the directories on the way are not followed.
fn end_of_links(root: &Path, path: &Path) -> PathBuf {
    let mut end = path.to_owned();
    for _ in 0..40 {
        let Ok(target) = fs::read_link(inside(root, &end)) else { break };
        let whole = end.parent().unwrap_or(Path::new("/")).join(target);
        end = PathBuf::from("/");
        for part in whole.components() {
            match part {
                Component::ParentDir => {
                    end.pop();
                }
                Component::Normal(name) => end.push(name),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
    end
}
