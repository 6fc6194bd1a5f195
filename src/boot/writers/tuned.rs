//! tuned: it writes the `[sysctl]` sections of its active profile, and then, as it is shipped, every assignment of
//! /etc/sysctl.d and of /etc/sysctl.conf once more (tuned-profiles(7)).
//!
//! Source: tuned's `plugins/plugin_sysctl.py`, `profiles/loader.py`, `profiles/merger.py`. Its reader of sysctl files is its
//! own: it knows neither globs nor `-KEY`, and it does not read /usr/lib/sysctl.d. /run/sysctl.d, which it reads as well, is
//! empty at boot.

use std::path::{Path, PathBuf};

use super::service::Service;
use super::{Evidence, Scene, Timing, Writer, Written};
use crate::formats::configparser::{self, Section};
use crate::kernel::catalog::{Key, WORDS};
use crate::order::sorted_by;
use crate::sysctl_d::Write;
use crate::sysctl_d::paths::{SYSCTL_CONF, SYSCTL_D};
use crate::tree::{Place, Read, Tree, drop_ins_and_hidden};

/// The configuration of tuned, without which it does not start.
const MAIN: &str = "/etc/tuned/tuned-main.conf";

/// Holds the names of the active profiles.
const ACTIVE: &str = "/etc/tuned/active_profile";

/// Holds the name of a profile that is loaded behind the active ones.
const POST_LOADED: &str = "/etc/tuned/post_loaded_profile";

/// The directories of profiles, the strongest first. They are the old ones where a tuned has no /usr/lib/tuned/profiles.
const PROFILES: [&str; 2] = ["/etc/tuned/profiles", "/usr/lib/tuned/profiles"];
const OLD_PROFILES: [&str; 2] = ["/etc/tuned", "/usr/lib/tuned"];

/// How many profiles are followed. A real one includes two or three; a file of an image may name a million.
const MOST_PROFILES: usize = 64;

const SERVICE: Service = Service { name: "tuned", programs: &["/usr/sbin/tuned", "/usr/bin/tuned"], runlevels: &[] };

pub(super) const TUNED: Writer = Writer {
    name: "tuned",
    summary: "tuned writes the settings of its active profile, and what /etc/sysctl.d and /etc/sysctl.conf say, when it starts.",
    reads,
    starts: |tree| SERVICE.starts(tree),
    writes,
    remedy: [
        "give that line the same value, or choose another profile",
        "give these lines the same values, or choose another profile",
    ],
};

fn reads(tree: &Tree) -> Vec<Read> {
    let own = Read::files(&[MAIN, ACTIVE, POST_LOADED]).chain(Read::presences(&PROFILES[1..]));
    let profiles = Profiles::load(tree).candidates.into_iter().map(Read::Candidate);
    // The loaders' own reads have the files of sysctl.d.
    own.chain(SERVICE.reads()).chain(profiles).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let tree = scene.tree;
    let main = tree.bytes(MAIN).and_then(|bytes| configparser::parse(bytes, Some("")).ok());
    let Some(main) = main.filter(|_| SERVICE.starts(tree)) else { return Vec::new() };
    let profiles = Profiles::load(tree);
    if profiles.is_broken {
        return Vec::new();
    }
    // tuned does not load the module: what it would write before that is lost.
    let is_certain = !profiles.depend_on_variables && scene.timing == Timing::InTime;
    let mut written = Vec::new();
    for unit in profiles.sysctl_units() {
        written.extend(unit.options.iter().filter_map(|option| {
            let key = sysctl_key(tree, &option.name)?;
            let text = unquoted(&option.value);
            let is_plain = !text.contains('$') && !text.contains('\n') && !text.starts_with(['<', '>']);
            if is_certain && is_plain && !unit.depends_on_machine {
                let write = Write { key, text: text.as_bytes().to_vec(), place: option.place.clone() };
                scene.keys.contains(&write.key).then_some(Written::Surely(write))
            } else {
                let setting = key.name()?;
                let value = text.parse().ok().filter(|_| is_plain);
                Some(Written::Perhaps { setting, evidence: Evidence::Line(option.place.clone()), value })
            }
        }));
        if is_certain && !unit.depends_on_machine && reapplies(&main) {
            let lines = reapplied_files(tree).into_iter().flat_map(|file| lines(tree, &file));
            written.extend(lines.filter(|write| scene.keys.contains(&write.key)).map(Written::Surely));
        }
    }
    written
}

/// The key that tuned writes for the name of an option. Later versions take dots and slashes as sysctl(8) prints them:
/// `net/netfilter` is one directory with a dot in its name.
fn sysctl_key(tree: &Tree, name: &str) -> Option<Key> {
    let is_later = tree.get(PROFILES[1]).is_some();
    (!is_later || !name.contains('/')).then(|| Key::at(name))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// Whether the configuration has tuned write the files of sysctl.d again. It does where it does not say.
fn reapplies(main: &[Section]) -> bool {
    let value = main.first().and_then(|section| section.value("reapply_sysctl")).unwrap_or("1");
    matches!(value.to_ascii_lowercase().as_str(), "1" | "yes" | "true" | "on")
}

/// The files that tuned reads, in order.
fn reapplied_files(tree: &Tree) -> Vec<PathBuf> {
    drop_ins_and_hidden(tree, &SYSCTL_D[..1], ".conf").into_iter().chain([SYSCTL_CONF.into()]).collect()
}

/// The assignments that tuned finds in a file.
fn lines(tree: &Tree, file: &Path) -> Vec<Write> {
    let text = tree.text(file).replace("\r\n", "\n").replace('\r', "\n");
    let write = |(index, line): (usize, &str)| {
        let line = line.trim();
        let is_ours = WORDS.iter().any(|word| line.contains(word)) && !line.starts_with(['#', ';']);
        let (name, value) = line.split_once('=').filter(|_| is_ours)?;
        let place = Place::new(file, index + 1);
        Some(Write { key: sysctl_key(tree, name.trim())?, text: value.trim().as_bytes().to_vec(), place })
    };
    text.split('\n').enumerate().filter_map(write).collect()
}

/// An option of a profile.
struct Setting {
    name: String,
    value: String,
    place: Place,
}

/// A section of the merged profiles, which tuned runs as an instance of a plugin.
struct Unit {
    name: String,
    plugin: String,
    is_enabled: bool,
    priority: i64,
    /// It counts on machines only of which /proc/cpuinfo or uname(1) say something.
    depends_on_machine: bool,
    options: Vec<Setting>,
}

/// The profiles that tuned loads, merged.
#[derive(Default)]
struct Profiles {
    /// The paths at which the profiles may stand, as far as `tree` tells which ones they are.
    candidates: Vec<PathBuf>,
    loaded: Vec<PathBuf>,
    units: Vec<Unit>,
    /// A profile is missing, or cannot be parsed: tuned then applies none.
    is_broken: bool,
    /// An include names a variable.
    depend_on_variables: bool,
    followed: usize,
}

impl Profiles {
    fn load(tree: &Tree) -> Profiles {
        let mut profiles = Profiles::default();
        for file in [ACTIVE, POST_LOADED] {
            let names = tree.text(file).into_owned();
            for name in names.split_whitespace() {
                profiles.follow(tree, name);
            }
        }
        profiles
    }

    /// Loads the profile `name` and, before it, those that it includes.
    fn follow(&mut self, tree: &Tree, name: &str) {
        let (is_optional, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
        self.depend_on_variables |= name.contains('$');
        if self.followed == MOST_PROFILES || name.is_empty() || name.starts_with('.') || name.contains(['/', '$']) {
            return;
        }
        self.followed += 1;
        let directories = if tree.get(PROFILES[1]).is_some() { PROFILES } else { OLD_PROFILES };
        let files = directories.map(|directory| Path::new(directory).join(name).join("tuned.conf"));
        self.candidates
            .extend(files.iter().filter(|file| !self.candidates.contains(file)).cloned().collect::<Vec<_>>());
        let is_known = files.iter().any(|file| self.loaded.contains(file));
        // A profile that includes its own name means the one in the weaker directory.
        let found =
            files.iter().find_map(|file| Some((file, tree.bytes(file).filter(|_| !self.loaded.contains(file))?)));
        let Some((file, bytes)) = found else {
            self.is_broken |= !is_known && !is_optional;
            return;
        };
        self.loaded.push(file.clone());
        let Ok(sections) = configparser::parse(bytes, None) else {
            self.is_broken = true;
            return;
        };
        let includes = sections.iter().filter(|section| section.name == "main").filter_map(|it| it.value("include"));
        for name in includes.flat_map(|list| list.split([',', ';'])) {
            self.follow(tree, name.trim());
        }
        for section in sections {
            self.merge(file, section);
        }
    }

    /// Lays a section over the one of the same name in the profiles before.
    fn merge(&mut self, file: &Path, section: Section) {
        let value = |name: &str| section.value(name).map(str::to_owned);
        let is_true = |value: &str| matches!(value, "True" | "true" | "1");
        let position = self.units.iter().position(|unit| unit.name == section.name);
        let position = position.filter(|_| !value("replace").is_some_and(|value| is_true(&value)));
        let position = position.unwrap_or_else(|| {
            self.units.retain(|unit| unit.name != section.name);
            self.units.push(Unit {
                name: section.name.clone(),
                plugin: String::new(),
                is_enabled: true,
                priority: 0,
                depends_on_machine: false,
                options: Vec::new(),
            });
            self.units.len() - 1
        });
        let unit = &mut self.units[position];
        unit.plugin = value("type").unwrap_or_else(|| section.name.clone());
        unit.is_enabled = value("enabled").is_none_or(|value| is_true(&value));
        unit.depends_on_machine |= value("cpuinfo_regex").or(value("uname_regex")).is_some();
        unit.priority = value("priority").and_then(|value| value.parse().ok()).unwrap_or(unit.priority);
        let dropped = value("drop").unwrap_or_default();
        let dropped: Vec<&str> = dropped.split([',', ';']).map(str::trim).collect();
        unit.options.retain(|option| !dropped.contains(&option.name.as_str()));
        for option in section.options {
            let place = Place::new(file, option.line);
            let setting = Setting { name: option.name, value: option.value, place };
            match unit.options.iter_mut().find(|known| known.name == setting.name) {
                Some(known) => *known = setting,
                None => unit.options.push(setting),
            }
        }
    }

    /// The units that write sysctls, in the order in which they do.
    fn sysctl_units(&self) -> Vec<&Unit> {
        // The section `main` is about the profile itself.
        let writes = |unit: &&Unit| unit.plugin == "sysctl" && unit.is_enabled && unit.name != "main";
        sorted_by(self.units.iter().filter(writes).collect(), |one, other| one.priority.cmp(&other.priority))
    }
}
