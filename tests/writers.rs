//! Judges the programs that write later by these programs: ufw's script and tuned's plugin, from their packages.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::world::{inside, privileged};
use conntrack_sysctl::boot::{Scene, Timing, WRITERS, Written};
use conntrack_sysctl::kernel::catalog::Key;
use conntrack_sysctl::tree::{Entry, Tree};

/// A file of a machine.
type File = (&'static str, String);

/// Texts of a few words each, which meet in every order.
fn text(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..12).prop_map(|words| words.concat())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters: 50, failure_persistence: None, ..Config::default() })
}

/// The directory with the files of `package`.
fn unpacked(package: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unpacked");
    let output = Command::new(script).arg(package).output().expect("the script starts");
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the path is text").trim_end().into()
}

const DRIVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/writers");

const KEYS: [&str; 2] = ["net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_acct"];

/// What the row `name` writes on a machine with these files, as the programs print it. None: files alone do not decide.
fn writes(name: &str, files: &[File]) -> Option<Vec<(String, String)>> {
    let entries = files.iter().map(|(path, text)| (path.into(), Entry::File(text.as_bytes().to_vec())));
    let tree: Tree = entries.collect();
    let keys: BTreeSet<Key> = KEYS.map(Key::new).into();
    let row = WRITERS.iter().find(|writer| writer.name == name).expect("there is such a row");
    let written = (row.writes)(&Scene { tree: &tree, keys: &keys, timing: Timing::InTime, values: &BTreeMap::new() });
    let pair = |written: Written| match written {
        Written::Surely(write) => Some((write.key.to_string(), String::from_utf8_lossy(&write.text).into_owned())),
        Written::Perhaps { .. } | Written::Unknown(_) => None,
    };
    written.into_iter().map(pair).collect()
}

fn count(of: &Cell<u32>) {
    of.set(of.get() + 1);
}

fn place(files: &[File]) {
    for (path, text) in files {
        fs::create_dir_all(Path::new(path).parent().expect("it is no root")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }
}

privileged!(ufw_has_sysctl_read_the_same_file, || {
    // A world has no network.
    unpacked("ufw");
    inside("writers::ufw_has_sysctl_read_the_same_file", judge_ufw);
});

fn judge_ufw() {
    const WORDS: [&str; 16] = [
        "ENABLED=",
        "ENABLED=yes",
        "ENABLED=YES",
        "ENABLED=no",
        "yes",
        "\"",
        "'",
        " ",
        "\n",
        "\n",
        "\n",
        "# ",
        "\r",
        "IPT_SYSCTL=/etc/ufw/sysctl.conf",
        "IPT_SYSCTL=/etc/ufw/other.conf",
        "export ",
    ];
    let package = unpacked("ufw");
    let ufw = fs::canonicalize(package).expect("it is there");
    let (started, idle) = (Cell::new(0), Cell::new(0));
    runner(600)
        .run(&(text(&WORDS), text(&WORDS)), |(defaults, conf)| {
            let defaults = format!("IPT_SYSCTL=/etc/ufw/sysctl.conf\n{defaults}");
            let sourced =
                [("/etc/default/ufw", defaults), ("/etc/ufw/ufw.conf", format!("{conf}\nENABLED=yes\n{conf}"))];
            let is_plain = |text: &str| conntrack_sysctl::formats::shell::variables(text.as_bytes()).is_ok();
            if !sourced.iter().all(|(_, text)| is_plain(text)) {
                return Ok(());
            }
            let named = |path: &'static str, value: &str| (path, format!("{}={value}\n", KEYS[0]));
            let files: Vec<File> = sourced
                .into_iter()
                .chain([named("/etc/ufw/sysctl.conf", "5"), named("/etc/ufw/other.conf", "6")])
                .collect();
            place(&files);
            let output = Command::new("sh")
                .args(["-c", "exec 3>&1 >/dev/null 2>&1; exec \"$0\" \"$@\"", &format!("{DRIVERS}/ufw")])
                .args([&ufw, Path::new("")])
                .output()
                .expect("sh starts");
            let read = String::from_utf8_lossy(&output.stdout).into_owned();
            count(if read.is_empty() { &idle } else { &started });
            let service = ["/usr/lib/ufw/ufw-init", "/etc/systemd/system/multi-user.target.wants/ufw.service"];
            let with_ufw: Vec<File> = files.into_iter().chain(service.map(|path| (path, String::new()))).collect();
            let expected = match read.as_str() {
                "/etc/ufw/sysctl.conf" => Some("5"),
                "/etc/ufw/other.conf" => Some("6"),
                _ => None,
            };
            let expected: Vec<(String, String)> =
                expected.iter().map(|value| (KEYS[0].to_owned(), (*value).to_owned())).collect();
            prop_assert_eq!(writes("ufw", &with_ufw), Some(expected), "{:?}", with_ufw);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (started, idle) = (started.get(), idle.get());
    assert!(started > 30 && idle > 10, "ufw started {started} times, and {idle} times not");
}

privileged!(tuned_writes_the_same_sysctls, || {
    // A world has no network.
    unpacked("tuned");
    inside("writers::tuned_writes_the_same_sysctls", judge_tuned);
});

fn judge_tuned() {
    const PROFILE: [&str; 24] = [
        "[sysctl]\n",
        "[sysctl]\n",
        "[main]\n",
        "[other]\n",
        "include=base\n",
        "include = base; fast\n",
        "type=sysctl\n",
        "enabled=0\n",
        "enabled=true\n",
        "replace=1\n",
        "priority=-1\n",
        "drop=net.netfilter.nf_conntrack_acct\n",
        "net.netfilter.nf_conntrack_max=",
        "net.netfilter.nf_conntrack_max = ",
        "net.netfilter.nf_conntrack_acct=",
        "1\n",
        "2\n",
        "\"3\"\n",
        "4 # note\n",
        " ",
        "# ",
        ";",
        "\n",
        "net/netfilter/nf_conntrack_max=5\n",
    ];
    const SYSCTLS: [&str; 12] = [
        "net.netfilter.nf_conntrack_max=",
        "net.netfilter.nf_conntrack_acct = ",
        "net/netfilter/nf_conntrack_max = ",
        "-",
        " ",
        "11\n",
        "12\n",
        "13 # note\n",
        "\n",
        "# ",
        "; ",
        "net.netfilter.nf_conntrack_*=14\n",
    ];
    const MAIN: [&str; 6] =
        ["reapply_sysctl = 0\n", "reapply_sysctl=1\n", "reapply_sysctl=yes # x\n", "# ", "daemon=1\n", "\n"];
    let package = std::env::var_os("TUNED").map_or_else(|| unpacked("tuned"), PathBuf::from);
    let is_later = package.join("usr/lib/tuned/profiles").exists();
    let profiles = if is_later {
        ["/etc/tuned/profiles/fast/tuned.conf", "/etc/tuned/profiles/base/tuned.conf"]
    } else {
        ["/etc/tuned/fast/tuned.conf", "/etc/tuned/base/tuned.conf"]
    };
    let (wrote, nothing) = (Cell::new(0), Cell::new(0));
    let texts = (text(&PROFILE), text(&PROFILE), text(&SYSCTLS), text(&SYSCTLS), text(&MAIN));
    runner(120)
        .run(&texts, |(fast, base, drop_in, conf, main)| {
            // Early versions know no priorities.
            let (fast, base) =
                if is_later { (fast, base) } else { (fast.replace("priority", ""), base.replace("priority", "")) };
            let fast = format!("[sysctl]\n{}=9\n{fast}", KEYS[1]);
            let files: Vec<File> = vec![
                ("/etc/tuned/active_profile", "fast\n".to_owned()),
                ("/etc/tuned/profile_mode", "manual\n".to_owned()),
                ("/etc/tuned/tuned-main.conf", main),
                (profiles[0], fast),
                (profiles[1], base),
                ("/etc/sysctl.d/50-a.conf", drop_in),
                ("/etc/sysctl.conf", conf),
            ];
            let mut with_tuned = files.clone();
            let signs = ["/usr/sbin/tuned", "/etc/systemd/system/multi-user.target.wants/tuned.service"];
            let later = is_later.then_some("/usr/lib/tuned/profiles");
            with_tuned.extend(signs.into_iter().chain(later).map(|path| (path, String::new())));
            let Some(ours) = writes("tuned", &with_tuned) else { return Ok(()) };
            place(&files);
            let output = Command::new("python3")
                .arg(format!("{DRIVERS}/tuned.py"))
                .arg(&package)
                .output()
                .expect("python3 starts");
            prop_assert!(output.status.success(), "{}\n{:?}", String::from_utf8_lossy(&output.stderr), files);
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let theirs: Vec<(String, String)> = printed
                .lines()
                .filter_map(|line| line.strip_prefix("/proc/sys/")?.split_once(' '))
                .filter(|(path, _)| !path.contains('.'))
                .map(|(path, value)| (path.replace('/', "."), value.to_owned()))
                .filter(|(key, _)| KEYS.contains(&key.as_str()))
                .collect();
            count(if theirs.is_empty() { &nothing } else { &wrote });
            prop_assert_eq!(ours, theirs, "{:?}", files);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (wrote, nothing) = (wrote.get(), nothing.get());
    assert!(wrote > 30 && nothing > 5, "tuned wrote {wrote} times, and {nothing} times nothing");
}
