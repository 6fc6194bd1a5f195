//! Saves what a diagnosis needs of this machine into a directory, with a list of what could not be read.
//!
//! `diagnose --bundle` reads the directory, on another machine too. The files are text, so that people can look through
//! them before they hand them on.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::host::ethtool;
use crate::table::source::evidence::bundle;
use crate::table::source::log::kmsg;
use crate::table::source::proc::{self, drivers};
use crate::text::printable;

/// What was saved, and what could not be read.
#[derive(Clone, Debug)]
pub struct Collection {
    /// The directory.
    pub directory: PathBuf,
    /// The files.
    pub files: Vec<Saved>,
}

/// One file of the directory.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The path that it is a copy of, or the command.
    pub of: Cow<'static, str>,
    /// Its bytes, or the reason why it is missing.
    pub bytes: Result<u64, String>,
}

/// Writes the content of one file.
type Content = fn(&'static str, &mut dyn Write) -> io::Result<()>;

/// The files, each with what it is of.
const FILES: [(&str, &str, Content); 9] = [
    ("table.txt", "/proc/net/nf_conntrack", copy),
    ("sysctl.txt", "/proc/sys/net/netfilter", sysctls),
    ("stat.txt", "/proc/net/stat/nf_conntrack", copy),
    ("log.txt", kmsg::KMSG, log),
    ("netstat.txt", "/proc/net/netstat", copy),
    ("snmp.txt", "/proc/net/snmp", copy),
    ("softnet_stat.txt", "/proc/net/softnet_stat", copy),
    ("dev.txt", "/proc/net/dev", copy),
    ("version.txt", "/proc/version", copy),
];

/// The list of the files.
const MANIFEST: &str = "MANIFEST.txt";

/// Saves the table of this network namespace, its sysctls, counters and log into `directory`, which must be new or empty.
pub fn collect(directory: &Path) -> io::Result<Collection> {
    make(directory)?;
    let mut files = Vec::new();
    for (name, of, content) in FILES {
        let bytes = save(directory, name, |file| content(of, file)).map_err(|error| error.to_string());
        if bytes.is_err() {
            // A file that was begun would look as if there were nothing.
            let _ = fs::remove_file(directory.join(name));
        }
        files.push(Saved { name: name.into(), of: of.into(), bytes });
    }
    for interface in drivers::interfaces(Path::new("/")) {
        let (name, of) = (format!("{}{interface}", bundle::DRIVER), format!("ethtool -S {interface}"));
        let text = ethtool::statistics(&interface);
        let bytes = text.and_then(|text| save(directory, &name, |file| file.write_all(text.as_bytes())));
        files.push(Saved { name: name.into(), of: of.into(), bytes: bytes.map_err(|error| error.to_string()) });
    }
    let collection = Collection { directory: directory.to_owned(), files };
    save(directory, MANIFEST, |file| file.write_all(collection.manifest().as_bytes()))?;
    Ok(collection)
}

impl Collection {
    /// Whether the table itself was saved.
    #[must_use]
    pub fn has_table(&self) -> bool {
        self.files.iter().any(|file| file.name == "table.txt" && file.bytes.is_ok())
    }

    /// The list of the files, and of what could not be read.
    #[must_use]
    pub fn manifest(&self) -> String {
        let mut text = format!(
            "conntrack-sysctl {} saved this at {} of the network namespace that it ran in.\n\n",
            env!("CARGO_PKG_VERSION"),
            super::gather::now()
        );
        for Saved { name, of, bytes } in &self.files {
            text += &match bytes {
                Ok(bytes) => format!("{name:<18} {of}, {bytes} bytes\n"),
                Err(reason) => format!("{name:<18} {of}, NOT READABLE: {reason}\n"),
            };
        }
        if self.files.iter().any(|file| file.bytes.as_ref().is_err_and(|reason| reason.contains("os error 13"))) {
            text += "\nRun it as root to save what permission is denied for.\n";
        }
        let directory = self.directory.display().to_string();
        text += "\nThe addresses of all connections are in table.txt. To diagnose it, here or elsewhere:\n";
        text + &format!("conntrack-sysctl diagnose --bundle {}\n", printable(&directory))
    }
}

/// Makes the directory, which only its owner can read: the table says who talks to whom.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !fs::symlink_metadata(directory)?.is_dir() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is no directory; name a new one"));
            }
            if fs::read_dir(directory)?.next().is_some() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not empty; name a new directory"));
            }
            fs::set_permissions(directory, Permissions::from_mode(0o700))
        }
        made => made,
    }
}

/// Saves a new file, and returns its bytes.
fn save(directory: &Path, name: &str, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(name))?;
    let mut buffered = BufWriter::new(file);
    content(&mut buffered)?;
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn copy(path: &'static str, to: &mut dyn Write) -> io::Result<()> {
    // Old kernels have another name for the same.
    let old = path.replace("nf_conntrack", "ip_conntrack");
    let mut file = File::open(path).or_else(|error| File::open(old).map_err(|_| error))?;
    io::copy(&mut file, to).map(|_| ())
}

fn sysctls(_: &'static str, to: &mut dyn Write) -> io::Result<()> {
    let values = proc::conntrack_sysctls();
    if values.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "connection tracking is not loaded: it has no sysctl"));
    }
    for (key, value) in values {
        writeln!(to, "{key} = {value}")?;
    }
    Ok(())
}

/// The kernel's messages of full tables. The rest of its log is nobody's business.
fn log(_: &'static str, to: &mut dyn Write) -> io::Result<()> {
    let messages = kmsg::messages()?;
    writeln!(to, "{}", kmsg::head(messages.len()))?;
    for record in messages {
        writeln!(to, "{record}")?;
    }
    Ok(())
}
