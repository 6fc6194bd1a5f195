//! Renders a diagnosis as text for people.

use crate::table::analysis::diagnosis::{Diagnosis, Verdict};
use crate::table::analysis::profile::{Profile, Ruled, Top};
use crate::table::view::status::unread_lines;
use crate::text::duration_text;
use crate::text::grouped;
use crate::text::printable;

/// Timeouts that rule less than this share are left out of the text (the JSON has all).
const SMALL_PERCENT: f64 = 1.0;

/// Addresses and ports that hold less than this are none that fill the table.
const TINY_PERCENT: f64 = 0.1;

/// The text of a diagnosis, without a line end at its end.
#[must_use]
pub fn text(diagnosis: &Diagnosis) -> String {
    let word = match diagnosis.verdict {
        Verdict::Full => "FULL",
        Verdict::DroppingElsewhere => "DROPPING ELSEWHERE",
        Verdict::Near => "NEARLY FULL",
        Verdict::WasFull => "WAS FULL",
        Verdict::Healthy => "HEALTHY",
        Verdict::Unknown => "UNKNOWN",
    };
    let mut lines = vec![format!("{word}: {}", printable(&diagnosis.summary)), String::new()];
    if let Some(profile) = &diagnosis.profile {
        lines.extend(profile_lines(profile, &diagnosis.source));
    }
    if let Some(interval) = &diagnosis.status.interval {
        lines.push(format!(
            "rate:          {:+} entries in {} s ({:+.1} a second)",
            interval.growth,
            interval.seconds,
            interval.growth_per_second()
        ));
    }
    if let Some(seconds) = diagnosis.seconds_until_full {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        lines.push(format!("until full:    {} at this rate", duration_text(seconds)));
    }
    for drops in &diagnosis.drops {
        let mark = if drops.significant { "" } else { " (no reason for alarm)" };
        let counter = printable(&drops.counter);
        lines.push(format!("lost:          {counter} +{}{mark}: {}", grouped(drops.count), printable(&drops.look)));
    }
    if let Some(log) = &diagnosis.status.log {
        lines.extend(log.namespaces.iter().map(|(name, seen)| {
            let last = seen.last.time.as_deref().unwrap_or("an unknown time");
            let (count, last) = (grouped(seen.messages), printable(last));
            format!("kernel log:    {count} messages of a full table, network namespace {name}, the last at {last}")
        }));
    }
    lines.extend(unread_lines(&diagnosis.status.unread));
    lines.push(String::new());
    lines.push("proposal:".to_owned());
    lines.extend(diagnosis.proposal.arithmetic.iter().map(|line| format!("  {line}")));
    if !diagnosis.limit_is_ours {
        lines.push("  the limit can only be set in the first network namespace: apply the request there".to_owned());
    }
    match &diagnosis.proposal.request {
        Some(request) => {
            lines.push(format!("  {request}"));
            lines.push(
                "  to apply it: conntrack-sysctl diagnose --output request | conntrack-sysctl apply -".to_owned(),
            );
        }
        None => lines.push("  nothing to set".to_owned()),
    }
    lines.join("\n")
}

fn profile_lines(profile: &Profile, source: &str) -> Vec<String> {
    let mut lines = vec![match profile.sample_of {
        None => format!("{} entries read from {}", grouped(profile.entries), printable(source)),
        Some(whole) => format!(
            "{} of {} entries read from {}: a random sample, right to {} points (--all reads the rest)",
            grouped(profile.entries),
            grouped(whole),
            printable(source),
            profile.margin_points
        ),
    }];
    if profile.entries == 0 {
        return lines;
    }
    let classes = profile.classes.iter().filter(|class| class.percent >= SMALL_PERCENT).map(|class| {
        let state = class.state.as_deref().map(|state| format!(" {state}")).unwrap_or_default();
        format!("{}{state} {}%", class.protocol, class.percent)
    });
    lines.push(format!("what:          {}", classes.collect::<Vec<_>>().join(", ")));
    lines.push(format!(
        "answers:       never {}; seen both ways: {}; offloaded: {}",
        grouped(profile.unreplied),
        grouped(profile.assured),
        grouped(profile.offloaded)
    ));
    for (name, top) in [
        ("sources:", &profile.sources),
        ("destinations:", &profile.destinations),
        ("ports:", &profile.ports),
        ("zones:", &profile.zones),
    ] {
        lines.extend(top_line(name, top));
    }
    if profile.timeouts.iter().any(|ruled| ruled.assumed) {
        lines.push("the timeouts are not known: the kernel's defaults stand in".to_owned());
    }
    for ruled in profile.timeouts.iter().filter(|ruled| ruled.percent >= SMALL_PERCENT) {
        lines.extend(ruled_lines(ruled));
    }
    lines
}

fn top_line(name: &str, top: &Top) -> Option<String> {
    // One zone, and that of everybody, is no news.
    let is_plain_zone = name == "zones:" && top.items.len() == 1 && top.items[0].name == "0";
    if top.items.is_empty() || is_plain_zone {
        return None;
    }
    let items = top.items.iter().filter(|item| item.percent >= TINY_PERCENT);
    let items: Vec<String> = items.take(5).map(|item| format!("{} {}%", item.name, item.percent)).collect();
    let items = if items.is_empty() { "none stands out".to_owned() } else { items.join(", ") };
    Some(match (top.different, top.too_low_by_at_most) {
        (Some(different), _) => format!("{name:<14} {items} ({} different)", grouped(different)),
        (None, missing) => format!("{name:<14} {items} (each is up to {} entries too low)", grouped(missing)),
    })
}

fn ruled_lines(ruled: &Ruled) -> Vec<String> {
    let name = ruled.setting.strip_prefix("net.netfilter.").unwrap_or(&ruled.setting);
    let value = ruled.seconds.map_or_else(|| "?".to_owned(), |seconds| duration_text(seconds.into()));
    let mut lines = vec![format!("timeout:       {name} = {value} rules {}%", ruled.percent)];
    // The shares only fall; where two are equal, the longer timeout says it all.
    let mut told: Vec<&crate::table::analysis::profile::Gone> = Vec::new();
    for gone in ruled.gone.iter().filter(|gone| gone.entries > 0) {
        match told.last_mut() {
            Some(last) if last.entries == gone.entries => *last = gone,
            _ => told.push(gone),
        }
    }
    let told: Vec<String> = told.iter().rev().take(6).map(|gone| format!("{} {}%", gone.human, gone.percent)).collect();
    if !told.is_empty() {
        lines.push(format!("  gone of all entries if it were: {}", told.join(", ")));
    }
    if ruled.unsure > 0 {
        lines.push(format!(
            "  {} may be under a shorter timer of TCP: their idle time is not known",
            grouped(ruled.unsure)
        ));
    }
    if ruled.other_timeout > 0 {
        lines.push(format!("  {} are under another timeout than this", grouped(ruled.other_timeout)));
    }
    if ruled.not_known > 0 {
        lines.push(format!("  {} have been idle for an unknown time", grouped(ruled.not_known)));
    }
    lines
}
