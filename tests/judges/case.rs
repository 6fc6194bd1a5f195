//! Defines a case: one directory below `tests/cases`, as every judge reads it (`tests/cases/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::expected::Expected;

/// A judge that can say whether a case holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judge {
    /// The program's own pure functions; no root needed.
    Model,
    /// A real loader, on the files as `apply` leaves them.
    Loader,
    /// A real boot of a guest.
    Reboot,
}

/// Every judge.
pub(crate) const JUDGES: [Judge; 3] = [Judge::Model, Judge::Loader, Judge::Reboot];

impl Judge {
    /// Its name in the files `judges`, and in lines of `expected` that only it can see.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Judge::Model => "model",
            Judge::Loader => "loader",
            Judge::Reboot => "reboot",
        }
    }
}

/// A case on disk.
pub(crate) struct Case {
    /// The directory, below `tests/cases`.
    pub(crate) name: String,
    /// The directory.
    pub(crate) directory: PathBuf,
    /// The expectation of its author.
    pub(crate) expected: Expected,
    judges: BTreeSet<Judge>,
    machine: Option<String>,
}

/// The directory of the cases.
fn all() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// The cases in the directory `tests/cases/GROUP`, in the order of their names.
pub(crate) fn cases(group: &str) -> Vec<Case> {
    let cases: Vec<Case> = directories(&all().join(group)).into_iter().map(Case::read).collect();
    assert!(!cases.is_empty(), "there are no cases in {group}");
    cases
}

/// The groups of cases in the directory `tests/cases/NAME`: of the loaders' cases one a dialect, of the boots one an init
/// system.
pub(crate) fn groups(name: &str) -> Vec<String> {
    let groups = directories(&all().join(name));
    groups.iter().map(|group| format!("{name}/{}", file_name(group))).collect()
}

fn directories(of: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    let mut directories: Vec<PathBuf> =
        items.map(|item| item.expect("a directory can be read").path()).filter(|path| path.is_dir()).collect();
    directories.sort();
    directories
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("the names of cases are text")
}

impl Case {
    fn read(directory: PathBuf) -> Case {
        let file = directory.join("expected");
        // A case that is just being written has none yet: BLESS=1 writes it.
        let text = fs::read_to_string(&file).unwrap_or_default();
        let (judges, machine) = judges(&directory);
        Case {
            name: directory.strip_prefix(all()).expect("it is a case").display().to_string(),
            expected: Expected::parse(&text, &file.display().to_string()),
            directory,
            judges,
            machine,
        }
    }

    /// Whether `judge` is to judge it.
    pub(crate) fn is_for(&self, judge: Judge) -> bool {
        self.judges.contains(&judge)
    }

    /// The machine on which it boots for real, together with the other cases of that name.
    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    /// The files of its machine.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The words that a real guest has on the command line of its kernel, from the first boot on.
    pub(crate) fn command_line(&self) -> Option<String> {
        let words = fs::read_to_string(self.directory.join("command_line")).ok()?;
        Some(words.trim_end().to_owned())
    }

    /// The request, if it has one.
    pub(crate) fn request(&self) -> Option<Vec<u8>> {
        fs::read(self.directory.join("request.json")).ok()
    }
}

/// Who judges the case in `directory`, and on which machine it boots: the nearest file `judges`, in it or above it, says
/// so in one line, `JUDGE[, JUDGE...][; WHY NOT THE OTHERS]`, where a judge is `model`, `loader` or `reboot on MACHINE`.
fn judges(directory: &Path) -> (BTreeSet<Judge>, Option<String>) {
    let above = directory.ancestors().take_while(|it| it.starts_with(all()));
    let (file, line) = above
        .map(|it| it.join("judges"))
        .find_map(|file| fs::read_to_string(&file).ok().map(|text| (file, text)))
        .unwrap_or_else(|| panic!("{}: no file `judges` says who judges it", directory.display()));
    let line = line.trim_end();
    let (list, why) = line.split_once("; ").unwrap_or((line, ""));
    let mut machine = None;
    let judges: BTreeSet<Judge> = list
        .split(", ")
        .map(|judge| match judge.split_once(" on ") {
            None if judge == Judge::Model.name() => Judge::Model,
            None if judge == Judge::Loader.name() => Judge::Loader,
            Some((name, on)) if name == Judge::Reboot.name() => {
                machine = Some(on.to_owned());
                Judge::Reboot
            }
            _ => panic!("{}: `{judge}` is no judge", file.display()),
        })
        .collect();
    let is_whole = judges.len() == JUDGES.len();
    assert!(is_whole == why.is_empty(), "{}: it is to say why the other judges do not apply", file.display());
    (judges, machine)
}
