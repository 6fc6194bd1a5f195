//! Gives a new file the attributes of the one that it replaces.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{IFlags, Mode, fchmod, fchown};
use rustix::io::Errno;

/// Gives `new` the owner, mode and extended attributes of `old`: POSIX ACLs and the SELinux label are among these.
pub(super) fn take_over(old: &File, new: &File) -> io::Result<()> {
    let metadata = old.metadata()?;
    let owner = rustix::fs::Uid::from_raw(metadata.uid());
    let group = rustix::fs::Gid::from_raw(metadata.gid());
    fchown(new, Some(owner), Some(group))?;
    // After the owner: a change of owner clears the set-user-ID bit.
    fchmod(new, Mode::from_raw_mode(metadata.mode() & 0o7777))?;
    copy_xattrs(old, new)?;
    carry_flags(old, new)
}

/// The flags of chattr(1) that belong to a file and not to its file system, each with its letter.
const FLAGS: [(u32, char); 16] = [
    (0x1, 's'),
    (0x2, 'u'),
    (0x4, 'c'),
    (0x8, 'S'),
    (0x10, 'i'),
    (0x20, 'a'),
    (0x40, 'd'),
    (0x80, 'A'),
    (0x400, 'm'),
    (0x4000, 'j'),
    (0x8000, 't'),
    (0x0010_0000, 'V'),
    (0x0080_0000, 'C'),
    (0x0200_0000, 'x'),
    (0x2000_0000, 'P'),
    (0x4000_0000, 'F'),
];

/// Gives `new` the flags of `old`, or fails and names those that it cannot have.
fn carry_flags(old: &File, new: &File) -> io::Result<()> {
    let flags = |file: &File| match rustix::fs::ioctl_getflags(file) {
        Ok(flags) => Ok(Some(flags.bits())),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    };
    let own = FLAGS.iter().fold(0, |all, (flag, _)| all | flag);
    let (Some(old), Some(present)) = (flags(old)?, flags(new)?) else { return Ok(()) };
    if old & own == present & own {
        return Ok(());
    }
    // With these two no name of the file can be changed, and those of a new file could not be changed back.
    if let Some((_, letter)) = FLAGS.iter().find(|(flag, letter)| matches!(letter, 'i' | 'a') && old & flag != 0) {
        let message = format!("it has the flag `{letter}` of chattr");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let wanted = IFlags::from_bits_retain((present & !own) | (old & own));
    // The kernel may refuse the flags, or take some of them only: what counts is what is there then.
    let set = rustix::fs::ioctl_setflags(new, wanted);
    let present = flags(new)?.unwrap_or_default();
    let missing: String =
        FLAGS.iter().filter(|(flag, _)| (old ^ present) & flag != 0).map(|(_, letter)| *letter).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = set.err().map_or_else(String::new, |error| format!(" ({error})"));
    let message = format!("a new file cannot have the same flags of chattr: `{missing}` would differ{why}");
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

fn copy_xattrs(old: &File, new: &File) -> io::Result<()> {
    // The kernel's own bound on the list and on each value is 64 KiB (XATTR_LIST_MAX, XATTR_SIZE_MAX).
    let mut names = vec![0_u8; 1 << 16];
    let length = match rustix::fs::flistxattr(old, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0_u8; 1 << 16];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(name);
        let length = rustix::fs::fgetxattr(old, name, &mut value[..])?;
        let value = &value[..length];
        match rustix::fs::fsetxattr(new, name, value, rustix::fs::XattrFlags::empty()) {
            Ok(()) => {}
            // A security module may refuse that its label is set, and may have set the same label already.
            Err(error) => {
                let mut present = vec![0_u8; value.len()];
                let same = rustix::fs::fgetxattr(new, name, &mut present[..]).is_ok_and(|n| present[..n] == *value);
                if !same {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}
