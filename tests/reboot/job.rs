//! Hands a guest its job, and brings back what it sends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::answer::directory_of;
use super::case::Case;
use super::guest::{End, Kind, Machine, job_disk};
use super::progress::say;

/// A directory that becomes the job's disk.
pub(crate) struct Job<'a> {
    /// The name of the guest in messages.
    pub(crate) name: String,
    pub(crate) kind: &'static Kind,
    /// The image, whose disk stays as it is.
    pub(crate) image: &'a Path,
    /// The directory in which one job at a time is made.
    pub(crate) work: &'a Path,
    /// The file in which the answer is kept.
    pub(crate) answer: PathBuf,
}

/// Whether a guest is to reboot between the two halves of its job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reboot {
    Between,
    Never,
}

impl Job<'_> {
    /// Has a guest run `cases` with the program `tool`. What goes wrong once is tried again, as an emulated guest now and
    /// then locks up; the note says so.
    pub(crate) fn run(
        &self,
        cases: &[Case],
        tool: &Path,
        reboot: Reboot,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        self.pack(cases, tool, reboot).map_err(|error| format!("the job of {}: {error}", self.name))?;
        let words: Vec<String> = cases.iter().filter_map(Case::command_line).collect();
        let words = words.join(" ");
        self.done(&words).or_else(|why| {
            say(&format!("{}: {why}; started again", self.name));
            notes.push(format!("{} gave no answer and was started again: {why}", self.name));
            self.done(&words)
        })
    }

    fn pack(&self, cases: &[Case], tool: &Path, reboot: Reboot) -> Result<(), std::io::Error> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let job = self.work.join("job");
        let _ = fs::remove_dir_all(self.work);
        fs::create_dir_all(job.join("cases"))?;
        for script in ["before", "after"] {
            fs::copy(project.join("tests/reboot/guest").join(script), job.join(script))?;
        }
        fs::copy(tool, job.join("conntrack-sysctl"))?;
        copy(&project.join("packaging/systemd"), &job.join("systemd"))?;
        if reboot == Reboot::Never {
            fs::write(job.join("no-reboot"), "")?;
        }
        for case in cases {
            let directory = job.join("cases").join(directory_of(case));
            fs::create_dir(&directory)?;
            let root = directory.join("root");
            // A case without files has no such directory.
            if case.root().is_dir() {
                copy(&case.root(), &root)?;
            } else {
                fs::create_dir(&root)?;
            }
            for file in ["request.json", "setup", "probe"] {
                if case.directory.join(file).exists() {
                    fs::copy(case.directory.join(file), directory.join(file))?;
                }
            }
        }
        Ok(())
    }

    /// One guest, from its saved state to its answer. Words for the command line of its kernel need a boot of their own.
    fn done(&self, words: &str) -> Result<(), String> {
        let in_work = |name: &str| self.work.join(name);
        let [disk, job, packed, kernel] = ["disk.qcow2", "job.disk", "answer.tar", "kernel"].map(in_work);
        let consoles = ["console", "console-after"].map(in_work);
        for file in consoles.iter().chain([&packed]) {
            let _ = fs::remove_file(file);
        }
        copy(&self.image.join("disk.qcow2"), &disk).map_err(|error| error.to_string())?;
        job_disk(&job, Some(&in_work("job")))?;
        let kind = self.kind;
        let machine =
            |kernel, console| Machine { kind, kernel, disk: &disk, job: &job, answer: &packed, console, words };
        let (before, after) = (machine(self.image, &consoles[0]), machine(&kernel, &consoles[1]));
        let mut guest = if words.is_empty() { before.resume() } else { before.boot() };
        let mut ended = guest.wait_for_an_end();
        if ended == Ok(End::Reboots) {
            drop(guest);
            load(&disk, self.image, &kernel)?;
            guest = after.boot();
            ended = guest.wait_for_an_end();
        }
        if ended == Ok(End::Done) {
            guest.wait_for_its_end();
        }
        drop(guest);
        let _ = fs::remove_dir_all(&self.answer);
        fs::create_dir_all(&self.answer).map_err(|error| error.to_string())?;
        for file in consoles.iter().flat_map(|console| [console.clone(), console.with_extension("emulator")]) {
            let _ = fs::copy(&file, self.answer.join(file.file_name().expect("it has a name")));
        }
        if ended? == End::Reboots {
            return Err("it rebooted once more".to_owned());
        }
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(&self.answer).args(["--strip-components=1", "-xf"]).arg(&packed);
        if tar.status().is_ok_and(|status| status.success()) { Ok(()) } else { Err("its answer is torn".to_owned()) }
    }
}

/// Does the work of a boot loader: takes the kernel of `image` and its initial RAM disk, which the guest may have made
/// anew, from `disk` into the directory `to`.
fn load(disk: &Path, image: &Path, to: &Path) -> Result<(), String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reboot/load");
    let status = Command::new(script).args([disk, image, to]).status();
    if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err("its disk has no kernel".to_owned()) }
}

/// Copies a file with its holes, or a directory with its links.
fn copy(from: &Path, to: &Path) -> Result<(), std::io::Error> {
    let status = Command::new("cp").args(["-a", "--sparse=always", "--"]).args([from, to]).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("{} cannot be copied", from.display()))) }
}
