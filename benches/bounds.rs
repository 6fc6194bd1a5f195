//! Measures the bounds of the program beside the same program before it had them: the commit e645f81.
//!
//! Both binaries read the same images. The old binary is the one that the variable BEFORE names, or else one that is built
//! from git below target/before. An image is a directory, so that no measure touches the machine. Each time is the processor
//! time of a whole process, which other work on the machine disturbs little: the median of some runs, or of one run if it
//! takes seconds.
//! `[BEFORE=FILE] cargo bench --bench bounds`

#[path = "../tests/bounds/image.rs"]
mod image;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use image::Image;

const NOW: &str = env!("CARGO_BIN_EXE_conntrack-sysctl");

/// The commit of the old binary.
const COMMIT: &str = "e645f81";

/// The runs of which a time is the median, if one takes less than a second.
const ROUNDS: usize = 7;

/// The longest that a run may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let before = before();
    edits(&before);
    growth_of_edits();
    explain(&before);
    brackets(&before);
    loader();
    memory(&before);
    endless(&before);
}

/// The old binary.
fn before() -> PathBuf {
    if let Some(path) = std::env::var_os("BEFORE") {
        return path.into();
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/before");
    let binary = target.join("build/release/conntrack-sysctl");
    if !binary.exists() {
        let script = format!(
            "mkdir -p source && git -C \"$1\" archive {COMMIT} | tar -x -C source
             CARGO_TARGET_DIR=$PWD/build cargo build --quiet --release --locked --manifest-path source/Cargo.toml"
        );
        fs::create_dir_all(&target).expect("a directory can be made");
        let mut build = Command::new("sh");
        build.args(["-ec", &script, "sh", env!("CARGO_MANIFEST_DIR")]).current_dir(&target);
        assert!(build.status().is_ok_and(|status| status.success()), "{COMMIT} cannot be built");
    }
    binary
}

/// The command `name` of `binary` for `image`.
fn command_for(image: &Image, binary: &Path, name: &str, request: Option<&str>) -> Command {
    let mut command = Command::new(binary);
    command.args([name, "--output", "json", "--root"]).arg(image.root());
    if let Some(text) = request {
        image.file("request.json", text);
        command.arg(image.path("request.json"));
    }
    command
}

/// The end of a process.
#[derive(Clone)]
struct Ended {
    /// The processor time of its first thread: both programs have no other.
    seconds: f64,
    /// The most memory that it was seen to have, in MiB.
    memory: f64,
    code: Option<i32>,
}

/// Runs `command` to its end, or for as long as anyone waits.
fn run(mut command: Command) -> Ended {
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let process = child.id();
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let mut memory: f64 = 0.0;
    loop {
        let status = read("status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let peak = field("VmHWM:").trim_end_matches(" kB").parse::<f64>().unwrap_or_default();
        memory = memory.max(peak / 1024.0);
        // The kernel tells the time of a process that has ended until its parent has asked for it.
        if field("State:").starts_with('Z') || start.elapsed() > PATIENCE {
            break;
        }
        sleep(Duration::from_micros(200));
    }
    let nanoseconds: f64 = read("schedstat").split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default();
    let _ = child.kill();
    let status = child.wait().expect("it is a child");
    Ended { seconds: nanoseconds / 1e9, memory, code: status.code() }
}

/// The median of several runs, each on what `prepare` has made.
fn median(mut prepare: impl FnMut() -> (Image, Command)) -> Ended {
    let mut runs: Vec<Ended> = Vec::new();
    while runs.len() < ROUNDS && runs.iter().map(|ended| ended.seconds).sum::<f64>() < 2.0 {
        let (_image, command) = prepare();
        runs.push(run(command));
    }
    runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    runs[runs.len() / 2].clone()
}

fn row(name: &str, ended: &Ended, note: &str) {
    println!("{name:<44} {:>10.2} ms   {note}", ended.seconds * 1e3);
}

/// The two rows of a measure: before and now.
fn both(name: &str, before: &Path, prepare: impl Fn(&Path) -> (Image, Command)) {
    let old = median(|| prepare(before));
    let new = median(|| prepare(Path::new(NOW)));
    row(&format!("{name}, {COMMIT}"), &old, if old.code.is_none() { "was stopped" } else { "" });
    row(&format!("check: {name}, now"), &new, &format!("{:.0} times faster", old.seconds / new.seconds));
}

const LINE: &str = "net.netfilter.nf_conntrack_udp_timeout = 30\n";

/// The requests that edit a file of many equal lines: the name, the file, and the request.
const EDITS: [(&str, &str, &str); 3] = [
    (
        "comment_out",
        "etc/sysctl.d/95-a.conf",
        r#"{"settings": {"nf_conntrack_udp_timeout": 31}, "conflicts": "comment_out"}"#,
    ),
    (
        "absent",
        "etc/sysctl.d/90-conntrack.conf",
        r#"{"settings": {"nf_conntrack_udp_timeout": null}, "state": "absent"}"#,
    ),
    ("exclusive", "etc/sysctl.d/90-conntrack.conf", r#"{"settings": {"nf_conntrack_acct": 1}, "exclusive": true}"#),
];

fn edit(binary: &Path, (file, request): (&str, &str), lines: usize) -> (Image, Command) {
    let image = Image::new();
    image.file(file, &LINE.repeat(lines));
    let command = command_for(&image, binary, "apply", Some(request));
    (image, command)
}

fn edits(before: &Path) {
    println!("an apply on 4,000 equal lines");
    for (name, file, request) in EDITS {
        both(name, before, |binary| edit(binary, (file, request), 4000));
    }
}

/// How an edit grows with the lines.
fn growth_of_edits() {
    for (name, file, request) in EDITS {
        println!("\n{name}, on more and more equal lines");
        for lines in [1000, 10_000, 100_000] {
            let ended = median(|| edit(Path::new(NOW), (file, request), lines));
            assert_eq!(ended.code, Some(0), "{name} of {lines} lines");
            let note = format!("{:.2} µs a line", ended.seconds * 1e6 / to_f64(lines));
            row(&format!("check: {lines} lines"), &ended, &note);
        }
    }
}

fn explain(before: &Path) {
    println!("\nexplain, on 30,000 lines of one setting");
    both("explain", before, |binary| {
        let image = Image::new();
        for number in 0..2 {
            image.file(&format!("etc/sysctl.d/9{number}-a.conf"), &LINE.repeat(15_000));
        }
        let mut command = Command::new(binary);
        command.args(["explain", "nf_conntrack_udp_timeout", "--output", "json", "--root"]).arg(image.root());
        (image, command)
    });
}

fn bracketed(binary: &Path, names: usize) -> (Image, Command) {
    let image = Image::of_procps();
    for number in 0..names {
        image.file(&format!("etc/sysctl.d/{number:05}-[ab].conf"), "net.netfilter.nf_conntrack_acct = 1\n");
    }
    let command = command_for(&image, binary, "check", Some(r#"{"settings": {"nf_conntrack_acct": 1}}"#));
    (image, command)
}

fn brackets(before: &Path) {
    println!("\nfile names with brackets, under procps");
    both("2,000 names", before, |binary| bracketed(binary, 2000));
    for names in [500, 1000, 4000] {
        let ended = median(|| bracketed(Path::new(NOW), names));
        row(
            &format!("check: {names} names, now"),
            &ended,
            &format!("{:.1} µs a name", ended.seconds * 1e6 / to_f64(names)),
        );
    }
}

/// 10,000 lines about connection tracking in one file, beside the loader, which only parses them.
fn loader() {
    println!("\na check of 10,000 lines about connection tracking in an image");
    let names = ["acct", "checksum", "udp_timeout", "icmp_timeout", "tcp_loose", "generic_timeout"];
    let line = |name: &&str| format!("net.netfilter.nf_conntrack_{name} = 1\n");
    let text = names.iter().cycle().take(10_000).map(line).collect::<Vec<_>>().concat();
    let prepared = || {
        let image = Image::new();
        image.file("etc/sysctl.d/90-conntrack.conf", &text);
        image
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let image = prepared();
        let command = command_for(&image, Path::new(NOW), "check", Some(r#"{"settings": {"nf_conntrack_acct": 1}}"#));
        ours.push(run(command).seconds);
        let mut command = Command::new("sysctl");
        command.args(["--dry-run", "-p"]).arg(image.path("etc/sysctl.d/90-conntrack.conf"));
        theirs.push(run(command).seconds);
    }
    let [ours, theirs] = [ours, theirs].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!("{:<44} {:>10.2} ms", "`sysctl --dry-run -p` of the file", theirs * 1e3);
    println!("{:<44} {:>10.2} ms   {:.2} times `sysctl --dry-run -p`", "check", ours * 1e3, ours / theirs);
}

/// A way to fill an image.
type Build<'a> = Box<dyn Fn(&Image) + 'a>;

/// The most memory of a check, whatever lies in the directories.
fn memory(before: &Path) {
    println!("\nthe memory of a check");
    let sparse = |image: &Image, count: usize, size: u64| {
        (0..count).for_each(|number| image.sparse(&format!("etc/sysctl.d/{number}.conf"), size));
    };
    let cases: [(&str, Build); 4] = [
        ("an ordinary image", Box::new(|image| image.file("etc/sysctl.d/90-conntrack.conf", LINE))),
        ("400 sparse files of 1 MiB", Box::new(|image| sparse(image, 400, 1 << 20))),
        ("a sparse file of 100 MiB", Box::new(|image| sparse(image, 1, 100 << 20))),
        (
            "50,000 files",
            Box::new(|image| {
                (0..50_000).for_each(|number| image.file(&format!("etc/sysctl.d/{number}.conf"), "a = 1\n"));
            }),
        ),
    ];
    for (name, build) in cases {
        let image = Image::new();
        build(&image);
        for (binary, when) in [(before, COMMIT), (Path::new(NOW), "now")] {
            let command = command_for(&image, binary, "check", Some(r#"{"settings": {"nf_conntrack_acct": 1}}"#));
            let ended = run(command);
            let ours = if when == "now" { "check: " } else { "" };
            println!(
                "{:<44} {:>10.1} MiB  exit {:?}",
                format!("{ours}{name}, {when}"),
                ended.memory,
                ended.code.unwrap_or(-1)
            );
        }
    }
}

/// Input that never ends.
fn endless(before: &Path) {
    println!("\ndiagnose --from /dev/zero");
    for (binary, when) in [(before, COMMIT), (Path::new(NOW), "now")] {
        let mut command = Command::new("prlimit");
        command.arg("--data=2147483648").arg("--cpu=60").arg(binary).args(["diagnose", "--from", "/dev/zero"]);
        let ended = run(command);
        let ours = if when == "now" { "diagnose, " } else { "" };
        row(&format!("{ours}{when}"), &ended, &format!("exit {}, {:.0} MiB", ended.code.unwrap_or(-1), ended.memory));
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count here is large")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
