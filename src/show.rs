//! Describes the settings of a machine without any request: all at a glance, or the whole story of one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use memchr::memchr_iter;
use serde::{Serialize, Serializer};

use crate::boot::{self, Arrival, Boot, Outlook, System, Unread, UnreadCause};
use crate::failure::{Failure, Kind};
use crate::kernel::catalog::{self, Key, Name};
use crate::order::InOrder;
use crate::request;
use crate::snapshot::Snapshot;
use crate::tree::{Place, Tree, as_text};
use crate::value;
use crate::verify::{Advice, Verdict, arrival_text, comparison, unread_reason};
use crate::warning::Warning;

/// All conntrack settings of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The init system. JSON has its name.
    pub loader: &'static System,
    /// When connection tracking is available at boot.
    #[serde(serialize_with = "in_words")]
    pub module: Arrival,
    /// The settings, by name.
    pub settings: Vec<Overview>,
}

/// One setting at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The canonical name.
    pub name: Name,
    /// The live number; null: there is none.
    pub live: Option<i64>,
    /// The live number as a person reads it.
    pub live_human: Option<String>,
    /// The value after the next boot; null: no file assigns the setting, and the kernel's default applies.
    pub boot: Option<i64>,
    /// The line that decides.
    pub winner: Option<Place>,
    /// The other lines that are read.
    pub shadowed: Vec<Place>,
    /// Whether live and boot agree.
    pub verdict: Verdict,
    /// The reason, if they do not agree.
    pub advice: Option<Advice>,
}

/// The whole story of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The setting at a glance.
    pub overview: Overview,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// The effect of the setting.
    pub summary: &'static str,
    /// The bounds and the unit.
    pub range: String,
    /// The kernel document or source file for these facts.
    pub source: &'static str,
    /// The init system. JSON has its name.
    pub loader: &'static System,
    /// When connection tracking is available at boot.
    #[serde(serialize_with = "in_words")]
    pub module: Arrival,
    /// Every line that assigns the setting, in the order of reading.
    pub assignments: Vec<AssignmentLine>,
    /// The lines that look as if they assigned it, but that no boot reads.
    pub not_read: Vec<UnreadLine>,
    /// The programs that write it after the boot.
    pub later_writers: Vec<Warning>,
}

/// One assignment in a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssignmentLine {
    /// The line, by its file and number.
    pub place: Place,
    /// The line. Equal lines that follow each other share it.
    #[serde(serialize_with = "shared")]
    pub text: Arc<str>,
    /// Whether it wins, is shadowed, or is lost.
    pub role: Role,
}

/// An assignment that the boot does not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadLine {
    /// The line, by its file and number.
    pub place: Place,
    /// The line.
    #[serde(serialize_with = "shared")]
    pub text: Arc<str>,
    /// The reason.
    pub cause: UnreadCause,
    /// The reason as the end of a sentence, and the one thing to do.
    pub because: String,
}

/// The effect of an assignment at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The assignment decides.
    Wins,
    /// Another assignment decides.
    Shadowed,
    /// The assignment does not reach the kernel.
    Lost,
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn in_words<S: Serializer>(arrival: &Arrival, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&arrival_text(arrival))
}

/// The name of the loader that a machine boots with, for [`loader`].
pub const AUTO: &str = "auto";

/// The names that [`loader`] knows.
#[must_use]
pub fn loaders() -> Vec<&'static str> {
    [AUTO].into_iter().chain(boot::systems::SYSTEMS.iter().map(|system| system.name)).collect()
}

/// The init system of this name, or the one that the machine boots with.
#[must_use]
pub fn loader(name: &str, snapshot: &Snapshot) -> &'static System {
    let named = boot::systems::SYSTEMS.into_iter().find(|system| system.name == name);
    named.unwrap_or_else(|| boot::detected(&snapshot.tree))
}

/// All settings that the machine has live, or that its files assign.
#[must_use]
pub fn inventory(snapshot: &Snapshot) -> Inventory {
    inventory_with(boot::detected(&snapshot.tree), snapshot)
}

/// The same, if the machine boots with `system`.
#[must_use]
pub fn inventory_with(system: &'static System, snapshot: &Snapshot) -> Inventory {
    let boot = boot::boot(snapshot, system);
    let live = snapshot.live.iter().flat_map(|live| live.sysctls.keys()).filter_map(Key::name);
    let names: BTreeSet<Name> = live.chain(boot.assigned().cloned()).into_set();
    listed(&names, snapshot, &boot)
}

impl Inventory {
    /// The settings with different values now and after the next boot, and those whose boot cannot be known.
    #[must_use]
    pub fn drifting(mut self) -> Inventory {
        // That no file holds a value is usual: it is the kernel's default.
        self.settings.retain(|setting| !matches!(setting.verdict, Verdict::InSync | Verdict::NotInFiles));
        self
    }
}

/// The settings that `names` mean, each once and in the order of the canonical names, whether the machine has them or
/// not.
pub fn named(names: &[String], snapshot: &Snapshot) -> Result<Inventory, Failure> {
    named_with(boot::detected(&snapshot.tree), names, snapshot)
}

/// The same, if the machine boots with `system`. The pointer of a failure is that of a task with a list of settings.
pub fn named_with(system: &'static System, names: &[String], snapshot: &Snapshot) -> Result<Inventory, Failure> {
    let setting = |(index, name): (usize, &String)| {
        known(name, snapshot).map_err(|failure| failure.at(format!("/settings/{index}")))
    };
    let names = names.iter().enumerate().map(setting).collect::<Result<Vec<Name>, _>>()?.into_iter().into_set();
    let boot = boot::boot(snapshot, system);
    Ok(listed(&names, snapshot, &boot))
}

fn listed(names: &BTreeSet<Name>, snapshot: &Snapshot, boot: &Boot) -> Inventory {
    Inventory {
        loader: boot.system,
        module: boot.arrival.clone(),
        settings: names.iter().map(|name| overview(name, snapshot, boot.told(name))).collect(),
    }
}

/// The story of the setting that `name` means.
pub fn story(name: &str, snapshot: &Snapshot) -> Result<Story, Failure> {
    story_with(boot::detected(&snapshot.tree), name, snapshot)
}

/// The same, if the machine boots with `system`.
pub fn story_with(system: &'static System, name: &str, snapshot: &Snapshot) -> Result<Story, Failure> {
    let name = known(name, snapshot)?;
    let setting = name.setting();
    let boot = boot::boot(snapshot, system);
    let outlook = boot.told(&name);
    let role = |place: &Place| {
        if outlook.winner.as_ref() == Some(place) {
            Role::Wins
        } else if outlook.value.is_none() || outlook.lost.as_ref().is_some_and(|lost| lost.place() == place) {
            Role::Lost
        } else {
            Role::Shadowed
        }
    };
    let mut texts = Texts::of(&snapshot.tree);
    let mut fleeting = Texts::of(&snapshot.fleeting);
    let assignments = outlook.assignments.iter().map(|place| {
        let role = role(place);
        AssignmentLine { place: place.clone(), text: texts.at(place), role }
    });
    let assignments = assignments.collect();
    Ok(Story {
        overview: overview(&name, snapshot, outlook),
        aliases: setting.other_keys,
        summary: setting.summary,
        range: if setting.is_catalogued() { value::range(setting) } else { "not known".to_owned() },
        source: setting.source,
        loader: boot.system,
        module: boot.arrival.clone(),
        assignments,
        not_read: boot::unread(snapshot, &boot, &name)
            .into_iter()
            .map(|unread| {
                let of_run = unread.cause == UnreadCause::InRun;
                unread_line(unread, &name, &boot, if of_run { &mut fleeting } else { &mut texts })
            })
            .collect(),
        later_writers: boot.later_writers(&[&name]).iter().map(|writes| Warning::later_writer(writes)).collect(),
    })
}

/// The setting that `name` means, if the catalog or the running kernel has it. A misspelt name is no setting.
fn known(name: &str, snapshot: &Snapshot) -> Result<Name, Failure> {
    let known = request::setting(name)?;
    if known.is_catalogued() || snapshot.live_key(&known).is_some() {
        return Ok(known);
    }
    let message = format!("neither the catalog nor the running kernel has `{known}`");
    let failure = Failure::new(Kind::UnknownSetting, message).key(&known);
    Err(match catalog::nearest(known.as_str()) {
        Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
        None => failure.hint("`conntrack-sysctl show` lists the settings of the machine"),
    })
}

fn unread_line(unread: Unread, name: &Name, boot: &Boot, texts: &mut Texts) -> UnreadLine {
    let Unread { place, cause } = unread;
    let because = unread_reason(&cause, &place.file, boot.system, name);
    UnreadLine { text: texts.at(&place), place, cause, because }
}

/// The lines of files. A setting may be named in each of very many lines, so that a file is divided once.
struct Texts<'a> {
    tree: &'a Tree,
    /// The file of the last line, and its lines.
    last: Option<(Arc<Path>, Vec<&'a [u8]>)>,
    /// The last line, and its text.
    text: (&'a [u8], Arc<str>),
}

impl<'a> Texts<'a> {
    fn of(tree: &'a Tree) -> Texts<'a> {
        Texts { tree, last: None, text: (&[], "".into()) }
    }

    /// The text of the line at `place`.
    fn at(&mut self, place: &Place) -> Arc<str> {
        let known = self.last.take().filter(|(file, _)| *file == place.file);
        let (_, lines) = self.last.insert(known.unwrap_or_else(|| {
            let bytes = self.tree.bytes(&place.file).unwrap_or_default();
            (place.file.clone(), parted(bytes))
        }));
        let line = lines.get(place.line.saturating_sub(1)).copied().unwrap_or_default();
        if self.text.0 != line {
            self.text = (line, as_text(line).trim().into());
        }
        self.text.1.clone()
    }
}

/// The lines among `bytes`.
fn parted(bytes: &[u8]) -> Vec<&[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', bytes).chain([bytes.len()]);
    ends.map(|end| &bytes[std::mem::replace(&mut start, end + 1)..end]).collect()
}

fn overview(name: &Name, snapshot: &Snapshot, outlook: Outlook) -> Overview {
    let live = snapshot.live_value(name);
    let (verdict, advice) = if snapshot.is_outside_container(name) {
        (Verdict::NotHere, Some(Advice::RunInInitialNamespace))
    } else {
        comparison(name, live, &outlook)
    };
    Overview {
        name: name.clone(),
        live,
        live_human: live.and_then(|number| value::human(number, name.setting().kind)),
        boot: outlook.value,
        shadowed: outlook.shadowed(),
        winner: outlook.winner,
        verdict,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::catalog::MAX;
    use crate::snapshot::{LiveKernel, LiveValue, Module};
    use crate::tree::Entry;

    /// A machine with a limit of 65536 and a drop-in.
    fn machine(drop_in: &str, module: Module) -> Snapshot {
        let mut tree = Tree::default();
        tree.insert("/etc/sysctl.d/a.conf", Entry::File(drop_in.into()));
        tree.insert("/run/systemd/system", Entry::Program);
        let limit = LiveValue { text: "65536".into(), writable: true };
        let live = LiveKernel { sysctls: [(MAX.into(), limit)].into(), ..LiveKernel::default() };
        Snapshot { live: Some(live), ..Snapshot::image(tree, module) }
    }

    fn story_for(drop_in: &str, module: Module) -> Story {
        story("nf_conntrack_max", &machine(drop_in, module)).expect("it is a setting")
    }

    #[test]
    fn the_inventory_has_what_is_live_and_what_is_assigned() {
        let machine = machine("net.netfilter.nf_conntrack_acct = 1", Module::BuiltIn);
        let names: Vec<String> = inventory(&machine).settings.iter().map(|setting| setting.name.to_string()).collect();
        assert_eq!(names, ["net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_max"]);
    }

    #[test]
    fn a_story_says_what_becomes_of_each_line() {
        use Role::{Lost, Shadowed, Wins};
        let right = "net.netfilter.nf_conntrack_max = 65536";
        let cases: &[(&[&str], &[Role], Verdict)] = &[
            (&[right], &[Wins], Verdict::InSync),
            (&["net.nf_conntrack_max = 5"], &[Wins], Verdict::BootDrift),
            (&["net.nf_conntrack_max = 5", right], &[Shadowed, Wins], Verdict::InSync),
            (&[right, "net.nf_conntrack_max = none"], &[Wins, Lost], Verdict::LostAtBoot),
            (&["net.ipv4.ip_conntrack_max = 5"], &[Lost], Verdict::LostAtBoot),
            (&["net.ipv4.ip_conntrack_max = 5", right], &[Shadowed, Wins], Verdict::InSync),
        ];
        for (lines, roles, verdict) in cases {
            let story = story_for(&lines.join("\n"), Module::BuiltIn);
            let (texts, found): (Vec<_>, Vec<_>) = story.assignments.iter().map(|it| (&it.text[..], it.role)).unzip();
            assert_eq!((&texts[..], &found[..], story.overview.verdict), (*lines, *roles, *verdict));
        }
        let late = story_for(right, Module::Loaded).overview;
        assert_eq!(late.verdict, Verdict::LostAtBoot);
        let place = Place::new("/etc/sysctl.d/a.conf", 1);
        let early = boot::Early::ByFile("/etc/modules-load.d/nf_conntrack.conf");
        let lost = boot::Lost::ModuleLate { place, barred: None, early };
        assert_eq!(late.advice, Some(Advice::Lost(lost)));
    }
}
