//! The deployments of ostree: the staged one, as ostree notes it in /run, and the entries of the boot loader
//! (the Boot Loader Specification of systemd).

use std::path::PathBuf;

/// The number of letters of a checksum.
const CHECKSUM: usize = 64;

/// The deployment that a file `/run/ostree/staged-deployment` names, as a path below the root.
///
/// The file is a serialized `GVariant` of the type `a{sv}`. Its first entry, `target`, has the entries `name`, the checksum
/// and a number, and `osname` (`serialize_deployment_to_variant` in ostree's src/libostree/ostree-sysroot-deploy.c).
#[must_use]
pub fn staged(bytes: &[u8]) -> Option<PathBuf> {
    let words = || bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let name = words().filter_map(|word| std::str::from_utf8(word).ok()).find(|word| is_deployment(word))?;
    // The lengths of what comes before may stand directly before a key.
    let system = words().skip_while(|word| !word.ends_with(b"osname")).nth(1)?;
    let system = std::str::from_utf8(system).ok()?;
    let is_name = !system.is_empty() && !system.starts_with('.') && !system.contains('/');
    is_name.then(|| format!("/ostree/deploy/{system}/deploy/{name}").into())
}

/// Whether `name` is `CHECKSUM.NUMBER`.
fn is_deployment(name: &str) -> bool {
    name.split_once('.').is_some_and(|(checksum, number)| {
        checksum.len() == CHECKSUM
            && checksum.bytes().all(|byte| byte.is_ascii_hexdigit())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.is_empty()
    })
}

/// An entry of the boot loader that boots a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderEntry {
    /// Its rank: the entry with the highest one boots, unless somebody chooses another.
    pub version: u64,
    /// The deployment, as a path below the root. A link leads from there to the directory.
    pub deployment: PathBuf,
}

/// The entry that a file of `/boot/loader/entries` describes. None: it boots something else.
#[must_use]
pub fn loader_entry(bytes: &[u8]) -> Option<LoaderEntry> {
    let text = String::from_utf8_lossy(bytes);
    let of = |key: &str| {
        let mut values = text.lines().filter_map(|line| {
            let (name, value) = line.trim().split_once([' ', '\t'])?;
            (name == key).then(|| value.trim())
        });
        values.next()
    };
    let mut options = of("options")?.split_whitespace();
    let deployment = options.find_map(|option| option.strip_prefix("ostree=")).filter(|path| path.starts_with('/'))?;
    Some(LoaderEntry { version: of("version")?.parse().ok()?, deployment: deployment.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_staged_deployment_is_the_target() {
        // As GLib 2.84 writes it.
        let name = "ab".repeat(32);
        let other = "cd".repeat(32);
        let bytes = format!(
            "target\0\0name\0\0\0\0{name}.0\0\0s\x05\0\0osname\0\0fedora-coreos\0\0s\x07\0\0\0\0\0\0\0bootcsum\0\0\0\0\0\0\0\0\
             {other}\0\0s\tNi\0a{{sv}}\x07\0\0merge-deployment\0\0\0\0\0\0\0\0name\0\0\0\0{other}.1\0\0s\x05\0\0osname\0\0other\0\0s"
        );
        let path = format!("/ostree/deploy/fedora-coreos/deploy/{name}.0");
        assert_eq!(staged(bytes.as_bytes()), Some(path.into()));
        assert_eq!(staged(b""), None);
        assert_eq!(staged(format!("osname\0\0../x\0\0{name}.0\0").as_bytes()), None);
        assert_eq!(staged(format!("osname\0\0x\0\0{name}\0").as_bytes()), None);
    }

    #[test]
    fn an_entry_of_the_boot_loader_is_read() {
        let text = "title Fedora (ostree:0)\nversion 2\noptions root=UUID=1 rw ostree=/ostree/boot.1/f/abc/0 quiet\n";
        let entry = LoaderEntry { version: 2, deployment: "/ostree/boot.1/f/abc/0".into() };
        assert_eq!(loader_entry(text.as_bytes()), Some(entry));
        assert_eq!(loader_entry(b"title memtest\nversion 9\noptions quiet\n"), None);
        assert_eq!(loader_entry(b"title Fedora\noptions ostree=/x\n"), None);
    }
}
