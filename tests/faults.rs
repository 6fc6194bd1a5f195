//! A run that is killed, or that the operating system fails, at each of its system calls in turn.
//!
//! strace(1) kills the binary at exactly one call, or makes that call fail. Whatever the call, every file is the old one or
//! the new one, with its mode, owner, extended attributes and links; no loader reads a leftover; and the next run completes
//! the work and removes the leftovers.
//!
//! These are twenty thousand runs, so each must be cheap. Each processor has a world of its own, and each world has one shell
//! for all of its runs. To make a call fail, strace stops the binary at the calls of that name only (`--seccomp-bpf`): to stop
//! it at all of its three thousand calls would take four times as long as the rest. To kill it strace has to, because it sends
//! no signal from such a stop.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use conntrack_sysctl::promise::Promise;

use crate::support::world::{Ended, Network, World, privileged};

const REQUEST: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240,
    "nf_conntrack_tcp_timeout_established": 28800}, "conflicts": "comment_out", "backup": true}"#;

/// The shell of a stage, until its standard input ends: it runs each line in a subshell, whose streams are files, and prints
/// the exit code.
const SHELL: &str = "
cd /proc/sys/net/netfilter
while read -r line; do
    (eval \"$line\") < /mnt/request > /mnt/stdout 2> /mnt/stderr
    echo $?
done
";

/// Sets the live values back.
const RESET_LIVE: &str =
    "echo 60 > nf_conntrack_tcp_timeout_close_wait; echo 432000 > nf_conntrack_tcp_timeout_established";

/// Prints the live values on standard error, in two lines.
const PRINT_LIVE: &str = "cat nf_conntrack_tcp_timeout_close_wait nf_conntrack_tcp_timeout_established >&2";

type State = BTreeMap<String, String>;

/// A world in which runs are disturbed, and the shell that starts them.
struct Stage {
    world: World,
    shell: Child,
    codes: BufReader<ChildStdout>,
}

impl Stage {
    fn new() -> Stage {
        let world = World::new(Network::Private);
        fs::write(world.path("/mnt/request"), REQUEST).expect("a file can be written");
        let mut shell =
            world.command(SHELL).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter starts");
        let codes = BufReader::new(shell.stdout.take().expect("it has a standard output"));
        Stage { world, shell, codes }
    }

    /// Runs a line of shell, with the request as its standard input and `$BIN` as the binary.
    fn run(&mut self, line: &str) -> Ended {
        let stdin = self.shell.stdin.as_mut().expect("it has a standard input");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the shell reads");
        let mut code = String::new();
        self.codes.read_line(&mut code).expect("the shell answers");
        let read = |name: &str| {
            let bytes = fs::read(self.world.path(name)).expect("a file can be read");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let code = code.trim_end().parse().expect("the shell prints an exit code");
        Ended { code, stdout: read("/mnt/stdout"), stderr: read("/mnt/stderr") }
    }

    /// Runs an apply from the beginning under strace, whose options say what happens at which call of `name`, and prints
    /// the live values at the end of standard error.
    fn disturb(&mut self, name: &str, options: &str) -> Ended {
        reset(&self.world);
        let strace = format!("strace -qq -o /dev/null -e trace={name} {options}");
        self.run(&format!("{RESET_LIVE}; {strace} $BIN apply; code=$?; {PRINT_LIVE}; exit $code"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The promise of another apply.
const OLD_PROMISE: &str = "{\"old\": true}\n";

/// The directory of the promise.
const PROMISE: &str = "/var/lib/conntrack-sysctl";

/// Our file is a link to one with a mode, an owner and an attribute of its own; a vendor's file has to give way.
fn reset(world: &World) {
    let etc = world.path("/etc");
    for directory in ["sysctl.d", "firewall"] {
        let _ = fs::remove_dir_all(etc.join(directory));
        fs::create_dir(etc.join(directory)).expect("a directory can be made");
    }
    let ours = etc.join("firewall/ct");
    fs::write(&ours, "# ours\nnet.netfilter.nf_conntrack_tcp_timeout_established = 1\n")
        .expect("a file can be written");
    rustix::fs::setxattr(&ours, "user.note", b"kept", rustix::fs::XattrFlags::empty()).expect("it takes an attribute");
    chown(&ours, Some(1), Some(2)).expect("root gives files away");
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).expect("root sets modes");
    symlink("../firewall/ct", etc.join("sysctl.d/90-conntrack.conf")).expect("a link can be made");
    let vendor = "# vendor\nnet.netfilter.nf_conntrack_tcp_timeout_close_wait = 77\n";
    fs::write(etc.join("sysctl.d/95-vendor.conf"), vendor).expect("a file can be written");
    let promise = world.path(PROMISE);
    let _ = fs::remove_dir_all(&promise);
    fs::create_dir(&promise).expect("a directory can be made");
    fs::write(promise.join("promise.json"), OLD_PROMISE).expect("a file can be written");
}

/// The promise is the old one or that of the request, as a whole.
fn assert_whole_promise(world: &World, point: &Point) {
    let text = fs::read_to_string(world.path(PROMISE).join("promise.json")).expect("there is a promise");
    let settings = || serde_json::from_str::<Promise>(&text).map(|promise| promise.settings.len());
    assert!(text == OLD_PROMISE || settings().is_ok_and(|count| count == 2), "{point:?}: {text}");
}

/// Each file with its mode, owner, link or attributes, and content.
fn state(world: &World) -> State {
    let mut state = State::new();
    for directory in ["sysctl.d", "firewall"] {
        for item in fs::read_dir(world.path("/etc").join(directory)).expect("a directory can be read") {
            let path = item.expect("a directory can be read").path();
            let metadata = path.symlink_metadata().expect("a file has metadata");
            let owner = format!("{:o} {} {}", metadata.mode(), metadata.uid(), metadata.gid());
            let text = if metadata.is_symlink() {
                format!("{owner} -> {}", fs::read_link(&path).expect("a link can be read").display())
            } else {
                let mut note = [0_u8; 16];
                let length = rustix::fs::getxattr(&path, "user.note", &mut note[..]).unwrap_or(0);
                let content = String::from_utf8(fs::read(&path).expect("a file can be read")).expect("it is text");
                format!("{owner} {} {content}", String::from_utf8_lossy(&note[..length]))
            };
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            state.insert(format!("{directory}/{name}"), text);
        }
    }
    state
}

/// One system call of a run: its name, and its number among the calls of that name.
type Point = (String, usize);

/// Every system call that the run makes, in order. The execve that starts it is strace's own.
fn points(stage: &mut Stage) -> Vec<Point> {
    reset(&stage.world);
    let ended = stage.run("exec strace -qq -o /mnt/trace $BIN apply");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let trace = fs::read_to_string(stage.world.path("/mnt/trace")).expect("strace writes a trace");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in trace.lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            continue;
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        if name != "execve" && name != "exit_group" {
            points.push((name.to_owned(), *count));
        }
    }
    assert!(points.len() > 100, "strace saw only {} calls", points.len());
    points
}

/// The files that a loader reads, and those that the run may change, without copies and leftovers.
fn lasting(state: &State) -> State {
    state.iter().filter(|(name, _)| !is_copy(name) && !is_leftover(name)).map(|(a, b)| (a.clone(), b.clone())).collect()
}

fn is_copy(name: &str) -> bool {
    name.ends_with('~')
}

fn is_leftover(name: &str) -> bool {
    name.contains("/.") && name.ends_with(".tmp")
}

fn assert_old_or_new(found: &State, scene: &Scene, point: &Point) {
    for (name, text) in found {
        let is_known = [&scene.old, &scene.new].iter().any(|state| state.get(name) == Some(text));
        assert!(is_known || is_copy(name) || is_leftover(name), "{point:?}: `{name}` is neither old nor new: {text}");
    }
    for name in scene.old.keys() {
        assert!(found.contains_key(name), "{point:?}: `{name}` is gone");
    }
}

/// Each of the two live values is one of those that it may be.
fn assert_live(printed: &str, may_be: &[[&str; 2]; 2], point: &Point) {
    let mut last = printed.lines().rev();
    let established_may_be = may_be[1].map(Some).contains(&last.next());
    let close_wait_may_be = may_be[0].map(Some).contains(&last.next());
    assert!(established_may_be && close_wait_may_be, "{point:?}: live values are not of {may_be:?}\n{printed}");
}

fn assert_converges(stage: &mut Stage, scene: &Scene, point: &Point) {
    let ended = stage.run("exec $BIN apply");
    assert!(ended.code == 0 && ended.report().in_sync, "{point:?}: {}", ended.stdout);
    let found = state(&stage.world);
    assert_eq!(lasting(&found), scene.new, "{point:?}");
    let names = fs::read_dir(stage.world.path(PROMISE)).expect("a directory can be read");
    let names: Vec<_> = names.map(|item| item.expect("a directory can be read").file_name()).collect();
    assert_eq!(names, ["promise.json"], "{point:?}");
    let promise = fs::read(stage.world.path(PROMISE).join("promise.json")).expect("there is a promise");
    assert_ne!(promise, OLD_PROMISE.as_bytes(), "{point:?}");
}

/// A run to be disturbed: its system calls, and the files before it and after it.
struct Scene {
    points: Vec<Point>,
    old: State,
    new: State,
}

impl Scene {
    fn new() -> Scene {
        let mut stage = Stage::new();
        let points = points(&mut stage);
        let new = lasting(&state(&stage.world));
        reset(&stage.world);
        let old = state(&stage.world);
        Scene { points, old, new }
    }

    /// The results of `disturb` for all points. There is a stage for each processor, and each takes the next point that
    /// none has taken.
    fn at_each_point<R: Send>(&self, disturb: impl Fn(&mut Stage, &Point) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(skipped());
        let work = || {
            let mut stage = Stage::new();
            let mut outcomes = Vec::new();
            while let Some(point) = self.points.get(next.fetch_add(1, Ordering::Relaxed)) {
                outcomes.push(disturb(&mut stage, point));
            }
            outcomes
        };
        let stages = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..stages).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("each point is as it must be")).collect()
        })
    }
}

/// How many of the first calls are left out: FAULTS_SKIP says, to look at the later ones by themselves.
fn skipped() -> usize {
    std::env::var("FAULTS_SKIP").ok().and_then(|skip| skip.parse().ok()).unwrap_or(0)
}

privileged!(killed_at_each_system_call, || {
    let scene = Scene::new();
    let silent = scene.at_each_point(|stage, point| {
        let (name, count) = point;
        let ended = stage.disturb(name, &format!("-e inject={name}:signal=SIGKILL:when={count}"));
        assert_live(&ended.stderr, &[["60", "240"], ["432000", "28800"]], point);
        assert_old_or_new(&state(&stage.world), &scene, point);
        assert_whole_promise(&stage.world, point);
        assert_converges(stage, &scene, point);
        let leftovers = state(&stage.world).into_keys().filter(|name| is_leftover(name)).collect::<Vec<_>>();
        assert!(leftovers.is_empty(), "{point:?}: {leftovers:?} is left after the next run");
        ended.stdout.is_empty()
    });
    let killed = silent.iter().filter(|is_silent| **is_silent).count();
    println!("killed at {} system calls, {killed} times before the report was out", silent.len());
    assert!(killed > silent.len() / 2, "the injection does not work");
});

/// How a run ends whose system call fails.
#[derive(PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
    /// Without memory (brk, mmap) or its libraries a process ends as if it were killed.
    Crashed,
}

privileged!(failed_at_each_system_call, || {
    let scene = Scene::new();
    let outcomes = scene.at_each_point(|stage, point| {
        ["ENOSPC", "EIO", "EROFS", "EACCES", "EINTR", "EMFILE"].map(|errno| fail(stage, &scene, point, errno))
    });
    let count = |outcome: &Outcome| outcomes.iter().flatten().filter(|other| *other == outcome).count();
    let [succeeded, failed, crashed] = [Outcome::Succeeded, Outcome::Failed, Outcome::Crashed].map(|each| count(&each));
    println!(
        "failed {} system calls in 6 ways: {succeeded} runs succeeded, {failed} failed, {crashed} crashed",
        outcomes.len()
    );
    assert!(failed > 0, "the injection does not work");
});

/// Makes one call fail with `errno`, and judges what is left.
fn fail(stage: &mut Stage, scene: &Scene, point: &Point, errno: &str) -> Outcome {
    let (name, count) = point;
    let ended = stage.disturb(name, &format!("-f --seccomp-bpf -e inject={name}:error={errno}:when={count}"));
    let found = state(&stage.world);
    assert_whole_promise(&stage.world, point);
    let what = format!("{point:?} {errno}: exit {}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
    match ended.code {
        0 => {
            assert!(ended.report().in_sync, "{what}");
            assert_eq!(lasting(&found), scene.new, "{what}");
            assert_live(&ended.stderr, &[["240"; 2], ["28800"; 2]], point);
            Outcome::Succeeded
        }
        1 if ended.stderr.contains("report cannot be printed") => {
            // The run is over, but not all of its report is out: the exit code and standard error say so.
            assert_old_or_new(&found, scene, point);
            Outcome::Failed
        }
        1 => {
            let failure = ended.report().failure.unwrap_or_else(|| panic!("{what}"));
            assert!(failure.rolled_back != Some(false), "{what}");
            assert_eq!(lasting(&found), lasting(&scene.old), "{what}");
            assert!(!found.keys().any(|name| is_copy(name)), "{what}: {found:?}");
            assert_live(&ended.stderr, &[["60"; 2], ["432000"; 2]], point);
            Outcome::Failed
        }
        127 | 134 | 139 => {
            assert_old_or_new(&found, scene, point);
            assert_converges(stage, scene, point);
            Outcome::Crashed
        }
        _ => panic!("{what}"),
    }
}
