//! Code that the tests share: runs of the binary, trees of files, and golden files.

pub(crate) mod documents;
pub(crate) mod loader;
pub(crate) mod machine;
pub(crate) mod tree;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use conntrack_sysctl::report::Report;

/// A run of the binary.
#[must_use = "a run does nothing until `finish`"]
pub(crate) struct Run {
    command: Command,
    input: Vec<u8>,
}

/// The output of a run, and its exit code.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conntrack-sysctl"));
        command.args(arguments);
        Run { command, input: Vec::new() }
    }

    pub(crate) fn root(mut self, root: &Path) -> Run {
        self.command.arg("--root").arg(root);
        self
    }

    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Run {
        self.input = input.into();
        self
    }

    pub(crate) fn finish(mut self) -> Finished {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("it has a standard input");
        // A run that refuses its input closes it early, so that this write may fail.
        let _ = stdin.write_all(&self.input);
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the binary ends");
        Finished {
            code: status.code().expect("it ends by itself"),
            stdout: String::from_utf8(stdout).expect("it prints UTF-8"),
            stderr: String::from_utf8(stderr).expect("it prints UTF-8"),
        }
    }

    pub(crate) fn report(self) -> (Report, i32) {
        let finished = self.finish();
        (finished.report(), finished.code)
    }
}

impl Finished {
    /// The report: standard output holds that and nothing else.
    pub(crate) fn report(&self) -> Report {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// Compares `found` with the golden file at `path`. With BLESS in the environment, writes the file instead.
pub(crate) fn golden(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found).expect("a golden file can be written");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(expected == found, "{} differs; found:\n{found}\nexpected:\n{expected}", path.display());
}

/// Copies a tree of files. A link is copied as a link.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for item in fs::read_dir(from).expect("a directory can be read") {
        let item = item.expect("a directory can be read");
        let (from, to) = (item.path(), to.join(item.file_name()));
        let kind = item.file_type().expect("a file has a type");
        if kind.is_symlink() {
            symlink(fs::read_link(&from).expect("a link can be read"), &to).expect("a link can be made");
        } else if kind.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}

/// A tree of files as text: each path with its mode and content, or where its link points.
pub(crate) fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut described = BTreeMap::new();
    describe_into(root, root, &mut described);
    described
}

fn describe_into(root: &Path, directory: &Path, described: &mut BTreeMap<PathBuf, String>) {
    for item in fs::read_dir(directory).expect("a directory can be read") {
        let path = item.expect("a directory can be read").path();
        let metadata = path.symlink_metadata().expect("a file has metadata");
        let text = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&path).expect("a link can be read").display())
        } else if metadata.is_dir() {
            describe_into(root, &path, described);
            continue;
        } else {
            String::from_utf8_lossy(&fs::read(&path).expect("a file can be read")).into_owned()
        };
        let name = path.strip_prefix(root).expect("it lies below the root").to_owned();
        described.insert(name, format!("{:o} {text}", metadata.permissions().mode() & 0o7777));
    }
}
