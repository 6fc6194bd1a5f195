//! Describes each kind of finding for readers who have not met it: one row each, for the outputs that carry rules.

/// One kind of finding.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The stable name: a verdict, a kind of failure, or a code of a warning.
    pub id: &'static str,
    /// The state that it tells of.
    pub about: &'static str,
    /// The one thing to do.
    pub help: &'static str,
}

const fn rule(id: &'static str, about: &'static str, help: &'static str) -> Rule {
    Rule { id, about, help }
}

/// All kinds of findings: the verdicts, the failures, and the warnings. A test compares them with the three enums.
pub const RULES: &[Rule] = &[
    rule("live_drift", "The live value differs from the desired value.", "Apply the request."),
    rule("boot_drift", "The next boot would set another value than the desired one.", "Apply the request."),
    rule(
        "lost_at_boot",
        "A file assigns the setting, but the boot loses the value.",
        "Apply the request: the boot then loads the module before it reads the files.",
    ),
    rule(
        "shadowed",
        "A line in another file wins at boot.",
        "Remove that line, or set `conflicts` to `comment_out` in the request.",
    ),
    rule(
        "not_in_files",
        "No file holds the value, so the next boot sets the kernel's default.",
        "Apply a request that names the setting, if the value must last.",
    ),
    rule(
        "unknown",
        "The result of the next boot cannot be known.",
        "Follow the advice of the finding: it names the file that cannot be understood.",
    ),
    rule("not_on_this_kernel", "The kernel does not have the setting.", "Leave the setting out for this kernel."),
    rule(
        "not_here",
        "The setting is one number for the whole machine, and this is a network namespace or a container within it.",
        "Run in the initial network namespace.",
    ),
    rule("bad_request", "The request cannot be understood.", "Correct the place that the pointer names."),
    rule("unknown_setting", "The name is not a connection tracking sysctl.", "Correct the name."),
    rule("out_of_range", "The value is outside the range of the setting or of this kernel.", "Choose another value."),
    rule(
        "module_absent",
        "Connection tracking is not loaded, and the request or the system forbids loading it.",
        "Allow the module, or load it first.",
    ),
    rule("removed_in_kernel", "The kernel once had the setting and has dropped it.", "Leave the setting out."),
    rule(
        "read_only",
        "The kernel does not let this process write the setting.",
        "Run where the setting can be written.",
    ),
    rule("permission", "The operating system refused access.", "Run as root."),
    rule("conflict", "Another file decides the setting at boot.", "Remove that line, or let apply overrule it."),
    rule(
        "boot_unknown",
        "The next boot cannot be known.",
        "Follow the advice of the finding: it names the file that cannot be understood.",
    ),
    rule("clamped", "The kernel changed the written value to another one.", "Ask for a value that the kernel keeps."),
    rule("write_failed", "A write failed, or the value that was read back differs.", "Remove the cause and run again."),
    rule("busy", "Another run holds the lock.", "Run again later."),
    rule(
        "rollback_failed",
        "A run failed, and its undo failed too.",
        "Look at each change that remains, and undo it by hand.",
    ),
    rule("uncatalogued", "The setting is not in the catalog.", "Check the name and the unit of the value by hand."),
    rule("long_chains", "The chains of the hash table would be long.", "Raise the number of buckets with the limit."),
    rule(
        "limit_below_count",
        "The new limit is below the present number of entries, so new connections are dropped.",
        "Choose a larger limit, or shorten timeouts first.",
    ),
    rule("no_limit", "The limit is 0: the table may use all memory.", "Choose a limit."),
    rule("zero_timeout", "A timeout is 0: the kernel removes such an entry at once.", "Choose at least 1 second."),
    rule(
        "also_changes",
        "A setting that the request does not name gets another value at the next boot.",
        "Name the setting in the request, or choose another `file`.",
    ),
    rule(
        "leftover",
        "A file has the name of a staged file, and cannot be removed.",
        "Look at it, and remove it by hand.",
    ),
    rule(
        "promise_not_kept",
        "The prediction of this run could not be stored, so `verify` has nothing to compare after the next boot.",
        "Remove the cause that the message names, and apply again.",
    ),
    rule(
        "not_kept",
        "An update of the system does not keep the file.",
        "Add the file to the list of files that the update keeps.",
    ),
    rule(
        "boot_not_guaranteed",
        "The module may be loaded after the files are read at boot.",
        "Set `module` to `load`, if the values must last.",
    ),
    rule(
        "later_writer",
        "Another program writes the setting after the boot's loader.",
        "Make both values equal, or remove the setting from that program.",
    ),
];

/// The description of a kind of finding.
#[must_use]
pub fn of(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
