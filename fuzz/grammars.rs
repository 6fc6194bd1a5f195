//! What must hold of the readers of other programs' files, for any bytes whatever: a reader keeps no more than it was given,
//! names lines that are there, in order, and means the same when the file comes in small pieces.

use std::io::{self, Read};
use std::path::Path;

use conntrack_sysctl::formats::mounts::{fstab, mountinfo};
use conntrack_sysctl::formats::{
    boot_loader, configparser, depmod, escapes, kernel_arguments, modprobe_d, ostree, shell, tmpfiles, udev_rules,
    unit, words, yaml,
};
use conntrack_sysctl::promise::Promise;
use conntrack_sysctl::report::Report;
use conntrack_sysctl::summarize::{Summary, html, markdown, text};
use conntrack_sysctl::table::model::log::Log;
use conntrack_sysctl::table::source::evidence::{statistics, sysctls};
use conntrack_sysctl::table::source::{log, saved};
use memchr::memmem::Finder;

/// The numbers of lines that a reader names: they exist, and stand in order.
fn numbered(bytes: &[u8], numbers: impl IntoIterator<Item = usize>) {
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r' | 0)).count() + 1;
    let mut last = 1;
    for number in numbers {
        assert!((last..=lines).contains(&number), "line {number} after {last}, of {lines}");
        last = number;
    }
}

/// The texts that a reader keeps are no longer than those that it was given; a byte that is no text may become three.
fn bounded<'a>(bytes: &[u8], texts: impl IntoIterator<Item = &'a str>) {
    bounded_by(4, bytes, texts);
}

/// The texts that a reader keeps are at most `times` as long as those that it was given.
fn bounded_by<'a>(times: usize, bytes: &[u8], texts: impl IntoIterator<Item = &'a str>) {
    let kept: usize = texts.into_iter().map(str::len).sum();
    assert!(kept <= times * bytes.len() + 64, "{kept} bytes of {}", bytes.len());
}

/// modprobe.d(5), and what depmod(8) and the kernel command line say.
pub(crate) fn modprobe(bytes: &[u8]) {
    let lines = modprobe_d::parse(bytes);
    numbered(bytes, lines.iter().map(|line| line.line));
    // A line behind all others changes none of them.
    if !bytes.ends_with(b"\\") {
        let longer = modprobe_d::parse(&[bytes, b"\nblacklist last\n"].concat());
        assert_eq!(longer[..longer.len() - 1], lines);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for command in modprobe_d::command_line(text) {
        if let modprobe_d::Command::Options { module, arguments } = command {
            bounded(bytes, [module.as_str(), &arguments]);
        }
    }
    for name in text.lines().take(3) {
        let needs = depmod::needs(text, name).unwrap_or_default();
        bounded(bytes, needs.iter().map(String::as_str));
        bounded(bytes, depmod::files(text, name));
        let _ = depmod::is_built_in(text, name);
    }
    bounded(bytes, depmod::aliases(text).flat_map(|(alias, module)| [alias, module]));
}

/// The rules of udev(7).
pub(crate) fn udev(bytes: &[u8]) {
    let rules = udev_rules::parse(bytes);
    numbered(bytes, rules.iter().map(|rule| rule.line));
    bounded(bytes, rules.iter().flat_map(|rule| &rule.pairs).flat_map(|pair| [pair.key.as_str(), &pair.value]));
    // Those with a word are some of all.
    let mut all = rules.iter();
    for rule in udev_rules::with_words(bytes, &["RUN", "SYSCTL"].map(Finder::new)) {
        assert!(all.any(|other| *other == rule), "{rule:?}");
    }
}

/// Unit files, and the words of their commands.
pub(crate) fn units(bytes: &[u8]) {
    let assignments = unit::parse(bytes);
    numbered(bytes, assignments.iter().map(|assignment| assignment.line));
    bounded(bytes, assignments.iter().flat_map(|assignment| [assignment.name.as_str(), &assignment.value]));
    let commands = assignments.iter().filter_map(|assignment| words::words(&assignment.value, |c, _| c == '$'));
    let commands: Vec<Vec<String>> = commands.collect();
    bounded(bytes, commands.iter().flatten().map(String::as_str));
}

/// tmpfiles.d(5).
pub(crate) fn tmpfiles_d(bytes: &[u8]) {
    let lines = tmpfiles::parse(bytes);
    numbered(bytes, lines.iter().map(|line| line.number));
    // There are up to two readings of a line, and a specifier of two characters stands for up to ten.
    bounded_by(2 * 5, bytes, lines.iter().map(|line| line.path.as_str()));
    if let Ok(text) = std::str::from_utf8(bytes) {
        bounded(bytes, [escapes::unescaped(text), escapes::unescaped_path(text)].iter().flatten().map(String::as_str));
    }
}

/// /proc/self/mountinfo and fstab(5); the entries of boot loaders and of ostree.
pub(crate) fn mounts(bytes: &[u8]) {
    let mounts = mountinfo(bytes, |_| true);
    bounded(bytes, mounts.iter().flat_map(|mount| [mount.source.as_str(), &mount.kind, &mount.device]));
    let none = mountinfo(bytes, |path| path == Path::new("/"));
    assert!(none.iter().all(|mount| mount.point == Path::new("/") && mounts.contains(mount)));
    let planned = fstab(bytes);
    bounded(bytes, planned.iter().flat_map(|mount| &mount.options).map(String::as_str));
    let _ = (ostree::staged(bytes), ostree::loader_entry(bytes));
}

/// The command line of the kernel, and the files of boot loaders that have one.
pub(crate) fn arguments(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    bounded(bytes, kernel_arguments::parse(text).map(|argument| argument.name));
    bounded(bytes, kernel_arguments::parse(text).filter_map(|argument| argument.value));
    let lines = boot_loader::command_lines(text);
    numbered(bytes, lines.iter().map(|(number, _)| *number));
    bounded(bytes, lines.iter().map(|(_, line)| *line));
}

/// The variables of a shell, as ufw and many init scripts have them.
pub(crate) fn variables(bytes: &[u8]) {
    match shell::variables(bytes) {
        Ok(variables) => {
            bounded(bytes, variables.iter().flat_map(|(name, value)| [name.as_str(), &value.text]));
            for value in variables.values() {
                numbered(bytes, [value.line]);
            }
        }
        Err(refused) => numbered(bytes, [refused.line]),
    }
}

/// The files of tuned, and the configuration of kube-proxy and cloud-init.
pub(crate) fn sections(bytes: &[u8]) {
    for first in [None, Some("main")] {
        match configparser::parse(bytes, first) {
            Ok(sections) => {
                let options: Vec<_> = sections.iter().flat_map(|section| &section.options).collect();
                for option in &options {
                    numbered(bytes, [option.line]);
                }
                bounded(bytes, options.iter().flat_map(|option| [option.name.as_str(), &option.value]));
            }
            Err(refused) => numbered(bytes, [refused.line]),
        }
    }
    for name in ["conntrack", "kind"] {
        let pairs = yaml::mapping(bytes, name).unwrap_or_default();
        numbered(bytes, pairs.iter().map(|pair| pair.line));
        bounded(bytes, pairs.iter().map(|pair| pair.key.as_str()));
    }
}

/// A source that gives a few bytes at a time, as a pipe may.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let few = buffer.len().min(7);
        self.0.read(&mut buffer[..few])
    }
}

/// A saved log in any form.
pub(crate) fn logs(bytes: &[u8]) {
    let Ok(found) = log::text(bytes, "x") else { return };
    assert_eq!(log::text(Trickle(bytes), "x").ok().as_ref(), Some(&found));
    assert!(found.last.len() <= 10 && found.example.as_deref().is_none_or(|line| line.chars().count() <= 256));
    let printed = serde_json::to_vec(&found).expect("a log can be printed");
    assert_eq!(serde_json::from_slice::<Log>(&printed).ok(), Some(found));
}

/// A saved table in any form.
pub(crate) fn dumps(bytes: &[u8]) {
    let mut entries = Vec::new();
    let Ok(found) = saved::read(bytes, |entry| entries.push(entry.clone())) else { return };
    assert!(entries.len() <= bytes.len() / 8 + 1, "{} entries of {} bytes", entries.len(), bytes.len());
    let mut again = Vec::new();
    let same = saved::read(Trickle(bytes), |entry| again.push(entry.clone())).expect("it was read once");
    assert_eq!((same, again), (found, entries));
}

/// Saved sysctls and statistics.
pub(crate) fn evidence(bytes: &[u8]) {
    if let Ok(found) = sysctls::read(bytes) {
        let line = |(name, value): (&String, &u64)| format!("net.netfilter.{name} = {value}");
        let printed = found.values.iter().map(line).collect::<Vec<_>>().join("\n");
        let again = sysctls::read(printed.as_bytes()).expect("it was read once");
        assert_eq!(again, found, "{printed}");
        assert_eq!(sysctls::read(Trickle(bytes)).ok(), Some(found));
    }
    if let Ok(found) = statistics::read(bytes) {
        assert_eq!(statistics::read(Trickle(bytes)).ok(), Some(found));
    }
}

/// The promise of an apply, which anybody may have edited.
pub(crate) fn promise(bytes: &[u8]) {
    let Ok(promise) = serde_json::from_slice::<Promise>(bytes) else { return };
    let printed = serde_json::to_vec(&promise).expect("a promise can be printed");
    assert_eq!(serde_json::from_slice::<Promise>(&printed).ok().as_ref(), Some(&promise));
    assert!(promise.is_like(&promise));
}

/// The reports of hosts, divided by 0xFF; each may be hostile.
pub(crate) fn reports(bytes: &[u8]) {
    let parsed = |part: &[u8]| serde_json::from_slice::<Report>(part).map_err(|error| error.to_string());
    let reports: Vec<_> = bytes.split(|byte| *byte == 0xff).map(parsed).collect();
    for report in reports.iter().flatten() {
        let printed = serde_json::to_vec(report).expect("a report can be printed");
        assert_eq!(serde_json::from_slice::<Report>(&printed).ok().as_ref(), Some(report));
    }
    let count = reports.len();
    let summary = Summary::new(reports.into_iter().enumerate().map(|(index, report)| (format!("h{index}"), report)));
    assert_eq!(summary.in_sync + summary.drift + summary.unknown, count);
    for text in [unpainted(&text::summary(&summary)), markdown::summary(&summary), html::summary(&summary)] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
    }
    assert!(!html::summary(&summary).contains("<script"));
}

/// `text` without its paint, which is all that may begin with an escape.
fn unpainted(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('m').expect("paint has an end");
        let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
        assert!(code.strip_prefix('[').is_some_and(is_code), "{code}");
        plain += rest;
    }
    plain
}
