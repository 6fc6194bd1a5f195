//! Judges the cases of `tests/cases` by the model and by the real loaders. The third judge, real reboots, has a `main`
//! of its own in `tests/reboot`, and reads the same cases.

pub(crate) mod case;
pub(crate) mod expected;
pub(crate) mod images;
mod loader;
mod model;
pub(crate) mod modelled;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{copy_tree, describe};
use case::{Case, Judge};
use conntrack_sysctl::boot::systems::SYSTEMS;
use conntrack_sysctl::sysctl_d::{DIALECTS, Dialect, PROCPS, SYSTEMD};
use images::Image;

/// A file by which images boot their own way.
struct Landmark {
    /// An image that has all these words has the file.
    of: &'static [&'static str],
    path: &'static str,
    /// Where it points, if it is a link. Of the others only the existence counts.
    target: Option<&'static str>,
}

const LANDMARKS: [Landmark; 34] = [
    Landmark { of: &["systemd"], path: "usr/lib/systemd/systemd-sysctl", target: None },
    // Debian has its systemd read /etc/modules, and had it read /etc/sysctl.conf up to 12.
    Landmark { of: &["systemd"], path: "etc/modules-load.d/modules.conf", target: Some("../modules") },
    Landmark { of: &["systemd", "debian-11"], path: "etc/sysctl.d/99-sysctl.conf", target: Some("../sysctl.conf") },
    Landmark { of: &["systemd", "debian-12"], path: "etc/sysctl.d/99-sysctl.conf", target: Some("../sysctl.conf") },
    Landmark { of: &["systemd", "debian-11"], path: "usr/lib/systemd/libsystemd-shared-247.so", target: None },
    Landmark { of: &["systemd-262"], path: "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-262.so", target: None },
    Landmark { of: &["sysvinit"], path: "sbin/init", target: None },
    Landmark { of: &["sysvinit"], path: "etc/rcS.d/S06kmod", target: None },
    Landmark { of: &["sysvinit"], path: "etc/rcS.d/S09procps", target: None },
    Landmark { of: &["procps-3"], path: "lib/x86_64-linux-gnu/libprocps.so.8", target: None },
    Landmark { of: &["gentoo"], path: "sbin/init", target: None },
    Landmark { of: &["gentoo"], path: "etc/init.d/modules", target: None },
    Landmark { of: &["gentoo"], path: "etc/init.d/sysctl", target: None },
    Landmark { of: &["gentoo"], path: "etc/runlevels/boot/modules", target: Some("/etc/init.d/modules") },
    Landmark { of: &["gentoo"], path: "etc/runlevels/boot/sysctl", target: Some("/etc/init.d/sysctl") },
    Landmark { of: &["alpine-3"], path: "bin/busybox", target: None },
    Landmark { of: &["alpine-3"], path: "sbin/init", target: Some("/bin/busybox") },
    Landmark { of: &["alpine-3"], path: "sbin/sysctl", target: Some("/bin/busybox") },
    Landmark { of: &["alpine-3"], path: "etc/alpine-release", target: None },
    Landmark { of: &["alpine-3"], path: "etc/init.d/modules", target: None },
    Landmark { of: &["alpine-3"], path: "etc/init.d/sysctl", target: None },
    Landmark { of: &["alpine-3"], path: "etc/runlevels/boot/modules", target: Some("/etc/init.d/modules") },
    Landmark { of: &["alpine-3"], path: "etc/runlevels/boot/sysctl", target: Some("/etc/init.d/sysctl") },
    Landmark { of: &["openwrt-24"], path: "sbin/init", target: None },
    Landmark { of: &["openwrt-24"], path: "etc/openwrt_release", target: None },
    Landmark { of: &["debian-finit"], path: "sbin/finit", target: None },
    Landmark { of: &["debian-finit"], path: "sbin/init", target: Some("finit") },
    Landmark { of: &["debian-finit"], path: "usr/lib/finit/plugins/procps.so", target: None },
    Landmark { of: &["void-linux"], path: "etc/runit/core-services/08-sysctl.sh", target: None },
    Landmark { of: &["void-linux"], path: "usr/bin/runit-init", target: None },
    Landmark { of: &["void-linux"], path: "sbin/init", target: Some("/usr/bin/runit-init") },
    Landmark { of: &["chimera-linux"], path: "usr/bin/dinit", target: None },
    Landmark { of: &["chimera-linux"], path: "sbin/init", target: Some("/usr/bin/dinit") },
    Landmark { of: &["chimera-linux"], path: "usr/lib/dinit.d/early/early-sysctl", target: None },
];

/// Makes the root of `case` at `root`, with the landmarks of `image` among its own files.
pub(crate) fn machine(case: &Case, image: Option<&Image>, root: &Path) {
    if case.root().is_dir() {
        copy_tree(&case.root(), root);
    }
    let words = image.map(|image| image.words_for(Judge::Model)).unwrap_or_default();
    for landmark in LANDMARKS.iter().filter(|it| image.is_some() && it.of.iter().all(|word| words.contains(word))) {
        let path = root.join(landmark.path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("a directory can be made");
        let made = match landmark.target {
            Some(target) => symlink(target, &path),
            None => fs::write(&path, ""),
        };
        made.unwrap_or_else(|error| panic!("{}: {}: {error}", case.name, landmark.path));
    }
    if let Ok(text) = fs::read_to_string(case.directory.join("moments")) {
        set_moments(root, &text);
    }
}

/// Lets the files and directories of `root` be changed last when `text` says, in lines `PATH SECONDS`; all others at 0.
fn set_moments(root: &Path, text: &str) {
    let mut below = vec![root.to_owned()];
    while let Some(path) = below.pop() {
        if !path.is_symlink() && path.is_dir() {
            below.extend(fs::read_dir(&path).expect("it can be read").map(|item| item.expect("it can be read").path()));
        }
        let inside = Path::new("/").join(path.strip_prefix(root).expect("it is below the root"));
        let of_it = text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| Path::new(name) == inside);
        let seconds: u64 = of_it.map_or(0, |(_, seconds)| seconds.parse().expect("it is a number"));
        if !path.is_symlink() {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let file = fs::File::open(&path).expect("it can be opened");
            file.set_modified(moment).expect("its moment can be set");
        }
    }
}

/// The programs that read the files of `case`: its directory `tests/cases/sysctl_d/GROUP` names the dialect, or is `both`
/// for systemd and procps, which differ in most of what is odd.
pub(crate) fn dialects(case: &Case) -> Vec<&'static Dialect> {
    let group = case.name.split('/').nth(1).unwrap_or_default();
    let both = [&SYSTEMD, &PROCPS];
    let is_read_by = |dialect: &&&'static Dialect| dialect.name == group || (group == "both" && both.contains(dialect));
    let dialects: Vec<_> = DIALECTS.iter().filter(is_read_by).copied().collect();
    assert!(!dialects.is_empty(), "{}: there is no dialect `{group}`", case.name);
    dialects
}

#[test]
fn every_init_system_has_an_image_and_every_dialect_has_cases() {
    for system in SYSTEMS {
        assert!(modelled::all().any(|image| image.system == system.name), "{} has no image", system.name);
    }
    let cases: Vec<Case> = case::groups("sysctl_d").iter().flat_map(|group| case::cases(group)).collect();
    for dialect in DIALECTS {
        let has_one = cases.iter().any(|case| dialects(case).contains(&dialect));
        assert!(has_one, "tests/cases/sysctl_d has no case for {}", dialect.name);
    }
}

/// Cases that boot on one machine meet there: each is to find its own files, and to speak of settings of its own.
#[test]
fn cases_of_one_machine_do_not_meet() {
    let mut files: BTreeMap<(String, PathBuf), String> = BTreeMap::new();
    let mut settings: BTreeMap<(String, String), String> = BTreeMap::new();
    for case in case::groups("boots").iter().flat_map(|group| case::cases(group)) {
        let Some(machine) = case.machine().map(str::to_owned) else {
            assert_eq!(case.command_line(), None, "{}: no guest boots with it", case.name);
            continue;
        };
        let files_of_it = if case.root().is_dir() { describe(&case.root()) } else { BTreeMap::new() };
        for (path, content) in files_of_it {
            let other = files.insert((machine.clone(), path.clone()), content.clone());
            let is_own = other.is_none_or(|other| other == content);
            assert!(is_own, "{}: {} is another case's on {machine}", case.name, path.display());
        }
        let names: BTreeSet<&String> = case.expected.lines.iter().map(|line| &line.name).collect();
        for name in names.into_iter().filter(|name| name.starts_with("net.")) {
            let other = settings.insert((machine.clone(), name.clone()), case.name.clone());
            assert_eq!(other, None, "{}: {name} is another case's on {machine}", case.name);
        }
    }
    assert!(files.len() > 20 && settings.len() > 30);
}
