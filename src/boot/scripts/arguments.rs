//! Finds what the kernel command line has systemd start: units (systemd-debug-generator(8)), and commands
//! (systemd-run-generator(8)). The boot loader may have another command line ready than that of this boot.

use super::Line;
use crate::boot::boot_loaders::command_lines;
use crate::boot::parameters::CMDLINE;
use crate::formats::kernel_arguments;
use crate::tree::{Place, Tree};

/// The units that some command line names.
pub(super) fn units(tree: &Tree) -> Vec<String> {
    let unit = |(_, name): (Place, String)| if name.contains('.') { name } else { name + ".service" };
    values(tree, "systemd.wants").map(unit).collect()
}

/// The commands in the command lines.
pub(super) fn lines(tree: &Tree) -> impl Iterator<Item = Line> {
    values(tree, "systemd.run").map(|(place, command)| Line { place, command })
}

/// The values of the argument `name`, each with the line of the command line.
fn values(tree: &Tree, name: &'static str) -> impl Iterator<Item = (Place, String)> {
    let of_this_boot = (Place::new(CMDLINE, 1), tree.text(CMDLINE).into_owned());
    let has_it = move |(_, text): &(Place, String)| text.contains(name);
    [of_this_boot].into_iter().chain(command_lines(tree)).filter(has_it).flat_map(move |(place, text)| {
        let named = kernel_arguments::parse(&text).filter(|argument| argument.name == name);
        let values: Vec<String> = named.filter_map(|argument| argument.value.map(str::to_owned)).collect();
        values.into_iter().map(move |value| (place.clone(), value))
    })
}
