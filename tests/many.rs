//! Many runs, at once and one after the other: each succeeds or says why not, and none leaves a file, a lock or memory behind.
//!
//! `APPLIES` says how many applies start at once, and `RUNS` how many follow one another; CONTRIBUTING.md has the commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::failure::Kind;
use conntrack_sysctl::host::{self, MachineKernel};
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::{request, run};

const CLOSE_WAIT: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";
const FILE: &str = "/etc/sysctl.d/90-conntrack.conf";

/// The number that the variable `name` has, or else `usual`.
fn count(name: &str, usual: i64) -> i64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn request(seconds: i64) -> String {
    format!(r#"{{"settings": {{"nf_conntrack_tcp_timeout_close_wait": {seconds}}}, "backup": 3}}"#)
}

privileged!(applies_at_once, || {
    let applies = count("APPLIES", 100);
    let world = World::new(Network::Private);
    let mut reports = Vec::new();
    thread::scope(|scope| {
        let world = &world;
        let runs: Vec<_> =
            (0..applies).map(|n| scope.spawn(move || (n, world.apply(&request(1000 + n)).report()))).collect();
        reports.extend(runs.into_iter().map(|run| run.join().expect("a run ends")));
    });
    let mut succeeded = BTreeSet::new();
    for (n, report) in &reports {
        match &report.failure {
            None => {
                assert!(report.in_sync && report.changed, "{report:?}");
                assert_eq!(report.settings[0].live.after, Some(1000 + n));
                assert_eq!(report.settings[0].boot.after, Some(1000 + n));
                succeeded.insert(1000 + n);
            }
            Some(failure) => assert_eq!(failure.kind, Kind::Busy, "{failure:?}"),
        }
    }
    let live: i64 = world.sysctl(CLOSE_WAIT).parse().expect("it is a number");
    assert!(succeeded.contains(&live));
    assert_eq!(world.sh(&format!("cat {FILE}")), format!("{CLOSE_WAIT} = {live}\n"));
    let busy = reports.len() - succeeded.len();
    println!("{applies} applies at once: {} succeeded, {busy} busy", succeeded.len());
});

/// What runs may leave in a world: files, and KiB on the disk.
fn left(world: &World) -> (BTreeSet<String>, u64) {
    let files = world.sh("find /etc /run /var/lib/conntrack-sysctl | sed 's/[0-9]\\{13\\}~$/COPY/'");
    let blocks = world.sh("df --output=used /mnt/disk/files | tail -1");
    (files.lines().map(str::to_owned).collect(), blocks.trim().parse().expect("df prints a number"))
}

privileged!(runs_one_after_the_other, || {
    let runs = count("RUNS", 100);
    let world = World::new(Network::Private);
    for seconds in [100, 101] {
        fs::write(world.path(&format!("/mnt/{seconds}")), request(seconds)).expect("a file can be written");
    }
    let loop_of = |runs: i64| {
        format!(
            "n=0; while [ $n -lt {runs} ]; do
                 $BIN apply /mnt/$((100 + n % 2)) > /mnt/report || {{ cat /mnt/report; exit 1; }}
                 grep -q '\"in_sync\": true' /mnt/report && grep -q '\"changed\": true' /mnt/report || {{ cat /mnt/report; exit 1; }}
                 n=$((n + 1))
             done"
        )
    };
    // After these there are as many copies as there may be.
    world.sh(&loop_of(6));
    let before = left(&world);
    world.sh(&loop_of(runs));
    let after = left(&world);
    let more: Vec<&String> = after.0.symmetric_difference(&before.0).collect();
    assert!(more.is_empty(), "{more:?}");
    // A directory may have one block more. Files that were removed and are still open would take blocks too.
    let growth = after.1.saturating_sub(before.1);
    assert!(growth < 16, "the disk has {growth} KiB less after {runs} runs");
    world.sh("flock --nonblock /run/conntrack-sysctl true");
    println!("{runs} runs one after the other: no file more, the lock is free, and the disk has {growth} KiB less");
});

/// The handles of this process, and its memory in KiB.
fn held() -> (usize, u64) {
    let handles = fs::read_dir("/proc/self/fd").expect("the kernel lists them").count();
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("there is such a line");
    (handles, line.trim().trim_end_matches(" kB").parse().expect("it is a number"))
}

/// Runs in one process, as a program has them that uses the library.
fn run_on_image(image: &Path, runs: i64) {
    for seconds in 0..runs {
        let root = host::open_root(image).expect("the image can be opened");
        let before = host::observe(&root).expect("the image can be read");
        let desired = request::from_slice(request(100 + seconds % 2).as_bytes()).expect("the request is good");
        let plan = plan(&desired, &before).expect("there is a plan");
        let report = run::carried_out(&desired, &before, &plan, &root, &mut MachineKernel);
        assert!(report.failure.is_none() && report.changed, "{report:?}");
    }
}

privileged!(runs_in_one_process, || {
    let runs = count("RUNS", 100);
    // In a process of its own: the other tests of this one have handles and memory too.
    crate::support::world::inside("many::runs_in_one_process", || {
        let image = tempfile::tempdir_in("/mnt").expect("a directory can be made");
        let directory = image.path().join("etc/sysctl.d");
        fs::create_dir_all(&directory).expect("a directory can be made");
        run_on_image(image.path(), 100);
        let before = held();
        run_on_image(image.path(), runs);
        let after = held();
        assert_eq!(after.0, before.0, "handles are left open");
        let growth = after.1.saturating_sub(before.1);
        assert!(growth < 1024, "{growth} KiB of memory are gone after {runs} runs");
        let names = fs::read_dir(directory).expect("the directory can be read").count();
        assert_eq!(names, 4, "a file and its three copies");
        eprintln!("{runs} runs in one process: no handle more, and {growth} KiB more memory");
    });
});
