//! A world of its own on this machine, which `tests/world` makes: namespaces in which the machine's files and sysctls are
//! out of reach. Needs root.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use conntrack_sysctl::report::Report;

/// A test that needs root: `cargo test` ignores it, `cargo test -- --ignored` runs it.
macro_rules! privileged {
    ($name:ident, $test:expr) => {
        #[test]
        #[ignore = "needs root; run by tests/all"]
        fn $name() {
            $crate::support::world::run_as_root(concat!(module_path!(), "::", stringify!($name)), $test);
        }
    };
}
pub(crate) use privileged;

/// Runs a privileged test. Without root the test is skipped, and says so; where CI is set, that is a failure.
pub(crate) fn run_as_root(name: &str, test: impl FnOnce()) {
    if rustix::process::geteuid().is_root() {
        return test();
    }
    assert!(std::env::var_os("CI").is_none(), "{name} needs root");
    // Not `eprintln!`, which the harness keeps to itself for a test that passes.
    writeln!(std::io::stderr(), "SKIPPED {name}: needs root").expect("standard error can be written");
}

/// The namespaces that a world has of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// A network of its own: the limit is read-only there.
    Private,
    /// The machine's own: for tests of the limit, which put it back.
    Machine,
}

/// A running world. It ends when this is dropped.
pub(crate) struct World {
    holder: Child,
}

/// The output of a command in a world, and its exit code.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn report(&self) -> Report {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// The binary to test: the one that CONNTRACK_SYSCTL names, or else the one that was built with the tests.
fn binary() -> PathBuf {
    std::env::var_os("CONNTRACK_SYSCTL").map_or_else(|| env!("CARGO_BIN_EXE_conntrack-sysctl").into(), PathBuf::from)
}

/// The binary inside a world.
const BINARY: &str = "/mnt/conntrack-sysctl";

/// The script that makes a world, for these tests as for those of the clients.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world");

/// A command that runs the one that its further arguments name, in a world.
pub(crate) fn in_a_world(network: Network) -> Command {
    let mut command = Command::new(SCRIPT);
    if network == Network::Machine {
        command.arg("--machine-network");
    }
    command
}

/// Set for a test that has started itself again in a world.
const INSIDE: &str = "TEST_IS_INSIDE";

/// Runs `test` in a world: the process of the test of this name starts itself there again, and changes what it likes.
pub(crate) fn inside(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let status = in_a_world(Network::Private)
        .arg(std::env::current_exe().expect("a test has a file"))
        .args([name, "--exact", "--ignored", "--nocapture", "--quiet"])
        .env(INSIDE, "1")
        // Its summary would be counted beside that of this process. A failure is told on standard error.
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("the script starts").success(), "{name} failed in its world; see above");
}

impl World {
    pub(crate) fn new(network: Network) -> World {
        let mut command = in_a_world(network);
        command.args(["sh", "-c", "echo ready; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("the script starts");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it has a standard output");
        BufReader::new(stdout).read_line(&mut line).expect("it prints a line");
        assert_eq!(line, "ready\n", "the world could not be set up");
        let world = World { holder };
        // A copy, so that a build meanwhile does not take it away. By a process of its own: a test beside this one that
        // starts a program while this one had the copy open for writing would make it busy.
        let copied = Command::new("cp").arg(binary()).arg(world.path(BINARY)).status();
        assert!(copied.is_ok_and(|status| status.success()), "the binary could not be copied");
        world
    }

    /// The path by which this process reaches `path` in the world's file system.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.holder.id()))
    }

    /// Runs a shell script in the world; it must succeed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let ended = self.try_sh(script, "");
        assert_eq!(ended.code, 0, "{script}\n{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// A command that runs a shell script in the world, with `$BIN` as the binary.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount", "--net", "sh", "-c", script]);
        command.env("BIN", BINARY);
        command
    }

    /// Runs a shell script in the world, with `$BIN` as the binary.
    pub(crate) fn try_sh(&self, script: &str, input: &str) -> Ended {
        let mut child = self
            .command(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter starts");
        let mut stdin = child.stdin.take().expect("it has a standard input");
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        Ended {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    pub(crate) fn apply(&self, request: &str) -> Ended {
        self.try_sh("exec $BIN apply", request)
    }

    pub(crate) fn check(&self, request: &str) -> Ended {
        self.try_sh("exec $BIN check", request)
    }

    /// A live value, read by sysctl(8).
    pub(crate) fn sysctl(&self, key: &str) -> String {
        self.sh(&format!("sysctl -n {key}")).trim_end().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The limit is one number for the whole machine: one test at a time sets it, and puts it back whatever happens.
pub(crate) struct Limit {
    pub(crate) value: String,
    _lock: File,
}

impl Limit {
    pub(crate) fn borrow() -> Limit {
        let lock = File::create("/run/lock/conntrack-sysctl-tests.lock").expect("the lock can be made");
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("the lock can be taken");
        let value = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").expect("there is a limit");
        Limit { value, _lock: lock }
    }

    #[expect(clippy::unused_self, reason = "only who has borrowed the limit may set it")]
    pub(crate) fn set(&self, limit: u64) {
        std::fs::write("/proc/sys/net/netfilter/nf_conntrack_max", limit.to_string()).expect("the limit can be set");
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::write("/proc/sys/net/netfilter/nf_conntrack_max", &self.value);
    }
}
