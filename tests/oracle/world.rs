//! The two worlds in which a real loader runs. Both have a network and mounts of their own, so that neither the
//! machine's files nor its sysctls are touched.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use conntrack_sysctl::kernel::catalog::{self, Kind as Unit};
use conntrack_sysctl::kernel::number::kernel_reading;
use conntrack_sysctl::sysctl_d::{Dialect, SYSTEMD, Write, assignments, writes};

use super::random::{LEGACY, Node, Root};
use crate::support::tree::tree;

/// What stands behind `/proc/sys/net`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Plain files, which keep any text: what was written last tells the order.
    Order,
    /// The kernel's own, which reads numbers.
    Kernel,
}

/// What stands in each key: a text in the order world, a number in the kernel world.
type Contents = BTreeMap<String, Vec<u8>>;

/// A world and the program that runs in it.
pub(crate) struct World {
    kind: Kind,
    dialect: &'static Dialect,
    /// What stands in each key before a loader runs.
    initial: Contents,
    /// The longest timeout, which depends on the kernel's clock.
    longest: i64,
}

const NETFILTER: &str = "/proc/sys/net/netfilter";
const GENERIC_TIMEOUT: &str = "net.netfilter.nf_conntrack_generic_timeout";
const LOW: &str = "net.netfilter.nf_conntrack_frag6_low_thresh";
const HIGH: &str = "net.netfilter.nf_conntrack_frag6_high_thresh";
const CREDENTIALS: [&str; 2] = ["/run/credentials/systemd-sysctl.service", "/run/credentials/@system"];

impl World {
    /// Sets up a world in the mounts and the network of this process, which are to be its own.
    pub(crate) fn enter(kind: Kind, dialect: &'static Dialect) -> World {
        for directory in ["/etc", "/run", "/usr/local/lib", "/usr/lib/sysctl.d"] {
            mount_tmpfs(directory);
        }
        let mut initial = Contents::new();
        for item in fs::read_dir(NETFILTER).expect("the kernel tracks connections") {
            let name = item.expect("a directory can be read").file_name().into_string().expect("keys are ASCII");
            let key = format!("net.netfilter.{name}");
            // A global number is read-only here, and others may change it meanwhile.
            if name.starts_with("nf_conntrack_") && (kind == Kind::Order || is_writable(&key)) {
                initial.insert(key.clone(), fs::read(file(&key)).expect("a key can be read").trim_ascii().to_vec());
            }
        }
        let mut world = World { kind, dialect, initial, longest: 0 };
        match kind {
            Kind::Order => {
                mount_tmpfs("/proc/sys/net");
                for directory in [NETFILTER, "/proc/sys/net/ipv4/netfilter"] {
                    fs::create_dir_all(directory).expect("a directory can be made");
                }
                symlink("netfilter/nf_conntrack_max", "/proc/sys/net/nf_conntrack_max").expect("a link can be made");
                world.initial.values_mut().for_each(|content| *content = b"not written\n".to_vec());
            }
            Kind::Kernel => {
                let clocks = [100, 250, 300, 1000].map(|ticks| i64::from(i32::MAX) / ticks);
                let taken = |seconds: &&i64| fs::write(file(GENERIC_TIMEOUT), seconds.to_string()).is_ok();
                world.longest = *clocks.iter().find(taken).expect("the kernel has one of the usual clocks");
            }
        }
        world
    }

    /// What the loader made of `root` and what it should have, if the two differ.
    pub(crate) fn difference(&self, root: &Root) -> Option<String> {
        self.reset();
        place(root);
        self.run();
        let tree = tree(Path::new("/"));
        let mut keys: BTreeSet<String> = self.initial.keys().cloned().collect();
        if self.kind == Kind::Order {
            keys.insert("net.nf_conntrack_max".to_owned());
        }
        if Path::new(LEGACY).exists() {
            keys.insert("net.ipv4.netfilter.ip_conntrack_max".to_owned());
        }
        let read = assignments(&tree, self.dialect, &self.dialect.files(&tree));
        let writes = writes(&read, self.dialect, &keys);
        let expected = match self.kind {
            Kind::Order => self.texts(&writes),
            Kind::Kernel => self.numbers(&writes),
        };
        let mut difference = String::new();
        for (key, expected) in &expected {
            let mut found = fs::read(file(key)).expect("a key can be read");
            if self.kind == Kind::Kernel {
                found = found.trim_ascii().to_vec();
            }
            if found != *expected {
                let (found, expected) = (found.escape_ascii().to_string(), expected.escape_ascii().to_string());
                difference += &format!("{key}\n  found    {found:.200}\n  expected {expected:.200}\n");
            }
        }
        remove(root);
        if difference.is_empty() {
            return None;
        }
        for write in writes {
            let text = write.text.escape_ascii().to_string();
            difference += &format!("  predicted: {} = {text:.200} ({})\n", write.key, write.place);
        }
        Some(difference)
    }

    fn reset(&self) {
        if self.kind == Kind::Kernel {
            // The low threshold must never be above the high one.
            fs::write(file(LOW), "0").expect("a key can be written");
        }
        for (key, content) in &self.initial {
            fs::write(file(key), content).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
    }

    fn run(&self) {
        let mut words = self.dialect.command.split(' ');
        let mut command = Command::new(words.next().expect("a command has a name"));
        command.args(words);
        // systemd-sysctl is in no PATH.
        command.env("PATH", format!("/usr/lib/systemd:{}", env::var("PATH").unwrap_or_default()));
        // The service manager passes on what the machine was given.
        let own = CREDENTIALS.iter().find(|directory| Path::new(directory).exists()).unwrap_or(&CREDENTIALS[0]);
        command.env("CREDENTIALS_DIRECTORY", own).env("SYSTEMD_LOG_TARGET", "console");
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the loader is installed");
        assert!(status.code().is_some(), "the loader crashed: {status}");
    }

    fn texts(&self, writes: &[Write]) -> Contents {
        let mut contents = self.initial.clone();
        for write in writes {
            let key = catalog::by_key(&write.key).expect("it is a key of conntrack").name.into_owned();
            let content = contents.get_mut(&key).expect("it is a key of this kernel");
            let line = [&write.text[..], b"\n"].concat();
            if *self.dialect == SYSTEMD {
                // systemd writes over the beginning of a file, which for a sysctl is all the same.
                content.splice(..line.len().min(content.len()), line);
            } else {
                *content = line;
            }
        }
        contents
    }

    fn numbers(&self, writes: &[Write]) -> Contents {
        let mut contents = self.initial.clone();
        for write in writes {
            let setting = catalog::by_key(&write.key).expect("it is a key of conntrack");
            let page = rustix::param::page_size() as u64;
            let Some(number) = kernel_reading(&write.text, &setting, page) else { continue };
            let now = |key: &str| -> i64 {
                std::str::from_utf8(&contents[key]).expect("it is ASCII").parse().expect("it is a number")
            };
            let taken = match write.key.as_str() {
                LOW => number <= now(HIGH),
                HIGH => number >= now(LOW),
                _ => setting.kind != Unit::Seconds || number.abs() <= self.longest,
            };
            if taken {
                contents.insert(write.key.clone(), number.to_string().into_bytes());
            }
        }
        contents
    }
}

fn file(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

fn is_writable(key: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file(key)).is_ok_and(|metadata| metadata.permissions().mode() & 0o200 != 0)
}

fn mount_tmpfs(directory: &str) {
    let status = Command::new("mount").args(["-t", "tmpfs", "none", directory]).status().expect("mount is installed");
    assert!(status.success(), "{directory}: {status}");
}

fn place(root: &Root) {
    for (path, node) in root {
        fs::create_dir_all(path.parent().expect("it is not /")).expect("a directory can be made");
        let done = match node {
            Node::File(bytes) => fs::write(path, bytes),
            Node::Link(target) => symlink(target, path),
            Node::Directory => fs::create_dir(path),
        };
        done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn remove(root: &Root) {
    for (path, node) in root {
        let done = match node {
            Node::Directory => fs::remove_dir(path),
            Node::File(_) | Node::Link(_) => fs::remove_file(path),
        };
        done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    for directory in CREDENTIALS {
        // It is there only where the root had one.
        let _ = fs::remove_dir(directory);
    }
}
