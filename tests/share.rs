//! Makes the manual pages and the completions in `share` from the program's own description of its command line, so that
//! they say the same as `--help`. The other sections of the pages are in `tests/share`: in the binary they would only take
//! space. `BLESS=1 cargo test --test tests share::` writes the files anew.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::golden;
use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::{Generator, generate, shells};
use clap_mangen::Man;
use conntrack_sysctl::cli;
use conntrack_sysctl::kernel::catalog::CATALOG;

const NAME: &str = "conntrack-sysctl";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program and its commands that people use, each with all of its options.
fn pages() -> Vec<Command> {
    let mut whole = cli::command().disable_help_subcommand(true).subcommand_help_heading("COMMANDS");
    whole.build();
    let commands: Vec<Command> = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    std::iter::once(whole).chain(commands).collect()
}

fn page_name(page: &Command) -> &str {
    page.get_display_name().unwrap_or_else(|| page.get_name())
}

/// A manual page: the text of `--help` in the usual order of sections, and the text from `tests/share`. The part of that
/// text before its first heading continues the description.
fn manual(page: &Command) -> String {
    let name = page_name(page);
    let about = page.get_long_about().or_else(|| page.get_about()).expect("each command says what it does").to_string();
    let (description, codes) = about.split_once("\n\nExit code: ").unwrap_or((&about, ""));
    let description = format!("{}.", description.trim_end_matches('.'));
    let added = project().join(format!("tests/share/{name}.roff"));
    let added = fs::read_to_string(&added).unwrap_or_else(|error| panic!("{}: {error}", added.display()));
    let (more, sections) = added.split_at(added.find(".SH ").expect("a section has a heading"));
    let usage = page.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").expect("a usage says so").to_owned();
    let man = Man::new(page.clone().override_usage(usage).long_about(description)).section("8");
    let section = |render: fn(&Man, &mut dyn Write) -> std::io::Result<()>| {
        let mut text = Vec::new();
        render(&man, &mut text).expect("memory can be written");
        let text = String::from_utf8(text).expect("a section is UTF-8");
        // clap_mangen begins each section with two lines that belong at the head of a page, and leaves empty lines, which
        // roff does not want.
        let text = text.strip_prefix(APOSTROPHE).expect("a section begins so");
        text.replace("\n.br\n\n.br\n", "\n.sp\n")
    };
    let title = format!(
        ".TH {} 8 \"\" \"{NAME} {}\" \"System Administration\"\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION")
    );
    let commands = if page.has_subcommands() { section(Man::render_subcommands_section) } else { String::new() };
    let status = if codes.is_empty() { String::new() } else { format!(".SH EXIT STATUS\n{codes}\n") };
    [
        APOSTROPHE,
        &title,
        &section(Man::render_name_section),
        &section(Man::render_synopsis_section),
        &section(Man::render_description_section),
        more,
        &section(Man::render_options_section),
        &commands,
        &status,
        sections,
    ]
    .concat()
}

/// Lets a page write an apostrophe that troff does not turn into a quote.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The command line as completions offer it, without what is not for people. The common options are offered after a
/// command alone, where it is known which of their values that command has.
fn offered() -> Command {
    // `explain` takes the name of any setting; the completions offer those of the catalog.
    let names = CATALOG.iter().map(|setting| setting.name.trim_start_matches("net.netfilter."));
    let names = PossibleValuesParser::new(names);
    let whole = cli::command()
        .mut_subcommand("explain", |explain| explain.mut_arg("setting", |setting| setting.value_parser(names)));
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| {
        let options = command.get_arguments().filter(|option| !option.is_hide_set()).cloned();
        Command::new(command.get_name().to_owned().leak() as &'static str)
            .about(command.get_about().cloned().unwrap_or_default())
            .args(options.map(|option| option.global(false)))
    });
    Command::new(NAME).version(env!("CARGO_PKG_VERSION")).subcommands(commands)
}

fn completions(shell: impl Generator) -> String {
    let mut text = Vec::new();
    generate(shell, &mut offered(), NAME, &mut text);
    String::from_utf8(text).expect("completions are UTF-8")
}

/// clap_complete writes the hyphen of the program's name in two ways: one where it finds the command, another where it
/// looks up the options. Without the replacement, bash would not complete the options of a command.
fn bash() -> String {
    completions(shells::Bash).replace("conntrack__subcmd__sysctl", "conntrack__sysctl")
}

/// clap_complete leaves out the values of positional arguments for fish; they are added here.
fn fish() -> String {
    let mut text = completions(shells::Fish);
    for command in offered().get_subcommands() {
        for argument in command.get_positionals() {
            let values: Vec<String> =
                argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            if !values.is_empty() {
                let condition = format!("__fish_conntrack_sysctl_using_subcommand {}", command.get_name());
                text += &format!("complete -c {NAME} -n \"{condition}\" -f -a \"{}\"\n", values.join(" "));
            }
        }
    }
    text
}

/// The files in `share`.
fn files() -> BTreeMap<PathBuf, String> {
    let pages = pages();
    let manuals = pages.iter().map(|page| (format!("man/man8/{}.8", page_name(page)), manual(page)));
    let completions = [
        (format!("completions/bash/{NAME}"), bash()),
        (format!("completions/zsh/_{NAME}"), completions(shells::Zsh)),
        (format!("completions/fish/{NAME}.fish"), fish()),
    ];
    manuals.chain(completions).map(|(path, text)| (project().join("share").join(path), text)).collect()
}

#[test]
fn the_committed_files_are_those_of_the_command_line() {
    for (path, text) in files() {
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory can be made");
        golden(&path, &text);
    }
}

#[test]
fn share_holds_nothing_else() {
    let mut found = Vec::new();
    files_below(&project().join("share"), &mut found);
    found.sort();
    assert_eq!(found, files().into_keys().collect::<Vec<_>>());
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for item in fs::read_dir(directory).expect("share can be read") {
        let path = item.expect("share can be read").path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The examples of a page are lines of shell. Each call of the program in them must be accepted.
#[test]
fn the_arguments_in_the_examples_are_accepted() {
    let mut count = 0;
    for text in files().iter().filter(|(path, _)| path.extension() == Some("8".as_ref())).map(|(_, text)| text) {
        let blocks = text.split("\n.EX\n").skip(1).filter_map(|rest| rest.split_once("\n.EE\n"));
        for line in blocks.flat_map(|(block, _)| block.lines()) {
            let line = line.replace("\\-", "-");
            for (start, _) in line.match_indices(NAME) {
                let words = line[start..].split(' ').take_while(|word| !["|", ";;", "<", ">"].contains(word));
                let parsed = cli::command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
                count += 1;
            }
        }
    }
    assert!(count > 10, "only {count} uses were found");
}
