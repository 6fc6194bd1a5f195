//! The second judge: the real loader, in a world of its own, on the files of a case as `apply` leaves them.
//!
//! In each world stand keys of one kind. Files keep every text, and the limits of the whole machine are judged by them;
//! the kernel's own keys of a network namespace read the texts, and everything else is judged by those.

use std::fs;
use std::path::Path;

use super::case::{Case, Judge, cases, groups};
use super::expected::Line;
use super::images::{IMAGES, Image};
use super::verdicts::Verdicts;
use super::{dialects, machine};
use crate::support::Run;
use crate::support::loader::{Keys, Loader, Node, Root};
use crate::support::world::{inside, privileged};
use conntrack_sysctl::kernel::catalog::{Key, MAX, Name, Scope};
use conntrack_sysctl::sysctl_d::{Dialect, PROCPS, SYSTEMD, Write};
use conntrack_sysctl::tree::Place;

privileged!(systemd_writes_what_the_cases_expect, || {
    judge("systemd_writes_what_the_cases_expect", Keys::Files, &SYSTEMD);
});

privileged!(procps_writes_what_the_cases_expect, || {
    judge("procps_writes_what_the_cases_expect", Keys::Files, &PROCPS);
});

privileged!(the_kernel_makes_of_systemd_what_the_cases_expect, || {
    judge("the_kernel_makes_of_systemd_what_the_cases_expect", Keys::Kernel, &SYSTEMD);
});

privileged!(the_kernel_makes_of_procps_what_the_cases_expect, || {
    judge("the_kernel_makes_of_procps_what_the_cases_expect", Keys::Kernel, &PROCPS);
});

fn judge(test: &str, keys: Keys, dialect: &'static Dialect) {
    inside(&format!("{}::{test}", module_path!().split_once("::").expect("it is a module").1), || {
        let loader = Loader::before(keys, dialect);
        let mut writes = Verdicts::default();
        for case in groups("sysctl_d").iter().flat_map(|group| cases(group)) {
            if case.is_for(Judge::Loader) && dialects(&case).contains(&dialect) {
                judge_writes(&case, &loader, keys, dialect, &mut writes);
            }
        }
        writes.assert(1600);
        let mut values = Verdicts::default();
        let boots = groups("boots");
        for case in boots.iter().map(String::as_str).chain(["requests"]).flat_map(cases) {
            if case.is_for(Judge::Loader) {
                judge_values(&case, &loader, keys, dialect, &mut values);
            }
        }
        values.assert(5);
    });
}

/// A case of `sysctl_d`: each line is a write, and what stands in a key comes of all of them.
fn judge_writes(case: &Case, loader: &Loader, keys: Keys, dialect: &Dialect, verdicts: &mut Verdicts) {
    let found = loader.run_on(&files(&case.root()), || {});
    let write = |line: &Line| Write {
        key: Key::new(line.name.clone()),
        text: line.value.clone(),
        place: Place::new(case.root(), 0),
    };
    let mut writes: Vec<Write> = case.expected.on(&[dialect.name]).into_iter().map(write).collect();
    if keys == Keys::Kernel {
        // The others are the whole machine's, and read-only in this network namespace.
        writes.retain(|write| loader.initial(write.key.as_str()).is_some());
    }
    for (key, expected) in loader.after(&writes) {
        let shown = |text: &[u8]| format!("{key} {:.200}", text.escape_ascii().to_string());
        verdicts.compare(&case.name, &shown(&expected), &shown(&found[&key]));
    }
}

/// A case of `boots` or `requests`: what each setting is, once the loader has run.
fn judge_values(case: &Case, loader: &Loader, keys: Keys, dialect: &Dialect, verdicts: &mut Verdicts) {
    for image in images(case, dialect) {
        let lines = judged_lines(case, image, keys);
        if lines.is_empty() {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        machine(case, image, directory.path());
        if let Some(request) = case.request() {
            let _ = Run::new(&["apply", "-"]).root(directory.path()).input(request).report();
        }
        let found = loader.run_on(&files(directory.path()), || {});
        for line in lines {
            let Some(initial) = loader.initial(&line.name) else { continue };
            let expected = match (line.value(), keys) {
                ("default", _) => initial.to_vec(),
                (number, Keys::Kernel) => number.as_bytes().to_vec(),
                (number, Keys::Files) => {
                    let place = Place::new(case.root(), 0);
                    let write = Write { key: Key::new(line.name.clone()), text: number.as_bytes().to_vec(), place };
                    loader.after(&[write]).remove(&line.name).expect("it is written")
                }
            };
            let on = format!("{} on {}", case.name, image.map_or("its own", |image| image.name));
            let shown = |text: &[u8]| format!("{} {:.200}", line.name, text.escape_ascii().to_string());
            verdicts.compare(&on, &shown(&expected), &shown(&found[&line.name]));
        }
    }
}

const EXPECT_MAX: &str = "net.netfilter.nf_conntrack_expect_max";

/// The images with a loader that reads files as the one of this machine does: procps 4, or a systemd of these years.
const LIKE_HERE: [(&str, &Dialect); 3] = [("12", &SYSTEMD), ("13", &SYSTEMD), ("12-sysvinit", &PROCPS)];

/// The images on which the loader of this machine can judge `case`. The root of a request is a machine of its own.
fn images(case: &Case, dialect: &Dialect) -> Vec<Option<&'static Image>> {
    if case.name.starts_with("requests/") {
        let has_systemd = case.root().join("usr/lib/systemd/systemd-sysctl").exists();
        return if has_systemd == (*dialect == SYSTEMD) { vec![None] } else { Vec::new() };
    }
    let is_like_here = |image: &&Image| LIKE_HERE.contains(&(image.name, dialect));
    IMAGES.iter().filter(|image| image.boots(case)).filter(is_like_here).map(Some).collect()
}

/// The lines of a case that can be judged by what stands in `keys`: none where the module comes after the loader.
fn judged_lines<'a>(case: &'a Case, image: Option<&Image>, keys: Keys) -> Vec<&'a Line> {
    let words = image.map_or_else(|| vec![Judge::Loader.name()], |image| image.words_for(Judge::Loader));
    let module = case.expected.of("module", &words).map_or("early", Line::value);
    let is_there = ["early", "built-in"].contains(&module);
    let is_judged = |line: &&Line| {
        Name::of_key(&line.name).is_some_and(|name| match keys {
            // These take every number as it is written; the number of buckets is rounded.
            Keys::Files => name == MAX || name.as_str() == EXPECT_MAX,
            Keys::Kernel => name.setting().scope == Scope::PerNamespace,
        })
    };
    case.expected.counting(&words).into_iter().filter(|line| is_there && is_judged(line)).collect()
}

#[test]
fn every_case_for_the_loader_has_something_to_judge() {
    let boots = groups("boots");
    let cases = boots.iter().map(String::as_str).chain(["requests"]).flat_map(cases);
    let can_be_judged = |case: &Case| {
        let images = [&SYSTEMD, &PROCPS].into_iter().flat_map(|dialect| images(case, dialect));
        let pairs = images.flat_map(|image| [(image, Keys::Files), (image, Keys::Kernel)]);
        pairs.into_iter().any(|(image, keys)| !judged_lines(case, image, keys).is_empty())
    };
    let without = cases.filter(|case| case.is_for(Judge::Loader) && !can_be_judged(case));
    assert_eq!(without.map(|case| case.name).collect::<Vec<_>>(), [""; 0]);
}

/// The files of the root at `directory` that a loader may read.
fn files(directory: &Path) -> Root {
    let mut files = Root::new();
    read(directory, directory, &mut files);
    let are_read = ["/etc", "/run", "/usr/local/lib", "/usr/lib/sysctl.d"];
    files.retain(|path, _| are_read.iter().any(|directory| path.starts_with(directory)));
    files
}

fn read(root: &Path, directory: &Path, files: &mut Root) {
    for item in fs::read_dir(directory).expect("a directory can be read") {
        let path = item.expect("a directory can be read").path();
        let node = if let Ok(target) = fs::read_link(&path) {
            Node::Link(target.into_os_string().into_string().expect("links of cases are text"))
        } else if path.is_file() {
            Node::File(fs::read(&path).expect("a file can be read"))
        } else if path.extension().is_some_and(|suffix| suffix == "conf") {
            // One that stands in the place of a file.
            Node::Directory
        } else {
            read(root, &path, files);
            continue;
        };
        files.insert(Path::new("/").join(path.strip_prefix(root).expect("it is below the root")), node);
    }
}
