//! Runs the command that the arguments name, and prints its answer.
//!
//! The program writes to its streams here only. The one exception is the live view of `watch`, which draws on the
//! terminal that it has taken.
//!
//! Without the feature `commands` the program runs Ansible's tasks and nothing else. The collection carries such a binary to
//! its hosts.

#[cfg(feature = "commands")]
mod arguments;
#[cfg(feature = "commands")]
mod commands;
#[cfg(feature = "commands")]
mod reports;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use crate::answer::{Answer, Exit};
use crate::clients::ansible::{self, AnsibleModule};
use crate::failure::{Failure, Kind};
use crate::request;

#[cfg(feature = "commands")]
pub use arguments::command;

/// Runs the command that `arguments` name, and returns its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Everybody can read the files that a run makes, whatever umask the caller's shell or Ansible's connection has.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    print(&task(&arguments).unwrap_or_else(|| command_of(&arguments)))
}

/// The answer to Ansible, if it is the caller.
fn task(arguments: &[OsString]) -> Option<Answer> {
    match arguments {
        // Ansible runs a binary module with one argument, the absolute path of the task's arguments. No other call has
        // this form.
        [program, task] if Path::new(task).is_absolute() => {
            Some(ansible::run(AnsibleModule::of(program), read(Some(Path::new(task)))).of_changes())
        }
        // The collection runs its binary this way, with the task's arguments on standard input.
        [_, word, name] if word == "module" => {
            AnsibleModule::named(name).map(|module| ansible::run(module, read(None)).of_changes())
        }
        _ => None,
    }
}

#[cfg(feature = "commands")]
fn command_of(arguments: &[OsString]) -> Answer {
    commands::answer(arguments)
}

#[cfg(not(feature = "commands"))]
fn command_of(_: &[OsString]) -> Answer {
    Answer::error(
        "this binary only runs tasks of Ansible; the packages and `cargo install` have all commands",
        Exit::Failed,
    )
}

/// The bytes of the request in a file, or on standard input; at most one byte more than a request may have.
fn read(request: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let from = request.filter(|path| *path != Path::new("-"));
    // Most requests are smaller, and are read at once.
    let mut bytes = Vec::with_capacity(1 << 13);
    let most = request::LIMIT as u64 + 1;
    let result = if let Some(path) = from {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    } else {
        if io::stdin().is_terminal() {
            write_stderr("conntrack-sysctl: waiting for the request on standard input: type JSON, then Ctrl-D\n");
        }
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    };
    let name = from.map_or_else(|| "standard input".into(), |path| path.display().to_string());
    match result {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Kind::BadRequest, format!("the request `{name}` cannot be read: {error}"))
            .hint("name a JSON file, or give the request on standard input")),
    }
}

/// Prints an answer, and returns the exit code. If standard output cannot be written, the code must not report success. But a
/// reader that closes the pipe, such as head(1), has seen enough of an answer that tells of no change.
fn print(answer: &Answer) -> Exit {
    write_stderr(&answer.stderr);
    if answer.stdout.is_empty() {
        return answer.exit;
    }
    match write_line(&answer.stdout) {
        Ok(()) => answer.exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !answer.must_arrive => answer.exit,
        Err(error) => {
            write_stderr(&format!("conntrack-sysctl: the run is over, but its report cannot be printed: {error}\n"));
            Exit::Failed
        }
    }
}

fn write_line(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes to standard error. An error there is ignored, because the exit code says the same; `eprintln!` would panic.
fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
