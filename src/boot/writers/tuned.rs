//! tuned: it writes what its active profile, and the profiles that this one includes, say (tuned-profiles(7)). Its
//! configuration and other plugins have a say too, so that no value is certain.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Evidence, Writer, Written};
use crate::kernel::catalog::{self, Key};
use crate::tree::{Place, Read, Tree};

/// Holds the name of the active profile.
const ACTIVE: &str = "/etc/tuned/active_profile";

/// The directories in which tuned looks for profiles, the strongest first.
const PROFILES: [&str; 4] = ["/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned"];

/// How many profiles are followed. A real one includes two or three; a file of an image may name a million.
const MOST_PROFILES: usize = 64;

pub(super) const TUNED: Writer = Writer {
    name: "tuned",
    summary: "tuned writes the settings of its active profile as it starts.",
    reads,
    writes,
    remedy: "give that line the same value, or choose another profile",
};

fn reads(tree: &Tree) -> Vec<Read> {
    Read::files(&[ACTIVE]).chain(profiles(tree).into_iter().map(Read::Candidate)).collect()
}

fn writes(tree: &Tree, _: &BTreeSet<Key>) -> Vec<Written> {
    profiles(tree).iter().flat_map(|file| assignments(tree, file)).collect()
}

/// The settings that the profile in `file` assigns.
fn assignments(tree: &Tree, file: &Path) -> Vec<Written> {
    let text = String::from_utf8_lossy(tree.bytes(file).unwrap_or_default());
    let assignment = |(index, line): (usize, &str)| {
        // Every setting has the word in its name. A name that is none would be compared with all of them.
        let is_assignment = line.contains("conntrack") && !line.trim_start().starts_with(['#', ';']);
        let (key, _) = line.split_once('=').filter(|_| is_assignment)?;
        let setting = catalog::find(key.trim()).ok()?;
        let evidence = Evidence::Line(Place { file: file.to_owned(), line: index + 1 });
        Some(Written::Perhaps { setting, evidence })
    };
    text.lines().enumerate().filter_map(assignment).collect()
}

/// The paths at which the active profile may stand, and those of the profiles that it includes as far as `tree` has
/// them.
fn profiles(tree: &Tree) -> Vec<PathBuf> {
    let active = String::from_utf8_lossy(tree.bytes(ACTIVE).unwrap_or_default());
    let active = active.split_whitespace().filter(|name| is_plain(name)).take(MOST_PROFILES);
    let mut names: Vec<String> = active.map(str::to_owned).collect();
    let mut paths = Vec::new();
    let mut done = 0;
    while done < names.len() {
        let candidates = PROFILES.map(|directory| Path::new(directory).join(&names[done]).join("tuned.conf"));
        done += 1;
        for text in candidates.iter().filter_map(|path| tree.bytes(path)) {
            for name in includes(&String::from_utf8_lossy(text)) {
                // Each profile is followed once, so that a circle ends.
                if names.len() < MOST_PROFILES && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        paths.extend(candidates);
    }
    paths
}

/// The profiles that the `include=` lines of a profile name.
fn includes(text: &str) -> Vec<String> {
    let lists = text.lines().filter_map(|line| {
        let (key, list) = line.split_once('=')?;
        (key.trim() == "include").then_some(list)
    });
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).filter(|name| is_plain(name)).collect()
}

/// Whether `name` is a name and not a path.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/')
}
