//! Defines the promise of an apply: what it predicted of the next boot. After that boot, a comparison with what is there
//! says whether the promise was held, and if not, which setting broke and the likely cause.
//!
//! Pure: `host::promise` keeps the promise in a file of the machine, and reads it again.

mod journal;
mod outputs;
mod text;

use serde::{Deserialize, Serialize};

use crate::answer::{self, Exit};
use crate::boot::{self, Arrival, Boot, Evidence};
use crate::kernel::catalog::Name;
use crate::origin::Origin;
use crate::report::{Report, Rule};
use crate::show::{self, Inventory};
use crate::snapshot::{Module, Snapshot};
use crate::tree::Place;
use crate::verify::Verdict;

pub use journal::{FIELDS, Message};
use journal::{Witness, quoted, witness};

/// The file in which an apply keeps its promise. Only root may read it.
pub const FILE: &str = "/var/lib/conntrack-sysctl/promise.json";

/// What an apply predicted of the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The machine and the moment of the apply, the kernel that ran, the boot, and the hash of the request.
    pub origin: Origin,
    /// The loaders that it predicted, by their names in requests.
    pub loaders: Vec<String>,
    /// The settings whose values after the next boot it predicted.
    pub settings: Vec<Predicted>,
}

/// The prediction for one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// The canonical name.
    pub name: String,
    /// The number after the next boot.
    pub value: i64,
    /// The line that decides.
    pub from: Option<Place>,
}

impl Promise {
    /// The promise of the run with this report. What the run could not tell, it does not promise.
    #[must_use]
    pub fn of(report: &Report, loaders: Vec<String>, origin: Origin) -> Promise {
        let is_known = report.settings.iter().filter(|setting| {
            setting.doubts.is_empty() && setting.verdict != Verdict::Unknown && setting.desired.rule != Rule::Absent
        });
        let settings = is_known.filter_map(|setting| {
            let (name, from) = (setting.name.clone(), setting.boot.winner.clone());
            Some(Predicted { name, value: setting.boot.after?, from })
        });
        Promise { origin, loaders, settings: settings.collect() }
    }

    /// Whether `other` promises the same for the same request and kernel: then it need not be written anew.
    #[must_use]
    pub fn is_like(&self, other: &Promise) -> bool {
        let about = |it: &Promise| (it.origin.request.clone(), it.origin.kernel.clone(), it.origin.host.clone());
        self.loaders == other.loaders && self.settings == other.settings && about(self) == about(other)
    }
}

/// Whether a promise was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every setting is as predicted.
    Held,
    /// A setting is not as predicted.
    Broken,
    /// The machine has not been booted since the promise.
    NotYet,
    /// Nothing was promised, or the promise cannot be read.
    NoPromise,
}

/// A promise, compared with the machine after a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether the promise was held.
    pub outcome: Outcome,
    /// The machine and the moment of the comparison.
    pub origin: Origin,
    /// The promise; null: there is none.
    pub promise: Option<Promise>,
    /// The loader that boots the machine.
    pub loader: String,
    /// Each setting of the promise.
    pub settings: Vec<Compared>,
}

/// One setting, predicted and seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The canonical name.
    pub name: String,
    /// Whether the two are equal.
    pub held: bool,
    /// The number that was predicted.
    pub predicted: i64,
    /// The number that the kernel has; null: it does not have the setting.
    pub seen: Option<i64>,
    /// The line that was to decide.
    pub from: Option<Place>,
    /// The likely cause, if they differ.
    pub cause: Option<String>,
}

/// The report of a broken promise, with all that may tell why.
#[derive(Serialize)]
struct Bundle<'a> {
    verification: &'a Verification,
    /// What the files say now, and what the kernel has.
    now: &'a Inventory,
    /// The messages of this boot about connection tracking.
    journal: &'a [Message],
}

/// The comparison of `promise` with the machine of `snapshot`, after a boot with these messages.
#[must_use]
pub fn compare(promise: Option<Promise>, snapshot: &Snapshot, origin: Origin, messages: &[Message]) -> Verification {
    // What the files that are there now would make of a boot.
    let boot = &boot::boot(snapshot, boot::detected(&snapshot.tree));
    let is_same_boot = |promise: &Promise| promise.origin.boot_id.is_some() && promise.origin.boot_id == origin.boot_id;
    let compared = |promise: &Promise| -> Vec<Compared> {
        let now = Now { snapshot, boot, origin: &origin, messages };
        promise.settings.iter().map(|it| compared(it, promise, &now)).collect()
    };
    let settings = promise.as_ref().filter(|promise| !is_same_boot(promise)).map(compared).unwrap_or_default();
    let outcome = match &promise {
        None => Outcome::NoPromise,
        Some(promise) if is_same_boot(promise) => Outcome::NotYet,
        Some(promise) if promise.settings.is_empty() => Outcome::NoPromise,
        Some(_) if settings.iter().all(|setting| setting.held) => Outcome::Held,
        Some(_) => Outcome::Broken,
    };
    Verification { outcome, origin, promise, loader: boot.system.name.to_owned(), settings }
}

/// The machine after the boot.
struct Now<'a> {
    snapshot: &'a Snapshot,
    /// What its files would make of another boot.
    boot: &'a Boot,
    origin: &'a Origin,
    messages: &'a [Message],
}

fn compared(it: &Predicted, promise: &Promise, now: &Now) -> Compared {
    let name = Name::of_key(&it.name);
    let seen = name.as_ref().and_then(|name| now.snapshot.live_value(name));
    let held = seen == Some(it.value);
    let cause = name.filter(|_| !held).map(|name| cause(it, &name, seen, promise, now));
    Compared { name: it.name.clone(), held, predicted: it.value, seen, from: it.from.clone(), cause }
}

/// The likely cause of another number, the surest first.
fn cause(it: &Predicted, name: &Name, seen: Option<i64>, promise: &Promise, now: &Now) -> String {
    if now.snapshot.module == Module::Absent {
        return "connection tracking is not loaded".to_owned();
    }
    let witness = witness(now.messages, name, seen);
    if let Some(Witness::OfValue(message)) = witness {
        return quoted(message);
    }
    let boot = now.boot;
    let outlook = boot.outlook(name);
    let later = boot.later_writers(&[name]).concat().into_iter().next();
    if let Some(write) = later {
        let place = match &write.evidence {
            Evidence::Line(place) => format!(" (`{place}`)"),
            Evidence::Presence(_) => String::new(),
        };
        return format!("{} writes it after the loader{place}", write.by.name);
    }
    if outlook.value != Some(it.value) {
        return match outlook.winner.filter(|_| outlook.value == seen) {
            Some(winner) => format!("the files changed since the apply: `{winner}` sets it now"),
            None => "the files changed since the apply: `conntrack-sysctl explain` shows them".to_owned(),
        };
    }
    if let Some(Witness::OfName(message)) = witness {
        return quoted(message);
    }
    if !promise.loaders.iter().any(|loader| loader == boot.system.name) {
        return format!("the machine boots with {} now, and not with {}", boot.system.name, promise.loaders.join(", "));
    }
    if now.origin.kernel != promise.origin.kernel {
        return format!("another kernel runs: {} instead of {}", now.origin.kernel, promise.origin.kernel);
    }
    if let Some(doubt) = outlook.doubts.first() {
        return doubt.to_string();
    }
    match boot.arrival {
        Arrival::Late { .. } => "the module was loaded after the loader".to_owned(),
        _ => "the files are as predicted: a program wrote it after the loader, or the loader failed (see `journalctl -b`)"
            .to_owned(),
    }
}

impl Verification {
    /// The report of a broken promise as JSON, for the machine of `snapshot` after a boot with these messages. None: it is not
    /// broken.
    #[must_use]
    pub fn bundle(&self, snapshot: &Snapshot, messages: &[Message]) -> Option<String> {
        let bundle = |now: &Inventory| answer::json(&Bundle { verification: self, now, journal: messages });
        (self.outcome == Outcome::Broken).then(|| bundle(&show::inventory(snapshot)))
    }

    /// The exit code of the command.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.outcome {
            Outcome::Held => Exit::Held,
            Outcome::Broken => Exit::Broken,
            Outcome::NotYet | Outcome::NoPromise => Exit::CouldNotTell,
        }
    }
}
