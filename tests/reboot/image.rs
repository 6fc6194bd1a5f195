//! Keeps the images: each is built once, booted once, and saved as it waits for its first job.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::guest::{Kind, Machine, job_disk, kind};
use super::images::Image;
use super::progress::say;

/// The parts of an image: the image is built again if one of them has changed.
const INGREDIENTS: [&str; 6] = [
    include_str!("image"),
    include_str!("common"),
    include_str!("foreign"),
    include_str!("guest/agent"),
    include_str!("guest/reboot-test.service"),
    include_str!("guest.rs"),
];

/// The directory of `image` in `cache`, which is built and booted if it is not there yet.
pub(crate) fn built(image: &Image, cache: &Path) -> Result<PathBuf, String> {
    let directory = cache.join(image.name);
    let kind = kind(image);
    let recipe = format!("{}\n{}\n{}", image.name, kind.version()?, INGREDIENTS.concat());
    let file = directory.join("recipe");
    if fs::read_to_string(&file).is_ok_and(|old| old == recipe) {
        return Ok(directory);
    }
    say(&format!("{}: building the image", image.name));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reboot/image");
    let status = Command::new(script).arg(image.name).arg(&directory).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!("the image {} cannot be built", image.name));
    }
    say(&format!("{}: first boot", image.name));
    if let Err(why) = first_boot(kind, &directory) {
        say(&format!("{}: {why}: the first boot is started again", image.name));
        first_boot(kind, &directory)?;
    }
    fs::write(&file, recipe).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(directory)
}

fn first_boot(kind: &'static Kind, directory: &Path) -> Result<(), String> {
    let [disk, job, console] = ["disk.qcow2", "job", "console"].map(|name| directory.join(name));
    let _ = fs::remove_file(&console);
    job_disk(&job, None)?;
    let machine = Machine {
        kind,
        kernel: directory,
        disk: &disk,
        job: &job,
        answer: Path::new("/dev/null"),
        console: &console,
        words: "",
    };
    machine.boot_and_save()?;
    let _ = fs::remove_file(&job);
    Ok(())
}
