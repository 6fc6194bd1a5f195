//! The mounts of a machine: `/proc/self/mountinfo` (proc(5)), and the mounts of a boot: fstab(5).

use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u32,
    /// The number of the mount that its mount point is on.
    pub parent: u32,
    /// The device of the file system, as two numbers.
    pub device: String,
    /// The directory or file of the file system that is mounted: `/` for all of it, another path for a bind mount.
    pub root: PathBuf,
    /// The mount point.
    pub point: PathBuf,
    /// The type of the file system.
    pub kind: String,
    /// The source of the mount: a device, or a word that a program chose.
    pub source: String,
    /// The options of the mount and of its file system.
    pub options: Vec<String>,
}

impl Mount {
    /// The value of the option `name`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// One line of fstab: a mount that a boot makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The mount point.
    pub point: PathBuf,
    /// The type of the file system.
    pub kind: String,
    /// The options.
    pub options: Vec<String>,
}

impl Planned {
    /// Whether the line has the option `name`, which has no value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }
}

/// The mounts of a mountinfo file whose points `picks` selects, in the order in which they were made. A line that is not
/// understood is left out.
#[must_use]
pub fn mountinfo(bytes: &[u8], picks: impl Fn(&Path) -> bool) -> Vec<Mount> {
    // A host of containers has thousands of mounts, of which a caller needs a few.
    let is_picked = |line: &&str| line.split(' ').nth(4).is_some_and(|point| picks(Path::new(point)));
    String::from_utf8_lossy(bytes).lines().filter(is_picked).filter_map(mountinfo_line).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn mountinfo_line(line: &str) -> Option<Mount> {
    let (before, behind) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (device, root, point, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let mut file_system = behind.split(' ');
    let (kind, source, more) = (file_system.next()?, file_system.next()?, file_system.next().unwrap_or_default());
    Some(Mount {
        id,
        parent,
        device: device.to_owned(),
        root: unescaped(root).into(),
        point: unescaped(point).into(),
        kind: kind.to_owned(),
        source: unescaped(source),
        options: options.split(',').chain(more.split(',')).filter(|word| !word.is_empty()).map(unescaped).collect(),
    })
}

/// The mounts of an fstab file, in order. Swap and lines without a mount point are left out.
#[must_use]
pub fn fstab(bytes: &[u8]) -> Vec<Planned> {
    String::from_utf8_lossy(bytes).lines().filter_map(fstab_line).collect()
}

fn fstab_line(line: &str) -> Option<Planned> {
    let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
    fields.next().filter(|source| !source.starts_with('#'))?;
    let (point, kind, options) = (unescaped(fields.next()?), fields.next()?, fields.next().unwrap_or("defaults"));
    let options = options.split(',').map(unescaped).collect();
    point.starts_with('/').then(|| Planned { point: point.into(), kind: kind.to_owned(), options })
}

/// The mount on which `path` lies: of those whose mount point begins the path the longest, of equal ones the last.
#[must_use]
pub fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.components().count())
}

/// `text` with its octal escapes (`\040` for a blank) resolved.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, following)) = rest.split_first() {
        let digits =
            following.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|d| matches!(d, b'0'..=b'7')));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = &following[3..];
        } else {
            bytes.push(*first);
            rest = following;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mountinfo_is_read() {
        let text = b"25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n\
            40 25 0:35 / /etc\\040x rw - overlay none rw,lowerdir=/etc,upperdir=/run/u,workdir=/run/w\n\
            41 25 254:1 /srv/f /etc/sysctl.d/9.conf rw - ext4 /dev/vda1 rw\nnonsense\n";
        let mounts = mountinfo(text, |_| true);
        assert_eq!(mounts.len(), 3);
        assert_eq!((mounts[1].id, mounts[1].parent, &*mounts[1].device), (40, 25, "0:35"));
        assert_eq!((&*mounts[1].point, mounts[1].option("upperdir")), (Path::new("/etc x"), Some("/run/u")));
        let of = |path: &str| mount_of(&mounts, Path::new(path)).map(|mount| mount.root.clone());
        assert_eq!(of("/etc/sysctl.d/9.conf"), Some("/srv/f".into()));
        assert_eq!(of("/etc/sysctl.d/8.conf"), Some("/".into()));
    }

    #[test]
    fn an_fstab_is_read() {
        let text = b"# comment\nUUID=1 / ext4 defaults 0 1\n/dev/b\t/srv\text4\nUUID=2 none swap sw 0 0\nbroken\n";
        let mounts = fstab(text);
        let points: Vec<&Path> = mounts.iter().map(|line| &*line.point).collect();
        assert_eq!(points, [Path::new("/"), Path::new("/srv")]);
        assert_eq!(mounts[0].options, ["defaults"]);
    }
}
