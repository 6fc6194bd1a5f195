//! The third judge: is the program's word about the next boot true? Emulated guests really reboot (README.md).
//!
//! `tests/reboot/run [IMAGE...] [--all]` installs what this needs, and starts it.

mod answer;
#[path = "../judges/case.rs"]
mod case;
#[path = "../judges/expected.rs"]
mod expected;
mod guest;
mod image;
#[path = "../judges/images.rs"]
mod images;
mod job;
mod judge;
mod progress;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use answer::{Answer, values};
use case::{Case, Judge, cases, groups};
use guest::kind;
use images::{ALIKE, IMAGES, Image, STOCK};
use job::{Job, Reboot};
use judge::{Booted, Row, Values, without_answer};
use progress::say;
use rustix::fs::{FlockOperation, flock};

fn main() -> ExitCode {
    let images = match chosen(std::env::args().skip(1)) {
        Ok(images) => images,
        Err(why) => {
            say(&why);
            return ExitCode::from(2);
        }
    };
    match judged(&images) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

/// The images that the arguments name: 12 unless they name others.
fn chosen(arguments: impl Iterator<Item = String>) -> Result<Vec<&'static Image>, String> {
    let mut chosen = Vec::new();
    for word in arguments {
        if word == "--all" {
            chosen.extend(IMAGES.iter().chain(&ALIKE));
            continue;
        }
        if word == "--stock" {
            chosen.extend(&STOCK);
            continue;
        }
        let all = IMAGES.iter().chain(&ALIKE).chain(&STOCK);
        let image = all.clone().find(|image| image.name == word).ok_or_else(|| {
            let names = all.map(|image| image.name).collect::<Vec<&str>>().join(", ");
            format!("there is no image `{word}`: run [IMAGE...] [--all] [--stock], where an image is one of {names}")
        })?;
        chosen.push(image);
    }
    if chosen.is_empty() {
        chosen.extend(IMAGES.iter().filter(|image| image.name == "12"));
    }
    Ok(chosen)
}

/// Boots the machines of each image, prints the table, and says whether everything in it passed.
fn judged(images: &[&'static Image]) -> Result<bool, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let cache = target.join("reboot");
    fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock")).map_err(|error| error.to_string())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("another run is using {}", cache.display()))?;
    let mut run = Run { work: cache.join("work"), cache, rows: Vec::new(), notes: Vec::new(), failed: Vec::new() };
    for image in images {
        if let Err(why) = run.boot(image) {
            run.failed.push(format!("{}: {why}", image.name));
        }
    }
    let _ = fs::remove_dir_all(&run.work);
    Ok(run.told())
}

/// A run of this judge.
struct Run {
    cache: PathBuf,
    work: PathBuf,
    /// The judged rows, each with its image and its machine.
    rows: Vec<(&'static str, String, Row)>,
    notes: Vec<String>,
    /// The images that gave no answer at all, with the reason.
    failed: Vec<String>,
}

/// Whether the last answers are to be judged again, without a boot.
fn keeps() -> bool {
    std::env::var_os("KEEP").is_some()
}

/// The machine of the story, which stock images boot.
const STORY: &str = "story";

/// The cases by the machine that they share. `MACHINES` names machines, and the others are left out.
fn machines(image: &Image) -> BTreeMap<String, Vec<Case>> {
    let wanted = std::env::var("MACHINES").ok();
    let is_wanted = |name: &str| {
        (name == STORY || !image.is_stock())
            && wanted.as_ref().is_none_or(|wanted| wanted.split_whitespace().any(|it| it == name))
    };
    let mut machines: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in groups("boots").iter().flat_map(|group| cases(group)).filter(|case| image.boots(case)) {
        if let Some(machine) = case.machine().filter(|name| case.is_for(Judge::Reboot) && is_wanted(name)) {
            machines.entry(machine.to_owned()).or_default().push(case);
        }
    }
    machines
}

impl Run {
    /// Boots the machines of `image`.
    fn boot(&mut self, image: &'static Image) -> Result<(), String> {
        let directory = if keeps() { self.cache.join(image.name) } else { image::built(image, &self.cache)? };
        let kind = kind(image);
        let tool = std::env::var_os(kind.tool).map(PathBuf::from);
        let tool = tool.ok_or_else(|| format!("{} is to name a statically linked binary", kind.tool))?;
        let defaults = self.defaults(image, &directory, &tool)?;
        for (machine, cases) in machines(image) {
            let name = format!("{}/{machine}", image.name);
            let answer = self.cache.join("answers").join(&name);
            let began = Instant::now();
            let job = Job { name, kind, image: &directory, work: &self.work, answer };
            let booted = if keeps() { Ok(()) } else { job.run(&cases, &tool, Reboot::Between, &mut self.notes) };
            let answered = booted.and_then(|()| Answer::read(&job.answer, &cases));
            let rows = match &answered {
                Ok(answer) => {
                    let seconds = began.elapsed().as_secs();
                    say(&format!("{}: rebooted ({seconds} s, conntrack came {})", job.name, answer.module));
                    let booted = Booted { image, defaults: &defaults, answer };
                    let rows = cases.iter().flat_map(|case| booted.judge(case)).chain(booted.judge_show());
                    rows.chain(cases.iter().filter_map(|case| booted.judge_silence(case))).collect()
                }
                Err(why) => cases.iter().map(|case| without_answer(case, why)).collect::<Vec<Row>>(),
            };
            for row in rows.iter().filter(|row| row.wrong.is_some()) {
                let why = row.wrong.as_deref().unwrap_or_default();
                say(&format!("{}: {} {}: saw {}: {}", job.name, row.case, row.subject, row.seen, one_line(why)));
            }
            self.rows.extend(rows.into_iter().map(|row| (image.name, machine.clone(), row)));
        }
        Ok(())
    }

    /// The defaults of the kernel of `image`. Read once for all images with this kernel.
    fn defaults(&mut self, image: &Image, directory: &Path, tool: &Path) -> Result<Values, String> {
        let release = fs::read_to_string(directory.join("release")).map_err(|error| error.to_string())?;
        let kept = self.cache.join(format!("defaults-{}", release.trim_end()));
        if !kept.exists() {
            say(&format!("{}: reading the kernel's own values", image.name));
            let answer = self.work.with_file_name("answers").join(image.name).join("defaults");
            let job =
                Job { name: image.name.to_owned(), kind: kind(image), image: directory, work: &self.work, answer };
            job.run(&[], tool, Reboot::Never, &mut self.notes)?;
            let seen = job.answer.join("seen");
            values(&seen)?;
            fs::copy(&seen, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
        }
        values(&kept)
    }

    /// Prints the table and the notes, and says whether all passed.
    fn told(&self) -> bool {
        let head = ["image", "machine", "case", "setting", "predicted", "seen", "verdict"].map(str::to_owned);
        let row = |(image, machine, row): &(&str, String, Row)| {
            let verdict =
                row.wrong.as_ref().map_or_else(|| "pass".to_owned(), |why| format!("FAIL: {}", one_line(why)));
            let case = row.case.trim_start_matches("boots/").to_owned();
            [
                (*image).to_owned(),
                machine.clone(),
                case,
                row.subject.clone(),
                row.predicted.clone(),
                row.seen.clone(),
                verdict,
            ]
        };
        print!("{}", in_columns(&std::iter::once(head).chain(self.rows.iter().map(row)).collect::<Vec<_>>()));
        for note in &self.notes {
            println!("note: {}", one_line(note));
        }
        for why in &self.failed {
            println!("FAIL: {}", one_line(why));
        }
        let wrong = self.rows.iter().filter(|(_, _, row)| row.wrong.is_some()).count();
        let passed = self.rows.len() - wrong;
        let failed = wrong + self.failed.len();
        println!("{passed} passed, {failed} failed");
        failed == 0 && passed > 0
    }
}

/// A text of the guest as a part of a line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

/// Cells in columns as wide as they need to be, but for the last.
fn in_columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let (last, cells) = row.split_last().expect("there are columns");
        for (cell, width) in cells.iter().zip(&widths) {
            text += &format!("{cell:width$}  ");
        }
        text += &format!("{last}\n");
    }
    text
}
