//! Plays modprobe(8) and its like through: which modules a name stands for, in which order they are loaded, with which
//! options, and which lines prevent it.
//!
//! Read in libkmod 34 (`kmod_module_new_from_lookup`, `kmod_module_probe_insert_module`) and judged by modprobe itself
//! (`tests/formats.rs`).

mod install;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::kernels::{Kernel, SOFT_DEPENDENCIES};
use super::parameters::{CMDLINE, MODPROBE, Parameter};
use super::systems::Blacklist;
use crate::formats::kernel_arguments::{self, Argument};
use crate::formats::modprobe_d::{self, Command, Line, module_name};
use crate::sysctl_d::fnmatch;
use crate::tree::{Entry, Place, Tree};
use install::{Effect, Given};

/// The depth to which soft dependencies are followed; kmod has no limit.
const DEEPEST: usize = 32;

/// The configuration of modprobe on a machine, for one kernel.
pub(super) struct Configuration {
    /// The commands of each file, in the order of reading.
    files: Vec<(Arc<Path>, Rc<Vec<Line>>)>,
    /// The modules that the kernel itself refuses to load, and the name of the line that says so.
    refused: Vec<String>,
}

/// The outcome of loading one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Other modules than the wanted one.
    Nothing,
    /// The wanted module, with these parameters.
    Loaded(Vec<Parameter>),
    /// The wanted module would be loaded, but this line prevents it.
    Kept(Place),
    /// The command on this line decides whether the wanted module is loaded, and it cannot be read here.
    Unclear(Place),
}

/// The files of modprobe.d(5) in the order of reading. A directory or a link that leads nowhere hides nothing. The soft
/// dependencies that depmod found in the modules of a kernel have their place among them, by their name.
fn files(tree: &Tree, kernel: Option<&Path>) -> Vec<PathBuf> {
    let mut by_name = BTreeMap::new();
    if let Some(path) = kernel.map(|directory| directory.join(SOFT_DEPENDENCIES)) {
        by_name.insert(SOFT_DEPENDENCIES.as_bytes().to_owned(), path);
    }
    for directory in MODPROBE {
        for (path, entry) in tree.in_directory(Path::new(directory)) {
            let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else { continue };
            let is_read = !matches!(entry, Entry::Directory | Entry::Dangling | Entry::Endless);
            if is_read && name.ends_with(b".conf") && !name.starts_with(b".") {
                by_name.entry(name.to_owned()).or_insert_with(|| path.to_owned());
            }
        }
    }
    by_name.into_values().collect()
}

impl Configuration {
    /// The configuration in the files of `tree`, for the kernel with this directory of modules, and on the kernel command
    /// line, which comes last.
    pub(super) fn of(tree: &Tree, kernel: Option<&Path>) -> Configuration {
        let mut configuration = Configuration { files: Vec::new(), refused: Vec::new() };
        for file in files(tree, kernel) {
            configuration.add(tree, &file);
        }
        let text = tree.text(CMDLINE);
        let on_command_line = modprobe_d::command_line(&text).into_iter();
        let on_command_line = on_command_line.map(|command| Line { line: 1, command }).collect();
        configuration.files.push((Path::new(CMDLINE).into(), Rc::new(on_command_line)));
        // The kernel keeps the last list (`module_blacklist` in kernel/module/main.c), and compares names as they are
        // written.
        let is_list = |argument: &Argument| argument.name.replace('-', "_") == "module_blacklist";
        let list = kernel_arguments::parse(&text).filter(is_list).last();
        let list = list.and_then(|argument| argument.value).unwrap_or_default();
        configuration.refused = list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        configuration
    }

    fn add(&mut self, tree: &Tree, file: &Path) {
        self.files.push((file.into(), tree.parsed(file, modprobe_d::parse)));
    }

    /// The commands of all files, each with its place.
    fn commands(&self) -> impl Iterator<Item = (At<'_>, &Command)> {
        self.files
            .iter()
            .flat_map(|(file, lines)| lines.iter().map(move |line| (At { file, line: line.line }, &line.command)))
    }

    /// Adds the soft dependencies in the directory of a kernel, to find all names that some kernel looks up.
    pub(super) fn add_soft_dependencies(&mut self, tree: &Tree, directory: &Path) {
        self.add(tree, &directory.join(SOFT_DEPENDENCIES));
    }

    /// Whether a line may keep a module away that some other module does not need.
    pub(super) fn may_prevent_modules(&self) -> bool {
        !self.refused.is_empty() || self.commands().any(|(_, command)| matches!(command, Command::Install { .. }))
    }

    /// All names that loading `name` may look up, itself included.
    pub(super) fn names(&self, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut left = vec![module_name(name)];
        while let Some(name) = left.pop() {
            left.extend(self.aliases(&name).map(|(_, module)| module.to_owned()));
            let soft_dependencies = self.commands().filter_map(|(_, command)| match command {
                Command::Softdep { module, before, after } if fnmatch(module, &name) => {
                    Some(before.iter().chain(after))
                }
                _ => None,
            });
            left.extend(soft_dependencies.flatten().cloned());
            left.retain(|name| !names.contains(name));
            names.insert(name);
        }
        names
    }

    fn aliases<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.commands().filter_map(move |(_, command)| match command {
            Command::Alias { pattern, module } if fnmatch(pattern, name) => Some((pattern.as_str(), module.as_str())),
            _ => None,
        })
    }

    fn blacklisted(&self, name: &str) -> Option<Place> {
        let is_it = |command: &Command| matches!(command, Command::Blacklist { module } if module == name);
        self.commands().find(|(_, command)| is_it(command)).map(|(at, _)| at.place())
    }

    fn install(&self, name: &str) -> Option<(Place, &str)> {
        self.commands().find_map(|(at, command)| match command {
            Command::Install { module, command } if fnmatch(module, name) => Some((at.place(), command.as_str())),
            _ => None,
        })
    }

    /// The line whose command has `sysctl --system` write keys once the module `name` is there, and the beginning of their names.
    pub(super) fn reloaded(&self, name: &str) -> Option<(Place, String)> {
        let (place, command) = self.install(name)?;
        Some((place, install::reloaded(command)?))
    }

    /// The parameters of the module `name`, which was asked for as `alias`.
    pub(super) fn parameters(&self, name: &str, alias: Option<&str>) -> Vec<Parameter> {
        let of_it = self.commands().filter_map(|(at, command)| match command {
            Command::Options { module, arguments } if module == name || Some(module.as_str()) == alias => {
                Some(Parameter::all(arguments, &at.place()))
            }
            _ => None,
        });
        of_it.flatten().collect()
    }
}

/// The place of a command, which few of them need.
struct At<'a> {
    file: &'a Arc<Path>,
    line: usize,
}

impl At<'_> {
    fn place(&self) -> Place {
        Place { file: Arc::clone(self.file), line: self.line }
    }
}

fn command_line() -> Place {
    Place::new(CMDLINE, 1)
}

/// A module, and the pattern or name by which it was found, if that is not its own. kmod takes a module under two names for
/// two modules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    module: String,
    alias: Option<String>,
}

/// modprobe on one kernel.
pub(super) struct Modprobe<'a> {
    /// The configuration.
    pub(super) configuration: &'a Configuration,
    /// The kernel.
    pub(super) kernel: &'a Kernel<'a>,
    /// The module that matters: connection tracking, or one that it needs.
    pub(super) wanted: &'static str,
}

impl Modprobe<'_> {
    /// The outcome of loading `name` with `arguments`, by a program that treats a blacklist as `blacklist` says.
    pub(super) fn load(&self, name: &str, arguments: &[Parameter], blacklist: Blacklist) -> Outcome {
        let outcomes = self.look_up(name).into_iter().map(|found| self.insert(&found, arguments, blacklist));
        let mut outcomes: Vec<Outcome> = outcomes.collect();
        let is_loaded = |outcome: &Outcome| matches!(outcome, Outcome::Loaded(_));
        let told = outcomes.iter().position(is_loaded);
        let told = told.or_else(|| outcomes.iter().position(|outcome| *outcome != Outcome::Nothing));
        told.map_or(Outcome::Nothing, |index| outcomes.swap_remove(index))
    }

    /// The outcome for the wanted module once a program needs it: the kernel asks for a module by one of many aliases.
    pub(super) fn load_as_needed(&self) -> Outcome {
        let wanted = Found { module: self.wanted.to_owned(), alias: None };
        self.insert(&wanted, &[], Blacklist::ForAliases)
    }

    fn look_up(&self, name: &str) -> Vec<Found> {
        let name = module_name(name);
        let found =
            |(alias, module): (&str, &str)| Found { module: module_name(module), alias: Some(alias.to_owned()) };
        let configured: Vec<Found> = self.configuration.aliases(&name).map(found).collect();
        if !configured.is_empty() {
            return configured;
        }
        let is_installed =
            |(_, command): (At, &Command)| matches!(command, Command::Install { module, .. } if *module == name);
        if self.kernel.needs(&name).is_some() || self.configuration.commands().any(is_installed) {
            return vec![Found { module: name, alias: None }];
        }
        let of_kernel = self.kernel.aliases().filter(|(pattern, _)| fnmatch(&module_name(pattern), &name));
        of_kernel.map(|(_, module)| Found { module: module_name(module), alias: Some(name.clone()) }).collect()
    }

    fn insert(&self, found: &Found, arguments: &[Parameter], blacklist: Blacklist) -> Outcome {
        let mut list = Vec::new();
        self.gather(found, &mut BTreeSet::new(), &mut list, DEEPEST);
        let is_obeyed = blacklist == Blacklist::Obeyed || found.alias.is_some();
        let bar = self.configuration.blacklisted(&found.module).filter(|_| is_obeyed);
        if !list.iter().any(|(it, _)| it.module == self.wanted) {
            // A command may load any module.
            let command = list.iter().filter(|_| bar.is_none()).find_map(|(it, ignores)| self.unclear(it, *ignores));
            return command.map_or(Outcome::Nothing, Outcome::Unclear);
        }
        if let Some(place) = bar {
            return Outcome::Kept(place);
        }
        let mut play = Play { modprobe: self, found, arguments, absent: BTreeMap::new() };
        let needed: Vec<String> = self.kernel.needs(&found.module).unwrap_or_default();
        let mut outcome = Outcome::Nothing;
        for (it, ignores_commands) in list {
            let is_required = it == *found || (it.alias.is_none() && needed.contains(&it.module));
            match play.module(&it, ignores_commands) {
                Step::Done => {}
                Step::End(outcome) => return outcome,
                Step::Failed(place) => {
                    if is_required || it.module == self.wanted {
                        outcome = place.clone().map_or(Outcome::Nothing, Outcome::Kept);
                    }
                    if is_required {
                        return outcome;
                    }
                    play.absent.insert(it.module, place);
                }
            }
        }
        outcome
    }

    /// The command in place of a module whose effect is not known.
    fn unclear(&self, found: &Found, ignores_commands: bool) -> Option<Place> {
        let (place, command) = self.configuration.install(&found.module).filter(|_| !ignores_commands)?;
        (self.effect(command, &found.module) == Effect::Unclear).then_some(place)
    }

    /// The effect of an `install` command on `module`. A command that loads the module finds it by its name.
    fn effect(&self, command: &str, module: &str) -> Effect {
        match install::effect(command, module) {
            Effect::Loads(_) if self.look_up(module).iter().any(|found| found.alias.is_some()) => Effect::Unclear,
            effect => effect,
        }
    }

    /// Gathers the modules that loading `found` loads, in order, each with whether its `install` command is ignored.
    fn gather(&self, found: &Found, seen: &mut BTreeSet<Found>, list: &mut Vec<(Found, bool)>, depth: usize) {
        if depth == 0 || !seen.insert(found.clone()) {
            return;
        }
        for needed in self.kernel.needs(&found.module).unwrap_or_default() {
            self.gather_with_soft_dependencies(&Found { module: needed, alias: None }, seen, list, depth);
        }
        self.gather_with_soft_dependencies(found, seen, list, depth);
    }

    fn gather_with_soft_dependencies(
        &self,
        found: &Found,
        seen: &mut BTreeSet<Found>,
        list: &mut Vec<(Found, bool)>,
        depth: usize,
    ) {
        let (before, after) = self.soft_dependencies(&found.module);
        for it in &before {
            self.gather(it, seen, list, depth - 1);
        }
        // kmod ignores the command of a module that has soft dependencies.
        list.push((found.clone(), !before.is_empty() || !after.is_empty()));
        for it in &after {
            self.gather(it, seen, list, depth - 1);
        }
    }

    /// The modules that are loaded before and after `name`, by the first line about it.
    fn soft_dependencies(&self, name: &str) -> (Vec<Found>, Vec<Found>) {
        let first = self.configuration.commands().find_map(|(_, command)| match command {
            Command::Softdep { module, before, after } if fnmatch(module, name) => Some((before, after)),
            _ => None,
        });
        let modules = |names: &Vec<String>| names.iter().flat_map(|name| self.look_up(name)).collect();
        first.map(|(before, after)| (modules(before), modules(after))).unwrap_or_default()
    }
}

/// The loading of a name, module by module.
struct Play<'a> {
    modprobe: &'a Modprobe<'a>,
    found: &'a Found,
    arguments: &'a [Parameter],
    /// The modules that were not loaded, each with the line that prevented it.
    absent: BTreeMap<String, Option<Place>>,
}

/// The outcome of one module.
enum Step {
    /// The module is loaded, or is not and need not be; the next one follows.
    Done,
    /// The module is not loaded, because of this line.
    Failed(Option<Place>),
    /// All is decided.
    End(Outcome),
}

impl Play<'_> {
    fn module(&mut self, found: &Found, ignores_commands: bool) -> Step {
        let module = found.module.as_str();
        let configuration = self.modprobe.configuration;
        let is_asked_for = found == self.found;
        let mut parameters = configuration.parameters(module, found.alias.as_deref());
        parameters.extend(self.arguments.iter().filter(|_| is_asked_for).cloned());
        if let Some((place, command)) = configuration.install(module).filter(|_| !ignores_commands) {
            match self.modprobe.effect(command, module) {
                Effect::Loads(given) => {
                    let passed = std::mem::replace(&mut parameters, configuration.parameters(module, None));
                    parameters.extend(given.into_iter().flat_map(|given| match given {
                        Given::Word(word) => Parameter::all(&word, &place),
                        Given::Options => passed.clone(),
                    }));
                }
                Effect::Fails => return Step::Failed(Some(place)),
                Effect::LoadsNothing if module == self.modprobe.wanted => return Step::Failed(Some(place)),
                Effect::LoadsNothing => {
                    self.absent.insert(module.to_owned(), Some(place));
                    return Step::Done;
                }
                Effect::Unclear => return Step::End(Outcome::Unclear(place)),
            }
        }
        if configuration.refused.iter().any(|refused| refused == module) {
            return Step::Failed(Some(command_line()));
        }
        let needed = match self.modprobe.kernel.needs(module) {
            Some(needed) => needed,
            // Of the modules that others need, the lines are not kept.
            None if module != self.modprobe.wanted && !is_asked_for => Vec::new(),
            None => return Step::Failed(None),
        };
        if let Some(place) = needed.iter().find_map(|needed| self.absent.get(needed)) {
            return Step::Failed(place.clone());
        }
        if module != self.modprobe.wanted {
            return Step::Done;
        }
        let parameters: Vec<Parameter> = parameters.into_iter().take_while(|parameter| !parameter.is_end()).collect();
        match parameters.iter().find(|parameter| parameter.is_refused()) {
            Some(refused) => Step::Failed(Some(refused.place.clone())),
            None => Step::End(Outcome::Loaded(parameters)),
        }
    }
}
