//! Finds the commands in the configuration of cloud-init: `bootcmd`, which each boot runs, and what only the first boot of a
//! new machine does, `runcmd` and `write_files` (cloud-init's modules cc_bootcmd, cc_runcmd, cc_write_files).

use std::path::{Path, PathBuf};

use super::Line;
use crate::tree::{Place, Read, Tree};

/// Its program.
const PROGRAM: &str = "/usr/bin/cloud-init";

/// The file by which it is switched off.
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";

/// The link to the data of the machine, which the first boot makes.
const INSTANCE: &str = "/var/lib/cloud/instance";

/// The files that the image has.
const OF_IMAGE: &str = "/etc/cloud/cloud.cfg";
const DROP_INS: &str = "/etc/cloud/cloud.cfg.d";

/// What the cloud and the user gave it at its first boot, in that directory.
const GIVEN: [&str; 3] = ["cloud-config.txt", "vendor-cloud-config.txt", "vendor2-cloud-config.txt"];

/// What an image brings along for its first boot.
const SEEDS: [&str; 8] = [
    "/var/lib/cloud/seed/nocloud/user-data",
    "/var/lib/cloud/seed/nocloud/vendor-data",
    "/var/lib/cloud/seed/nocloud-net/user-data",
    "/var/lib/cloud/seed/nocloud-net/vendor-data",
    "/boot/firmware/user-data",
    "/boot/firmware/vendor-data",
    "/boot/user-data",
    "/boot/vendor-data",
];

/// The section that counts at each boot.
const EACH_BOOT: &str = "bootcmd";

/// The sections that count at the first boot, each with the modules that carry it out.
const FIRST_BOOT: [(&str, &[&str]); 2] =
    [("runcmd", &["runcmd", "scripts-user", "scripts_user"]), ("write_files", &["write-files", "write_files"])];

/// The reads on which the commands depend, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    if tree.get(PROGRAM).is_none() {
        return vec![Read::Presence(PROGRAM.into())];
    }
    let given = GIVEN.iter().map(|name| Read::Candidate(Path::new(INSTANCE).join(name)));
    let own = [Read::Candidate(OF_IMAGE.into()), Read::IfListed { path: DROP_INS.into(), suffix: ".cfg" }];
    let seeds = SEEDS.iter().map(|path| Read::Candidate(path.into()));
    given.chain(own).chain(seeds).chain(Read::presences(&[DISABLED, INSTANCE])).collect()
}

/// The files that it reads.
pub(super) fn files(tree: &Tree) -> Vec<PathBuf> {
    if tree.get(PROGRAM).is_none() || tree.get(DISABLED).is_some() {
        return Vec::new();
    }
    let drop_ins = tree.in_directory(Path::new(DROP_INS)).map(|(path, _)| path.to_owned());
    let given = GIVEN.iter().map(|name| Path::new(INSTANCE).join(name));
    let seeds = SEEDS.iter().map(PathBuf::from);
    [PathBuf::from(OF_IMAGE)]
        .into_iter()
        .chain(drop_ins)
        .chain(given)
        .chain(seeds)
        .filter(|path| tree.get(path).is_some())
        .collect()
}

/// The commands that the next boot runs.
pub(super) fn lines(tree: &Tree) -> Vec<Line> {
    let files = files(tree);
    let texts: Vec<String> = files.iter().map(|file| tree.text(file).into_owned()).collect();
    let is_first = tree.get(INSTANCE).is_none();
    // A module of which only the first boot has need may be asked for each time: `- [scripts-user, always]`.
    let is_repeated = |module: &&'static str| {
        texts.iter().flat_map(|text| text.lines()).any(|line| line.contains("always") && line.contains(*module))
    };
    let repeats = FIRST_BOOT.iter().filter(|(_, modules)| is_first || modules.iter().any(is_repeated));
    let sections: Vec<&str> = [EACH_BOOT].into_iter().chain(repeats.map(|(section, _)| *section)).collect();
    // A script counts at the first boot, unless its module is asked for each time.
    let runs_scripts = sections.contains(&FIRST_BOOT[0].0);
    let counts = |text: &&String| runs_scripts || !text.starts_with("#!");
    let counting = files.iter().zip(&texts).filter(|(_, text)| counts(text));
    counting.flat_map(|(file, text)| lines_of(file, text, &sections)).collect()
}

/// Whether the sections of a file can be told by its lines: it is a mapping whose keys begin lines, and no item stands for another
/// part of the file. A script, several parts in one file, a template, and a mapping in braces are none.
fn has_plain_sections(text: &str) -> bool {
    let is_plain = |line: &str| {
        let first = line.chars().next().unwrap_or(' ');
        let is_key = || first.is_ascii_alphabetic() && line.contains(':') && !line.starts_with("Content-");
        matches!(first, ' ' | '\t' | '#' | '-' | ']' | '}') || line.starts_with("...") || is_key()
    };
    let stands_for_another = |line: &str| {
        line.split([' ', '\t', '[', ','])
            .any(|word| word.starts_with('*') && word[1..].starts_with(char::is_alphanumeric))
    };
    !text.starts_with("#!") && !text.lines().any(|line| !is_plain(line) || stands_for_another(line))
}

/// The lines of some sections of a file, as commands: an item may be a text or a list of words.
fn lines_of(file: &Path, text: &str, sections: &[&str]) -> Vec<Line> {
    let is_whole = !has_plain_sections(text);
    let mut is_inside = is_whole;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((name, behind)) =
            line.split_once(':').filter(|_| !is_whole && line.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            is_inside = sections.contains(&name.trim_end());
            if behind.trim().is_empty() {
                continue;
            }
        }
        let item = line.split_once(':').filter(|(name, _)| sections.contains(name)).map_or(line, |(_, behind)| behind);
        let item = item.trim().trim_start_matches("- ").trim();
        if is_inside && !item.is_empty() && !item.starts_with('#') {
            let place = Place::new(file, index + 1);
            lines.push(Line { place, command: command(item) });
        }
    }
    lines
}

/// The command of an item: `[sysctl, -w, "a=b"]` are the words of one.
fn command(item: &str) -> String {
    let unquoted = |text: &str| {
        let inside = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        inside.unwrap_or(text).to_owned()
    };
    match item.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
        Some(list) => list.split(',').map(|word| unquoted(word.trim())).collect::<Vec<_>>().join(" "),
        None => unquoted(item),
    }
}
