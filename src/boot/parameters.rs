//! Reads the parameters of connection tracking that the kernel takes before any loader runs: the options of its module
//! and the kernel command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::formats::kernel_arguments::{self, Argument};
use crate::formats::modprobe_d;
use crate::kernel::catalog::{BUCKETS, Key, MAX, Name, PREFIX};
use crate::kernel::pages::Pages;
use crate::kernel::sizes::{default_expectations, limit_for_hashsize};
use crate::order::InOrder;
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree};

/// The kernel command line.
pub const CMDLINE: &str = "/proc/cmdline";

/// The directories of modprobe.d(5), the strongest first.
pub(in crate::boot) const MODPROBE: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// The file in which a run sets the number of buckets for kernels where the sysctl cannot be written (before 4.8).
pub const HASHSIZE_FILE: &str = "/etc/modprobe.d/nf_conntrack.conf";

/// The line of [`HASHSIZE_FILE`] that sets the number of buckets.
#[must_use]
pub fn hashsize_line(buckets: i64) -> String {
    format!("options nf_conntrack hashsize={buckets}")
}

/// The read that the parameters of any kernel depend on.
pub(in crate::boot) fn reads() -> [Read; 1] {
    [Read::OfKernel(CMDLINE.into())]
}

/// The reads that the parameters of a module depend on.
pub(in crate::boot) fn files() -> impl Iterator<Item = Read> {
    let aliases = MODPROBE.iter().map(|path| Read::mentions(*path, OF_ALIASES, OF_MODULES));
    Read::directories(&MODPROBE, ".conf").chain(aliases)
}

/// The end of the names of files that kmod 28 and 30 read as well, and 34 does not.
const OF_ALIASES: &str = ".alias";

/// The words of lines that may be about connection tracking, or about a module that brings it.
const OF_MODULES: &[&str] = &["conntrack", "nf_", "nft_", "xt_", "ip_vs", "openvswitch", "*"];

/// A file of modprobe.d that only some versions of kmod read, with a line that matters.
pub(in crate::boot) fn alias_file(tree: &Tree) -> Option<PathBuf> {
    let files = MODPROBE.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let is_one = |path: &Path| path.extension().is_some_and(|it| it == &OF_ALIASES[1..]);
    let has_line = |path: &Path| !tree.parsed(path, modprobe_d::parse).is_empty();
    files.into_iter().map(|(path, _)| path).find(|path| is_one(path) && has_line(path)).map(Path::to_owned)
}

/// One parameter of the module of connection tracking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::boot) struct Parameter {
    name: String,
    /// None: a name without a value.
    text: Option<String>,
    /// The place of the parameter.
    pub(in crate::boot) place: Place,
}

impl Parameter {
    /// The parameters in `arguments`, which are at `place`.
    pub(in crate::boot) fn all(arguments: &str, place: &Place) -> Vec<Parameter> {
        kernel_arguments::parse(arguments).map(|argument| Parameter::new(argument, place)).collect()
    }

    fn new(argument: Argument, place: &Place) -> Parameter {
        // The sign for the end of all parameters keeps its dashes.
        let name = if argument.name == END { END.to_owned() } else { argument.name.replace('-', "_") };
        Parameter { name, text: argument.value.map(str::to_owned), place: place.clone() }
    }

    /// Whether no parameters follow: the kernel does not look behind this one.
    pub(in crate::boot) fn is_end(&self) -> bool {
        self.name == END && self.text.is_none()
    }

    /// Whether the kernel refuses the value, and then the whole module (`parse_one` in kernel/params.c). A parameter that
    /// the module does not have is ignored.
    pub(in crate::boot) fn is_refused(&self) -> bool {
        match self.name.as_str() {
            "hashsize" => self.number().is_none_or(|buckets| buckets > Pages::USUAL.most_buckets()),
            "expect_hashsize" => self.number().is_none(),
            "acct" | "tstamp" | "enable_hooks" => self.switch().is_none(),
            _ => false,
        }
    }

    /// The number, as `kstrtouint` reads it. A parameter without a value has no number.
    fn number(&self) -> Option<i64> {
        let text = self.text.as_deref()?;
        let digits = text.strip_prefix('+').unwrap_or(text);
        let (radix, digits) = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', _, ..] => (8, digits),
            _ => (10, digits),
        };
        let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
        u32::from_str_radix(digits, radix).ok().filter(|_| is_plain).map(i64::from)
    }

    /// The number that the sysctl shows for a switch, in one of the forms that `kstrtobool` takes. A name alone is on.
    fn switch(&self) -> Option<&'static str> {
        match self.text.as_deref().unwrap_or("1").as_bytes() {
            [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => Some("1"),
            [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => Some("0"),
            _ => None,
        }
    }
}

/// The parameter behind which the kernel reads none.
const END: &str = "--";

/// The parameters that a built-in connection tracking takes from the kernel command line.
pub(in crate::boot) fn parameters_on_command_line(tree: &Tree) -> Vec<Parameter> {
    let of_it = command_line(tree, OF_MODULE).into_iter().filter_map(|parameter| {
        let name = parameter.name.strip_prefix(OF_MODULE)?.to_owned();
        Some(Parameter { name, ..parameter })
    });
    of_it.collect()
}

/// The sysctls on the kernel command line, as writes to a kernel with `keys`. The kernel obeys them before init runs (5.8
/// and later, `proc_sysctl.c`), so only where connection tracking is built in.
pub(in crate::boot) fn sysctls(tree: &Tree, keys: &BTreeSet<Key>) -> Vec<Write> {
    let writes = command_line(tree, OF_SYSCTLS).into_iter().filter_map(|parameter| {
        // The kernel accepts dots and slashes here, as sysctl(8) does.
        let key = Key::at(parameter.name.strip_prefix(OF_SYSCTLS)?);
        let text = parameter.text?.into_bytes();
        keys.contains(&key).then_some(Write { key, text, place: parameter.place })
    });
    writes.collect()
}

/// The settings that parameters of connection tracking can set.
pub(in crate::boot) fn of_options() -> BTreeSet<Name> {
    let others = ["expect_max", "acct", "timestamp", "helper"].map(|last| Key::new(format!("{PREFIX}{last}")).name());
    others.into_iter().flatten().chain([BUCKETS, MAX]).into_set()
}

/// The settings that the parameters of connection tracking set, as writes. `hashsize` sets the limit and the expectations
/// too, but `expect_hashsize` has the last word on these. A size of 0 is as if it were not given.
///
/// A parameter that the kernel refuses stands for a write of its text, which the kernel refuses as well.
pub(in crate::boot) fn writes(parameters: &[Parameter], pages: Pages) -> Vec<Write> {
    let given = |name: &str| {
        let last = parameters.iter().rfind(|parameter| parameter.name == name);
        last.is_some_and(|parameter| parameter.number() != Some(0))
    };
    let (has_size, has_expectations) = (given("hashsize"), given("expect_hashsize"));
    let of_parameter = |parameter: &Parameter| {
        let write = |key: Key, text: String| Write { key, text: text.into_bytes(), place: parameter.place.clone() };
        let key = |last: &str| Key::new(format!("{PREFIX}{last}"));
        let text = || parameter.text.clone().unwrap_or_default();
        let switch = || parameter.switch().map_or_else(text, str::to_owned);
        match parameter.name.as_str() {
            "hashsize" if has_size => {
                let buckets = parameter.number().filter(|buckets| *buckets > 0 && !parameter.is_refused());
                let Some(buckets) = buckets.map(|buckets| pages.rounded(buckets)) else {
                    return vec![write(BUCKETS.into(), text())];
                };
                let limit = limit_for_hashsize(buckets).to_string();
                let expectations = (!has_expectations).then(|| default_expectations(buckets).to_string());
                let derived = expectations.map(|expectations| write(key("expect_max"), expectations));
                [write(BUCKETS.into(), buckets.to_string()), write(MAX.into(), limit)]
                    .into_iter()
                    .chain(derived)
                    .collect()
            }
            "expect_hashsize" if has_expectations => {
                let most = parameter.number().map_or_else(text, |buckets| (buckets * 4).to_string());
                vec![write(key("expect_max"), most)]
            }
            "acct" => vec![write(key("acct"), switch())],
            "tstamp" => vec![write(key("timestamp"), switch())],
            "nf_conntrack_helper" => vec![write(key("helper"), switch())],
            _ => Vec::new(),
        }
    };
    parameters.iter().flat_map(of_parameter).collect()
}

/// The beginning of the names of the module's parameters, and of sysctls, on the kernel command line.
const OF_MODULE: &str = "nf_conntrack.";
const OF_SYSCTLS: &str = "sysctl.";

/// The parameters of the kernel command line whose names begin with `start`; those behind `--` are arguments of init.
fn command_line(tree: &Tree, start: &str) -> Vec<Parameter> {
    let text = tree.text(CMDLINE);
    let place = Place::new(CMDLINE, 1);
    let is_end = |argument: &Argument| argument.name == END && argument.value.is_none();
    let of_kernel = kernel_arguments::parse(&text).take_while(|argument| !is_end(argument));
    // The kernel treats `-` as `_` in a name.
    let same = |(one, other): (u8, u8)| one == other || (one == b'-' && other == b'_');
    let begins = |argument: &Argument| {
        let name = argument.name;
        name.len() >= start.len() && name.bytes().zip(start.bytes()).all(same)
    };
    of_kernel.filter(begins).map(|argument| Parameter::new(argument, &place)).collect()
}
