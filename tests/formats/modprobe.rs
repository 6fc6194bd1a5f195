//! Asks the real modprobe(8) which modules random files of modprobe.d have it load, and with which options, and compares.
//!
//! modprobe works on a tree of small modules that this test makes. strace(1) keeps the kernel out of it: each module that
//! modprobe loads is written down, and counts as loaded. `ORACLE_TREES` is how many configurations are made (300),
//! `ORACLE_SEED` the seed of the first one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::oracle::number;
use crate::oracle::random::Random;
use crate::support::machine::Machine;
use crate::support::world::{inside, privileged};
use conntrack_sysctl::boot::systems::{SYSTEMD, SYSVINIT, System};
use conntrack_sysctl::boot::{Arrival, CMDLINE, boot};
use conntrack_sysctl::kernel::catalog::{BUCKETS, Name};
use conntrack_sysctl::snapshot::Module;
use conntrack_sysctl::tree::Entry;

privileged!(modprobe_loads_the_same, || inside("formats::modprobe::modprobe_loads_the_same", judge));

const RELEASE: &str = "6.12.1";

/// A module: its name, the modules that it needs, its aliases, its soft dependencies.
type Source = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

const MODULES: [Source; 9] = [
    ("crc32c_generic", &[], &["crc32c"], ""),
    ("libcrc32c", &[], &[], "pre: crc32c"),
    ("nf_defrag_ipv4", &[], &[], ""),
    ("nf_defrag_ipv6", &[], &[], ""),
    ("nf_conntrack", &["nf_defrag_ipv4", "nf_defrag_ipv6", "libcrc32c"], &["ip_conntrack", "nf_conntrack-2"], ""),
    ("nf_tables", &["libcrc32c"], &[], ""),
    ("nft_ct", &["nf_conntrack", "nf_tables"], &["nft-expr-ct", "nft-obj-3"], ""),
    ("br_netfilter", &[], &[], "post: nft-expr-ct"),
    ("loop", &[], &[], ""),
];

/// The names in the lists of modules, and in the lines of modprobe.d.
const NAMES: [&str; 14] = [
    "nf_conntrack",
    "nf-conntrack",
    "nf_conntrack",
    "ip_conntrack",
    "nf_conntrack_2",
    "nft_ct",
    "nft-expr-ct",
    "nf_defrag_ipv6",
    "libcrc32c",
    "crc32c",
    "br_netfilter",
    "loop",
    "foo",
    "nosuch",
];

const PATTERNS: [&str; 6] = ["nf_conn*", "nf?conntrack", "n[fg]t_ct", "*", "lib*", "foo"];

const COMMANDS: [&str; 10] = [
    "modprobe -i nf_conntrack $CMDLINE_OPTS hashsize=2048",
    "/bin/true",
    "/bin/false",
    "true # hardened",
    "exit 1",
    ":",
    "/sbin/modprobe --ignore-install nf_conntrack $CMDLINE_OPTS",
    "modprobe -q -i nf-conntrack hashsize=4096",
    "/sbin/modprobe --ignore-install nft_ct",
    "/bin/false \\\n",
];

const ENDS: [&str; 12] = ["\n", "\n", "\n", "\n", "\n", "\n", "\n", " \n", "\r\n", "\n\n", "\t\n", "\\\n"];

const COMMENTS: [&str; 5] = ["# note", "# note \\", " # no comment", "#", "include /etc/other.conf"];

fn any_name(random: &mut Random) -> &'static str {
    if random.one_in(5) { random.pick(&PATTERNS) } else { random.pick(&NAMES) }
}

fn gap(random: &mut Random) -> &'static str {
    random.pick(&[" ", " ", " ", " ", " ", "\t", "  ", " \\\n", "\\\n "])
}

fn options(random: &mut Random) -> String {
    let option = |random: &mut Random| match random.below(4) {
        0 => format!("acct={}", random.below(2)),
        1 => "acct".to_owned(),
        _ => format!("hashsize={}", 512 * (1 + random.below(8))),
    };
    let first = option(random);
    if random.one_in(3) { format!("{first}{}{}", gap(random), option(random)) } else { first }
}

/// A file of modprobe.d.
fn file(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(6) {
        let name = any_name(random);
        let words: Vec<String> = match random.below(12) {
            0..=3 => vec!["options".into(), name.into(), options(random)],
            4 => vec!["blacklist".into(), name.into()],
            5 | 6 => vec!["install".into(), name.into(), random.pick(&COMMANDS).into()],
            7 | 8 => vec!["alias".into(), name.into(), random.pick(&NAMES).into()],
            9 | 10 => {
                let word = random.pick(&["pre:", "post:", "pre:", ""]);
                vec!["softdep".into(), name.into(), word.into(), random.pick(&NAMES).into()]
            }
            _ => vec![random.pick(&COMMENTS).into()],
        };
        let gaps: Vec<&str> = words.iter().map(|_| gap(random)).collect();
        let line = words.iter().zip(gaps).fold(String::new(), |line, (word, gap)| line + word + gap);
        text += line.trim_end_matches([' ', '\t', '\\', '\n']);
        text += random.pick(&ENDS);
    }
    // kmod takes the end of a file behind a backslash for a character of its own.
    text + "\n"
}

/// A configuration, and a module to load.
struct Scene {
    files: [(&'static str, String); 2],
    command_line: String,
    name: &'static str,
    arguments: String,
}

impl Scene {
    fn random(random: &mut Random) -> Scene {
        let command_line = match random.below(8) {
            0 => "ro nf_conntrack.hashsize=2048 quiet",
            1 => "modprobe.blacklist=nft_ct,nf_conntrack",
            2 => "nf-conntrack.acct=1 -- x",
            _ => "ro quiet",
        };
        Scene {
            files: [("a.conf", file(random)), ("z.conf", file(random))],
            command_line: format!("{command_line}\n"),
            name: random.pick(&NAMES),
            arguments: if random.one_in(4) { "hashsize=8192".to_owned() } else { String::new() },
        }
    }

    fn describe(&self) -> String {
        let [(first, a), (last, z)] = &self.files;
        format!(
            "{first}: {a:?}\n{last}: {z:?}\ncommand line: {:?}\nloaded: {} {}",
            self.command_line, self.name, self.arguments
        )
    }
}

/// The parameters of connection tracking that matter here: the buckets and the switch. None: it is not loaded.
type Loaded = Option<(Option<i64>, Option<i64>)>;

/// The program's own word on it. Err: it cannot tell.
fn ours(scene: &Scene, modules: &Path, system: &'static System) -> Result<Loaded, ()> {
    let directory = format!("/usr/lib/modules/{RELEASE}");
    let index = |name: &str| fs::read_to_string(modules.join(name)).expect("depmod has written it");
    let list = if system == &SYSVINIT {
        ("/etc/modules", format!("{} {}\n", scene.name, scene.arguments))
    } else {
        ("/etc/modules-load.d/a.conf", format!("{}\n", scene.name))
    };
    let mut machine = Machine::image()
        .module(Module::Absent)
        .entry(&directory, Entry::Directory)
        .file(list.0, &list.1)
        .file(CMDLINE, &scene.command_line);
    for name in ["modules.dep", "modules.alias", "modules.softdep", "modules.builtin"] {
        machine = machine.file(format!("{directory}/{name}"), &index(name).replace('-', "_"));
    }
    for (name, text) in &scene.files {
        machine = machine.file(format!("/etc/modprobe.d/{name}"), text);
    }
    let boot = boot(&machine, system);
    if !boot.doubts.is_empty() {
        return Err(());
    }
    let value = |name: &Name| boot.outlook(name).value;
    let acct = Name::of_key("net.netfilter.nf_conntrack_acct").expect("it is a setting");
    Ok(matches!(boot.arrival, Arrival::Early(_)).then(|| (value(&BUCKETS), value(&acct))))
}

/// The real program's word on it.
fn theirs(scene: &Scene, base: &Path, system: &'static System) -> Loaded {
    let configuration = base.join("modprobe.d");
    for (name, text) in &scene.files {
        fs::write(configuration.join(name), text).expect("a file can be written");
    }
    fs::write(base.join("cmdline"), &scene.command_line).expect("a file can be written");
    let log = base.join("log");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-e",
        "trace=finit_module",
        "-e",
        "inject=finit_module:retval=0",
        "-o",
    ]);
    strace.arg(&log).arg("modprobe");
    if system == &SYSTEMD {
        // systemd-modules-load obeys blacklists, and takes a whole line for a name.
        strace.args(["--use-blacklist", scene.name]);
    } else {
        strace.arg(scene.name).args(scene.arguments.split_whitespace());
    }
    // A command of an `install` line that runs modprobe gets them too.
    let options = format!("-C {} -d {} -S {RELEASE}", configuration.display(), base.display());
    let status = strace.env("MODPROBE_OPTIONS", options).stderr(Stdio::null()).status();
    status.expect("strace starts");
    let text = fs::read_to_string(&log).expect("strace has written it");
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let call = text.lines().find_map(|line| {
        let (name, rest) = line.split_once("/kernel/")?.1.split_once(".ko>, \"")?;
        // The kernel itself would miss the symbols of a module that an `install` command has not loaded.
        let (.., needed, _, _) = MODULES.into_iter().find(|(module, ..)| *module == name)?;
        if needed.iter().all(|needed| there.contains(needed)) {
            there.insert(name);
        }
        (name == "nf_conntrack" && there.contains(name)).then(|| rest.split_once("\", 0)"))?
    })?;
    // strace writes a blank as C does.
    let options = call.0.replace("\\t", " ").replace("\\r", " ");
    let given = |name: &'static str| {
        let pairs = options.split_whitespace().map(|option| match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        });
        pairs.filter(move |(own, _)| *own == name).map(|(_, value)| value)
    };
    // The kernel refuses a module if it cannot read the number, and looks at the first character of a switch.
    let sizes: Option<Vec<i64>> = given("hashsize").map(|value| value?.parse().ok()).collect();
    let switch = given("acct").next_back().map(|value| i64::from(value.is_none_or(|text| text.starts_with('1'))));
    Some((sizes?.last().copied(), switch))
}

fn judge() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let base = home.path();
    let modules = make_modules(base);
    fs::create_dir(base.join("modprobe.d")).expect("a directory can be made");
    fs::write(base.join("cmdline"), "").expect("a file can be written");
    // What is loaded on this machine, and its own command line, are none of modprobe's business here.
    run(Command::new("mount").args(["-t", "tmpfs", "none", "/sys/module"]));
    run(Command::new("mount").arg("--bind").arg(base.join("cmdline")).arg(CMDLINE));
    let (first, trees) = (number("ORACLE_SEED").unwrap_or(16), number("ORACLE_TREES").unwrap_or(300));
    let (mut loaded, mut kept, mut unclear) = (0, 0, 0);
    for seed in first..first + trees {
        let scene = Scene::random(&mut Random(seed));
        for system in [&SYSVINIT, &SYSTEMD] {
            let Ok(ours) = ours(&scene, &modules, system) else {
                unclear += 1;
                continue;
            };
            let theirs = theirs(&scene, base, system);
            assert_eq!(ours, theirs, "seed {seed}, as {system:?} does it\n{}", scene.describe());
            *if theirs.is_some() { &mut loaded } else { &mut kept } += 1;
        }
    }
    let counts = format!("seed {first}: loaded {loaded} times, not loaded {kept} times, unclear {unclear} times");
    eprintln!("modprobe_loads_the_same: {counts}");
    let (each, all) = (trees / 5, 2 * trees);
    assert!(loaded > each && kept > each && unclear < all / 2, "{counts}");
}

/// Makes the modules, and has depmod(8) make their indexes.
fn make_modules(base: &Path) -> PathBuf {
    let directory = base.join("lib/modules").join(RELEASE);
    fs::create_dir_all(directory.join("kernel")).expect("a directory can be made");
    for (name, needed, aliases, soft) in MODULES {
        let mut source = ".section .modinfo,\"a\"\n".to_owned();
        for alias in aliases {
            writeln!(source, ".asciz \"alias={alias}\"").expect("a text can be written");
        }
        if !soft.is_empty() {
            writeln!(source, ".asciz \"softdep={soft}\"").expect("a text can be written");
        }
        write!(source, ".section __ksymtab_strings,\"a\"\n.asciz \"of_{name}\"\n.data\n")
            .expect("a text can be written");
        for name in needed {
            writeln!(source, ".quad of_{name}").expect("a text can be written");
        }
        let file = base.join("module.s");
        fs::write(&file, source).expect("a file can be written");
        run(Command::new("as").arg("-o").arg(directory.join(format!("kernel/{name}.ko"))).arg(file));
    }
    for list in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::write(directory.join(list), "").expect("a file can be written");
    }
    run(Command::new("depmod").arg("-b").arg(base).arg(RELEASE));
    directory
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
