//! What the arguments mean for the table, and what is read of them before clap reads them.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use anstream::ColorChoice;

use super::{DiagnoseArguments, StatusArguments, WatchArguments};
use crate::table::gather::{DiagnoseOptions, StatusOptions};
use crate::table::offline::Evidence;
use crate::table::watch::WatchOptions;

impl StatusArguments {
    /// The options that the table takes.
    pub(in crate::cli) fn options(&self) -> StatusOptions {
        StatusOptions {
            interval: self.interval,
            evictable: self.evictable,
            warn: self.warn,
            crit: self.crit,
            log: self.log.clone(),
        }
    }
}

impl DiagnoseArguments {
    /// The options that the table takes.
    pub(in crate::cli) fn options(&self) -> io::Result<DiagnoseOptions> {
        Ok(DiagnoseOptions {
            interval: self.interval,
            all: self.all,
            pid: self.pid,
            evidence: self.evidence()?,
            log: self.log.clone(),
        })
    }

    /// The saved files; None: the live table is meant.
    fn evidence(&self) -> io::Result<Option<Evidence>> {
        let named = |table: PathBuf| Evidence {
            table,
            limit: self.limit,
            sysctls: self.sysctl.clone(),
            statistics: self.stat.clone(),
            log: self.log.clone(),
            ..Evidence::default()
        };
        match (&self.from, &self.bundle) {
            (Some(table), _) => Ok(Some(named(table.clone()))),
            (None, Some(bundle)) => Evidence::in_bundle(bundle, named(PathBuf::new())).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl WatchArguments {
    /// The options that the table takes.
    pub(in crate::cli) fn options(&self) -> WatchOptions {
        WatchOptions { interval: self.interval, count: self.count, new: self.new }
    }
}

/// The wish of the command line for colours. A refusal of the arguments and the help are coloured too, so that the option is
/// read before all others.
pub(in crate::cli) fn color_choice(arguments: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let after = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
    match after.chain(joined).last() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// Whether the caller is a monitoring system, which would treat the exit code 1 as a warning about the table.
pub(super) fn is_plugin(arguments: &[OsString]) -> bool {
    let begins = |argument: &OsString, with: &str| argument.to_str().is_some_and(|text| text.starts_with(with));
    arguments.iter().any(|argument| argument == "status")
        && arguments.iter().any(|argument| begins(argument, "--warn") || begins(argument, "--crit"))
}
