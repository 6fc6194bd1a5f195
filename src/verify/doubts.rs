//! Puts the doubts about a boot into words: a sentence for each reason, and the one thing to do about it.

use std::fmt;

use crate::boot::{Doubt, Reason};

/// The sentence says why the boot cannot be known.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = place(self);
        let detail = self.detail.as_deref();
        match self.reason {
            Reason::UnreadableFile => {
                let why = detail.map(|why| format!(" ({why})")).unwrap_or_default();
                write!(f, "the boot reads {place}, which cannot be read here{why}")
            }
            Reason::FileTooLarge => write!(f, "the boot reads {place}, which is too large to be read here"),
            Reason::NotRegularFile => {
                write!(f, "the boot reads {place}, which is not a regular file: the loader may wait for ever")
            }
            Reason::ShellScript => {
                let by = detail.unwrap_or("a program");
                write!(f, "{by} runs {place} in a shell, and it is more than a plain assignment")
            }
            Reason::UnitChanged => {
                let name = detail.unwrap_or("a name");
                write!(f, "{place} may change a unit that the boot runs: `{name}`")
            }
            Reason::NotStarted => f.write_str(&not_started(&place, detail)),
            Reason::EncryptedCredential => {
                write!(f, "the loader reads {place} last, and only the machine can decrypt it")
            }
            Reason::NoInit => f.write_str("there is no init system here, so nothing reads the files at boot"),
            Reason::UnknownVersion => {
                let loader = detail.unwrap_or("the loader");
                write!(f, "versions of `{loader}` treat {place} differently, and the version here is not known")
            }
            Reason::MachineNetwork
            | Reason::ContainerWithoutInit
            | Reason::SysctlsReadOnly
            | Reason::ModuleOfMachine => {
                write!(f, "this is {}{}", detail.unwrap_or("a container"), of_container(self.reason))
            }
            Reason::FileMayEnd => write!(
                f,
                "the kernel may refuse the value on {place}, and busybox `sysctl` then stops reading the file"
            ),
            Reason::InstallCommand => {
                write!(f, "the command on {place} runs instead of loading the module, and its effect is not known")
            }
            Reason::UdevRule => {
                write!(f, "the udev rule {place} takes effect when the module is loaded, and this effect is not known")
            }
            Reason::InitrdLoadsModule if self.line.is_none() => {
                write!(f, "{place} makes the initrd load the module, so the module may be there before the loader")
            }
            Reason::InitrdLoadsModule => {
                write!(f, "{place} makes only the initrd load the module, and only an initrd with systemd does that")
            }
            Reason::StaleInitrd => {
                let changed = detail.unwrap_or("a file");
                write!(
                    f,
                    "{place} was made before `{changed}` changed: a line that is only in its old copies still takes effect"
                )
            }
            Reason::UnorderedLine => {
                let by = detail.unwrap_or("a program");
                write!(f, "{by} carries out {place} at boot, before the loader or after it")
            }
            Reason::UnorderedModule => {
                let loader = detail.unwrap_or("the loader");
                write!(
                    f,
                    "no order is defined between {place}, which names the module, and `{loader}`: the module may be loaded \
                     too late"
                )
            }
            Reason::WrittenLater => {
                let by = detail.unwrap_or("a program");
                let value = self.value.map(|value| format!(", to {value}")).unwrap_or_default();
                write!(f, "{by} may write the setting after the loader{value}: see {place}")
            }
            Reason::BootScript => {
                write!(f, "{} runs {place}, which may write the setting", detail.unwrap_or("the boot"))
            }
            Reason::MountedLater => {
                let point = detail.unwrap_or("a file system");
                write!(f, "the boot may read {place} before its file system `{point}` is mounted")
            }
            Reason::MountedOver => {
                write!(
                    f,
                    "something is mounted over {place}, now or at boot, and the boot may read the files below the mount"
                )
            }
            Reason::NoModule
            | Reason::UnknownKernel
            | Reason::AnotherKernel
            | Reason::UnknownClock
            | Reason::UnknownPages => f.write_str(&of_kernel(self, &place)),
            Reason::UnknownInit => f.write_str(&unknown_init(self, &place)),
            _ => f.write_str(&only_now(self.reason, &place)),
        }
    }
}

/// The sentence about a kernel that can boot next. Its name may be known.
fn of_kernel(doubt: &Doubt, place: &str) -> String {
    let detail = doubt.detail.as_deref();
    let kernel = |otherwise: &str| detail.map_or(otherwise.to_owned(), |name| format!("the kernel {name}"));
    match doubt.reason {
        Reason::NoModule => {
            let why = if detail.is_some() { "is gone" } else { "does not list it" };
            format!("a kernel that may boot next has no module nf_conntrack: {place} {why}")
        }
        Reason::UnknownKernel => {
            let module = detail.unwrap_or("a module");
            format!("{place} names `{module}`, and no kernel here shows whether that module loads nf_conntrack")
        }
        Reason::UnknownClock => format!(
            "{} may refuse the timeout on {place}: that depends on CONFIG_HZ, and no file here has its configuration",
            kernel("the kernel that boots next")
        ),
        Reason::UnknownPages => format!(
            "{} rounds the buckets of {place} up to whole pages of memory, and no file here has their size",
            kernel("the kernel that boots next")
        ),
        _ => {
            format!("{} can boot next, and it may not have the setting, or refuse the value", kernel("a kernel"))
        }
    }
}

/// The sentence about an init system that no row knows. The kernel command line may name its program.
fn unknown_init(doubt: &Doubt, place: &str) -> String {
    let verb = if doubt.line.is_some() { "names" } else { "is" };
    let program = doubt.detail.as_deref().map(|program| format!(" {verb} `{program}`")).unwrap_or_default();
    format!("the init system is unknown: {place}{program}")
}

/// The sentence about a unit that the boot does not start, or may not start because it starts the target `target`.
fn not_started(place: &str, target: Option<&str>) -> String {
    match target {
        Some(target) => {
            format!("{place} has the boot start `{target}`, which need not start the units that read the files")
        }
        None => format!("the boot does not start a unit that it needs: {place} is missing or masked"),
    }
}

/// The sentence for something that is there only now.
fn only_now(reason: Reason, place: &str) -> String {
    match reason {
        Reason::InMemory => {
            format!("changes to files below {place} are kept in memory, and the next boot does not have them")
        }
        Reason::CommandLine => {
            format!("the boot loader has another kernel command line on {place}, which changes the setting")
        }
        Reason::KexecLoaded => {
            format!(
                "kexec has the next kernel ready, and its command line may lack the words of {place} that decide now"
            )
        }
        Reason::ExtensionMerged => {
            format!(
                "{place} shows an extension that is merged now, and the boot reads the files before it merges the extension"
            )
        }
        Reason::OtherRoot => {
            format!("the next boot may use the files in {place}, and they change the setting")
        }
        _ => format!("the next boot may use another root, whose files cannot be read here: see {place}"),
    }
}

/// What follows the name of a container in the sentence for `reason`.
fn of_container(reason: Reason) -> &'static str {
    match reason {
        Reason::MachineNetwork => " in the network of the machine, which does not read the files in here",
        Reason::ContainerWithoutInit => ", and nothing in it reads the files at its next start",
        Reason::SysctlsReadOnly => " with /proc/sys/net read-only, so nothing in it can write the values",
        _ => ", and its values are lost unless the machine loads nf_conntrack before it starts",
    }
}

/// The remedy for a doubt, as the last part of a sentence.
#[must_use]
pub fn doubt_remedy(doubt: &Doubt) -> &str {
    match doubt.reason {
        Reason::WrittenLater => doubt.remedy.as_deref().unwrap_or("give it the same value"),
        Reason::NotStarted => doubt.remedy.as_deref().unwrap_or("have sysinit.target start it"),
        Reason::StaleInitrd => doubt.remedy.as_deref().unwrap_or("make the initrd anew"),
        Reason::UnreadableFile => "run as root, and look at that file",
        Reason::FileTooLarge => "divide it into files of at most 8 MiB, or remove the lines that assign nothing",
        Reason::NotRegularFile => "put a regular file in its place, or remove it",
        Reason::ShellScript => "write plain assignments there: NAME=VALUE",
        Reason::UnitChanged => "remove that line, and write the settings in files of sysctl.d and modules-load.d",
        Reason::EncryptedCredential => "write its lines in a file of sysctl.d, and remove it",
        Reason::NoInit => "name in `loader` how the machine will boot, or set `persist` to false",
        Reason::UnknownVersion => {
            doubt.remedy.as_deref().unwrap_or("name the key itself in a line of its own, without a pattern")
        }
        Reason::MachineNetwork => {
            "mount the machine's root and name it in `--root` with `live` true, or set `persist` to false"
        }
        Reason::ContainerWithoutInit => {
            "set it where the container is made (`podman run --sysctl KEY=VALUE`), and set `persist` to false"
        }
        Reason::SysctlsReadOnly => "set it where the container is made, or let the container write /proc/sys/net",
        Reason::ModuleOfMachine => "name nf_conntrack in /etc/modules-load.d of the machine, which cannot be seen here",
        Reason::FileMayEnd => "put the lines of connection tracking into a file of their own",
        Reason::UnknownKernel => "name nf_conntrack itself in that list",
        Reason::InitrdLoadsModule if doubt.remedy.is_some() => doubt.remedy.as_deref().unwrap_or_default(),
        Reason::InstallCommand => {
            "remove that line, or make it run only `/sbin/modprobe --ignore-install nf_conntrack`"
        }
        Reason::UdevRule => "remove that rule, or make it run only systemd-sysctl",
        Reason::InitrdLoadsModule => "name nf_conntrack in /etc/modules-load.d/nf_conntrack.conf",
        Reason::NoModule => "install all modules of that kernel and run depmod, or remove that kernel",
        Reason::UnorderedLine => "remove that line, or give it the same value as the files of sysctl.d",
        Reason::UnorderedModule => doubt.remedy.as_deref().unwrap_or("boot a kernel that has nf_conntrack built in"),
        Reason::AnotherKernel => "remove that kernel, or leave the setting out of the request",
        Reason::UnknownClock => "set at most 2147483 seconds, which every kernel takes",
        Reason::UnknownPages => "set a multiple of 8192 buckets, which every kernel takes unchanged",
        Reason::BootScript => "remove that line, or replace it by `sysctl -w KEY=VALUE` with the same value",
        Reason::MountedLater => {
            "replace the link by a copy of the file, or mount that file system in the initrd (`x-initrd.mount` in \
             /etc/fstab)"
        }
        Reason::MountedOver => "remove that mount, and write the settings in the files below it",
        Reason::InMemory => "write the files where the next boot takes them from: in the image or its lower layer",
        Reason::ExtensionMerged => {
            "write the settings in files of the system itself, and check while no extension is merged"
        }
        Reason::OtherRoot => "reboot into it, and apply again",
        Reason::OtherRootUnknown => "reboot, and check again",
        Reason::CommandLine => "write these words in files, and make all command lines equal",
        Reason::KexecLoaded => "write these words in files, or run `kexec --unload`",
        Reason::UnknownInit => "if it runs a loader that this program knows, name that in `loader`",
    }
}

fn place(doubt: &Doubt) -> String {
    match (&doubt.file, doubt.line) {
        (Some(file), Some(line)) => format!("`{}:{line}`", file.display()),
        (Some(file), None) => format!("`{}`", file.display()),
        (None, _) => "a file".to_owned(),
    }
}
