//! Reads the words that stand before the kernel's message in a line of a log: the time, the host, and the marks of each
//! program that the line has passed through.
//!
//! The words are read from the left, layer by layer. A line with a word that no layer knows is not the kernel's, or has an
//! unknown form.

use crate::table::source::log::time;

/// The facts in the words before a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The time, as the log has it.
    pub(super) time: Option<String>,
    /// Microseconds since the boot.
    pub(super) since_boot: Option<u64>,
    /// How often the message came.
    pub(super) times: u64,
    /// Whether the line has the form of RFC 5424, which names a host even without a time.
    is_standard: bool,
    has_host: bool,
    is_kernels: bool,
    is_users: bool,
}

/// A layer takes the words that it knows from the start of a text, and returns the rest.
type Layer = for<'a> fn(&'a str, &mut Prefix) -> Option<&'a str>;

/// The layers, of which the first that knows the next words takes them.
const LAYERS: [Layer; 17] = [
    quoted, priority, calendar, stamp, kernel, facility, level, repeated, labels, pod, compose, stream, grep, android,
    container, cpu, host,
];

/// The facts in `before`, the words before a message; None: a word of it is not known.
pub(super) fn prefix(before: &str) -> Option<Prefix> {
    let mut prefix = Prefix { times: 1, ..Prefix::default() };
    let mut rest = before.trim_start();
    while !rest.is_empty() {
        rest = LAYERS.iter().find_map(|layer| layer(rest, &mut prefix))?.trim_start();
    }
    // A program can write to the kernel's log, which marks its lines as a user's.
    (prefix.is_kernels || !prefix.is_users).then_some(prefix)
}

/// The first word of a text, and the rest.
fn word(text: &str) -> (&str, &str) {
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The sign before the lines of a mail that is answered.
fn quoted<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let nothing_before = prefix.time.is_none() && prefix.since_boot.is_none() && !prefix.is_kernels;
    text.strip_prefix('>').filter(|_| nothing_before)
}

/// `<4>`, and the version of RFC 5424 behind it. The number above the three bits of the level is the facility: 0 is the
/// kernel.
fn priority<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    prefix.is_users |= number.parse::<u32>().ok()? >> 3 != 0;
    let Some(rest) = rest.strip_prefix("1 ") else { return Some(rest) };
    prefix.is_standard = true;
    Some(rest.strip_prefix("- ").unwrap_or(rest))
}

fn calendar<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (time, rest) = time::calendar(text)?;
    // A line that has passed through a log collector has a time of that, and then its own, which is nearer.
    prefix.time = Some(time);
    prefix.has_host = false;
    Some(rest)
}

/// What dmesg and the kernel put in brackets: `[  123.456789]`, `[Tue Nov 20 22:30:22 2018]`, `[  +0.000012]`,
/// `[  123.456789 <    0.000012>]`, `[ 6218.194622@2]`, and the thread or CPU that printed: `[    C3]`.
fn stamp<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    // The pause since the message before: `<    0.000012>`, or alone `+0.000012`.
    let inside = inside.split_once('<').map_or(inside, |(inside, _)| inside).trim();
    let is_caller = inside.strip_prefix(['C', 'T']).is_some_and(|number| digits(number) == number.len());
    if inside.is_empty() || inside.starts_with('+') || is_caller {
        return Some(rest);
    }
    let (seconds, cpu) = inside.split_once('@').unwrap_or((inside, ""));
    if let Some(micros) = time::microseconds(seconds).filter(|_| digits(cpu) == cpu.len()) {
        prefix.since_boot = Some(micros);
    } else {
        let (time, _) = time::calendar(inside).filter(|(_, rest)| rest.trim().is_empty())?;
        prefix.time = Some(time);
    }
    Some(rest)
}

/// The name of the kernel, as a tag: `kernel:`, `kernel[0]:`, `kernel :`, `vmkernel:`, and `kernel - - [...]` of RFC 5424.
fn kernel<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let rest = text.strip_prefix("vmkernel").or_else(|| text.strip_prefix("kernel"))?;
    let rest = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(number, _)| digits(number) == number.len())?.1,
        None => rest,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t', ':'])).then_some(())?;
    let mut rest = rest.trim_start();
    if let Some(tagged) = rest.strip_prefix(':') {
        rest = tagged;
    } else {
        // The numbers of the process and of the message, and the structured data.
        for _ in 0..3 {
            let (number, next) = word(rest);
            if number != "-" && (number.is_empty() || digits(number) < number.len()) {
                break;
            }
            rest = next.trim_start();
        }
        if let Some((_, next)) =
            rest.strip_prefix('[').filter(|data| data.contains('=')).and_then(|data| data.split_once(']'))
        {
            rest = next;
        }
    }
    prefix.is_kernels = true;
    Some(rest)
}

/// `kern.warn`, or what else a device makes of it.
fn facility<'a>(text: &'a str, _: &mut Prefix) -> Option<&'a str> {
    let (first, rest) = word(text);
    let (facility, level) = first.trim_end_matches(':').split_once('.')?;
    let is_facility = matches!(facility, "kern" | "user" | "daemon" | "syslog") || facility.starts_with("local");
    let is_level =
        ["emerg", "alert", "crit", "err", "error", "warn", "warning", "notice", "info", "debug"].contains(&level);
    (is_facility && is_level).then_some(rest)
}

/// `kern  :warn  : ` of `dmesg -x`, and of `journalctl` with a level.
fn level<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (facility, rest) = text.split_once(':')?;
    let (level, rest) = rest.split_once(':')?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let (facility, level) = (facility.trim_end(), level.trim());
    (is_word(level) && matches!(facility, "kern" | "user" | "daemon" | "syslog")).then_some(())?;
    prefix.is_users |= facility != "kern";
    Some(rest)
}

/// `message repeated 3 times: [ `, of rsyslog.
fn repeated<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let rest = text.strip_prefix("message repeated ")?;
    let (number, rest) = rest.split_once(" times: [")?;
    prefix.times = number.parse().ok()?;
    Some(rest)
}

/// `{host="gw1", job="kernel"} ` of Loki's logcli, behind its time.
fn labels<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    prefix.time.as_ref()?;
    text.strip_prefix('{')?.split_once("} ").map(|(_, rest)| rest)
}

/// `[pod/NAME/CONTAINER] ` of `kubectl logs --prefix`.
fn pod<'a>(text: &'a str, _: &mut Prefix) -> Option<&'a str> {
    text.strip_prefix("[pod/")?.split_once("] ").map(|(_, rest)| rest)
}

/// `NAME  | ` of docker compose.
fn compose<'a>(text: &'a str, _: &mut Prefix) -> Option<&'a str> {
    let (name, rest) = word(text);
    let rest = rest.trim_start().strip_prefix("| ")?;
    (!name.is_empty()).then_some(rest)
}

/// `stdout F ` of the container runtimes, behind their time.
fn stream<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let rest = text.strip_prefix("stdout ").or_else(|| text.strip_prefix("stderr "))?;
    let (tags, rest) = word(rest);
    (prefix.time.is_some() && (tags == "F" || tags == "P")).then_some(rest)
}

/// The name of a file and the number of a line, of grep and zgrep: `/var/log/kern.log:1234:`.
fn grep<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let nothing_before = prefix.time.is_none() && prefix.since_boot.is_none() && !prefix.is_kernels;
    let (first, rest) = text.split_once([':', '-']).filter(|_| nothing_before)?;
    let is_number = !first.is_empty() && digits(first) == first.len();
    let path = text.split(':').next().unwrap_or_default();
    let is_path = (path.contains('/')
        || path.contains(".log")
        || path.contains(".gz")
        || matches!(path, "messages" | "syslog" | "dmesg"))
        && !path.contains([' ', '\t', '[']);
    if is_number {
        return Some(rest);
    }
    is_path.then(|| text.split_once(':').map(|(_, rest)| rest)).flatten()
}

/// `0     0 W ` of Android's logcat, with or without a user before it, and `W/kernel  (    0): `.
fn android<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    if let Some((tag, rest)) = text.split_once("): ") {
        if tag.get(1..).is_some_and(|tag| tag.starts_with("/kernel")) {
            return Some(rest);
        }
    }
    prefix.time.as_ref()?;
    let text = text.strip_prefix("root").map_or(text, str::trim_start);
    let (process, rest) = word(text);
    let (thread, rest) = word(rest.trim_start());
    let (level, rest) = word(rest.trim_start());
    let is_number = |text: &str| !text.is_empty() && digits(text) == text.len();
    let is_level = matches!(level, "V" | "D" | "I" | "W" | "E" | "F");
    (is_number(process) && is_number(thread) && is_level).then_some(rest)
}

/// `CT: 101: ` or `CT101: ` of OpenVZ.
fn container<'a>(text: &'a str, _: &mut Prefix) -> Option<&'a str> {
    let rest = text.strip_prefix("CT").or_else(|| text.strip_prefix("VPS"))?;
    let rest = rest.trim_start_matches([':', ' ']);
    let end = rest.find([' ', ':'])?;
    Some(rest[end..].trim_start_matches(':'))
}

/// `(0)[0:swapper/0] ` of MediaTek's kernels.
fn cpu<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    prefix.since_boot?;
    let rest = text.strip_prefix('(')?;
    let (_, rest) = rest.split_once(')').filter(|(number, _)| digits(number) == number.len())?;
    rest.strip_prefix('[')?.split_once(']').map(|(_, rest)| rest)
}

/// The name of a host, behind the time.
fn host<'a>(text: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (name, rest) = word(text);
    let has_time = prefix.time.is_some() || prefix.since_boot.is_some() || prefix.is_standard;
    // A name with a colon behind it is that of a program.
    let is_host = !name.ends_with([':', ']']) && !name.contains(['=', '"', '{']);
    (has_time && !prefix.has_host && !prefix.is_kernels && is_host).then_some(())?;
    prefix.has_host = true;
    Some(rest)
}
