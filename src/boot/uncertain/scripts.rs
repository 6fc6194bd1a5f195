//! Finds the lines of scripts and units that a boot runs and that may give a setting another value.

use std::collections::{BTreeMap, BTreeSet};

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::scripts::{self, Effect, Line};
use crate::boot::systems::SYSTEMD;
use crate::kernel::catalog::Name;
use crate::order::InOrder;

/// The programs that run lines some time after the boot, or for something else than the boot, by the places of the lines.
const BY: [(&str, &str); 16] = [
    ("/etc/crontab", "cron"),
    ("/etc/cron.d", "cron"),
    ("/etc/cron.daily", "cron"),
    ("/etc/cron.hourly", "cron"),
    ("/etc/cron.monthly", "cron"),
    ("/etc/cron.weekly", "cron"),
    ("/etc/crontabs", "cron"),
    ("/var/spool/cron/atjobs", "at"),
    ("/var/spool/at", "at"),
    ("/var/spool/atjobs", "at"),
    ("/var/spool/cron", "cron"),
    ("/etc/wireguard", "wg-quick"),
    ("/etc/cloud", "cloud-init"),
    ("/var/lib/cloud", "cloud-init"),
    ("/etc/udev", "udev"),
    ("/etc/NetworkManager", "NetworkManager"),
];

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    let lines = scripts::lines(tree, played.system);
    let generator = scripts::generator_of_loader(tree).filter(|_| *played.system == SYSTEMD);
    let of_generator = generator.map(|(place, unit)| Doubt::of_line(Reason::UnitChanged, &place).detail(unit));
    of_generator.into_iter().chain(lines.iter().filter_map(|line| doubt(played, line))).collect()
}

fn doubt(played: &Played, line: &Line) -> Option<Doubt> {
    let tree = &played.snapshot.tree;
    let differs = |name: Name, text: &[u8]| {
        let number = played.number(&name, text)?;
        played.differs(&name, number).then_some(name)
    };
    let mut names = BTreeSet::new();
    let by = BY.iter().find(|(directory, _)| line.place.file.starts_with(directory)).map(|(_, by)| (*by).to_owned());
    let doubt = Doubt { detail: by, ..Doubt::of_line(Reason::BootScript, &line.place) };
    for effect in scripts::effects(tree, line) {
        match effect {
            Effect::Anything => return Some(doubt),
            Effect::Names(name) => names.extend([name]),
            Effect::Writes(name, text) => names.extend(differs(name, text.as_bytes())),
            Effect::Loads(rerun) => {
                names.extend(rerun.unsure(tree, played.keys));
                let writes = rerun.writes(tree, played.keys).into_iter();
                let last: BTreeMap<Name, Vec<u8>> =
                    writes.filter_map(|write| Some((write.key.name()?, write.text))).into_map();
                names.extend(last.into_iter().filter_map(|(name, text)| differs(name, &text)));
            }
        }
    }
    (!names.is_empty()).then(|| doubt.about(About::Only(names)))
}
