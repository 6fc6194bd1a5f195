//! Decides when connection tracking is available at boot: before the loader writes, or after.
//!
//! If connection tracking is a module that no list names, the first firewall rule that needs the module loads it.
//! Everything that the loader wrote before that is lost without a message: the most common cause of "it was fine until
//! the reboot".

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::doubt::{Doubt, Reason};
use super::kernels::{self, Kernel};
use super::modprobe::{Configuration, Modprobe, Outcome};
use super::parameters::{self, CMDLINE, Parameter, parameters_on_command_line};
use super::systems::{Early, ModuleLists, Stage, System};
use super::udev::{self, Rerun};
use crate::formats::kernel_arguments;
use crate::kernel::catalog::Key;
use crate::kernel::modules::{CONNTRACK, REASSEMBLY};
use crate::order::{InOrder, sorted_by};
use crate::snapshot::Module;
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree};

/// When connection tracking is available at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Before everything: connection tracking is part of the kernel.
    BuiltIn,
    /// Before the loader: this line names the module, or one that needs it.
    Early(Place),
    /// Before the container starts, if the machine loads the module: the container cannot.
    Outside,
    /// After the loader, but a udev rule, or a command of modprobe.d, runs the loader again when the module is loaded.
    Reapplied {
        /// The loaders that run then, in order; never none.
        reruns: Vec<Rerun>,
        /// The line that prevents early loading of the module, if there is one.
        barred: Option<Place>,
    },
    /// After the loader, whose writes are lost.
    Late {
        /// The line that prevents early loading of the module, if there is one.
        barred: Option<Place>,
        /// The kernel with which the module is late, if another kernel can boot that has it in time.
        kernel: Option<String>,
        /// How it can be loaded early.
        early: Early,
    },
}

impl Arrival {
    /// The line that prevents early loading of the module, if there is one.
    #[must_use]
    pub fn barred(&self) -> Option<&Place> {
        match self {
            Arrival::BuiltIn | Arrival::Early(_) | Arrival::Outside => None,
            Arrival::Reapplied { barred, .. } | Arrival::Late { barred, .. } => barred.as_ref(),
        }
    }

    /// Whether a write of the loader to `key`, by a line of sysctl.d, reaches the module.
    #[must_use]
    pub fn reaches(&self, key: &Key) -> bool {
        match self {
            Arrival::BuiltIn | Arrival::Early(_) | Arrival::Outside => true,
            Arrival::Late { .. } => false,
            Arrival::Reapplied { reruns, .. } => reruns.iter().any(|rerun| rerun.reads_all() && rerun.covers(key)),
        }
    }

    /// Whether the module is there before the loader.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        matches!(self, Arrival::BuiltIn | Arrival::Early(_) | Arrival::Outside)
    }

    /// The loaders that run as the module comes.
    #[must_use]
    pub fn reruns(&self) -> &[Rerun] {
        match self {
            Arrival::Reapplied { reruns, .. } => reruns,
            Arrival::BuiltIn | Arrival::Early(_) | Arrival::Outside | Arrival::Late { .. } => &[],
        }
    }
}

/// The reads on which the arrival at a boot of `system` depends, besides those of udev's rules and of the module's parameters.
pub(super) fn reads(system: &System, tree: &Tree) -> Vec<Read> {
    let of_stage = |stage: &Stage| match stage {
        Stage::Modules(lists) => (lists.reads)(tree),
        Stage::Udev | Stage::Loader(_) => Vec::new(),
    };
    system.order.iter().flat_map(of_stage).collect()
}

/// The most names of modules that are looked up in the indexes of a kernel.
const MOST_NAMES: usize = 256;

/// The names that the lists of all `systems` have looked up in the indexes of a kernel.
pub(super) fn names(systems: &[&System], tree: &Tree) -> BTreeSet<String> {
    let kernels = kernels::bootable(tree, Module::Absent);
    let mut configuration = Configuration::of(tree, None);
    // The modules that connection tracking needs may have soft dependencies too. Those that depmod found matter only where a
    // line of modprobe.d has to do with them.
    let needed: BTreeSet<String> = kernels.iter().filter_map(|kernel| kernel.needs(CONNTRACK)).flatten().into_set();
    let of_needed = |configuration: &Configuration| -> Vec<String> {
        needed.iter().flat_map(|name| configuration.names(name).into_iter().filter(move |it| it != name)).collect()
    };
    let of_lines = of_needed(&configuration);
    for directory in kernels.iter().filter_map(Kernel::directory) {
        configuration.add_soft_dependencies(tree, directory);
    }
    let they_matter = !of_lines.is_empty() || configuration.may_prevent_modules();
    let of_needed = if they_matter { of_needed(&configuration) } else { Vec::new() };
    let lists = systems.iter().flat_map(|system| system.order).filter_map(|stage| match stage {
        Stage::Modules(lists) => Some(*lists),
        Stage::Loader(_) | Stage::Udev => None,
    });
    let listed = lists.flat_map(|lists| named(tree, lists));
    let named = listed.flat_map(|named| configuration.names(&named.module)).chain(of_needed);
    // A word that cannot be the name of a file is not a module.
    let names: BTreeSet<String> = named.filter(|name| !name.is_empty() && !name.contains(['/', '\n'])).into_set();
    names.into_iter().take(MOST_NAMES).into_set()
}

/// The arrival of connection tracking at a boot, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coming {
    /// When connection tracking is available.
    pub(super) arrival: Arrival,
    /// When the reassembly of IPv6 is available, which connection tracking needs.
    pub(super) reassembly: Arrival,
    /// The parameters of the module.
    pub(super) parameters: Vec<Parameter>,
    /// The line that prevents loading of the module at all, if there is one: the parameters have no effect then.
    pub(super) never: Option<Place>,
    /// What udev's rules write as it comes, in order.
    pub(super) writes: Vec<Write>,
    /// The loaders that they run after that, in order.
    pub(super) reruns: Vec<Rerun>,
    /// The reasons why all this may not be so.
    pub(super) doubts: Vec<Doubt>,
}

/// The arrival of connection tracking at a boot of `system` with the files of `tree`, under each kernel that can boot:
/// first the kernel under which it comes latest.
pub(super) fn comings<'a>(tree: &'a Tree, module: Module, system: &System) -> Vec<(Kernel<'a>, Coming)> {
    let kernels = kernels::bootable(tree, module);
    let rules = OnceCell::new();
    let under = |kernel: Kernel<'a>| {
        let coming = if kernel.has_built_in(CONNTRACK) {
            built_in(tree)
        } else {
            let configuration = Configuration::of(tree, kernel.directory());
            let modprobe = Modprobe { configuration: &configuration, kernel: &kernel, wanted: CONNTRACK };
            of_module(tree, &modprobe, rules.get_or_init(|| rules_after_loader(tree, system)), system)
        };
        (kernel, coming)
    };
    let comings: Vec<(Kernel<'_>, Coming)> = kernels.into_iter().map(under).collect();
    let mut comings = sorted_by(comings, |(_, one), (_, other)| other.lateness().cmp(&one.lateness()));
    let is_mixed = comings.iter().any(|(_, coming)| coming.lateness() < LATEST);
    for (of, coming) in comings.iter_mut().filter(|_| is_mixed) {
        if let Arrival::Late { kernel, .. } = &mut coming.arrival {
            kernel.clone_from(&of.name);
        }
    }
    comings
}

/// The arrival of connection tracking at the start of a container. Neither its files nor the kernel command line decide
/// about the module, whose options hold for the whole machine.
pub(super) fn outside(module: Module) -> Coming {
    let arrival = if module == Module::BuiltIn { Arrival::BuiltIn } else { Arrival::Outside };
    Coming {
        reassembly: arrival.clone(),
        arrival,
        parameters: Vec::new(),
        never: None,
        writes: Vec::new(),
        reruns: Vec::new(),
        doubts: Vec::new(),
    }
}

/// The lateness of a module that comes after the loader.
const LATEST: usize = 3;

impl Coming {
    /// How late connection tracking comes, compared with another kernel.
    fn lateness(&self) -> usize {
        match self.arrival {
            Arrival::BuiltIn => 0,
            Arrival::Early(_) | Arrival::Outside => 1,
            Arrival::Reapplied { .. } => 2,
            Arrival::Late { .. } => LATEST,
        }
    }
}

/// The arrival of connection tracking with the kernel itself.
fn built_in(tree: &Tree) -> Coming {
    Coming { parameters: parameters_on_command_line(tree), ..outside(Module::BuiltIn) }
}

/// What udev's rules do as the module comes. Those that run before the loader find nothing to undo.
fn rules_after_loader(tree: &Tree, system: &System) -> udev::Arriving {
    let mut after = system.order.iter().skip_while(|stage| !matches!(stage, Stage::Loader(_)));
    if after.any(|stage| matches!(stage, Stage::Udev)) { udev::arriving(tree) } else { udev::Arriving::default() }
}

/// The arrival of connection tracking as a module.
fn of_module(tree: &Tree, modprobe: &Modprobe, rules: &udev::Arriving, system: &System) -> Coming {
    let kernel = modprobe.kernel;
    let under = |wanted| coming_under(tree, &Modprobe { wanted, ..*modprobe }, rules.clone(), system);
    let conntrack = under(CONNTRACK);
    let brings_reassembly = kernel.needs(CONNTRACK).is_some_and(|needed| needed.iter().any(|it| it == REASSEMBLY));
    let reassembly = if kernel.has_built_in(REASSEMBLY) {
        Arrival::BuiltIn
    } else if conntrack.arrival.is_in_time() && brings_reassembly {
        conntrack.arrival.clone()
    } else {
        under(REASSEMBLY).arrival
    };
    let mut doubts = conntrack.doubts;
    let missing = kernel.missing(tree, CONNTRACK).filter(|_| conntrack.never.is_none());
    doubts.extend(missing.map(|file| Doubt::of_file(Reason::NoModule, &file).detail(CONNTRACK)));
    doubts.extend(parameters::alias_file(tree).map(|file| {
        let remedy = Some("give it a name that ends in `.conf`, or remove it".to_owned());
        Doubt { remedy, ..Doubt::of_file(Reason::UnknownVersion, &file).detail("modprobe") }
    }));
    Coming { reassembly, doubts, ..conntrack }
}

fn coming_under(tree: &Tree, modprobe: &Modprobe, rules: udev::Arriving, system: &System) -> Coming {
    let before = system.order.iter().take_while(|stage| !matches!(stage, Stage::Loader(_)));
    let of_rules = rules.unclear.iter().map(|place| Doubt::of_line(Reason::UdevRule, place));
    let in_time = |parameters, place, doubt: Option<Doubt>| {
        let doubts = of_rules.clone().chain(doubt).collect();
        let udev::Arriving { writes, reruns, .. } = rules.clone();
        let arrival = Arrival::Early(place);
        Coming { reassembly: arrival.clone(), arrival, parameters, never: None, writes, reruns, doubts }
    };
    let mut doubts = Vec::new();
    let mut barred = None;
    // A later line may name the module itself.
    let mut assumed = None;
    for stage in before {
        let Stage::Modules(lists) = stage else { continue };
        for Named { module, arguments, place, by } in named(tree, lists) {
            let arguments = Parameter::all(&arguments, &place);
            match (modprobe.load(&module, &arguments, lists.blacklist), by) {
                (Outcome::Loaded(parameters), By::Boot) if is_assumed(modprobe, &module) => {
                    let doubt = || Doubt::of_line(Reason::UnknownKernel, &place).detail(module);
                    assumed.get_or_insert_with(|| (parameters, place.clone(), doubt()));
                }
                (Outcome::Loaded(parameters), By::Boot) => return in_time(parameters, place, None),
                (Outcome::Loaded(_), By::Initrd) => doubts.push(Doubt::of_line(Reason::InitrdLoadsModule, &place)),
                (Outcome::Unclear(command), _) => doubts.push(Doubt::of_line(Reason::InstallCommand, &command)),
                (Outcome::Kept(_) | Outcome::Nothing, _) => {}
            }
        }
        if let Some((parameters, place, doubt)) = assumed.take() {
            return in_time(parameters, place, Some(doubt));
        }
        // A line that prevents another module does not count: a line for this one would help.
        if let Outcome::Kept(bar) = modprobe.load(modprobe.wanted, &[], lists.blacklist) {
            barred = barred.or(Some(bar));
        }
    }
    let (parameters, never) = match modprobe.load_as_needed() {
        Outcome::Loaded(parameters) => (parameters, None),
        Outcome::Kept(bar) => (modprobe.configuration.parameters(modprobe.wanted, None), Some(bar)),
        Outcome::Unclear(command) => {
            doubts.push(Doubt::of_line(Reason::InstallCommand, &command));
            (modprobe.configuration.parameters(modprobe.wanted, None), Some(command))
        }
        Outcome::Nothing => {
            doubts.push(Doubt::of_file(Reason::NoModule, &modprobe.kernel.index()));
            (Vec::new(), None)
        }
    };
    doubts.extend(of_rules);
    // The command of modprobe ends before udev hears of the module.
    let reloaded = modprobe.configuration.reloaded(CONNTRACK).into_iter();
    let reloaded = reloaded.map(|(place, begin)| Rerun::of_keys(tree, place, &begin));
    let reruns: Vec<Rerun> = reloaded.chain(rules.reruns.iter().cloned()).collect();
    let arrival = match never {
        None if !reruns.is_empty() => Arrival::Reapplied { reruns, barred },
        _ => Arrival::Late { barred, kernel: None, early: system.early(tree) },
    };
    let reassembly = arrival.clone();
    Coming { arrival, reassembly, parameters, never, writes: rules.writes, reruns: rules.reruns, doubts }
}

/// Whether only a list of our own says that `module` brings the wanted one: the image has no kernel.
fn is_assumed(modprobe: &Modprobe, module: &str) -> bool {
    let is_own = ["nf_conntrack", "ip_conntrack", "nf_defrag_ipv6"].contains(&module.replace('-', "_").as_str());
    modprobe.kernel.is_guess && !is_own
}

/// The stage that loads what a list names.
#[derive(Clone, Copy)]
enum By {
    /// The program of the list.
    Boot,
    /// The same program in the initrd, if there is systemd in it.
    Initrd,
}

/// A module that a list names.
struct Named {
    module: String,
    /// The words behind the name, if the list treats them as parameters.
    arguments: String,
    place: Place,
    by: By,
}

/// The modules that `lists` name, in order.
fn named(tree: &Tree, lists: &ModuleLists) -> Vec<Named> {
    let mut named = Vec::new();
    for file in lists.read(tree) {
        let text = tree.text(&file).into_owned();
        for (index, line) in text.split('\n').enumerate() {
            if let Some((module, arguments)) = (lists.module)(line) {
                let place = Place::new(&file, index + 1);
                named.push(Named { module: module.to_owned(), arguments: arguments.to_owned(), place, by: By::Boot });
            }
        }
    }
    let text = tree.text(CMDLINE);
    for argument in kernel_arguments::parse(&text) {
        let (name, by) = match argument.name.strip_prefix("rd.") {
            Some(name) => (name, By::Initrd),
            None => (argument.name, By::Boot),
        };
        // The mask of a unit on this root says nothing about the initrd.
        let counts = lists.parameters.contains(&name) && ((lists.is_run)(tree) || matches!(by, By::Initrd));
        let Some(list) = argument.value.filter(|_| counts) else { continue };
        let place = Place::new(CMDLINE, 1);
        let modules = list.split(',').map(str::to_owned);
        named.extend(modules.map(|module| Named { module, arguments: String::new(), place: place.clone(), by }));
    }
    named
}
