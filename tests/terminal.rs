//! The output on a terminal: its colours, its width, and the words to a person who has given no request. script(1) makes the
//! terminals.

use std::process::{Command, Stdio};

use conntrack_sysctl::table::view::terminal::Terminal;

use crate::support::Run;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/requests/story-on-a-fresh-host");

/// What the program prints on a terminal, where `script` begins a shell that runs it as `$PROGRAM`.
pub(crate) fn on_a_terminal(command: &str) -> String {
    let shell = format!("stty cols 80 rows 24; {command}");
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &shell, "/dev/null"])
        .env("PROGRAM", env!("CARGO_BIN_EXE_conntrack-sysctl"))
        .env("ROOT", ROOT)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) is a part of every Debian");
    // Nobody types. The end of the input would be Ctrl-D, which ends a view.
    let keyboard = script.stdin.take();
    let output = script.wait_with_output().expect("script(1) ends with its command");
    drop(keyboard);
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

const CHECK: &str = "$PROGRAM check $ROOT/request.json --root $ROOT/root";

#[test]
fn colours_are_only_where_they_can_be_seen_and_are_wanted() {
    let is_painted = |command: &str| on_a_terminal(command).contains('\u{1b}');
    assert!(is_painted(CHECK));
    assert!(is_painted("$PROGRAM --help"));
    assert!(is_painted("$PROGRAM chekc"));
    for plain in [
        format!("NO_COLOR=1 {CHECK}"),
        format!("TERM=dumb {CHECK}"),
        format!("CI=true TERM=dumb {CHECK}"),
        format!("{CHECK} | cat"),
        format!("{CHECK} --color never"),
        format!("{CHECK} --color=never"),
        format!("{CHECK} --output json"),
        format!("{CHECK} --output json --color always"),
        "$PROGRAM --help --color never".to_owned(),
        "NO_COLOR=1 $PROGRAM chekc".to_owned(),
    ] {
        assert!(!is_painted(&plain), "{plain}");
    }
    let request = format!("{ROOT}/request.json");
    let root = format!("{ROOT}/root");
    let piped = |color| Run::new(&["check", &request, "--root", &root, "-o", "text", "--color", color]).finish().stdout;
    assert!(piped("always").contains("\u{1b}[32m"));
    assert!(!piped("auto").contains('\u{1b}'));
}

#[test]
fn the_help_fits_on_the_terminal() {
    let help =
        on_a_terminal("for command in apply check show status diagnose watch; do $PROGRAM $command -h; done | cat");
    let shown = on_a_terminal(
        "for command in apply check show status diagnose watch; do $PROGRAM $command -h --color never; done",
    );
    assert!(help.contains("--output") && shown.contains("--output"));
    // A choice of values is one word.
    for line in shown.lines().filter(|line| !line.contains("[possible values") && !line.contains("Usage: ")) {
        assert!(line.trim_end().chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_reader_may_close_the_pipe_of_a_command_that_changes_nothing() {
    for command in ["show --root $ROOT/root", "check --root $ROOT/root $ROOT/request.json", "schema request", "--help"]
    {
        let ended = on_a_terminal(&format!("(sleep 0.2; $PROGRAM {command}; echo code $? >&2) | true"));
        let code = ended.trim().strip_prefix("code ").and_then(|code| code.parse::<u8>().ok());
        assert!(code.is_some(), "{command}: {ended}");
    }
}

#[test]
fn a_run_that_waits_for_a_person_says_so() {
    let request = format!("cat $ROOT/request.json | {}", "$PROGRAM check --root $ROOT/root");
    assert!(!on_a_terminal(&request).contains("waiting"));
    let waiting = on_a_terminal("timeout 2 $PROGRAM check --root $ROOT/root");
    assert!(waiting.contains("waiting for the request on standard input: type JSON, then Ctrl-D"), "{waiting}");
}

#[test]
fn show_takes_names_and_leaves_out_what_agrees() {
    let root = format!("{ROOT}/root");
    let text = |arguments: &[&str]| {
        let finished = Run::new(&[&["show", "-o", "text", "--root", &root][..], arguments].concat()).finish();
        assert_eq!(finished.stderr, "");
        finished.stdout
    };
    let named = text(&["nf_conntrack_max", "nf_conntrack_acct", "net/netfilter/nf_conntrack_max"]);
    let names: Vec<&str> =
        named.lines().filter(|line| line.starts_with("nf_")).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["nf_conntrack_acct", "nf_conntrack_max"]);
    assert!(text(&["--drift"]).starts_with("no setting to show\n"));
    let misspelt = Run::new(&["show", "--root", &root, "nf_conntrack_mx"]).finish();
    assert_eq!((misspelt.code, misspelt.stdout.as_str()), (1, ""));
    assert!(misspelt.stderr.contains("did you mean `net.netfilter.nf_conntrack_max`?"), "{}", misspelt.stderr);
    assert!(!misspelt.stderr.contains("/settings"), "{}", misspelt.stderr);
}

#[test]
fn each_signal_that_ends_the_view_gives_the_terminal_back() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let shown = on_a_terminal(&format!(
            "ulimit -c 0; before=$(stty -g); process=$(mktemp)
            (sleep 1.5; kill -{name} $(cat $process); rm $process) &
            sh -c \"echo \\$\\$ >$process; exec $PROGRAM watch --interval 0.2\"; echo \"ended by $?\"
            [ \"$before\" = \"$(stty -g)\" ] && echo as before",
        ));
        assert!(shown.contains(&format!("ended by {}", 128 + number)), "{name}: {shown}");
        assert!(shown.contains("as before"), "{name}: {shown}");
        let (_, after) = shown.rsplit_once("\u{1b}[?1049l").expect("the shell has its screen again");
        assert!(after.contains("ended by") && shown.contains("\u{1b}[?25h"), "{name}: {shown}");
    }
}

/// The other side of the test below: a view that panics.
#[test]
fn a_view_that_panics() {
    if std::env::var_os("CONNTRACK_SYSCTL_PANICS").is_some() {
        let terminal = Terminal::take().expect("it runs on a terminal");
        // The release build aborts at a panic, and drops nothing.
        std::mem::forget(terminal);
        panic!("as the test wants it");
    }
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let tests = std::env::current_exe().expect("the tests have a path");
    let shown = on_a_terminal(&format!(
        "before=$(stty -g); CONNTRACK_SYSCTL_PANICS=1 {} --exact terminal::a_view_that_panics --nocapture
        [ \"$before\" = \"$(stty -g)\" ] && echo as before",
        tests.display(),
    ));
    let (view, after) = shown.split_once("\u{1b}[?1049l").expect("the shell has its screen again");
    assert!(view.contains("\u{1b}[?1049h") && view.contains("\u{1b}[?25h"), "{shown}");
    assert!(after.contains("as the test wants it") && after.contains("as before"), "{shown}");
}

#[test]
fn the_view_begins_at_once() {
    let shown = on_a_terminal("timeout --foreground 1.5 $PROGRAM watch --interval 60");
    // A blank is a move of the cursor.
    assert!(["first", "look", "60s"].iter().all(|word| shown.contains(word)), "{shown}");
}

#[test]
fn a_terminal_without_a_cursor_has_a_line_for_each_look() {
    let shown = on_a_terminal("TERM=dumb $PROGRAM watch --interval 0.2 --count 2");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
}
