//! The command: it maps outcomes to exit codes and decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(conntrack_sysctl::cli::run(std::env::args_os()))
}
