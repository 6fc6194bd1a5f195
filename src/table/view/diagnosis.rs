//! Renders a diagnosis as text for people.

use anstyle::Style;

use crate::table::analysis::diagnosis::{Diagnosis, Health};
use crate::table::analysis::loss::Loss;
use crate::table::analysis::losses::counted as counted_losses;
use crate::table::analysis::profile::{Profile, Ranking, TimeoutUse, WouldExpire};
use crate::table::analysis::status::Interval;
use crate::table::model::log::Log;
use crate::table::view::offline;
use crate::table::view::status::unread_lines;
use crate::table::view::{losses, notrack, words};
use crate::text::style::{BAD, DOUBT, GOOD, HEAD, PLAIN, painted};
use crate::text::{duration_text, grouped, printable, short};

/// Timeouts that apply to less than this share of the entries are left out of the text (the JSON has all).
const SMALL_PERCENT: f64 = 1.0;

/// Addresses and ports with less than this share of the entries do not fill the table, and are left out of the text.
const TINY_PERCENT: f64 = 0.1;

/// The text of a diagnosis, without a line end at its end.
#[must_use]
pub fn text(diagnosis: &Diagnosis) -> String {
    let verdict = painted(style_of(diagnosis.verdict).bold(), words::verdict(diagnosis.verdict));
    let mut lines = vec![format!("{verdict}: {}", printable(&words::summary(diagnosis))), String::new()];
    if let Some(profile) = &diagnosis.profile {
        lines.extend(profile_lines(profile, &words::source(&diagnosis.source)));
    }
    lines.extend(diagnosis.gap.iter().map(|gap| format!("not listed:    {}", printable(&words::gap(gap)))));
    let interval = diagnosis.status.interval.as_ref().filter(|_| diagnosis.status.is_loaded);
    lines.extend(interval.map(rate_line));
    if let Some(seconds) = diagnosis.seconds_until_full {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        lines.push(format!("until full:    {} at this rate", duration_text(seconds)));
    }
    lines.extend(diagnosis.losses.iter().map(loss_line));
    lines.extend(earlier_losses(diagnosis));
    lines.extend(saved_losses(diagnosis));
    let room = |(interface, room): (&String, &u64)| losses::cloud_room(interface, *room);
    lines.extend(
        diagnosis.status.cloud_room.iter().map(room).map(|room| format!("cloud:         {}", printable(&room))),
    );
    lines.extend(diagnosis.status.log.iter().flat_map(log_lines));
    lines.extend(unread_lines(&diagnosis.status.unread));
    if diagnosis.status.is_loaded {
        lines.push(String::new());
        lines.extend(proposal_lines(diagnosis));
        lines.extend(untracked_lines(diagnosis));
    }
    lines.join("\n").trim_end().to_owned()
}

fn style_of(verdict: Health) -> Style {
    match verdict {
        Health::Full | Health::FullInNamespace | Health::DroppingElsewhere => BAD,
        Health::Near | Health::NearInNamespace | Health::WasFull | Health::Unknown => DOUBT,
        Health::Healthy => GOOD,
        Health::NotLoaded => PLAIN,
    }
}

fn rate_line(interval: &Interval) -> String {
    let Interval { growth, seconds, .. } = interval;
    format!("rate:          {growth:+} entries in {seconds} s ({:+.1} a second)", interval.growth_per_second())
}

fn loss_line(loss: &Loss) -> String {
    let mark = if loss.significant { "" } else { " (harmless)" };
    let (counter, next_step) = (printable(&loss.counter), losses::next_step(loss));
    let lost = painted(if loss.significant { BAD } else { PLAIN }, "lost:");
    format!("{lost}          {counter} +{}{mark}: {}", grouped(loss.count), printable(&next_step))
}

/// The losses outside of connection tracking since the boot which did not go on during this run.
fn earlier_losses(diagnosis: &Diagnosis) -> Option<String> {
    let goes_on = |loss: &&Loss| diagnosis.losses.iter().any(|own| own.counter == loss.counter);
    let earlier = diagnosis.status.elsewhere.iter().filter(|loss| !goes_on(loss));
    let earlier: Vec<String> =
        earlier.map(|loss| format!("{} {}", printable(&loss.counter), grouped(loss.count))).collect();
    (!earlier.is_empty()).then(|| format!("lost earlier:  {} (since the boot)", earlier.join(", ")))
}

/// The losses that saved counters show, where a full table does not explain them, and what each points to.
fn saved_losses(diagnosis: &Diagnosis) -> Vec<String> {
    let counted = diagnosis.status.since_boot.as_ref().filter(|_| diagnosis.saved_options.is_some());
    let is_explained = matches!(diagnosis.verdict, Health::Full | Health::WasFull);
    let explained: &[&str] = if is_explained { &["drop"] } else { &[] };
    let lost = counted.map(|counted| counted_losses(&counted.total, explained)).unwrap_or_default();
    let line = |loss: &Loss| {
        let next_step = losses::next_step(loss);
        format!("lost earlier:  {} {} (since the boot): {next_step}", printable(&loss.counter), grouped(loss.count))
    };
    lost.iter().map(line).collect()
}

fn log_lines(log: &Log) -> Vec<String> {
    let by_namespace = log.namespaces.iter().map(|(name, own)| {
        let (count, last) = (grouped(own.messages), words::moment(&own.last));
        let messages = if own.messages == 1 { "message" } else { "messages" };
        format!("kernel log:    {count} {messages} of a full table, network namespace {name}, the last {last}")
    });
    by_namespace.chain(words::log_remarks(log).into_iter().map(|remark| format!("kernel log:    {remark}"))).collect()
}

fn proposal_lines(diagnosis: &Diagnosis) -> Vec<String> {
    let proposal = &diagnosis.proposal;
    let mut lines = vec![painted(HEAD, "proposal:")];
    lines.extend(proposal.arithmetic.iter().map(|calculation| format!("  {}", words::calculation(calculation))));
    match proposal.request() {
        Some(_) if !diagnosis.limit_is_ours => lines.extend(parted_lines(diagnosis)),
        Some(request) => {
            lines.push(format!("  {request}"));
            lines.push(match &diagnosis.saved_options {
                None => {
                    "  to apply it: conntrack-sysctl diagnose --output request | conntrack-sysctl apply -".to_owned()
                }
                Some(options) => printable(&format!(
                    "  to apply it: conntrack-sysctl diagnose {options} --output request > request.json, and on the \
                     machine that the files are of: conntrack-sysctl apply request.json"
                ))
                .into_owned(),
            });
        }
        None => lines.push("  nothing to set".to_owned()),
    }
    lines
}

/// The lines of a proposal that two network namespaces carry out: the first one has the limit, and each has its timeouts.
fn parted_lines(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(request) = diagnosis.proposal.request_for_limit() {
        lines.push("  the limit belongs to the first network namespace. Outside of any container, run:".to_owned());
        lines.push(format!("    echo '{request}' | nsenter --target 1 --net conntrack-sysctl apply -"));
    }
    if let Some(request) = diagnosis.proposal.request_for_timeouts() {
        let enter = diagnosis.pid.map(|pid| format!("nsenter --target {pid} --net ")).unwrap_or_default();
        lines.push(
            "  the timeouts belong to this network namespace, and end with it. To set them in it, run:".to_owned(),
        );
        lines.push(format!("    echo '{request}' | {enter}conntrack-sysctl apply -"));
    }
    lines
}

/// The traffic that need not be tracked, and the rules for it, if the table needs room.
fn untracked_lines(diagnosis: &Diagnosis) -> Vec<String> {
    let untracked = diagnosis.untracked();
    if untracked.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "or no tracking at all (nothing here is applied by this program):".to_owned()];
    lines.extend(words::without(diagnosis).map(|line| format!("  {line}")));
    lines.extend(notrack::nft(untracked).iter().map(|rule| format!("    {rule}")));
    lines.push("  or with iptables, and the same with ip6tables:".to_owned());
    lines.extend(notrack::iptables(untracked).iter().map(|rule| format!("    {rule}")));
    lines.push(format!("  {}", notrack::COST));
    lines
}

fn profile_lines(profile: &Profile, source: &str) -> Vec<String> {
    let mut lines = vec![entries_line(profile, source)];
    if profile.entries == 0 {
        return lines;
    }
    let classes = profile.classes.iter().filter(|class| class.percent >= SMALL_PERCENT).map(|class| {
        let state = class.state.as_deref().map(|state| format!(" {state}")).unwrap_or_default();
        format!("{}{state} {}%", class.protocol, class.percent)
    });
    lines.push(format!("protocols:     {}", classes.collect::<Vec<_>>().join(", ")));
    lines.push(format!(
        "answers:       never {}; seen both ways: {}; offloaded: {}",
        grouped(profile.unreplied),
        grouped(profile.assured),
        grouped(profile.offloaded)
    ));
    lines.push(format!(
        "evictable:     {} not seen both ways, and {} that are closing: a full table may remove them",
        grouped(profile.evictable),
        grouped(profile.closing)
    ));
    lines.extend(ranking_line("sources:", &profile.sources));
    lines.extend(ranking_line("destinations:", &profile.destinations));
    lines.extend(ranking_line("ports:", &profile.ports));
    // A table whose only zone is the default one has no zones worth a line.
    if profile.zones.items.iter().any(|zone| zone.name != "0") {
        lines.extend(ranking_line("zones:", &profile.zones));
    }
    lines.extend(offline::unanswered_lines(profile));
    if profile.timeouts.iter().any(|used| used.assumed || used.inferred) {
        lines.push(
            "the live timeouts are unknown: the kernel's defaults are assumed where the entries fit them, and elsewhere the \
             longest time that one has left"
                .to_owned(),
        );
    }
    for used in profile.timeouts.iter().filter(|used| used.percent >= SMALL_PERCENT) {
        lines.extend(timeout_lines(used));
    }
    lines
}

fn entries_line(profile: &Profile, source: &str) -> String {
    let (entries, source) = (grouped(profile.entries), printable(source));
    match profile.sample_of {
        None => format!("{entries} entries read from {source}"),
        Some(whole) => format!(
            "{entries} of {} entries read from {source}: a random sample, accurate to {} points (--all reads all)",
            grouped(whole),
            profile.margin_points
        ),
    }
}

fn ranking_line(name: &str, ranking: &Ranking) -> Option<String> {
    if ranking.items.is_empty() {
        return None;
    }
    let items = ranking.items.iter().filter(|item| item.percent >= TINY_PERCENT);
    let items: Vec<String> = items.take(5).map(|item| format!("{} {}%", item.name, item.percent)).collect();
    let items = if items.is_empty() { "none stands out".to_owned() } else { items.join(", ") };
    Some(match (ranking.different, ranking.too_low_by_at_most) {
        (Some(different), _) => format!("{name:<14} {items} ({} different)", grouped(different)),
        (None, missing) => format!("{name:<14} {items} (each is up to {} entries too low)", grouped(missing)),
    })
}

fn timeout_lines(used: &TimeoutUse) -> Vec<String> {
    let value = used.seconds.map_or_else(|| "?".to_owned(), |seconds| duration_text(seconds.into()));
    let mut lines = vec![format!("timeout:       {} = {value} applies to {}%", short(&used.setting), used.percent)];
    if used.inferred {
        lines.push(format!("  inferred: of {} entries none has more than {value} left", grouped(used.entries)));
    }
    let shorter: Vec<String> =
        distinct(&used.gone).iter().rev().take(6).map(|gone| format!("{} {}%", gone.human, gone.percent)).collect();
    if !shorter.is_empty() {
        lines.push(format!("  a shorter timeout would remove, of all entries: {}", shorter.join(", ")));
    }
    if used.unsure > 0 {
        lines.push(format!("  {} may have a shorter TCP timeout: their idle time is unknown", grouped(used.unsure)));
    }
    if used.other_timeout > 0 {
        lines.push(format!("  {} have another timeout", grouped(used.other_timeout)));
    }
    if used.not_known > 0 {
        lines.push(format!("  {} have been idle for an unknown time", grouped(used.not_known)));
    }
    lines
}

/// The shorter timeouts that would remove entries. Of several that would remove equally many, only the longest is kept.
fn distinct(gone: &[WouldExpire]) -> Vec<&WouldExpire> {
    let mut distinct: Vec<&WouldExpire> = Vec::new();
    for gone in gone.iter().filter(|gone| gone.entries > 0) {
        match distinct.last_mut() {
            Some(last) if last.entries == gone.entries => *last = gone,
            _ => distinct.push(gone),
        }
    }
    distinct
}
