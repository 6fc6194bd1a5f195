//! Asks the real udevadm(8) which programs random rules run as the module arrives, and compares.
//!
//! `udevadm test` plays the rules through for a device of sysfs, and prints the commands in place of running them.
//! `ORACLE_TREES` is how many sets of rules are made (300), `ORACLE_SEED` the seed of the first one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::oracle::number;
use crate::oracle::random::Random;
use crate::support::machine::Machine;
use crate::support::world::{inside, privileged};
use conntrack_sysctl::boot::boot;
use conntrack_sysctl::boot::systems::SYSTEMD;
use conntrack_sysctl::snapshot::Module;
use conntrack_sysctl::tree::{Entry, Place};

privileged!(udevadm_runs_the_same, || inside("formats::udev::udevadm_runs_the_same", judge));

/// The files, in the order in which udevd reads them. The last one hides another of its name.
const FILES: [&str; 3] =
    ["/usr/lib/udev/rules.d/50-a.rules", "/etc/udev/rules.d/60-b.rules", "/etc/udev/rules.d/70-c.rules"];
const HIDDEN: &str = "/usr/lib/udev/rules.d/70-c.rules";

const MATCHES: [&str; 34] = [
    r#"ACTION=="add""#,
    r#"ACTION=="remove|add""#,
    r#"ACTION!="remove""#,
    r#"ACTION=="remove""#,
    r#"SUBSYSTEM=="module""#,
    r#"SUBSYSTEM=="mod*""#,
    r#"SUBSYSTEM!="net""#,
    r#"SUBSYSTEM=="net|block""#,
    r#"SUBSYSTEMS=="module""#,
    r#"KERNEL=="nf_conntrack""#,
    r#"KERNEL=="nf_conntrac?""#,
    r#"KERNEL=="[mn]f_*""#,
    r#"KERNEL=="nf_conntrack_ftp""#,
    r#"KERNEL!="nf_conntrack""#,
    r#"KERNELS=="nf_*""#,
    r#"DEVPATH=="/module/nf_conntrack""#,
    r#"DEVPATH=="*/nf_conntrack""#,
    r#"DEVPATH=="/devices/*""#,
    r#"DRIVER=="?*""#,
    r#"ENV{FOO}=="bar""#,
    r#"ENV{FOO}!="bar""#,
    r#"ENV{FOO}=="""#,
    r#"ENV{NONE}=="?*""#,
    r#"ENV{ACTION}=="add""#,
    r#"TAG=="x""#,
    r#"TAG!="x""#,
    r#"TAGS=="y""#,
    r#"SYMLINK=="?*""#,
    r#"NAME=="""#,
    r#"KERNEL==e"nf_conntrack""#,
    r#"TEST=="/etc/udev/$kernel""#,
    r#"TEST!="/etc/udev/%k""#,
    r#"TEST=="/usr/bin/env""#,
    r#"TEST!="/usr/bin/env""#,
];

const ASSIGNMENTS: [&str; 9] = [
    r#"ENV{FOO}="bar""#,
    r#"ENV{FOO}="""#,
    r#"TAG+="x""#,
    r#"OPTIONS+="nowatch""#,
    r#"GOTO="end""#,
    r#"GOTO="nowhere""#,
    r#"LABEL="end""#,
    r#"RUN{builtin}+="kmod load none""#,
    r#"MODE="0600""#,
];

const GAPS: [&str; 8] = [", ", ", ", ", ", ",", " ", " , ", ", \\\n  ", ", \\\n# between\n"];

const ENDS: [&str; 8] = ["\n", "\n", "\n", "\n", "\n\n", "\n# note\n", " # no comment here\n", ",\n"];

/// The rules of a file. Each command has a number of its own; `places` gets its rule.
fn rules(random: &mut Random, file: &str, places: &mut BTreeMap<String, Place>) -> String {
    let mut text = String::new();
    for _ in 0..random.below(5) {
        let line = text.matches('\n').count() + 1;
        let mut parts: Vec<String> = (0..random.below(3)).map(|_| random.pick(&MATCHES).to_owned()).collect();
        parts.extend((0..random.below(2)).map(|_| random.pick(&ASSIGNMENTS).to_owned()));
        for _ in 0..random.below(3) {
            let operator = random.pick(&["+=", "+=", "+=", "=", ":=", "-="]);
            let number = places.len().to_string();
            let place = Place::new(file, line);
            parts.push(format!(r#"RUN{operator}"/usr/lib/systemd/systemd-sysctl --prefix=/net/{number}""#));
            places.insert(number, place);
        }
        for (index, part) in parts.iter().enumerate() {
            text += if index == 0 { "" } else { random.pick(&GAPS) };
            text += part;
        }
        text += random.pick(&ENDS);
    }
    text
}

/// The rules that run the loader, in order, as the program says. None: it cannot tell.
fn ours(files: &[(&str, String)]) -> Option<Vec<Place>> {
    let mut machine = Machine::image().module(Module::Absent).entry("/usr/bin/env", Entry::Program);
    for (path, text) in files {
        machine = machine.file(path, text);
    }
    let boot = boot(&machine, &SYSTEMD);
    boot.doubts.is_empty().then(|| boot.arrival.reruns().iter().map(|rerun| rerun.rule.clone()).collect())
}

/// The same, as udevadm says.
fn theirs(files: &[(&str, String)], places: &BTreeMap<String, Place>) -> Vec<Place> {
    for (path, text) in files {
        fs::write(path, text).expect("a file can be written");
    }
    // udevadm keeps what the rules before said of the device, as it would after a boot.
    for kept in ["/run/udev/data", "/run/udev/tags"] {
        if Path::new(kept).exists() {
            fs::remove_dir_all(kept).expect("a directory can be removed");
        }
    }
    let output = Command::new("udevadm").args(["test", "--action=add", "/sys/module/nf_conntrack"]).output();
    let output = output.expect("udevadm starts").stdout;
    let commands = String::from_utf8_lossy(&output).into_owned();
    let numbers = commands.lines().filter_map(|line| {
        let number = line.strip_prefix("run: ")?.split_once("--prefix=/net/")?.1;
        Some(number.trim_end_matches('\''))
    });
    numbers.map(|number| places[number].clone()).collect()
}

fn judge() {
    for directory in ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/run/udev"] {
        if Path::new(directory).exists() {
            let status = Command::new("mount").args(["-t", "tmpfs", "none", directory]).status().expect("mount starts");
            assert!(status.success(), "{directory} can be covered");
        } else {
            fs::create_dir_all(directory).expect("a directory can be made");
        }
    }
    let (first, trees) = (number("ORACLE_SEED").unwrap_or(16), number("ORACLE_TREES").unwrap_or(300));
    let (mut some, mut none, mut unclear) = (0, 0, 0);
    for seed in first..first + trees {
        let mut random = Random(seed);
        let mut places = BTreeMap::new();
        let mut files: Vec<(&str, String)> =
            FILES.iter().map(|file| (*file, rules(&mut random, file, &mut places))).collect();
        files.push((HIDDEN, rules(&mut random, HIDDEN, &mut places)));
        let Some(ours) = ours(&files) else {
            unclear += 1;
            continue;
        };
        assert_eq!(ours, theirs(&files, &places), "seed {seed}\n{files:#?}");
        *if ours.is_empty() { &mut none } else { &mut some } += 1;
    }
    let counts = format!("seed {first}: {some} ran a loader, {none} did not, {unclear} were unclear");
    eprintln!("udevadm_runs_the_same: {counts}");
    assert!(some > trees / 5 && none > 0 && unclear < trees / 2, "{counts}");
}
