//! The command: it maps outcomes to exit codes and decides nothing.

fn main() {}
