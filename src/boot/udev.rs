//! Plays udev's rules through as the module arrives: which sysctls they write then, and which programs they run.
//!
//! The event is ACTION=add, SUBSYSTEM=module, KERNEL=nf_conntrack, DEVPATH=/module/nf_conntrack. A rule that also asks for
//! what files do not tell (`PROGRAM`, `ATTR`, `TEST` of a file of the kernel) is played through both ways. `udevadm test` is
//! the judge (`tests/formats/udev.rs`).

mod rerun;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use memchr::memmem::Finder;

use crate::formats::udev_rules::{self, Operator, Pair, Rule};
use crate::kernel::catalog::{BUCKETS, Key, WORDS};
use crate::kernel::modules::CONNTRACK;
use crate::sysctl_d::{Write, fnmatch};
use crate::tree::{Place, Read, Tree, drop_ins};

pub use rerun::Rerun;
pub(super) use rerun::{Meaning, of as meaning};

/// The directories of udev(7), the strongest first.
pub(super) const RULES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// Those of the administrator.
const OF_ADMINISTRATOR: [&str; 2] = [RULES[0], RULES[2]];

/// What the rules do as the module arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arriving {
    /// What the rules write themselves, in order, before any program runs.
    pub(super) writes: Vec<Write>,
    /// The loaders that run, in order.
    pub(super) reruns: Vec<Rerun>,
    /// The rules of which nobody can tell here what they do.
    pub(super) unclear: Vec<Place>,
}

/// The reads on which the rules depend, given those that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let asked = asked(tree);
    let files = played(tree, &asked).reruns.into_iter().flat_map(|rerun| rerun.named_files());
    let reads = Read::directories(&RULES, ".rules").chain(files.map(Read::File));
    reads.chain(asked.tested.into_iter().map(Read::Presence)).collect()
}

/// What the rules in the files of `tree` do as the module arrives.
pub(super) fn arriving(tree: &Tree) -> Arriving {
    played(tree, &asked(tree))
}

/// The same, if the rules say by themselves that they do something.
fn played(tree: &Tree, asked: &Asked) -> Arriving {
    // Hardly any machine has a rule that does something to the module. To play all the others through would take longer
    // than the rest of the boot.
    if !asked.may_act {
        return Arriving::default();
    }
    let files = drop_ins(tree, &RULES, ".rules");
    let parsed = |file: PathBuf| {
        let rules = tree.parsed(&file, applying);
        (file, rules)
    };
    let files: Vec<(PathBuf, Rc<Applying>)> = files.into_iter().map(parsed).collect();
    let run = |choices: &[bool]| {
        let mut event = Event::new(Some(tree), choices);
        for (file, rules) in &files {
            event.file(&rules.0, Place::within(file));
        }
        event
    };
    let first = run(&[]);
    let mut arriving = understood(tree, &first);
    // Each way through the undecided rules is tried. If one makes a difference, nobody can tell what happens.
    let mut way = next_way(&first);
    for tried in 0.. {
        let Some(choices) = way else { break };
        let event = run(&choices);
        if tried == MOST_WAYS || understood(tree, &event) != arriving {
            let applied = event.undecided.iter().rfind(|(_, applies)| *applies);
            arriving.unclear.extend(applied.map(|(place, _)| place.clone()));
            break;
        }
        way = next_way(&event);
    }
    arriving
}

/// The most ways through the rules that are tried.
const MOST_WAYS: usize = 256;

/// The choices for the way after that of `event`, if there is one: the last rule that did not apply does.
fn next_way(event: &Event) -> Option<Vec<bool>> {
    let mut choices: Vec<bool> = event.undecided.iter().map(|(_, applies)| *applies).collect();
    while choices.last() == Some(&true) {
        choices.pop();
    }
    *choices.last_mut()? = true;
    Some(choices)
}

/// What the rules say by themselves, whatever the rules before them do.
#[derive(Default)]
struct Asked {
    /// Whether a rule may write something or run a program as the module arrives.
    may_act: bool,
    /// The files whose existence decides whether a rule does.
    tested: Vec<PathBuf>,
}

fn asked(tree: &Tree) -> Asked {
    let mut asked = Asked::default();
    for file in drop_ins(tree, &RULES, ".rules") {
        let Acting(rules) = &*tree.parsed(&file, acting);
        asked.may_act = asked.may_act || may_act(tree, &file, rules);
        asked.tested.extend(rules.iter().flat_map(|rule| &rule.pairs).filter_map(tested_path));
    }
    asked
}

/// The rules of a file that may apply as the module arrives, and those that others lead to.
struct Applying(Vec<Rule>);

fn applying(bytes: &[u8]) -> Applying {
    let event = Event::after_any_rules();
    let is_target = |rule: &Rule| rule.pairs.iter().any(|pair| pair.key == "LABEL");
    let mut rules = udev_rules::parse(bytes);
    rules.retain(|rule| is_target(rule) || event.rule(rule) != Holds::No);
    Applying(rules)
}

/// The rules of a file that may do something as the module arrives.
struct Acting(Vec<Rule>);

fn acting(bytes: &[u8]) -> Acting {
    let words = ["RUN", "SYSCTL", "hashsize"].map(Finder::new);
    let event = Event::after_any_rules();
    let mut rules = udev_rules::with_words(bytes, &words);
    rules.retain(|rule| event.rule(rule) != Holds::No);
    Acting(rules)
}

/// Whether one of these rules of `file` does something, whatever the rules before it do.
fn may_act(tree: &Tree, file: &Path, rules: &[Rule]) -> bool {
    let start = Event { tree: Some(tree), ..Event::after_any_rules() };
    rules.iter().filter(|rule| start.rule(rule) != Holds::No).any(|rule| {
        let mut event = start.clone();
        event.carry_out(rule, &Place::new(file, rule.line));
        understood(tree, &event) != Arriving::default()
    })
}

/// The file whose existence a pair asks for, if it is one that stays as it is.
fn tested_path(pair: &Pair) -> Option<PathBuf> {
    if pair.key != "TEST" || pair.attribute.is_some() || pair.value.contains("/*/") {
        return None;
    }
    let path = pair.value.replace("$kernel", CONNTRACK).replace("%k", CONNTRACK);
    let stays = ["/etc/", "/lib/", "/opt/", "/usr/"].iter().any(|directory| path.starts_with(directory));
    (stays && !path.contains(['$', '%'])).then(|| path.into())
}

/// Whether a rule does something itself, so that the files that it asks for have been looked for.
fn acts(rule: &Rule) -> bool {
    rule.pairs.iter().any(|pair| ["RUN", "SYSCTL"].contains(&pair.key.as_str()))
}

/// The commands, and the writes as commands, of rules for other events, such as that of a network device, each with its rule:
/// those of packages that have a word of ours in them, and all of the administrator.
pub(super) fn commands_elsewhere(tree: &Tree) -> Vec<(Place, String)> {
    let of_packages = drop_ins(tree, &RULES, ".rules").into_iter().filter(|file| !is_of_administrator(file));
    let found = of_packages.flat_map(|file| {
        let Naming(rules) = &*tree.parsed(&file, naming);
        commands(&file, rules)
    });
    found.chain(commands_of_administrator(tree)).collect()
}

/// The rules of a file that have a word of ours in them.
struct Naming(Vec<Rule>);

fn naming(bytes: &[u8]) -> Naming {
    Naming(udev_rules::with_words(bytes, &WORDS.map(Finder::new)))
}

/// The same of the administrator alone. Few machines have such rules.
pub(super) fn commands_of_administrator(tree: &Tree) -> Vec<(Place, String)> {
    rules_of_administrator(tree).flat_map(|(file, rules)| commands(&file, &rules)).collect()
}

/// The units that the administrator's rules start.
pub(super) fn started_units(tree: &Tree) -> Vec<String> {
    let is_wish = |pair: &&Pair| {
        pair.key == "ENV" && pair.attribute.as_deref() == Some("SYSTEMD_WANTS") && !pair.operator.is_match()
    };
    let mut units = Vec::new();
    for (_, rules) in rules_of_administrator(tree) {
        for pair in rules.iter().flat_map(|rule| &rule.pairs).filter(is_wish) {
            units.extend(pair.value.split_whitespace().map(str::to_owned));
        }
    }
    units
}

fn rules_of_administrator(tree: &Tree) -> impl Iterator<Item = (PathBuf, Rc<Vec<Rule>>)> {
    let has_some = OF_ADMINISTRATOR.iter().any(|directory| tree.in_directory(Path::new(directory)).next().is_some());
    let files = if has_some { drop_ins(tree, &RULES, ".rules") } else { Vec::new() };
    files.into_iter().filter(|file| is_of_administrator(file)).map(|file| {
        let rules = tree.parsed(&file, udev_rules::parse);
        (file, rules)
    })
}

fn is_of_administrator(file: &Path) -> bool {
    OF_ADMINISTRATOR.iter().any(|directory| file.starts_with(directory))
}

/// The commands of those of `rules` that are for other events.
fn commands(file: &Path, rules: &[Rule]) -> Vec<(Place, String)> {
    let event = Event::after_any_rules();
    let elsewhere = rules.iter().filter(|rule| event.rule(rule) == Holds::No && may_be_at_boot(rule));
    let of_rule = |rule: &Rule| {
        let place = Place::new(file, rule.line);
        let counts = |pair: &&Pair| !pair.operator.is_match() || asks_program(pair);
        rule.pairs.iter().filter(counts).filter_map(command).map(|command| (place.clone(), command)).collect::<Vec<_>>()
    };
    elsewhere.flat_map(of_rule).collect()
}

/// Whether a rule is about an event that a boot has.
fn may_be_at_boot(rule: &Rule) -> bool {
    let is_one = |pair: &Pair| {
        let has = |action| pair.value.split('|').any(|pattern| fnmatch(pattern, action));
        pair.operator == Operator::Differs || ["add", "bind", "change", "move", "online"].into_iter().any(has)
    };
    rule.pairs.iter().filter(|pair| pair.key == "ACTION").all(is_one)
}

/// Whether a pair runs a program for its answer.
fn asks_program(pair: &Pair) -> bool {
    pair.key == "PROGRAM" || (pair.key == "IMPORT" && pair.attribute.as_deref() == Some("program"))
}

/// The command that an assignment runs, or that does the same.
fn command(pair: &Pair) -> Option<String> {
    let attribute = pair.attribute.as_deref().unwrap_or_default();
    match pair.key.as_str() {
        // The name of a device stands for no key of ours.
        "RUN" | "PROGRAM" | "IMPORT" if attribute != "builtin" && (pair.key != "IMPORT" || attribute == "program") => {
            let of_device = ["$name", "$kernel", "%k", "$env{INTERFACE}", "%E{INTERFACE}"];
            Some(of_device.iter().fold(pair.value.clone(), |text, name| text.replace(name, "_")))
        }
        "SYSCTL" => Some(format!("sysctl -w {attribute}={}", pair.value)),
        "ATTR" if attribute.contains("nf_conntrack") => {
            let path = attribute.replacen('[', "", 1).replacen(']', "/", 1);
            Some(format!("echo {} > /sys/{path}", pair.value))
        }
        _ => None,
    }
}

/// What the writes and commands of an event mean.
fn understood(tree: &Tree, event: &Event) -> Arriving {
    let mut arriving = Arriving::default();
    for write in &event.writes {
        // Such a sign stands for a part of the event, or of the machine.
        if write.text.iter().any(|byte| matches!(byte, b'$' | b'%')) {
            arriving.unclear.push(write.place.clone());
        } else {
            arriving.writes.push(write.clone());
        }
    }
    for (place, command) in &event.commands {
        match rerun::of(tree, command, place) {
            Meaning::Nothing => {}
            Meaning::Loader(rerun) => arriving.reruns.push(rerun),
            Meaning::Unclear => arriving.unclear.push(place.clone()),
        }
    }
    arriving
}

/// Whether something holds for the event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// Files alone do not tell.
    Unknown,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Holds {
        if holds { Holds::Yes } else { Holds::No }
    }
}

/// The event while the rules are played through.
#[derive(Clone)]
struct Event<'a> {
    /// The files, if those that rules ask for have been looked for among them.
    tree: Option<&'a Tree>,
    /// For each rule of which files do not tell whether it applies, in the order in which they are met, whether it does.
    /// Those that are met later do not.
    choices: Vec<bool>,
    writes: Vec<Write>,
    commands: Vec<(Place, String)>,
    /// Whether a rule has forbidden all further changes to the commands.
    is_final: bool,
    /// The properties and tags that rules before have set, so that their values are no longer known.
    changed: BTreeSet<String>,
    /// These rules, and whether they applied.
    undecided: Vec<(Place, bool)>,
}

/// The name under which all properties together are in [`Event::changed`]: `IMPORT` may set any.
const ANY: &str = "*";

impl<'a> Event<'a> {
    fn new(tree: Option<&'a Tree>, choices: &[bool]) -> Event<'a> {
        Event {
            tree,
            choices: choices.to_vec(),
            writes: Vec::new(),
            commands: Vec::new(),
            is_final: false,
            changed: BTreeSet::new(),
            undecided: Vec::new(),
        }
    }

    /// The event after rules of which nothing is known: they may have set every property and tag.
    fn after_any_rules() -> Event<'a> {
        let changed = [ANY, "TAG", "TAGS", "SYMLINK"].map(str::to_owned).into();
        Event { changed, ..Event::new(None, &[]) }
    }

    fn file(&mut self, rules: &[Rule], place: impl Fn(usize) -> Place) {
        let mut index = 0;
        while let Some(rule) = rules.get(index) {
            index += 1;
            match self.rule(rule) {
                Holds::No => continue,
                Holds::Yes => {}
                Holds::Unknown => {
                    let counts = ["RUN", "GOTO", "IMPORT", "ENV", "TAG", "SYMLINK", "SYSCTL", "ATTR"];
                    if !rule.pairs.iter().any(|pair| counts.contains(&pair.key.as_str())) {
                        continue;
                    }
                    let applies = self.choices.get(self.undecided.len()).copied().unwrap_or_default();
                    self.undecided.push((place(rule.line), applies));
                    if !applies {
                        continue;
                    }
                }
            }
            self.carry_out(rule, &place(rule.line));
            // A label that stands nowhere behind the rule leads nowhere.
            let label = rule.pairs.iter().find(|pair| pair.key == "GOTO").map(|pair| &pair.value);
            let is_target =
                |rule: &Rule| rule.pairs.iter().any(|pair| pair.key == "LABEL" && Some(&pair.value) == label);
            if let Some(skipped) = label.and_then(|_| rules[index..].iter().position(is_target)) {
                index += skipped;
            }
        }
    }

    /// Whether all matches of a rule hold.
    fn rule(&self, rule: &Rule) -> Holds {
        let mut holds = Holds::Yes;
        for pair in &rule.pairs {
            let path = if acts(rule) { tested_path(pair) } else { None };
            let found = self.tree.zip(path).map(|(tree, path)| tree.get(path).is_some());
            let of_pair = match found {
                Some(found) => Holds::from(found == (pair.operator == Operator::Matches)),
                None => self.pair(pair),
            };
            match of_pair {
                Holds::No => return Holds::No,
                Holds::Unknown => holds = Holds::Unknown,
                Holds::Yes => {}
            }
        }
        holds
    }

    fn pair(&self, pair: &Pair) -> Holds {
        let is_match = pair.operator.is_match();
        let attribute = pair.attribute.as_deref().unwrap_or_default();
        let value = match pair.key.as_str() {
            // A module has no parent, and no entry in udev's data after a boot.
            "IMPORT" if ["parent", "db"].contains(&attribute) => {
                return Holds::from(pair.operator == Operator::Differs);
            }
            // These run something, and the rule ends if it fails.
            "PROGRAM" | "IMPORT" => return Holds::Unknown,
            _ if !is_match => return Holds::Yes,
            "ACTION" => "add",
            "KERNEL" | "KERNELS" => CONNTRACK,
            "SUBSYSTEM" | "SUBSYSTEMS" => "module",
            "DEVPATH" => "/module/nf_conntrack",
            "DRIVER" | "DRIVERS" | "NAME" => "",
            "ENV" => match attribute {
                "ACTION" => "add",
                "SUBSYSTEM" => "module",
                "DEVPATH" => "/module/nf_conntrack",
                _ if self.changed.contains(attribute) || self.changed.contains(ANY) => return Holds::Unknown,
                "SEQNUM" | "USEC_INITIALIZED" => return Holds::Unknown,
                _ => "",
            },
            "SYMLINK" | "TAG" | "TAGS" if self.changed.contains(&pair.key) => return Holds::Unknown,
            // systemd 252 takes `?*` for "not empty" and lets that hold without any tag.
            "SYMLINK" | "TAG" | "TAGS" if pair.value == "?*" => return Holds::Unknown,
            "SYMLINK" | "TAG" | "TAGS" => return Holds::from(pair.operator == Operator::Differs),
            _ => return Holds::Unknown,
        };
        let is_matched = pair.value.split('|').any(|pattern| fnmatch(pattern, value));
        Holds::from(is_matched == (pair.operator == Operator::Matches))
    }

    /// Does what a rule says once its matches hold.
    fn carry_out(&mut self, rule: &Rule, place: &Place) {
        // udevd sorts the pairs of a rule: its own commands come before those of programs.
        let is_program = |pair: &&Pair| pair.key == "RUN" && pair.attribute.as_deref() != Some("builtin");
        let (programs, others): (Vec<&Pair>, Vec<&Pair>) = rule.pairs.iter().partition(is_program);
        for pair in others.into_iter().chain(programs) {
            let is_match = pair.operator.is_match();
            match pair.key.as_str() {
                "IMPORT" if pair.attribute.as_deref() == Some("cmdline") => self.changed.extend([pair.value.clone()]),
                "IMPORT" => self.changed.extend([ANY.to_owned()]),
                "ENV" if !is_match => self.changed.extend(pair.attribute.clone()),
                "SYSCTL" | "ATTR" if !is_match => {
                    let key = written_key(pair).filter(|key| key.name().is_some());
                    let text = pair.value.clone().into_bytes();
                    self.writes.extend(key.map(|key| Write { key, text, place: place.clone() }));
                }
                "TAG" | "SYMLINK" if !is_match => {
                    self.changed.insert(pair.key.clone());
                    self.changed.insert(format!("{}S", pair.key));
                }
                "RUN" if !self.is_final && !is_match => {
                    self.is_final = pair.operator == Operator::AssignsFinally;
                    if pair.operator != Operator::Adds {
                        self.commands.clear();
                    }
                    if pair.attribute.as_deref() != Some("builtin") {
                        self.commands.push((place.clone(), pair.value.clone()));
                    }
                }
                _ => {}
            }
        }
    }
}

/// The sysctl that an assignment to an attribute writes. The number of buckets is a parameter of the module too.
fn written_key(pair: &Pair) -> Option<Key> {
    let attribute = pair.attribute.as_deref()?;
    match pair.key.as_str() {
        "SYSCTL" => Some(Key::at(attribute)),
        _ if ["parameters/hashsize", "[module/nf_conntrack]parameters/hashsize"].contains(&attribute) => {
            Some(BUCKETS.into())
        }
        _ => None,
    }
}
