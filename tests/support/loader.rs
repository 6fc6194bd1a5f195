//! The real loaders: `systemd-sysctl` and `sysctl --system`, each in a world of its own and before keys of two kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tree::tree;
use conntrack_sysctl::kernel::catalog::{Key, ValueKind};
use conntrack_sysctl::kernel::number::kernel_reading;
use conntrack_sysctl::sysctl_d::{
    BUSYBOX, Dialect, OnRefusal, PROCPS_3, SYSTEMD, SYSTEMD_262, Write, assignments, writes,
};

/// The content at a path.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Vec<u8>),
    Link(String),
    Directory,
}

/// The files of a machine, by absolute path.
pub(crate) type Root = BTreeMap<PathBuf, Node>;

/// A legacy key that some roots give the kernel where the keys are files.
pub(crate) const LEGACY: &str = "/proc/sys/net/ipv4/netfilter/ip_conntrack_max";

/// The content below `/proc/sys/net`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Plain files, which keep any text: what was written last tells the order.
    Files,
    /// The kernel's own, which read numbers. Of these, those that a network namespace has for itself.
    Kernel,
}

/// The content of each key: a text in a file, a number in the kernel.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

/// A loader, and the keys before it.
pub(crate) struct Loader {
    keys: Keys,
    dialect: &'static Dialect,
    /// The program and its arguments; of another release, its dynamic linker with its own libraries runs it.
    program: Vec<String>,
    /// The content of each key before a loader runs.
    initial: Contents,
    /// The longest timeout, which depends on the kernel's clock.
    longest: i64,
}

const NETFILTER: &str = "/proc/sys/net/netfilter";
const GENERIC_TIMEOUT: &str = "net.netfilter.nf_conntrack_generic_timeout";
const LOW: &str = "net.netfilter.nf_conntrack_frag6_low_thresh";
const HIGH: &str = "net.netfilter.nf_conntrack_frag6_high_thresh";
const CREDENTIALS: [&str; 2] = ["/run/credentials/systemd-sysctl.service", "/run/credentials/@system"];

impl Loader {
    /// The loader that reads files in `dialect`, before `keys` that it sets up in the world in which this process runs.
    pub(crate) fn before(keys: Keys, dialect: &'static Dialect) -> Loader {
        let mut initial = Contents::new();
        for item in fs::read_dir(NETFILTER).expect("the kernel tracks connections") {
            let name = item.expect("a directory can be read").file_name().into_string().expect("keys are ASCII");
            let key = format!("net.netfilter.{name}");
            // A global number is read-only here, and others may change it meanwhile.
            if name.starts_with("nf_conntrack_") && (keys == Keys::Files || is_writable(&key)) {
                initial.insert(key.clone(), fs::read(file(&key)).expect("a key can be read").trim_ascii().to_vec());
            }
        }
        let program = dialect.command.split(' ').map(str::to_owned).collect();
        let mut loader = Loader { keys, dialect, program, initial, longest: 0 };
        match keys {
            Keys::Files => {
                mount_tmpfs(KEYS);
                for directory in [NETFILTER, "/proc/sys/net/ipv4/netfilter"] {
                    fs::create_dir_all(directory).expect("a directory can be made");
                }
                symlink("netfilter/nf_conntrack_max", "/proc/sys/net/nf_conntrack_max").expect("a link can be made");
                loader.initial.values_mut().for_each(|content| *content = b"not written\n".to_vec());
            }
            Keys::Kernel => {
                let clocks = [100, 250, 300, 1000].map(|ticks| i64::from(i32::MAX) / ticks);
                let taken = |seconds: &&i64| fs::write(file(GENERIC_TIMEOUT), seconds.to_string()).is_ok();
                loader.longest = *clocks.iter().find(taken).expect("the kernel has one of the usual clocks");
            }
        }
        loader
    }

    /// The same, where `arguments` name the program below `release`, the files of another release, and what it is called with.
    pub(crate) fn of_release(mut self, release: &Path, arguments: &[&str]) -> Loader {
        let libraries =
            ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd", "lib/systemd"];
        let libraries = libraries.map(|directory| release.join(directory).display().to_string()).join(":");
        let find = |names: &[&str]| {
            let mut paths = names.iter().map(|name| release.join(name));
            paths.find(|path| path.is_file()).unwrap_or_else(|| panic!("{}: {names:?}", release.display()))
        };
        let linker =
            find(&["usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/ld-2.31.so"]);
        let program = find(&[&format!("usr/{}", arguments[0]), arguments[0]]);
        let own = [linker.display().to_string(), "--library-path".to_owned(), libraries, program.display().to_string()];
        self.program = own.into_iter().chain(arguments[1..].iter().map(|word| (*word).to_owned())).collect();
        self
    }

    /// The loader's outcome for `root` and the expected one, if the two differ.
    pub(crate) fn difference(&self, root: &Root) -> Option<String> {
        let mut writes = Vec::new();
        let found = self.run_on(root, || writes = self.predicted());
        let mut difference = String::new();
        for (key, expected) in self.after(&writes) {
            if found[&key] != expected && !self.is_refused(&found[&key]) {
                let (found, expected) = (found[&key].escape_ascii().to_string(), expected.escape_ascii().to_string());
                difference += &format!("{key}\n  found    {found:.200}\n  expected {expected:.200}\n");
            }
        }
        if difference.is_empty() {
            return None;
        }
        for write in writes {
            let text = write.text.escape_ascii().to_string();
            difference += &format!("  predicted: {} = {text:.200} ({})\n", write.key, write.place);
        }
        Some(difference)
    }

    /// Whether a sysctl refuses a text that a file keeps, and that is no value of a line: busybox opens the file before it sees
    /// that the value is empty, and procps 3 writes `=` and what stood behind it in its memory for a line without `=`.
    fn is_refused(&self, content: &[u8]) -> bool {
        self.keys == Keys::Files
            && (*self.dialect == BUSYBOX && content.is_empty()
                || *self.dialect == PROCPS_3 && content.starts_with(b"="))
    }

    /// The values of the keys after the loader has run on the files of `root`, which are there for `meanwhile` too.
    pub(crate) fn run_on(&self, root: &Root, meanwhile: impl FnOnce()) -> Contents {
        self.reset();
        place(root);
        self.seal();
        self.run();
        meanwhile();
        let read = |key: &String| {
            let content = fs::read(file(key)).expect("a key can be read");
            (key.clone(), if self.keys == Keys::Kernel { content.trim_ascii().to_vec() } else { content })
        };
        let contents = self.initial.keys().map(read).collect();
        remove(root);
        contents
    }

    /// The writes that the program expects of the loader, with the files that are there now.
    fn predicted(&self) -> Vec<Write> {
        let tree = tree(Path::new("/"));
        let mut keys: BTreeSet<Key> = self.initial.keys().cloned().map(Key::new).collect();
        if self.keys == Keys::Files {
            keys.insert(Key::new("net.nf_conntrack_max"));
        }
        if Path::new(LEGACY).is_symlink() {
            keys.insert(Key::new("net.ipv4.netfilter.ip_conntrack_max"));
        }
        writes(&assignments(&tree, self.dialect, &self.dialect.files(&tree)), self.dialect, &keys)
    }

    /// The content of a key that nobody has written.
    pub(crate) fn initial(&self, key: &str) -> Option<&[u8]> {
        self.initial.get(key).map(Vec::as_slice)
    }

    /// The content of the keys after `writes`.
    pub(crate) fn after(&self, writes: &[Write]) -> Contents {
        match self.keys {
            Keys::Files => self.texts(writes),
            Keys::Kernel => self.numbers(writes),
        }
    }

    fn reset(&self) {
        if self.keys == Keys::Files {
            self.remove_strangers();
        }
        if self.keys == Keys::Kernel {
            // The low threshold must never be above the high one.
            fs::write(file(LOW), "0").expect("a key can be written");
        }
        for (key, content) in &self.initial {
            fs::write(file(key), content).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
    }

    /// Where the keys are files, busybox would make one for a key that is not there, and find it in a later line. /proc/sys
    /// takes no new files either.
    fn seal(&self) {
        if self.keys == Keys::Files && *self.dialect == BUSYBOX {
            let used = rustix::fs::statvfs(KEYS).map(|fs| fs.f_files - fs.f_ffree).expect("it is a file system");
            most_files(used);
        }
    }

    /// Removes the files in the place of keys that other runs have left.
    fn remove_strangers(&self) {
        if *self.dialect == BUSYBOX {
            most_files(1 << 20);
        }
        for directory in ["/proc/sys/net", NETFILTER, "/proc/sys/net/ipv4", "/proc/sys/net/ipv4/netfilter"] {
            for item in fs::read_dir(directory).expect("a directory can be read") {
                let path = item.expect("a directory can be read").path();
                let is_key = self.initial.keys().any(|key| Path::new(&file(key)) == path);
                if !is_key && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                    fs::remove_file(path).expect("a file can be removed");
                }
            }
        }
    }

    fn run(&self) {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]);
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
            let name = write.key.name().expect("it is a key of conntrack");
            let content = contents.get_mut(name.as_str()).expect("it is a key of this kernel");
            let end: &[u8] = if *self.dialect == BUSYBOX { b"" } else { b"\n" };
            let line = [&write.text[..], end].concat();
            if [&SYSTEMD, &SYSTEMD_262].contains(&self.dialect) {
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
            let name = write.key.name().expect("it is a key of conntrack");
            let pages = conntrack_sysctl::host::pages();
            let Some(number) = kernel_reading(&write.text, &name, pages) else {
                if self.dialect.on_refusal == OnRefusal::Ends {
                    break;
                }
                continue;
            };
            let now = |key: &str| -> i64 {
                std::str::from_utf8(&contents[key]).expect("it is ASCII").parse().expect("it is a number")
            };
            let taken = match write.key.as_str() {
                LOW => number <= now(HIGH),
                HIGH => number >= now(LOW),
                _ => name.setting().kind != ValueKind::Seconds || number.abs() <= self.longest,
            };
            if taken {
                contents.insert(write.key.to_string(), number.to_string().into_bytes());
            } else if self.dialect.on_refusal == OnRefusal::Ends {
                break;
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

/// Where the keys are, of the kernel or as files.
const KEYS: &str = "/proc/sys/net";

/// Lets the file system of the keys have no more files than this.
fn most_files(count: u64) {
    let option = format!("remount,nr_inodes={count}");
    let status = Command::new("mount").args(["-o", &option, KEYS]).status().expect("mount is installed");
    assert!(status.success(), "{KEYS}: {option}: {status}");
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
            Node::Link(target) => {
                // A directory may be a link too: it then takes the place of an empty one.
                let _ = fs::remove_dir(path);
                symlink(target, path)
            }
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
