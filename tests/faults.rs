//! A run that is killed, or that the operating system fails, at each of its system calls in turn.
//!
//! strace(1) kills the binary at, or makes fail, exactly one call. Whatever the call, every file is the old one or the new
//! one, with its mode, owner, extended attributes and links; nothing that is left over is read by a loader; and the next
//! run completes the work and removes what is left over.

mod support;

use std::collections::BTreeMap;

use support::world::{Network, World, is_root};

const REQUEST: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240,
    "nf_conntrack_tcp_timeout_established": 28800}, "conflicts": "comment_out", "backup": true}"#;

/// Our file is a link to one with a mode, an owner and an attribute of its own; a vendor's file has to give way.
const RESET: &str = r"
rm -rf /etc/sysctl.d /etc/firewall; mkdir -p /etc/sysctl.d /etc/firewall
printf '# ours\nnet.netfilter.nf_conntrack_tcp_timeout_established = 1\n' > /etc/firewall/ct
chmod 640 /etc/firewall/ct; chown 1:2 /etc/firewall/ct; setfattr -n user.note -v kept /etc/firewall/ct
ln -s ../firewall/ct /etc/sysctl.d/90-conntrack.conf
printf '# vendor\nnet.netfilter.nf_conntrack_tcp_timeout_close_wait = 77\n' > /etc/sysctl.d/95-vendor.conf
sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close_wait=60 net.netfilter.nf_conntrack_tcp_timeout_established=432000
";

/// Each file with its name, mode, owner, link, attributes and content, one a line; then the live values.
const STATE: &str = r#"
cd /etc; for file in sysctl.d/* sysctl.d/.??* firewall/* firewall/.??*; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    printf '%s\t%s\n' "$file" "$(stat -c '%a %u %g %N' "$file") $(getfattr -d -m- --only-values "$file" 2>/dev/null) $(base64 -w0 < "$file")"
done
printf 'live\t%s\n' "$(sysctl -n net.netfilter.nf_conntrack_tcp_timeout_close_wait net.netfilter.nf_conntrack_tcp_timeout_established | tr '\n' ' ')"
"#;

type State = BTreeMap<String, String>;

fn state(world: &World) -> State {
    let text = world.sh(STATE);
    text.lines().filter_map(|line| line.split_once('\t')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// One system call of a run: its name, and the how many-th of that name it is.
type Point = (String, usize);

/// Every system call that the run makes, in order. The execve that starts it is strace's own.
fn points(world: &World) -> Vec<Point> {
    world.sh(RESET);
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
        // The live values are set one by one: each is old or new.
        let live = name == "live" && text.split(' ').all(|value| ["60", "240", "432000", "28800", ""].contains(&value));
        assert!(known || live, "{point:?}: `{name}` is neither old nor new: {text}");
    }
    for name in old.keys() {
        assert!(found.contains_key(name), "{point:?}: `{name}` is gone");
    }
}

fn assert_converges(world: &World, new: &State, point: &Point) {
    let ended = world.apply(REQUEST);
    assert!(ended.code == 0 && ended.report().in_sync, "{point:?}: {}", ended.stdout);
    let found = state(world);
    assert_eq!(lasting(&found), *new, "{point:?}");
}

#[test]
#[ignore = "needs root; run by tests/all"]
fn killed_at_each_system_call() {
    if !is_root("killed_at_each_system_call") {
        return;
    }
    let world = World::new(Network::Private);
    let points = points(&world);
    let new = lasting(&state(&world));
    world.sh(RESET);
    let old = state(&world);
    let mut killed = 0;
    for point in &points {
        world.sh(RESET);
        let (name, count) = point;
        let script = format!("strace -qq -o /dev/null -e inject={name}:signal=SIGKILL:when={count} $BIN apply; true");
        let ended = world.try_sh(&script, REQUEST);
        killed += usize::from(ended.stdout.is_empty());
        assert_old_or_new(&state(&world), &old, &new, point);
        assert_converges(&world, &new, point);
        let strays = state(&world).into_keys().filter(|name| is_stray(name)).collect::<Vec<_>>();
        assert!(strays.is_empty(), "{point:?}: {strays:?} is left after the next run");
    }
    println!("killed at {} system calls, {killed} times before the report was out", points.len());
    assert!(killed > points.len() / 2, "the injection does not work");
}

#[test]
#[ignore = "needs root; run by tests/all"]
fn failed_at_each_system_call() {
    if !is_root("failed_at_each_system_call") {
        return;
    }
    let world = World::new(Network::Private);
    let points = points(&world);
    let new = lasting(&state(&world));
    world.sh(RESET);
    let old = state(&world);
    let (mut succeeded, mut failed) = (0, 0);
    for point in &points {
        for errno in ["ENOSPC", "EIO", "EROFS", "EACCES", "EINTR", "EMFILE"] {
            world.sh(RESET);
            let (name, count) = point;
            let script = format!("exec strace -qq -o /dev/null -e inject={name}:error={errno}:when={count} $BIN apply");
            let ended = world.try_sh(&script, REQUEST);
            let found = state(&world);
            let what = format!("{point:?} {errno}: exit {}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
            match ended.code {
                0 => {
                    succeeded += 1;
                    assert!(ended.report().in_sync, "{what}");
                    assert_eq!(lasting(&found), new, "{what}");
                }
                1 if ended.stdout.is_empty() => {
                    // Not even the report could be printed: the exit code and standard error say so.
                    failed += 1;
                    assert!(ended.stderr.contains("report cannot be printed"), "{what}");
                    assert_old_or_new(&found, &old, &new, point);
                }
                1 => {
                    failed += 1;
                    let failure = ended.report().failure.unwrap_or_else(|| panic!("{what}"));
                    assert!(failure.rolled_back != Some(false), "{what}");
                    assert_eq!(lasting(&found), lasting(&old), "{what}");
                }
                // The C library's start-up gives up before the program begins.
                127 | 134 | 139 => {
                    failed += 1;
                    assert_eq!(found, old, "{what}");
                }
                _ => panic!("{what}"),
            }
        }
    }
    println!("failed {} system calls in 6 ways: {succeeded} runs succeeded, {failed} failed", points.len());
}
