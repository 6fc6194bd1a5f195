//! A run that is killed, or that the operating system fails, at each of its system calls in turn.
//!
//! strace(1) kills the binary at, or makes fail, exactly one call. Whatever the call, every file is the old one or the new
//! one, with its mode, owner, extended attributes and links; nothing that is left over is read by a loader; and the next
//! run completes the work and removes what is left over.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crate::support::world::{Network, World, privileged};

const REQUEST: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240,
    "nf_conntrack_tcp_timeout_established": 28800}, "conflicts": "comment_out", "backup": true}"#;

/// Sets the live values back.
const LIVE: &str = "cd /proc/sys/net/netfilter; echo 60 > nf_conntrack_tcp_timeout_close_wait
    echo 432000 > nf_conntrack_tcp_timeout_established";

/// Prints the live values on standard error.
const PRINT_LIVE: &str = "cd /proc/sys/net/netfilter
    echo $(cat nf_conntrack_tcp_timeout_close_wait nf_conntrack_tcp_timeout_established) >&2";

type State = BTreeMap<String, String>;

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

/// One system call of a run: its name, and the how many-th of that name it is.
type Point = (String, usize);

/// Every system call that the run makes, in order. The execve that starts it is strace's own.
fn points(world: &World) -> Vec<Point> {
    reset(world);
    let ended = world.try_sh("exec strace -qq -o /mnt/trace $BIN apply", REQUEST);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in world.sh("cat /mnt/trace").lines() {
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
    state.iter().filter(|(name, _)| !is_copy(name) && !is_stray(name)).map(|(a, b)| (a.clone(), b.clone())).collect()
}

fn is_copy(name: &str) -> bool {
    name.ends_with('~')
}

fn is_stray(name: &str) -> bool {
    name.contains("/.") && name.ends_with(".tmp")
}

fn assert_old_or_new(found: &State, old: &State, new: &State, point: &Point) {
    for (name, text) in found {
        let known = is_copy(name) || is_stray(name) || old.get(name) == Some(text) || new.get(name) == Some(text);
        assert!(known, "{point:?}: `{name}` is neither old nor new: {text}");
    }
    for name in old.keys() {
        assert!(found.contains_key(name), "{point:?}: `{name}` is gone");
    }
}

/// Each of the two live values is one of those that it may be.
fn assert_live(printed: &str, may_be: &[[&str; 2]; 2], point: &Point) {
    let last = printed.lines().last().unwrap_or_default();
    let values: Vec<&str> = last.split(' ').collect();
    let right = values.len() == 2 && values.iter().zip(may_be).all(|(value, may_be)| may_be.contains(value));
    assert!(right, "{point:?}: live {last}, not of {may_be:?}\n{printed}");
}

fn assert_converges(world: &World, new: &State, point: &Point) {
    let ended = world.apply(REQUEST);
    assert!(ended.code == 0 && ended.report().in_sync, "{point:?}: {}", ended.stdout);
    let found = state(world);
    assert_eq!(lasting(&found), *new, "{point:?}");
}

/// A run to be disturbed: its system calls, and the files before it and after it.
struct Scene {
    world: World,
    points: Vec<Point>,
    old: State,
    new: State,
}

fn scene() -> Scene {
    let world = World::new(Network::Private);
    let points = points(&world);
    let new = lasting(&state(&world));
    reset(&world);
    let old = state(&world);
    Scene { world, points, old, new }
}

privileged!(killed_at_each_system_call, || {
    let Scene { world, points, old, new } = scene();
    let mut killed = 0;
    for point in &points {
        reset(&world);
        let (name, count) = point;
        let inject = format!("inject={name}:signal=SIGKILL:when={count}");
        let ended =
            world.try_sh(&format!("{LIVE}; strace -qq -o /dev/null -e {inject} $BIN apply; {PRINT_LIVE}"), REQUEST);
        assert_live(&ended.stderr, &[["60", "240"], ["432000", "28800"]], point);
        killed += usize::from(ended.stdout.is_empty());
        assert_old_or_new(&state(&world), &old, &new, point);
        assert_converges(&world, &new, point);
        let strays = state(&world).into_keys().filter(|name| is_stray(name)).collect::<Vec<_>>();
        assert!(strays.is_empty(), "{point:?}: {strays:?} is left after the next run");
    }
    println!("killed at {} system calls, {killed} times before the report was out", points.len());
    assert!(killed > points.len() / 2, "the injection does not work");
});

/// How many of the first calls are left out: FAULTS_SKIP says, to look at the later ones by themselves.
fn skipped() -> usize {
    std::env::var("FAULTS_SKIP").ok().and_then(|skip| skip.parse().ok()).unwrap_or(0)
}

privileged!(failed_at_each_system_call, || {
    let Scene { world, points, old, new } = scene();
    let (mut succeeded, mut failed, mut crashed) = (0, 0, 0);
    for point in points.iter().skip(skipped()) {
        for errno in ["ENOSPC", "EIO", "EROFS", "EACCES", "EINTR", "EMFILE"] {
            reset(&world);
            let (name, count) = point;
            let run = format!("strace -qq -o /dev/null -e inject={name}:error={errno}:when={count} $BIN apply");
            let ended = world.try_sh(&format!("{LIVE}; {run}; code=$?; {PRINT_LIVE}; exit $code"), REQUEST);
            let found = state(&world);
            let what = format!("{point:?} {errno}: exit {}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
            match ended.code {
                0 => {
                    succeeded += 1;
                    assert!(ended.report().in_sync, "{what}");
                    assert_eq!(lasting(&found), new, "{what}");
                    assert_live(&ended.stderr, &[["240"; 2], ["28800"; 2]], point);
                }
                1 if ended.stderr.contains("report cannot be printed") => {
                    // The run is over, but not all of its report is out: the exit code and standard error say so.
                    failed += 1;
                    assert_old_or_new(&found, &old, &new, point);
                }
                1 => {
                    failed += 1;
                    let failure = ended.report().failure.unwrap_or_else(|| panic!("{what}"));
                    assert!(failure.rolled_back != Some(false), "{what}");
                    assert_eq!(lasting(&found), lasting(&old), "{what}");
                    assert!(!found.keys().any(|name| is_copy(name)), "{what}: {found:?}");
                    assert_live(&ended.stderr, &[["60"; 2], ["432000"; 2]], point);
                }
                // Without memory (brk, mmap) or its libraries a process ends as if it were killed.
                127 | 134 | 139 => {
                    crashed += 1;
                    assert_old_or_new(&found, &old, &new, point);
                    assert_converges(&world, &new, point);
                }
                _ => panic!("{what}"),
            }
        }
    }
    println!(
        "failed {} system calls in 6 ways: {succeeded} runs succeeded, {failed} failed, {crashed} crashed",
        points.len()
    );
});
