//! The files of boot loaders, as far as they say which command line a kernel gets: GRUB's script, the entries of the Boot
//! Loader Specification, extlinux.conf(5), the file of the Raspberry Pi, and the settings of kexec-tools.

use super::shell;

/// The words that begin a line with a command line, each with the number of words before it.
const BEFORE: [(&str, usize); 7] =
    [("linux", 2), ("linux16", 2), ("linuxefi", 2), ("linuxxen", 2), ("module2", 2), ("options", 1), ("append", 1)];

/// The words of an entry that is there to repair a machine.
const REPAIRS: [&str; 6] =
    ["single", "recovery", "rescue", "emergency", "systemd.unit=rescue.target", "systemd.unit=emergency.target"];

/// The variable of GRUB in which some systems keep the command line of all entries.
const VARIABLE: &str = "kernelopts=";

/// The command lines in a file, each with its line, without those of entries that are there to repair a machine.
#[must_use]
pub fn command_lines(text: &str) -> Vec<(usize, &str)> {
    let lines = text.split('\n').enumerate().filter_map(|(index, line)| Some((index + 1, command_line(line.trim())?)));
    lines.filter(|(_, line)| !line.split_whitespace().any(|word| REPAIRS.contains(&word))).collect()
}

/// The command line of the kernel that kexec-tools starts at a reboot in place of the boot loader, by its settings
/// (/etc/default/kexec), with its line. Without `APPEND` it is that of the running kernel.
#[must_use]
pub fn of_kexec(bytes: &[u8]) -> Option<(usize, String)> {
    let variables = shell::variables(bytes).ok()?;
    let is_on = variables.get("LOAD_KEXEC").is_some_and(|value| value.text == "true");
    let arguments = variables.get("APPEND").filter(|value| is_on && !value.text.trim().is_empty())?;
    Some((arguments.line, arguments.text.clone()))
}

/// The command line of one line. A file with nothing else has it bare: then it begins with an argument.
fn command_line(line: &str) -> Option<&str> {
    if let Some(arguments) = line.strip_prefix(VARIABLE) {
        return Some(arguments);
    }
    let first = line.split_whitespace().next()?;
    let Some((_, before)) = BEFORE.iter().find(|(word, _)| word.eq_ignore_ascii_case(first)) else {
        return (first.contains('=') && line.contains("root=")).then_some(line);
    };
    let behind = |text: &'_ str| text.trim_start().split_once([' ', '\t']).map(|(_, rest)| rest.trim_start().len());
    let mut rest = line;
    for _ in 0..*before {
        rest = &rest[rest.len() - behind(rest)?..];
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_of_boot_loaders_are_found() {
        let grub = "set root=hd0\nmenuentry 'Debian' {\n\tlinux\t/boot/vmlinuz-6.12 root=UUID=1 ro  quiet\n\tinitrd /boot/i\n}\n\
            menuentry 'Debian (recovery mode)' {\n\tlinux /boot/vmlinuz-6.12 root=UUID=1 ro single\n}\n";
        assert_eq!(command_lines(grub), [(3, "root=UUID=1 ro  quiet")]);
        let entry = "title Debian\nlinux /vmlinuz\noptions root=UUID=1 quiet\n";
        assert_eq!(command_lines(entry), [(3, "root=UUID=1 quiet")]);
        assert_eq!(command_lines("LABEL a\n  APPEND root=/dev/sda1\n"), [(2, "root=/dev/sda1")]);
        assert_eq!(command_lines("console=serial0,115200 root=PARTUUID=1 quiet\n").len(), 1);
        assert_eq!(command_lines("# x\nkernelopts=root=UUID=1 quiet\n"), [(2, "root=UUID=1 quiet")]);
        let kexec = b"# Debian\nLOAD_KEXEC=true\nKERNEL_IMAGE=\"/vmlinuz\"\nAPPEND=\"root=/dev/sda1 quiet\"\n";
        assert_eq!(of_kexec(kexec), Some((4, "root=/dev/sda1 quiet".to_owned())));
        assert_eq!(of_kexec(b"LOAD_KEXEC=false\nAPPEND=\"root=/dev/sda1\"\n"), None);
        assert_eq!(of_kexec(b"LOAD_KEXEC=true\nAPPEND=\"\"\n"), None);
        assert_eq!(command_lines("linux\nlinux /vmlinuz\noptions\n\n"), []);
    }
}
