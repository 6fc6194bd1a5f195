//! Defines the doubts about a boot: the reasons why its outcome for some settings, or for all, cannot be known.
//!
//! A new reason is a value of [`Reason`], its words in `verify/doubts.rs`, and a file in `boot/uncertain` that finds
//! the doubts. All else follows: the verdict `unknown`, the warning, the refusal if the request asks for it, the
//! report's schema. A reason needs an example in `tests/troubleshooting/examples`, and a paragraph in
//! docs/troubleshooting.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kernel::catalog::Name;
use crate::tree::{Obstacle, Place};

/// The reasons why a boot cannot be known. The names are stable: playbooks and alerts may match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The boot reads a file that cannot be read here.
    UnreadableFile,
    /// The boot reads a file that is too large to be read here.
    FileTooLarge,
    /// The boot reads a file that is a FIFO, a socket or a device: a program that opens it may wait for ever.
    NotRegularFile,
    /// A shell runs a file that is more than plain assignments, so only the shell knows its effect.
    ShellScript,
    /// A file of the administrator changes the unit that runs the loader, or the one that loads modules.
    UnitChanged,
    /// Nothing that is known here starts the unit that runs the loader, or the one that loads modules.
    NotStarted,
    /// The loader gets a credential that only the machine can decrypt.
    EncryptedCredential,
    /// There is no init system, so nothing reads the files.
    NoInit,
    /// This is a container in the machine's own network, and the machine does not read the files of the container.
    MachineNetwork,
    /// This is a container whose first program reads no sysctl files.
    ContainerWithoutInit,
    /// This is a container that may not write its sysctls, so its loader does not run.
    SysctlsReadOnly,
    /// This is a container, and only the machine can load the module before it starts.
    ModuleOfMachine,
    /// The machine boots with an init system that this program does not know.
    UnknownInit,
    /// The version of the loader is not known, and its versions read a line differently.
    UnknownVersion,
    /// The kernel may refuse the value of a line, and the loader reads the file no further then.
    FileMayEnd,
    /// A command runs in place of loading the module, and its effect cannot be known here.
    InstallCommand,
    /// A udev rule runs as the module is loaded, and its effect cannot be known here.
    UdevRule,
    /// Only the initrd may load the module, if there is systemd in it.
    InitrdLoadsModule,
    /// The initrd is older than a file of which it holds a copy, and nothing undoes what only the copy says.
    StaleInitrd,
    /// A kernel that can boot next does not have the module.
    NoModule,
    /// No kernel is here that shows whether a module brings connection tracking.
    UnknownKernel,
    /// A line outside sysctl.d is carried out before the loader or after it, and its value is another one.
    UnorderedLine,
    /// Nothing orders the program that loads the modules and the loader.
    UnorderedModule,
    /// One of the kernels that can boot next may not have the setting, or may refuse the value.
    AnotherKernel,
    /// A kernel with a fast clock refuses the timeout, and the clock of the kernel that boots next is not known.
    UnknownClock,
    /// The kernel rounds the number of buckets up to whole pages, and the size of its pages is not known.
    UnknownPages,
    /// A program that writes after the loader may give the setting another value.
    WrittenLater,
    /// A script, a unit or a job that the boot runs may write the setting.
    BootScript,
    /// A file is on a file system that the boot may mount after the file is read.
    MountedLater,
    /// Something is mounted over a file or directory, and the boot may read what lies below.
    MountedOver,
    /// Changes to files are kept in memory, so that the next boot does not have them.
    InMemory,
    /// The next boot may use another root, such as a deployment of ostree, in which a setting has another value.
    OtherRoot,
    /// The next boot may use another root, whose files cannot be read here.
    OtherRootUnknown,
    /// The boot loader has another kernel command line ready, which gives a setting another value.
    CommandLine,
    /// kexec has a kernel ready, whose command line may lack the words that decide now.
    KexecLoaded,
    /// An extension of systemd is merged into the files, and the boot reads them before that.
    ExtensionMerged,
}

impl Reason {
    /// Whether nothing would write what the files say, so that a boot played through tells nothing of a value.
    #[must_use]
    pub fn leaves_files_unread(self) -> bool {
        matches!(self, Reason::MachineNetwork | Reason::ContainerWithoutInit | Reason::SysctlsReadOnly)
    }
}

/// One reason why the boot of some settings cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The reason.
    pub reason: Reason,
    /// The file that is the cause, if there is one.
    pub file: Option<PathBuf>,
    /// The line of that file, if it is one line.
    pub line: Option<usize>,
    /// A detail for the words of the reason: the operating system's message, or the name of a program.
    pub detail: Option<String>,
    /// The remedy, if the reason alone does not tell it.
    pub remedy: Option<String>,
    /// The settings that the doubt is about.
    pub about: About,
    /// The value that a setting may have in place of the one that the boot was played through with, if that is known.
    pub value: Option<i64>,
}

/// The settings that a doubt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// All settings.
    Everything,
    /// These settings.
    Only(BTreeSet<Name>),
    /// All settings but these.
    AllBut(BTreeSet<Name>),
}

impl Doubt {
    /// A doubt about every setting, without a file.
    #[must_use]
    pub fn new(reason: Reason) -> Doubt {
        Doubt { reason, file: None, line: None, detail: None, remedy: None, about: About::Everything, value: None }
    }

    /// A doubt about every setting, because of the file at `path`.
    #[must_use]
    pub fn of_file(reason: Reason, path: &Path) -> Doubt {
        Doubt { file: Some(path.to_owned()), ..Doubt::new(reason) }
    }

    /// A doubt about every setting, because of the line at `place`.
    #[must_use]
    pub fn of_line(reason: Reason, place: &Place) -> Doubt {
        Doubt { line: Some(place.line), ..Doubt::of_file(reason, &place.file) }
    }

    /// A doubt about every setting, because of the file at `path`, which cannot be read here.
    #[must_use]
    pub fn of_obstacle(obstacle: &Obstacle, path: &Path) -> Doubt {
        match obstacle {
            Obstacle::NotRegular => Doubt::of_file(Reason::NotRegularFile, path),
            Obstacle::TooLarge => Doubt::of_file(Reason::FileTooLarge, path),
            Obstacle::MountedOver => Doubt::of_file(Reason::MountedOver, path),
            Obstacle::Refused(message) => Doubt::of_file(Reason::UnreadableFile, path).detail(message),
        }
    }

    /// Adds the detail for the words of the reason.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Doubt {
        self.detail = Some(detail.into());
        self
    }

    /// Narrows the doubt to some settings.
    #[must_use]
    pub fn about(mut self, about: About) -> Doubt {
        self.about = about;
        self
    }

    /// Whether the doubt is about the setting `name`.
    #[must_use]
    pub fn concerns(&self, name: &Name) -> bool {
        match &self.about {
            About::Everything => true,
            About::Only(names) => names.contains(name),
            About::AllBut(names) => !names.contains(name),
        }
    }
}
