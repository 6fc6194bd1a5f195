//! The command: it returns the exit code of the command line, and decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(conntrack_sysctl::cli::run(std::env::args_os()).code())
}
