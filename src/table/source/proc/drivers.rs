//! Reads the counters in which an interface's driver tells of a cloud's own limits.

use std::collections::BTreeSet;
use std::path::Path;

use crate::table::model::counters::Counts;

/// The drivers that have such counters, all of them for devices of PCI. No other driver is asked: a question runs a program.
const DRIVERS: [&str; 1] = ["ena"];
/// The directory that has one for each driver of PCI that the kernel has.
const KNOWN: &str = "sys/bus/pci/drivers";

/// What the names of such counters end in: the packets beyond a limit, and what is left of it.
const COUNTERS: [&str; 2] = ["_allowance_exceeded", "_allowance_available"];

/// The interfaces below `root`, which stands for `/`, whose driver has such counters.
#[must_use]
pub fn interfaces(root: &Path) -> BTreeSet<String> {
    // Nearly no machine has one. Then it does not matter how many interfaces there are.
    if !DRIVERS.iter().any(|driver| root.join(KNOWN).join(driver).exists()) {
        return BTreeSet::new();
    }
    let Ok(items) = std::fs::read_dir(root.join("sys/class/net")) else { return BTreeSet::new() };
    let has_counters = |interface: &String| {
        let driver = root.join("sys/class/net").join(interface).join("device/driver");
        let driver = std::fs::read_link(driver).unwrap_or_default();
        DRIVERS.iter().any(|own| driver.ends_with(own))
    };
    // A name that begins so would be an option of the program that is asked.
    let names = items.flatten().filter_map(|item| item.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('-')).filter(has_counters).collect()
}

/// The counters of limits in what `ethtool -S INTERFACE` printed: `INTERFACE.NAME`.
#[must_use]
pub fn statistics(interface: &str, text: &str) -> Counts {
    let mut counts = Counts::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        if let (true, Ok(value)) = (COUNTERS.iter().any(|end| name.ends_with(end)), value.trim().parse()) {
            counts.insert(format!("{interface}.{name}"), value);
        }
    }
    counts
}
