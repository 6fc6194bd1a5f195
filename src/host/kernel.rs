//! Reads and writes the running kernel's sysctls, and loads its module: a narrow trait, the real kernel, and a fake.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sysctl::{Ctl, CtlValue, Sysctl};

use crate::kernel::catalog::Key;
use crate::kernel::modules::HASHSIZE;
use crate::plan::Target;

/// The running kernel, as far as a plan changes it.
pub trait Kernel {
    /// The text of `target`, without the line end.
    fn read(&self, target: &Target) -> io::Result<String>;
    /// Writes `text` to `target`.
    fn write(&mut self, target: &Target, text: &str) -> io::Result<()>;
    /// Loads `nf_conntrack`.
    fn load_module(&mut self) -> io::Result<()>;
    /// Unloads `nf_conntrack`.
    fn unload_module(&mut self) -> io::Result<()>;
}

/// The kernel of this machine, through `/proc/sys`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineKernel;

impl Kernel for MachineKernel {
    fn read(&self, target: &Target) -> io::Result<String> {
        match target {
            Target::Sysctl(key) => read_sysctl(key),
            Target::Hashsize => Ok(std::fs::read_to_string(HASHSIZE)?.trim_end().to_owned()),
        }
    }

    fn write(&mut self, target: &Target, text: &str) -> io::Result<()> {
        match target {
            Target::Sysctl(key) => {
                let ctl = Ctl::new(key.as_str()).map_err(|error| cause(key, error))?;
                // With a line end, as every other program writes it.
                ctl.set_value(CtlValue::String(format!("{text}\n"))).map(drop).map_err(|error| cause(key, error))
            }
            Target::Hashsize => std::fs::write(HASHSIZE, text),
        }
    }

    fn load_module(&mut self) -> io::Result<()> {
        modprobe(&["nf_conntrack"])
    }

    fn unload_module(&mut self) -> io::Result<()> {
        modprobe(&["-r", "nf_conntrack"])
    }
}

/// The text of the sysctl `key` (dotted).
pub(super) fn read_sysctl(key: &Key) -> io::Result<String> {
    let ctl = Ctl::new(key.as_str()).map_err(|error| cause(key, error))?;
    let text = ctl.value_string().map_err(|error| cause(key, error))?;
    Ok(text.trim_end().to_owned())
}

/// The operating system's reason for an error of the crate, which says `NotFound` for every file that it cannot open.
fn cause(key: &Key, error: sysctl::SysctlError) -> io::Error {
    match error {
        sysctl::SysctlError::IoError(error) => error,
        sysctl::SysctlError::NotFound(_) => {
            let path = PathBuf::from("/proc/sys").join(key.path());
            std::fs::metadata(path).err().unwrap_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))
        }
        error => io::Error::other(error),
    }
}

fn modprobe(arguments: &[&str]) -> io::Result<()> {
    // Ansible and cron may give a PATH without the directories of root's programs.
    let programs = ["/usr/sbin/modprobe", "/sbin/modprobe"];
    let program = programs.into_iter().find(|program| std::path::Path::new(program).exists());
    let Some(program) = program else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no modprobe (package kmod)"));
    };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("modprobe {}: {}", arguments.join(" "), message.trim())))
}
