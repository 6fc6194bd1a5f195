//! Lists the files of boot loaders, and the kernel command lines in them.

use std::path::Path;

use crate::formats::boot_loader;
use crate::tree::{Entry, Place, Tree};

/// The files of boot loaders, and the directories of their entries.
pub(super) const FILES: [(&str, &str); 9] = [
    ("/boot/grub/grub.cfg", ""),
    ("/boot/grub2/grub.cfg", ""),
    ("/boot/grub2/grubenv", ""),
    ("/boot/loader/entries", ".conf"),
    ("/boot/efi/loader/entries", ".conf"),
    ("/efi/loader/entries", ".conf"),
    ("/boot/extlinux/extlinux.conf", ""),
    ("/boot/firmware/cmdline.txt", ""),
    ("/boot/cmdline.txt", ""),
];

/// The settings of kexec-tools, which may start a kernel in place of the boot loader.
pub(super) const OF_KEXEC: &str = "/etc/default/kexec";

/// The command lines in the files of boot loaders.
pub(super) fn command_lines(tree: &Tree) -> impl Iterator<Item = (Place, String)> {
    let of_kexec = tree.bytes(OF_KEXEC).and_then(boot_loader::of_kexec);
    let of_kexec = of_kexec.map(|(line, arguments)| (Place::new(OF_KEXEC, line), arguments));
    let of_loaders = files(tree).flat_map(|(file, entry)| {
        let text = String::from_utf8_lossy(entry.bytes().unwrap_or_default()).into_owned();
        let lines = boot_loader::command_lines(&text).into_iter();
        let placed = |(line, arguments): (usize, &str)| (Place::new(file, line), arguments.to_owned());
        lines.map(placed).collect::<Vec<_>>()
    });
    of_kexec.into_iter().chain(of_loaders)
}

/// The files of boot loaders in the tree.
pub(super) fn files(tree: &Tree) -> impl Iterator<Item = (&Path, &Entry)> {
    FILES.iter().flat_map(|(path, _)| {
        let path = Path::new(path);
        tree.get(path).map(|entry| (path, entry)).into_iter().chain(tree.in_directory(path))
    })
}
