//! Runs every example in the documents, and compares the output with the one that the documents show.
//!
//! A block marked `console` has commands behind a prompt, each with its output. The commands of a page run in order:
//! those behind `$` without root, in an empty directory; those behind `#` as root, in a network and mount namespace of
//! their own, beside the binary. `BLESS=1` writes the output into the page. As on a terminal, the program's reports are
//! text unless the command says otherwise.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Mutex;

use crate::support::documents::{blocks, documents, project, text, with_blocks};
use crate::support::golden;
use crate::support::world::{Network, World, privileged};

/// A wrapper of the program at `binary` that makes it print text, as it does on a terminal.
fn on_a_terminal(binary: &str) -> String {
    format!(
        "#!/bin/sh\ncase \"$*\" in\n    *--output* | *--diff* | *--quiet* | *--version*) exec {binary} \"$@\" ;;\n    \
         *) exec {binary} \"$@\" --output text ;;\nesac\n"
    )
}

/// `block`, with the output of each command behind `prompt` replaced by what `run` returns. None: the block has another
/// prompt.
fn played(block: &str, prompt: &str, run: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let mut played = String::new();
    let mut lines = block.lines();
    if !block.starts_with(prompt) {
        return None;
    }
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix(prompt) else { continue };
        let mut command = format!("{first}\n");
        if first.ends_with("<<'END'") {
            for line in lines.by_ref() {
                command += &format!("{line}\n");
                if line == "END" {
                    break;
                }
            }
        }
        let printed = run(&command);
        assert!(!printed.lines().any(|line| line.starts_with(prompt)), "an output looks like a command:\n{printed}");
        played += &format!("{prompt}{command}{printed}");
    }
    Some(played)
}

/// A page may have blocks with both prompts. The lock keeps two tests from writing the page at the same time.
static PAGES: Mutex<()> = Mutex::new(());

/// Runs the blocks of each page that have `prompt`. Each page gets a `run` of its own.
fn play(prompt: &str, new: impl Fn() -> Box<dyn FnMut(&str) -> String>) {
    let _one_at_a_time = PAGES.lock();
    let mut pages = 0;
    for page in documents() {
        let shown = text(&page);
        let is_played = |(info, block): &(String, String)| info == "console" && block.starts_with(prompt);
        if blocks(&shown).iter().any(is_played) {
            let mut run = new();
            let played = with_blocks(
                &shown,
                |info, block| {
                    if info == "console" { played(block, prompt, &mut run) } else { None }
                },
            );
            golden(&page, &played);
            pages += 1;
        }
    }
    assert!(pages > 0, "no page has commands behind `{prompt}`");
}

#[test]
fn examples_that_need_no_root() {
    play("$ ", || {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).expect("a directory can be made");
        let program = bin.join("conntrack-sysctl");
        fs::write(&program, on_a_terminal(env!("CARGO_BIN_EXE_conntrack-sysctl"))).expect("a file can be written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let home = directory.path().join("home");
        fs::create_dir(&home).expect("a directory can be made");
        Box::new(move |command| {
            // Held until the page is written.
            let _ = &directory;
            let script = format!("exec 2>&1\n{command}");
            let mut sh = Command::new("sh");
            let ended = sh.args(["-c", &script]).current_dir(&home).env("PATH", &path).output().expect("sh starts");
            String::from_utf8(ended.stdout).expect("it prints UTF-8")
        })
    });
}

/// Prepares the world for the pages that need root: the program is in a private /usr/local/sbin, and a file loads
/// connection tracking early at boot. Without that file, the output would depend on whether it is part of the kernel.
const ROOT_PAGE: &str = "
mount -t tmpfs none /usr/local/sbin
cp /mnt/conntrack-sysctl /usr/local/sbin
mount -t tmpfs none /var/lib
mkdir -p /mnt/bin /etc/modules-load.d /var/lib/node_exporter
echo nf_conntrack > /etc/modules-load.d/firewall.conf
cat > /mnt/bin/conntrack-sysctl
chmod +x /mnt/bin/conntrack-sysctl
";

/// A world for the pages that need root.
fn world() -> World {
    let world = World::new(Network::Private);
    let prepared = world.try_sh(ROOT_PAGE, &on_a_terminal("/usr/local/sbin/conntrack-sysctl"));
    assert_eq!(prepared.code, 0, "{}", prepared.stderr);
    world
}

privileged!(examples_that_need_root, || {
    play("# ", || {
        let world = world();
        Box::new(move |command| {
            let script = format!("exec 2>&1\ncd /mnt\nPATH=/mnt/bin:$PATH\n{command}");
            world.try_sh(&script, "").stdout
        })
    });
});

/// The pages whose scripts run unchanged. Each script must succeed; its output depends on the machine and is not compared.
const SCRIPTS: [&str; 4] = ["docs/faq.md", "docs/monitoring.md", "docs/sizing.md", "docs/table.md"];

privileged!(scripts_that_need_root, || {
    for page in SCRIPTS {
        let world = world();
        for (_, script) in blocks(&text(&project().join(page))).iter().filter(|(info, _)| info == "sh") {
            let ended = world.try_sh(&format!("set -e\nPATH=/mnt/bin:$PATH\n{script}"), "");
            assert_eq!(ended.code, 0, "{page}: {script}\n{}{}", ended.stdout, ended.stderr);
        }
    }
});

/// The tests that run the other blocks, by page and by the word behind the fence. For blocks that build or install, the
/// test does the same in a directory of its own.
const RUN_BY: &[(&str, &str, &str)] = &[
    ("README.md", "sh", "tests/all"),
    ("README.md", "text", "tests/docs.rs"),
    ("docs/ansible.md", "sh", "tests/ansible/prepare"),
    ("docs/ansible.md", "yaml", "tests/ansible/examples"),
    ("docs/benchmarks.md", "", "benches/run"),
    ("docs/ci.md", "crontab", "tests/ansible/pipeline"),
    ("docs/ci.md", "ini", "tests/ansible/pipeline"),
    ("docs/ci.md", "sh", "tests/ansible/pipeline"),
    ("docs/ci.md", "yaml", "tests/ansible/pipeline"),
    ("docs/containers.md", "json", "tests/docs.rs"),
    ("docs/containers.md", "yaml", "tests/containers/run"),
    ("docs/dsc.md", "json", "tests/dsc/protocol"),
    ("docs/dsc.md", "sh", "tests/dsc/protocol"),
    ("docs/dsc.md", "yaml", "tests/dsc/protocol"),
    ("docs/migrating-from-ansible-posix.md", "yaml", "tests/ansible/examples"),
    ("docs/other-tools.md", "nix", "tests/shell/tools"),
    ("docs/other-tools.md", "puppet", "tests/shell/tools"),
    ("docs/other-tools.md", "ruby", "tests/shell/tools"),
    ("docs/other-tools.md", "sh", "tests/shell/tools"),
    ("docs/other-tools.md", "yaml", "tests/shell/tools"),
    ("docs/packages.md", "sh", "tests/packages/run"),
    ("docs/request.md", "json", "tests/docs.rs"),
    ("docs/routers.md", "json", "tests/docs.rs"),
    ("docs/rust.md", "rust", "src/lib.rs"),
    ("docs/rust.md", "toml", "tests/docs.rs"),
    ("docs/salt.md", "sh", "tests/salt/examples"),
    ("docs/salt.md", "yaml", "tests/salt/examples"),
    ("docs/shell.md", "crontab", "tests/shell/wrappers"),
    ("docs/shell.md", "sh", "tests/shell/wrappers"),
    ("docs/start.md", "sh", "tests/salt/prepare"),
    ("docs/troubleshooting.md", "text", "tests/troubleshooting.rs"),
];

#[test]
fn every_example_is_run_by_a_test() {
    let mut unused: Vec<_> = RUN_BY.to_vec();
    for page in documents() {
        let name = page.strip_prefix(project()).expect("it is in the project").to_str().expect("it is UTF-8");
        for (info, block) in blocks(&text(&page)) {
            let is_played = info == "console" && (block.starts_with("$ ") || block.starts_with("# "));
            let is_run = info == "sh" && SCRIPTS.contains(&name);
            let run_by = RUN_BY.iter().find(|run| (run.0, run.1) == (name, info.as_str()));
            assert!(is_played || is_run || run_by.is_some(), "{name}: nothing runs this:\n{block}");
            unused.retain(|run| Some(run) != run_by);
        }
    }
    assert!(unused.is_empty(), "there is no such block: {unused:?}");
    for (page, _, by) in RUN_BY {
        assert!(project().join(by).exists(), "{page} is not run by {by}: there is no such file");
    }
}
