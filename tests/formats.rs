//! Judges the readers of other programs' files by these programs: sh(1), modprobe(8) and udevadm(8).

mod modprobe;
mod udev;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::world::privileged;
use conntrack_sysctl::formats::modprobe_d::{self, Command as Modprobe};
use conntrack_sysctl::formats::shell;

/// Texts of a few words each, which meet in every order.
fn texts(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..14).prop_map(|words| words.concat())
}

fn runner() -> TestRunner {
    TestRunner::new(Config { failure_persistence: None, ..Config::default() })
}

/// Where the reader takes a file for plain assignments, a shell gets the same variables from it.
#[test]
fn a_shell_reads_plain_assignments_alike() {
    const WORDS: [&str; 20] = [
        "A=",
        "B=",
        "_c=",
        "A=on",
        "B='on",
        "_c=\"on\"",
        "'",
        "\"",
        " ",
        " ",
        "\t",
        "\n",
        "\n",
        "\n",
        "#",
        "on",
        "export ",
        "$",
        "\\",
        "\r",
    ];
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("defaults");
    let plain = std::cell::Cell::new(0);
    runner()
        .run(&texts(&WORDS), |text| {
            let Ok(variables) = shell::variables(text.as_bytes()) else { return Ok(()) };
            plain.set(plain.get() + u32::from(!variables.is_empty()));
            let read: BTreeMap<String, String> =
                variables.into_iter().map(|(name, value)| (name, value.text)).collect();
            fs::write(&file, &text).expect("a file can be written");
            for name in ["A", "B", "_c", "Aon", "BA"] {
                prop_assert_eq!(
                    read.get(name).cloned().unwrap_or_default(),
                    in_a_shell(&file, name),
                    "{} of {:?}",
                    name,
                    text
                );
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let cases = Config::default().cases;
    assert!(plain.get() > cases / 64, "only {} of {cases} files were plain", plain.get());
}

/// The variable `name` after a shell has sourced `file`.
fn in_a_shell(file: &Path, name: &str) -> String {
    let script = format!(". \"$0\" || exit 1; printf '%s' \"${{{name}-}}\"");
    let output = Command::new("sh").env_clear().args(["-c", &script]).arg(file).output().expect("sh starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

// modprobe(8) prints the configuration that it has read.
privileged!(kmod_reads_modprobe_d_alike, || {
    const WORDS: [&str; 20] = [
        "options ",
        "blacklist ",
        "install ",
        "softdep ",
        "alias ",
        "nf-conntrack",
        "nft_ct",
        "hashsize=1",
        " ",
        " ",
        "\t",
        "\n",
        "\n",
        "\n",
        "\\",
        "\\\n",
        "#",
        "pre: ",
        "post: ",
        "\r",
    ];
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("a.conf");
    runner()
        .run(&texts(&WORDS), |text| {
            // kmod takes the end of a file behind a backslash for a character of its own.
            let text = text + "\n";
            fs::write(&file, &text).expect("a file can be written");
            let ours = modprobe_d::parse(text.as_bytes());
            let ours: Vec<String> = ours.iter().filter_map(|line| printed(&line.command)).collect();
            for command in ["blacklist ", "install ", "alias ", "options "] {
                let of = |lines: &[String]| -> Vec<String> {
                    lines.iter().filter(|line| line.starts_with(command)).cloned().collect()
                };
                let theirs = of(&dumped(directory.path()));
                // The options of the kernel's command line follow those of the files.
                let ours = of(&ours);
                prop_assert_eq!(&ours, &theirs[..ours.len().min(theirs.len())], "{:?}", text);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
});

/// A command as `modprobe --showconfig` prints it.
fn printed(command: &Modprobe) -> Option<String> {
    Some(match command {
        Modprobe::Alias { pattern, module } => format!("alias {pattern} {module}"),
        Modprobe::Blacklist { module } => format!("blacklist {module}"),
        // It has made blanks of the tabs, which mean the same to the kernel.
        Modprobe::Options { module, arguments } => format!("options {module} {}", arguments.replace('\t', " ")),
        Modprobe::Install { module, command } => format!("install {module} {command}"),
        Modprobe::Softdep { .. } => return None,
    })
}

fn dumped(directory: &Path) -> Vec<String> {
    let output =
        Command::new("modprobe").arg("-C").arg(directory).arg("--showconfig").output().expect("modprobe starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split('\n').take_while(|line| !line.starts_with("# End of configuration")).map(str::to_owned).collect()
}
