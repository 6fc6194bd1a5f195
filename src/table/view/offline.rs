//! Puts the diagnosis of saved files into words. Nobody looked at that machine: the words say what the files show.

use crate::table::analysis::diagnosis::{Diagnosis, Health};
use crate::table::analysis::profile::Profile;
use crate::table::analysis::proposal::Calculation;
use crate::table::analysis::unanswered::Opened;
use crate::text::{duration_text, grouped};

/// The first words of a summary: the one address that fills the table, if there is one.
pub(super) fn lead(diagnosis: &Diagnosis) -> String {
    let flood = diagnosis.proposal.arithmetic.iter().find_map(|calculation| match calculation {
        Calculation::OneSource(opened) => Some(opened),
        _ => None,
    });
    flood.map(|opened| format!("{}, and none was answered: ", opener(opened))).unwrap_or_default()
}

/// `192.0.2.7 opened 26,214 (100%) of the entries (tcp SYN_SENT)`
fn opener(opened: &Opened) -> String {
    let state = opened.state.as_deref().map(|state| format!(" {state}")).unwrap_or_default();
    let Opened { source, protocol, entries, percent, .. } = opened;
    format!("{source} opened {} ({percent}%) of the entries ({protocol}{state})", grouped(*entries))
}

/// Why the limit is not raised.
pub(super) fn one_source(opened: &Opened) -> String {
    format!(
        "{}: a larger limit would only fill later. Find out what {} asks for and why nobody answers, or let it open fewer \
         connections",
        rate(opened).unwrap_or_else(|| opener(opened)),
        opened.source
    )
}

/// The rate at which an address opens connections, with the arithmetic.
fn rate(opened: &Opened) -> Option<String> {
    let Opened { source, entries, timeout, oldest, per_second, if_it_goes_on, .. } = opened;
    Some(format!(
        "{source}: {} entries, the oldest {} old, are {} a second; {} x {} / {} = {} entries if it goes on",
        grouped(*entries),
        duration_text((*oldest)?.into()),
        (*per_second)?,
        grouped(*entries),
        duration_text((*timeout)?.into()),
        duration_text((*oldest)?.into()),
        grouped((*if_it_goes_on)?)
    ))
}

/// The lines about addresses that open connections which nobody answers.
pub(super) fn unanswered_lines(profile: &Profile) -> impl Iterator<Item = String> {
    profile.unanswered.iter().map(|opened| {
        let rate = rate(opened).map(|rate| format!("; {rate}")).unwrap_or_default();
        format!("unanswered:    {}{rate}", opener(opened))
    })
}

/// The verdict on saved files in a sentence, with the words for the fill of the table; None: the diagnosis is of the live table.
pub(super) fn summary(diagnosis: &Diagnosis, occupancy: &str) -> Option<String> {
    diagnosis.saved_options.as_ref()?;
    let status = &diagnosis.status;
    Some(match diagnosis.verdict {
        Health::Full => {
            format!("the saved table is full ({occupancy}): {}{}", effect(diagnosis), since_boot(diagnosis))
        }
        Health::Near => format!("the saved table is nearly full ({occupancy}){}", since_boot(diagnosis)),
        Health::WasFull => match diagnosis.full_at.as_deref() {
            Some(last) => {
                format!("the saved table has room ({occupancy}), but the log says that it was full, last at {last}")
            }
            None => format!("the saved table has room ({occupancy}), but it was full{}", since_boot(diagnosis)),
        },
        _ if status.limit.is_none() => {
            format!(
                "the saved table has {} entries; its limit is not known: --limit or --sysctl gives it",
                entries(diagnosis)
            )
        }
        _ => format!("the saved table has room ({occupancy}){}", since_boot(diagnosis)),
    })
}

/// What a full table does to a new connection.
fn effect(diagnosis: &Diagnosis) -> &'static str {
    match &diagnosis.profile {
        Some(profile) if profile.entries > 0 && profile.evictable + profile.closing == 0 => {
            "no entry of it can be evicted, so that a new connection is dropped"
        }
        _ => "a new connection then evicts an entry that has not seen traffic both ways, or is dropped",
    }
}

fn entries(diagnosis: &Diagnosis) -> String {
    grouped(diagnosis.status.count.unwrap_or(0))
}

/// The drops that the saved counters have.
fn since_boot(diagnosis: &Diagnosis) -> String {
    let Some(counted) = &diagnosis.status.since_boot else {
        let messages = diagnosis.status.log.as_ref().map_or(0, |log| log.messages);
        if messages > 0 {
            let plural = if messages == 1 { "" } else { "s" };
            return format!("; its log has {} message{plural} of dropped packets", grouped(messages));
        }
        return "; whether packets were dropped is not saved with it (--stat, --log)".to_owned();
    };
    let count = |name: &str| grouped(counted.total.get(name).copied().unwrap_or(0));
    format!(
        "; since the boot {} packets were dropped and {} entries evicted, and {} could not be inserted",
        count("drop"),
        count("early_drop"),
        count("insert_failed")
    )
}
