//! The parts, one row each.

use super::counts::Counted;

/// One part of the tests.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Its purpose, in a few words.
    pub(crate) about: &'static str,
    /// A line of shell, run in the project's directory.
    pub(crate) command: &'static str,
    /// How its checks are counted.
    pub(crate) counted: Counted,
    /// The parts that end before it starts.
    pub(crate) after: &'static [&'static str],
    /// The things that no other part may use while it runs.
    pub(crate) uses: &'static [Shared],
    /// How long it takes where another part runs beside it and nothing is built yet.
    pub(crate) seconds: u32,
    /// Whether `quick` has it.
    pub(crate) length: Length,
}

/// A thing that two parts cannot use at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shared {
    /// target/debug: cargo builds there once at a time, and a second build would only wait.
    DebugBuild,
    /// The limit of the table: one number for the whole machine, which one part sets and another one must find unchanged.
    Limit,
    /// The collection as it is installed below target/venv.
    Collection,
    /// The extension as it is installed in target/venv/salt.
    SaltExtension,
}

/// The runs that have a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    /// All runs.
    Short,
    /// All but `quick`.
    Long,
}

/// The order is that in which they start: first what others wait for, then the longest.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "static",
        about: "the static binary",
        command: "cargo static",
        counted: Counted::Once,
        after: &[],
        uses: &[],
        seconds: 120,
        length: Length::Short,
    },
    Part {
        name: "lints",
        about: "the form of the code, and clippy",
        // `--all-targets` leaves out the two that `cargo test` does not run. The last one is of the collection's binary.
        command: "cargo fmt --check; cargo clippy --all-targets --locked -- --deny warnings; \
                  cargo clippy --test parts --test reboot --locked -- --deny warnings; \
                  cargo clippy --no-default-features --locked -- --deny warnings",
        counted: Counted::Once,
        after: &[],
        uses: &[Shared::DebugBuild],
        seconds: 50,
        length: Length::Short,
    },
    Part {
        name: "build",
        about: "the test binaries",
        command: "cargo test --locked --no-run; cargo test --locked --no-run --test reboot",
        counted: Counted::Once,
        after: &[],
        uses: &[Shared::DebugBuild],
        seconds: 30,
        length: Length::Short,
    },
    Part {
        name: "packaging",
        about: "the static binary of the packages and of the collection",
        command: "CARGO_TARGET_DIR=$PWD/target/packaging packaging/static",
        counted: Counted::Once,
        after: &[],
        uses: &[],
        seconds: 60,
        length: Length::Short,
    },
    Part {
        name: "ansible",
        about: "the collection on two versions of ansible-core",
        command: "tests/ansible/run",
        counted: Counted::Lines,
        after: &["packaging"],
        uses: &[Shared::Collection, Shared::Limit],
        seconds: 260,
        length: Length::Short,
    },
    Part {
        name: "reboot",
        about: "real reboots of Debian 12, emulated: the machines with most cases",
        command: "CONNTRACK_SYSCTL=target/x86_64-unknown-linux-gnu/release/conntrack-sysctl \
                  MACHINES='blacklist brings early late nat stale story udev-rule' tests/reboot/run 12",
        counted: Counted::Summaries,
        after: &["build", "static"],
        uses: &[],
        seconds: 260,
        length: Length::Long,
    },
    Part {
        name: "salt",
        about: "the extension on two versions of Salt, and a fleet",
        command: "tests/salt/run",
        counted: Counted::Lines,
        after: &["static"],
        uses: &[Shared::SaltExtension],
        seconds: 260,
        length: Length::Short,
    },
    Part {
        name: "comparison",
        about: "other tools in the same cases",
        command: "tests/comparison/run",
        counted: Counted::Lines,
        after: &["static"],
        uses: &[Shared::SaltExtension],
        seconds: 450,
        length: Length::Short,
    },
    Part {
        name: "failed",
        about: "a run whose system calls fail, each of them in six ways",
        command: "CONNTRACK_SYSCTL=target/x86_64-unknown-linux-gnu/release/conntrack-sysctl cargo test --locked --test tests faults::failed -- --ignored --nocapture",
        counted: Counted::Summaries,
        after: &["build", "static"],
        uses: &[],
        seconds: 430,
        length: Length::Long,
    },
    Part {
        name: "packages",
        about: "packages from two places, and their life on Debian 11, 12 and 13",
        command: "tests/packages/run",
        counted: Counted::Lines,
        after: &["packaging"],
        uses: &[],
        seconds: 190,
        length: Length::Short,
    },
    Part {
        name: "docs",
        about: "the documents as a book, and its links",
        command: "tests/docs/run",
        counted: Counted::Lines,
        after: &[],
        uses: &[],
        seconds: 90,
        length: Length::Short,
    },
    Part {
        name: "shell",
        about: "manual pages, completions, scripts, Puppet, cloud-init and Nix",
        command: "tests/shell/run",
        counted: Counted::Lines,
        after: &["static"],
        uses: &[],
        seconds: 120,
        length: Length::Short,
    },
    Part {
        name: "fleet",
        about: "50 hosts by Ansible",
        command: "tests/ansible/fleet",
        counted: Counted::Lines,
        after: &["ansible"],
        uses: &[Shared::Collection],
        seconds: 60,
        length: Length::Short,
    },
    Part {
        name: "killed",
        about: "a run that is killed at each of its system calls",
        command: "CONNTRACK_SYSCTL=target/x86_64-unknown-linux-gnu/release/conntrack-sysctl cargo test --locked --test tests faults::killed -- --ignored --nocapture",
        counted: Counted::Summaries,
        after: &["build", "static"],
        uses: &[],
        seconds: 170,
        length: Length::Short,
    },
    Part {
        name: "rootless",
        about: "tests that need no root, with 1000 cases a property",
        command: "PROPTEST_CASES=1000 cargo test --locked --no-fail-fast",
        counted: Counted::Summaries,
        after: &["build"],
        uses: &[],
        seconds: 170,
        length: Length::Short,
    },
    Part {
        name: "kernel",
        about: "tests on the real kernel",
        command: "cargo test --locked --test tests -- --ignored --nocapture --test-threads 2 --skip oracle:: --skip faults::",
        counted: Counted::Summaries,
        after: &["build"],
        uses: &[Shared::Limit],
        seconds: 140,
        length: Length::Short,
    },
    Part {
        name: "oracle",
        about: "the boot's winner against the real loaders, 500 random trees each",
        command: "ORACLE_TREES=${ORACLE_TREES:-500} cargo test --locked --test tests oracle:: -- --ignored --nocapture",
        counted: Counted::Summaries,
        after: &["build"],
        uses: &[],
        seconds: 60,
        length: Length::Short,
    },
    Part {
        name: "dsc",
        about: "the resource for Microsoft DSC",
        command: "tests/dsc/run",
        counted: Counted::Lines,
        after: &["static"],
        uses: &[Shared::Limit],
        seconds: 10,
        length: Length::Short,
    },
    Part {
        name: "demo",
        about: "the demonstration",
        command: "tests/demo",
        counted: Counted::Once,
        after: &["static"],
        uses: &[Shared::Limit],
        seconds: 5,
        length: Length::Short,
    },
];

/// The parts that the words of the command line choose, in order: all of them, those of `quick`, or those that are named and
/// what comes before them.
pub(crate) fn chosen(words: &[String]) -> Result<Vec<&'static Part>, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    if words == ["quick"] {
        return Ok(PARTS.iter().filter(|part| part.length == Length::Short).collect());
    }
    if let Some(unknown) = words.iter().find(|word| PARTS.iter().all(|part| part.name != **word)) {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        return Err(format!("there is no part `{unknown}`; it is `quick`, or some of: {}", names.join(" ")));
    }
    let mut names = words;
    // A part stands behind all parts that it needs in the list.
    for part in PARTS.iter().rev() {
        if names.contains(&part.name) {
            names.extend(part.after);
        }
    }
    Ok(PARTS.iter().filter(|part| names.contains(&part.name)).collect())
}
