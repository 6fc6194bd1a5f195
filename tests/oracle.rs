//! Asks the real `systemd-sysctl` and the real `sysctl --system` what they make of random files, and compares.
//!
//! `ORACLE_TREES` is how many trees each of the tests makes (300), `ORACLE_SEED` the seed of the first one; the others
//! count on from there, so that a single tree can be made again. A tree that shows a difference is made smaller first.

pub(crate) mod random;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::support::loader::{Keys, LEGACY, Loader, Node, Root};
use crate::support::world::{inside, privileged};
use conntrack_sysctl::sysctl_d::{BUSYBOX, Dialect, PROCPS, PROCPS_3, PROCPS_4_0_5, SYSTEMD, SYSTEMD_262};
use random::Random;

privileged!(systemd_writes_in_this_order, || {
    compare("systemd_writes_in_this_order", Keys::Files, &SYSTEMD);
});

privileged!(procps_writes_in_this_order, || {
    compare("procps_writes_in_this_order", Keys::Files, &PROCPS);
});

privileged!(the_kernel_reads_what_systemd_writes, || {
    compare("the_kernel_reads_what_systemd_writes", Keys::Kernel, &SYSTEMD);
});

privileged!(the_kernel_reads_what_procps_writes, || {
    compare("the_kernel_reads_what_procps_writes", Keys::Kernel, &PROCPS);
});

/// A loader of another release of Debian.
struct Other {
    suite: &'static str,
    /// The program below its root, and its arguments.
    program: &'static [&'static str],
    dialect: &'static Dialect,
}

const SYSTEMD_SYSCTL: &[&str] = &["lib/systemd/systemd-sysctl"];
const SYSCTL_SYSTEM: &[&str] = &["sbin/sysctl", "--system"];
const BUSYBOX_SYSCTL: &[&str] = &["bin/busybox", "sysctl", "-p", "/etc/sysctl.conf"];

/// One loader for each dialect that this machine may not have.
const OTHERS: [Other; 6] = [
    Other { suite: "sid", program: SYSTEMD_SYSCTL, dialect: &SYSTEMD_262 },
    Other { suite: "sid", program: SYSCTL_SYSTEM, dialect: &PROCPS_4_0_5 },
    Other { suite: "sid", program: BUSYBOX_SYSCTL, dialect: &BUSYBOX },
    Other { suite: "trixie", program: SYSTEMD_SYSCTL, dialect: &SYSTEMD },
    Other { suite: "bookworm", program: SYSCTL_SYSTEM, dialect: &PROCPS },
    Other { suite: "bullseye", program: SYSCTL_SYSTEM, dialect: &PROCPS_3 },
];

privileged!(loaders_of_other_releases_write_in_this_order, || {
    of_others("loaders_of_other_releases_write_in_this_order", Keys::Files);
});

privileged!(the_kernel_reads_what_loaders_of_other_releases_write, || {
    of_others("the_kernel_reads_what_loaders_of_other_releases_write", Keys::Kernel);
});

/// Compares each of [`OTHERS`]; `ORACLE_DIALECT` names one of their dialects.
fn of_others(test: &str, keys: Keys) {
    let chosen = env::var("ORACLE_DIALECT").ok();
    let others = OTHERS.iter().filter(|other| chosen.as_deref().is_none_or(|name| name == other.dialect.name));
    let others: Vec<(&Other, PathBuf)> = others.map(|other| (other, release(other.suite))).collect();
    assert!(!others.is_empty(), "there is no such dialect: {chosen:?}");
    inside(&format!("oracle::{test}"), || {
        for (other, root) in &others {
            let loader = Loader::before(keys, other.dialect).of_release(root, other.program);
            random_trees(&format!("{test} {} of {}", other.dialect.name, other.suite), keys, &loader);
        }
    });
}

/// The files of a release of Debian, which are made if they are not there.
fn release(suite: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/root");
    let made = Command::new(script).arg(suite).output().expect("the script starts");
    assert!(made.status.success(), "{suite}: {}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim_end())
}

fn compare(test: &str, keys: Keys, dialect: &'static Dialect) {
    inside(&format!("oracle::{test}"), || random_trees(test, keys, &Loader::before(keys, dialect)));
}

fn random_trees(test: &str, keys: Keys, loader: &Loader) {
    let first = number("ORACLE_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs());
    let trees = number("ORACLE_TREES").unwrap_or(300);
    let started = Instant::now();
    for seed in first..first + trees {
        let mut root = Random(seed).root();
        if keys == Keys::Kernel {
            root.retain(|path, _| !path.starts_with(LEGACY));
        }
        check(loader, &format!("seed {seed}"), root);
    }
    eprintln!("{test}: {trees} trees from seed {first} in {:.1} s", started.elapsed().as_secs_f32());
}

fn check(loader: &Loader, name: &str, root: Root) {
    if loader.difference(&root).is_some() {
        let root = smallest(root, |root| loader.difference(root).is_some());
        let difference = loader.difference(&root).unwrap_or_default();
        panic!("{name}\n{}{difference}", describe(&root));
    }
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

/// A part of `root` that still fails, and no longer does with a file or a line less.
fn smallest(mut root: Root, fails: impl Fn(&Root) -> bool) -> Root {
    while let Some(smaller) = smaller(&root).into_iter().find(&fails) {
        root = smaller;
    }
    root
}

/// The roots that are `root` without one of its files or lines.
fn smaller(root: &Root) -> Vec<Root> {
    let mut smaller = Vec::new();
    for (path, node) in root {
        let mut without = root.clone();
        without.remove(path);
        smaller.push(without);
        let Node::File(bytes) = node else { continue };
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for index in 0..lines.len() {
            let mut rest = lines.clone();
            rest.remove(index);
            let mut without = root.clone();
            without.insert(path.clone(), Node::File(rest.concat()));
            smaller.push(without);
        }
    }
    smaller
}

fn describe(root: &Root) -> String {
    let mut text = String::new();
    for (path, node) in root {
        let content = match node {
            Node::File(bytes) => format!("b\"{:.2000}\"", bytes.escape_ascii().to_string()),
            Node::Link(target) => format!("-> {target}"),
            Node::Directory => "a directory".to_owned(),
        };
        text += &format!("{}: {content}\n", path.display());
    }
    text
}
