//! Reads the command of an `install` line, which a shell runs in place of loading the module.
//!
//! Only commands without any doubt are read: those of hardening guides, which do nothing or fail, and those that load
//! the module with options.

/// The effect of a command on its module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The command does nothing, and succeeds.
    LoadsNothing,
    /// The command does nothing, and fails.
    Fails,
    /// The command loads the module by its own name, with these arguments after the ones of `options` lines.
    Loads(Vec<Given>),
    /// The effect is unknown without running the command.
    Unclear,
}

/// An argument of modprobe(8) in a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The word itself.
    Word(String),
    /// All options and arguments with which the module was asked for.
    Options,
}

/// The variable for the options and arguments with which the module was asked for.
const OPTIONS: &str = "$CMDLINE_OPTS";

/// The beginning of the names of the keys that a command has `sysctl --system` write once the module is there, as that of
/// firewalld does: `modprobe --ignore-install nf_conntrack && sysctl --pattern 'net[.]netfilter[.]nf_conntrack.*' --system`.
pub(super) fn reloaded(command: &str) -> Option<String> {
    let (_, then) = command.split_once("&&")?;
    let words: Vec<&str> = then.split_ascii_whitespace().collect();
    let (program, options) = words.split_first()?;
    let is_sysctl = ["sysctl", "/sbin/sysctl", "/usr/sbin/sysctl"].contains(program);
    let (["-q" | "--quiet", "-r" | "--pattern", pattern, "--system"] | ["-r" | "--pattern", pattern, "--system"]) =
        options
    else {
        return None;
    };
    let begin = pattern.trim_matches(['\'', '"']).strip_suffix(".*")?.replace("[.]", ".").replace("\\.", ".");
    let is_plain = begin.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    (is_sysctl && is_plain).then_some(begin)
}

/// The effect of `command` on `module`.
pub(super) fn effect(command: &str, module: &str) -> Effect {
    let command = match command.split_once("&&") {
        Some((first, _)) if reloaded(command).is_some() => first,
        _ => command,
    };
    let words: Vec<&str> = command.split_ascii_whitespace().take_while(|word| !word.starts_with('#')).collect();
    let is_plain =
        |word: &&str| *word == OPTIONS || word.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.,=:+".contains(c));
    let Some((program, arguments)) = words.split_first().filter(|_| words.iter().all(is_plain)) else {
        return if words.is_empty() { Effect::LoadsNothing } else { Effect::Unclear };
    };
    match (*program, arguments) {
        (":" | "true" | "/bin/true" | "/usr/bin/true", _) | ("exit", [] | ["0"]) => Effect::LoadsNothing,
        ("false" | "/bin/false" | "/usr/bin/false", _) => Effect::Fails,
        ("exit", [status]) if status.parse::<u8>().is_ok() => Effect::Fails,
        ("modprobe" | "/sbin/modprobe" | "/usr/sbin/modprobe", _) => loaded(arguments, module),
        _ => Effect::Unclear,
    }
}

/// The effect of modprobe(8) with these arguments.
fn loaded(arguments: &[&str], module: &str) -> Effect {
    let is_option = |argument: &&&str| argument.starts_with('-');
    let (options, rest): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| is_option(argument));
    let ignores_commands = options.iter().any(|option| ["-i", "--ignore-install"].contains(option));
    let is_known = |option: &&str| ["-i", "--ignore-install", "-q", "--quiet", "-v", "--verbose"].contains(option);
    match rest.split_first() {
        Some((name, with)) if name.replace('-', "_") == module && ignores_commands && options.iter().all(is_known) => {
            let given = |word: &&str| if *word == OPTIONS { Given::Options } else { Given::Word((*word).to_owned()) };
            Effect::Loads(with.iter().map(given).collect())
        }
        _ => Effect::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_firewalld_loads_the_module_and_then_the_sysctls() {
        let load = "/usr/sbin/modprobe --ignore-install nf_conntrack";
        for (options, pattern) in [
            ("", "--pattern 'net[.]netfilter[.]nf_conntrack.*' --system"),
            (" $CMDLINE_OPTS", "--quiet --pattern 'net[.]netfilter[.]nf_conntrack.*' --system"),
        ] {
            let command = format!("{load}{options} && /usr/sbin/sysctl {pattern}");
            assert_eq!(reloaded(&command).as_deref(), Some("net.netfilter.nf_conntrack"));
            assert_eq!(effect(&command, "nf_conntrack"), effect(&format!("{load}{options}"), "nf_conntrack"));
        }
        for then in
            ["sysctl -p", "sysctl --system", "sysctl --pattern '(a|b).*' --system", "/opt/tune", "sysctl -r x.* -p"]
        {
            let command = format!("{load} && {then}");
            assert_eq!((reloaded(&command), effect(&command, "nf_conntrack")), (None, Effect::Unclear), "{then}");
        }
    }

    #[test]
    fn commands_of_which_nobody_doubts() {
        let effect = |command| effect(command, "nf_conntrack");
        for command in ["/bin/true", "true # hardened", ":", "exit", "exit 0", "", "# nothing"] {
            assert_eq!(effect(command), Effect::LoadsNothing, "{command}");
        }
        for command in ["/bin/false", "/usr/bin/false now", "exit 1", " false"] {
            assert_eq!(effect(command), Effect::Fails, "{command}");
        }
        let word = |text: &str| Given::Word(text.to_owned());
        let with = |words: Vec<Given>| Effect::Loads(words);
        assert_eq!(effect("/sbin/modprobe --ignore-install nf_conntrack $CMDLINE_OPTS"), with(vec![Given::Options]));
        assert_eq!(
            effect("modprobe -q -i nf-conntrack hashsize=5 acct=1"),
            with(vec![word("hashsize=5"), word("acct=1")])
        );
        let before = effect("modprobe -i nf_conntrack $CMDLINE_OPTS hashsize=5");
        assert_eq!(before, with(vec![Given::Options, word("hashsize=5")]));
        for command in [
            "modprobe nf_conntrack",
            "modprobe -i nf_conntrack && sysctl -p",
            "modprobe -i nf_nat",
            "modprobe -i nf_conntrack $CMDLINE_OPTSacct=1",
            "/bin/sh -c 'exit 0'",
            "exit $?",
            "exit 300",
            "true; modprobe -i nf_conntrack",
            "/usr/local/sbin/load",
        ] {
            assert_eq!(effect(command), Effect::Unclear, "{command}");
        }
    }
}
