//! Warns of values that a plan leads to and that a user may not have meant, with numbers.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::Persistent;
use crate::boot::{self, Boot, may_drop};
use crate::kernel::catalog::{BUCKETS, COUNT, MAX, Name, ValueKind};
use crate::kernel::sizes::{ENTRY_BYTES, default_entries_per_bucket, table_bytes};
use crate::request::{Aim, Desired, Want};
use crate::snapshot::Snapshot;
use crate::text::size;
use crate::warning::{Code, Warning};

pub(super) fn warnings(
    desired: &Desired,
    before: &Snapshot,
    after: &Snapshot,
    persistent: &Persistent,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for want in desired.wants.values().filter(|want| !want.name.is_catalogued()) {
        let message = format!("`{}` is not in the catalog; it is handled as a plain integer", want.name);
        warnings.push(Warning::new(Code::Uncatalogued, message).key(&want.name));
    }
    warnings.extend(desired.wants.values().filter_map(zero_timeout));
    if desired.wants.contains_key(&MAX) || desired.wants.contains_key(&BUCKETS) {
        warnings.extend(sizes(desired, before, after, persistent.boots()));
    }
    if desired.persist {
        warnings.extend(not_kept(desired, after));
        let names: Vec<&Name> =
            desired.wants.values().filter(|want| want.aim != Aim::Absent).map(|want| &want.name).collect();
        let later = persistent.boots().iter().flat_map(|boot| boot.later_writers(&names));
        let mut by = BTreeSet::new();
        warnings
            .extend(later.filter(|writes| by.insert(writes[0].by.name)).map(|writes| Warning::later_writer(&writes)));
    }
    warnings
}

/// The warning about a timeout of 0. Those of reassembly and of events hold no connections.
fn zero_timeout(want: &Want) -> Option<Warning> {
    let setting = want.name.setting();
    let is_other = |end| want.name.as_str().ends_with(end);
    let holds_entries =
        setting.kind == ValueKind::Seconds && !["frag6_timeout", "events_retry_timeout"].into_iter().any(is_other);
    if want.aim != Aim::Exactly(0) || !holds_entries {
        return None;
    }
    let message = format!(
        "`{}` of 0 removes an entry at once: the next packet of its connection starts a new entry or is lost; choose \
         at least 1 second",
        want.name
    );
    Some(Warning::new(Code::ZeroTimeout, message).key(&want.name))
}

/// The warning about files that an update of the system may not keep.
fn not_kept(desired: &Desired, after: &Snapshot) -> Option<Warning> {
    let own = [desired.file.as_path()].into_iter().chain(boot::module_files());
    let files: Vec<&Path> = own.filter(|file| after.tree.get(file).is_some()).collect();
    let (first, system) = files.iter().find_map(|file| Some((file, may_drop(&after.tree, file)?)))?;
    let (name, remedy) = (system.name, system.remedy);
    let message = format!("an update of {name} may not keep `{}`; {remedy}", first.display());
    Some(Warning::new(Code::NotKept, message))
}

/// The warnings about the limit and the number of buckets.
fn sizes(desired: &Desired, before: &Snapshot, after: &Snapshot, boots: &[Boot]) -> Vec<Warning> {
    let at_boot = |name: &Name| boots.first().and_then(|boot| boot.outlook(name).value);
    let wanted = |name: &Name| {
        let value = if desired.live { after.live_value(name) } else { None };
        value.or_else(|| at_boot(name)).or_else(|| after.live_value(name))
    };
    let mut warnings = Vec::new();
    let limit = wanted(&MAX);
    if limit == Some(0) && desired.wants.contains_key(&MAX) {
        let message = "a limit of 0 means no limit: the table may use all memory";
        warnings.push(Warning::new(Code::NoLimit, message).key(MAX));
    }
    if let (Some(old), Some(new), Some(count)) =
        (before.live_value(&MAX), after.live_value(&MAX), before.live_value(&COUNT))
    {
        if new != old && new != 0 && new < count {
            let message = format!(
                "the new limit {new} is below the present {count} entries: new connections are dropped until {} of them \
                 have expired",
                count - new + 1
            );
            warnings.push(Warning::new(Code::LimitBelowCount, message).key(MAX));
        }
    }
    let usual = default_entries_per_bucket(after.release());
    if let (Some(limit), Some(buckets)) = (limit, wanted(&BUCKETS)) {
        if buckets > 0 && limit > buckets.saturating_mul(usual) {
            let enough = limit / usual;
            let bucket_bytes = boots.first().map_or(after.pages, |boot| boot.bounds.pages).bucket_bytes();
            let message = format!(
                "a full table of {limit} entries in {buckets} buckets has chains of {} on average, where the kernel's own \
                 default has {}; nf_conntrack_buckets {enough} takes {} of memory, a full table {}",
                limit.saturating_mul(2) / buckets,
                usual * 2,
                size(table_bytes(0, ENTRY_BYTES, enough.unsigned_abs(), bucket_bytes)),
                size(table_bytes(limit.unsigned_abs(), ENTRY_BYTES, 0, bucket_bytes)),
            );
            warnings.push(Warning::new(Code::LongChains, message).key(BUCKETS));
        }
    }
    warnings
}
