//! The walls of the house: which room of `src` may import which, and which rooms may name what touches a machine.
//!
//! [`ROOMS`] is the one table of it. docs/architecture.md shows the same table; `BLESS=1 cargo test --test tests walls::`
//! writes it there. A module that is marked `#[cfg(test)]` may import what it likes.

mod checker;
mod drawing;
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::support::documents::{project, text};
use crate::support::golden;
use imports::{Crate, Mention, Target};

/// A room: a module with all below it that is no room of its own.
struct Room {
    name: &'static str,
    /// The rooms that it may import.
    imports: &'static [&'static str],
    /// The names in [`GUARDED`] that the room may use.
    names: &'static [&'static str],
}

const fn room(name: &'static str, imports: &'static [&'static str], names: &'static [&'static str]) -> Room {
    Room { name, imports, names }
}

/// The rooms from the top floor to the ground: a room imports only rooms that stand further down in this table.
const ROOMS: &[Room] = &[
    room("lib", &["failure", "report", "request", "run"], &[]),
    room("main", &["cli"], &["std::env", "std::process"]),
    room(
        "cli",
        &[
            "answer",
            "cli::arguments",
            "clients",
            "failure",
            "order",
            "report",
            "request",
            "run",
            "show",
            "snapshot",
            "summarize",
            "table",
            "table::analysis",
            "table::view",
        ],
        &["rustix", "std::env", "std::fs", "streams"],
    ),
    room(
        "cli::arguments",
        &["answer", "clients", "promise", "report", "schema", "show", "summarize", "table", "table::analysis"],
        &["clap"],
    ),
    room(
        "clients",
        &["answer", "failure", "report", "request", "run", "schema", "show", "table", "table::view", "text"],
        &[],
    ),
    room("schema", &["answer"], &[]),
    room(
        "table",
        &["host", "table::analysis", "table::model", "table::source", "table::view", "table::view::terminal", "text"],
        &["clock", "rustix", "signal_hook", "std::env", "std::fs", "std::thread", "streams"],
    ),
    room("table::view::terminal", &["table::view"], &["rustix", "signal_hook", "std::env", "streams"]),
    room("table::view", &["answer", "exposition", "order", "table::analysis", "table::model", "text"], &[]),
    room("table::analysis", &["kernel", "order", "table::model", "text"], &[]),
    room(
        "table::source",
        &["kernel", "order", "table::model", "text"],
        &["clock", "rustix", "std::fs", "std::thread", "streams"],
    ),
    room("table::model", &["kernel", "order"], &[]),
    room(
        "run",
        &[
            "apply", "failure", "host", "origin", "plan", "promise", "report", "request", "snapshot", "verify",
            "warning",
        ],
        &[],
    ),
    room("apply", &["failure", "host", "kernel", "plan", "request", "tree"], &[]),
    room(
        "host",
        &[
            "boot", "failure", "kernel", "order", "origin", "plan", "promise", "request", "snapshot", "sysctl_d",
            "text", "tree",
        ],
        &["clock", "landlock", "rustix", "signal_hook", "std::fs", "std::process", "std::thread", "sysctl"],
    ),
    room(
        "promise",
        &["answer", "boot", "exposition", "kernel", "origin", "report", "show", "snapshot", "text", "tree", "verify"],
        &[],
    ),
    room("summarize", &["answer", "order", "origin", "report", "text", "verify"], &[]),
    room(
        "report",
        &[
            "answer",
            "boot",
            "exposition",
            "failure",
            "kernel",
            "order",
            "origin",
            "plan",
            "request",
            "show",
            "snapshot",
            "text",
            "tree",
            "value",
            "verify",
            "warning",
        ],
        &[],
    ),
    room(
        "show",
        &["boot", "failure", "kernel", "order", "request", "snapshot", "tree", "value", "verify", "warning"],
        &[],
    ),
    room(
        "plan",
        &["boot", "failure", "kernel", "order", "request", "snapshot", "sysctl_d", "text", "tree", "verify", "warning"],
        &[],
    ),
    room("verify", &["boot", "failure", "kernel", "request", "snapshot", "sysctl_d", "tree"], &[]),
    room("request", &["boot", "failure", "kernel", "text", "value"], &[]),
    room("warning", &["boot"], &[]),
    room("boot", &["formats", "kernel", "order", "snapshot", "sysctl_d", "text", "tree"], &[]),
    room("formats", &[], &[]),
    room("sysctl_d", &["kernel", "order", "tree"], &[]),
    room("snapshot", &["kernel", "tree"], &[]),
    room("value", &["kernel", "text"], &[]),
    room("kernel", &[], &[]),
    room("tree", &[], &[]),
    room("answer", &["text"], &[]),
    room("origin", &[], &[]),
    room("exposition", &["text"], &[]),
    room("failure", &[], &[]),
    room("order", &[], &[]),
    room("text", &[], &[]),
];

/// The names that touch a machine, its clock or its streams, or decide the command line. A path names all below it.
const GUARDED: &[(&str, &[&str])] = &[
    ("clap", &["clap"]),
    ("clock", &["std::time::Instant::now", "std::time::SystemTime::now"]),
    ("landlock", &["landlock"]),
    ("rustix", &["rustix"]),
    ("signal_hook", &["signal_hook"]),
    ("std::env", &["std::env"]),
    ("std::fs", &["std::fs", "std::os::unix::fs"]),
    ("std::net", &["std::net", "std::os::unix::net"]),
    ("std::process", &["std::process", "std::os::unix::process"]),
    ("std::thread", &["std::thread"]),
    ("streams", &["std::io::stderr", "std::io::stdin", "std::io::stdout"]),
    ("sysctl", &["sysctl"]),
];

/// Addresses are values: naming them touches no network.
const VALUES: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

/// The room of a module: that of the longest name which the module's own begins with.
fn room_of(module: &[String]) -> &'static Room {
    let names = (1..=module.len()).rev().map(|length| module[..length].join("::")).chain(["lib".to_owned()]);
    let mut rooms = names.filter_map(|name| ROOMS.iter().find(|room| room.name == name));
    rooms.next().expect("there is a room for lib")
}

#[test]
fn every_file_stands_in_a_room() {
    let roomless = HOUSE.1.iter().filter(|mention| room_of(&mention.module).name == "lib" && mention.file != "lib.rs");
    assert_none("files without a row in the table", &roomless.map(|mention| mention.file.clone()).collect());
}

/// The name of `path` in [`GUARDED`], if it is there. A glob may name everything below it.
fn guarded(path: &[String]) -> Option<&'static str> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let is_value = VALUES.iter().any(|value| path.starts_with(&value.split("::").collect::<Vec<_>>()));
    let is_meant = |guarded: &&str| {
        let guarded: Vec<&str> = guarded.split("::").collect();
        path.starts_with(&guarded) || matches!(path.as_slice(), [above @ .., "*"] if guarded.starts_with(above))
    };
    GUARDED.iter().find(|(_, paths)| !is_value && paths.iter().any(is_meant)).map(|(name, _)| *name)
}

/// The crate as it is, with each of its mentions.
static HOUSE: LazyLock<(Crate, BTreeSet<Mention>)> = LazyLock::new(|| {
    let house = Crate::read(&project().join("src"));
    let mentions = house.mentions();
    (house, mentions)
});

/// Fails with `wrong`, a line each, if there is any.
fn assert_none(what: &str, wrong: &BTreeSet<String>) {
    let lines: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{what}: {}\n{}\n", wrong.len(), lines.join("\n"));
}

#[test]
fn a_room_imports_only_what_the_table_allows() {
    assert_none("imports that the table does not allow", &forbidden_imports(&HOUSE.1));
}

fn forbidden_imports(mentions: &BTreeSet<Mention>) -> BTreeSet<String> {
    let mut wrong: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (from, to, mention) in arrows(mentions) {
        if !from.imports.contains(&to.name) {
            let arrow = format!("{}: {} imports {}", mention.file, from.name, to.name);
            wrong.entry(arrow).or_default().push(&mention.written);
        }
    }
    wrong.into_iter().map(|(arrow, written)| format!("{arrow} ({})", written.join(", "))).collect()
}

/// The imports of one room by another.
fn arrows(mentions: &BTreeSet<Mention>) -> impl Iterator<Item = (&'static Room, &'static Room, &Mention)> {
    mentions.iter().filter_map(|mention| {
        let Target::Inside(module) = &mention.target else { return None };
        let (from, to) = (room_of(&mention.module), room_of(module));
        (from.name != to.name).then_some((from, to, mention))
    })
}

#[test]
fn a_room_names_only_what_the_table_allows() {
    assert_none("names that the table does not allow", &forbidden_names(&HOUSE.1));
}

fn forbidden_names(mentions: &BTreeSet<Mention>) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    for mention in mentions {
        let Target::Outside(path) = &mention.target else { continue };
        let room = room_of(&mention.module);
        if guarded(path).is_some_and(|name| !room.names.contains(&name)) {
            wrong.insert(format!("{}: {} names {}", mention.file, room.name, path.join("::")));
        }
    }
    wrong
}

/// An unused permission is a hole in a wall.
#[test]
fn the_table_allows_nothing_that_no_room_needs() {
    let imports: BTreeSet<_> = arrows(&HOUSE.1).map(|(from, to, _)| (from.name, to.name)).collect();
    let names: BTreeSet<_> = HOUSE.1.iter().filter_map(named).collect();
    let mut unused = BTreeSet::new();
    for room in ROOMS {
        let unneeded = room.imports.iter().filter(|to| !imports.contains(&(room.name, *to)));
        unused.extend(unneeded.map(|to| format!("{} may import {to}, and does not", room.name)));
        let unneeded = room.names.iter().filter(|name| !names.contains(&(room.name, *name)));
        unused.extend(unneeded.map(|name| format!("{} may name {name}, and does not", room.name)));
    }
    assert_none("permissions that nobody uses", &unused);
}

fn named(mention: &Mention) -> Option<(&'static str, &'static str)> {
    let Target::Outside(path) = &mention.target else { return None };
    Some((room_of(&mention.module).name, guarded(path)?))
}

/// The floors: a room stands above all that it imports.
#[test]
fn no_room_imports_one_above_it() {
    let floor = |name: &str| {
        ROOMS.iter().position(|room| room.name == name).unwrap_or_else(|| panic!("the table has no room {name}"))
    };
    for room in ROOMS {
        for to in room.imports {
            assert!(floor(room.name) < floor(to), "{} imports {to}, which stands above it", room.name);
        }
    }
    let up = arrows(&HOUSE.1).filter(|(from, to, _)| floor(from.name) > floor(to.name));
    let up = up.map(|(from, to, mention)| format!("{}: {} imports {}", mention.file, from.name, to.name)).collect();
    assert_none("imports of a room further up", &up);
}

/// The file of a module and the files below it may need each other: the one has the types, the others do the parts. Any
/// other circle means that no file of it can be read, or tested, without all the others.
#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none("circles of imports", &circles(&HOUSE.0, &HOUSE.1));
}

fn circles(house: &Crate, mentions: &BTreeSet<Mention>) -> BTreeSet<String> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Mention { file, target, .. } in mentions {
        let Target::Inside(module) = target else { continue };
        let to = house.file_of(module);
        let folder = file.strip_suffix(".rs").unwrap_or(file);
        let is_part = to.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if to != file && !is_part {
            imports.entry(file).or_default().insert(to);
        }
    }
    // All that each file reaches, step by step.
    let mut reached = imports.clone();
    loop {
        let further = |to: &BTreeSet<&str>| to.iter().filter_map(|file| reached.get(file)).flatten().copied().collect();
        let next: BTreeMap<&str, BTreeSet<&str>> =
            reached.iter().map(|(file, to)| (*file, to | &further(to))).collect();
        if next == reached {
            break;
        }
        reached = next;
    }
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
    let in_circles = reached.keys().filter(|file| reaches(file, file));
    in_circles
        .map(|file| {
            let others = reached[file].iter().filter(|other| reaches(other, file));
            others.copied().collect::<Vec<_>>().join(", ")
        })
        .collect()
}

#[test]
fn only_the_arguments_know_clap() {
    let knows = |mention: &&Mention| named(mention).is_some_and(|(_, name)| name == "clap");
    let files: BTreeSet<&str> = HOUSE.1.iter().filter(knows).map(|mention| mention.file.as_str()).collect();
    assert_eq!(files, BTreeSet::from(["cli/arguments.rs", "cli/arguments/outputs.rs"]));
}

/// The line in docs/architecture.md before the table, and the one behind it.
const MARKS: (&str, &str) = ("<!-- walls: written by tests/walls.rs -->\n", "<!-- walls end -->\n");

#[test]
fn the_architecture_shows_the_table() {
    let path = project().join("docs/architecture.md");
    let page = text(&path);
    let (before, rest) = page.split_once(MARKS.0).expect("docs/architecture.md has the mark before the table");
    let (_, after) = rest.split_once(MARKS.1).expect("docs/architecture.md has the mark behind the table");
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut table = "| room | may import | may name |\n| --- | --- | --- |\n".to_owned();
    for room in ROOMS {
        table += &format!("| `{}` | {} | {} |\n", room.name, list(room.imports), list(room.names));
    }
    golden(&path, &format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1));
}
