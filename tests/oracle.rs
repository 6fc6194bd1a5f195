//! Asks the real `systemd-sysctl` and the real `sysctl --system` what they make of random files, and compares.
//!
//! `ORACLE_TREES` is how many trees each of the tests makes (300), `ORACLE_SEED` the seed of the first one; the others
//! count on from there, so that a single tree can be made again. A tree that shows a difference is made smaller first.
//! The cases of `tests/cases/sysctl_d` go before the random trees.

mod random;
mod world;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::support::world::privileged;
use conntrack_sysctl::sysctl_d::{Dialect, PROCPS, SYSTEMD};
use random::{LEGACY, Node, Random, Root};
use world::{Kind, World};

privileged!(systemd_writes_in_this_order, || {
    compare("systemd_writes_in_this_order", Kind::Order, &SYSTEMD);
});

privileged!(procps_writes_in_this_order, || {
    compare("procps_writes_in_this_order", Kind::Order, &PROCPS);
});

privileged!(the_kernel_reads_what_systemd_writes, || {
    compare("the_kernel_reads_what_systemd_writes", Kind::Kernel, &SYSTEMD);
});

privileged!(the_kernel_reads_what_procps_writes, || {
    compare("the_kernel_reads_what_procps_writes", Kind::Kernel, &PROCPS);
});

/// Set for the process that runs inside of a world.
const INSIDE: &str = "ORACLE_INSIDE";

fn compare(test: &str, kind: Kind, dialect: &'static Dialect) {
    if env::var_os(INSIDE).is_some() {
        return compare_inside(kind, dialect);
    }
    let seed = number("ORACLE_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs());
    let trees = number("ORACLE_TREES").unwrap_or(300);
    let started = Instant::now();
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(env::current_exe().expect("a test has a file"))
        .args([&format!("oracle::{test}"), "--exact", "--ignored", "--nocapture", "--quiet"])
        .envs([(INSIDE, "1".to_owned()), ("ORACLE_SEED", seed.to_string()), ("ORACLE_TREES", trees.to_string())])
        .status()
        .expect("unshare is installed");
    let seconds = started.elapsed().as_secs_f32();
    eprintln!("{test}: {trees} trees from seed {seed} in {seconds:.1} s");
    assert!(status.success(), "the loader and the prediction differ; see above");
}

fn compare_inside(kind: Kind, dialect: &'static Dialect) {
    let world = World::enter(kind, dialect);
    for (name, root) in cases() {
        check(&world, &name, root);
    }
    let seed = number("ORACLE_SEED").unwrap_or(0);
    for seed in seed..seed + number("ORACLE_TREES").unwrap_or(0) {
        let mut root = Random(seed).root();
        if kind == Kind::Kernel {
            root.retain(|path, _| !path.starts_with(LEGACY));
        }
        check(&world, &format!("seed {seed}"), root);
    }
}

fn check(world: &World, name: &str, root: Root) {
    if world.difference(&root).is_some() {
        let root = smallest(root, |root| world.difference(root).is_some());
        let difference = world.difference(&root).unwrap_or_default();
        panic!("{name}\n{}{difference}", describe(&root));
    }
}

/// The cases on disk, but for those of a machine whose /lib is not a part of /usr.
fn cases() -> Vec<(String, Root)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sysctl_d/both");
    let mut cases = Vec::new();
    for item in fs::read_dir(directory).expect("there are cases") {
        let case = item.expect("a directory can be read").path().join("root");
        if !case.join("lib").exists() {
            let mut root = Root::new();
            read(&case, &case, &mut root);
            cases.push((case.display().to_string(), root));
        }
    }
    cases
}

fn read(case: &Path, directory: &Path, root: &mut Root) {
    for item in fs::read_dir(directory).expect("a directory can be read") {
        let path = item.expect("a directory can be read").path();
        let node = if let Ok(target) = fs::read_link(&path) {
            Node::Link(target.into_os_string().into_string().expect("links of cases are UTF-8"))
        } else if path.is_file() {
            Node::File(fs::read(&path).expect("a file can be read"))
        } else if path.extension().is_some_and(|suffix| suffix == "conf") {
            Node::Directory
        } else {
            read(case, &path, root);
            continue;
        };
        let inside = path.strip_prefix(case).expect("it is in the case");
        root.insert(Path::new("/").join(inside), node);
    }
}

fn number(variable: &str) -> Option<u64> {
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
