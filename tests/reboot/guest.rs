//! Starts a guest in the emulator, and listens to its console.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::images::Image;
use super::progress::patience;

/// A guest that runs, until this is dropped.
pub(crate) struct Guest<'a> {
    process: Child,
    console: &'a Path,
}

/// The end of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The guest has sent its answer.
    Done,
    /// The guest has ended, to be started again.
    Reboots,
}

/// The arguments that start a guest. The machine must be the same each time, or a saved state could not be resumed.
pub(crate) struct Machine<'a> {
    pub(crate) kind: &'static Kind,
    /// The directory of its kernel and initial RAM disk.
    pub(crate) kernel: &'a Path,
    pub(crate) disk: &'a Path,
    /// The disk with the job, which [`job_disk`] makes.
    pub(crate) job: &'a Path,
    /// The file into which the guest sends its answer.
    pub(crate) answer: &'a Path,
    /// The file to which its console goes.
    pub(crate) console: &'a Path,
    /// More words of the kernel's command line.
    pub(crate) words: &'a str,
}

/// A kind of machine, but for its files: an image is built anew where this has changed. KVM is not everywhere, and not
/// reliable where it is nested: emulation gives the same answer on every host.
pub(crate) struct Kind {
    /// The word of the images that are of this kind.
    word: &'static str,
    /// The program of the emulator.
    program: &'static str,
    arguments: &'static str,
    /// Its serial line, as its kernel names it.
    console: &'static str,
    /// The variable of the environment that names the binary to test.
    pub(crate) tool: &'static str,
}

/// The kinds. The last one is that of the images without such a word.
const KINDS: [Kind; 2] = [
    // This processor has pages of 16 KiB, and no signed pointers, which are slow to emulate.
    Kind {
        word: "aarch64",
        program: "qemu-system-aarch64",
        arguments: "-machine virt -cpu cortex-a76",
        console: "ttyAMA0",
        tool: "CONNTRACK_SYSCTL_AARCH64",
    },
    Kind {
        word: "x86-64",
        program: "qemu-system-x86_64",
        arguments: "-cpu qemu64",
        console: "ttyS0",
        tool: "CONNTRACK_SYSCTL",
    },
];

/// The kind of the machine that boots `image`.
pub(crate) fn kind(image: &Image) -> &'static Kind {
    let [others @ .., usual] = &KINDS;
    others.iter().find(|kind| image.words.contains(&kind.word)).unwrap_or(usual)
}

/// The arguments of every kind.
const MACHINE: &str = "-accel tcg,tb-size=256 -m 1024 -smp 1 -nodefaults -no-user-config -no-reboot -display none \
    -device virtio-serial -device virtserialport,chardev=answer,name=answer -device virtio-rng-pci";

/// The kernel's command line.
const COMMAND_LINE: &str = "root=/dev/vda rw quiet mitigations=off systemd.show_status=1 systemd.log_color=0";

/// The script that runs a program of the emulator.
const EMULATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reboot/emulator");

/// The largest job that fits on its disk. The guest has seen the size of the disk before, so that it is the same each time.
const JOB_SIZE: u64 = 32 << 20;

impl Kind {
    /// The version of its emulator: a saved state can only be resumed by the one that saved it.
    pub(crate) fn version(&self) -> Result<String, String> {
        let mut version = Command::new(EMULATOR);
        // On the standard error it says that it is being unpacked.
        let output = version.args([self.program, "--version"]).stderr(Stdio::inherit()).output();
        let output = output.ok().filter(|output| output.status.success()).ok_or("the emulator does not start")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    }
}

impl Machine<'_> {
    fn command(&self) -> Command {
        let shown = |path: &Path| path.display().to_string();
        let (disk, job, answer) = (shown(self.disk), shown(self.job), shown(self.answer));
        let mut command = Command::new(EMULATOR);
        command
            .arg(self.kind.program)
            .args(["-serial", &format!("file:{}", shown(self.console))])
            .args(["-drive", &format!("file={disk},if=virtio,format=qcow2,cache=unsafe")])
            .args(["-drive", &format!("file={job},if=virtio,format=raw,readonly=on")])
            .args(["-chardev", &format!("file,id=answer,path={answer}")])
            .args(self.kind.arguments.split_whitespace())
            .args(MACHINE.split_whitespace())
            .arg("-kernel")
            .arg(self.kernel.join("vmlinuz"))
            .arg("-initrd")
            .arg(self.kernel.join("initrd.img"))
            .args(["-append", &format!("{COMMAND_LINE} console={} {}", self.kind.console, self.words)])
            .stdout(Stdio::null());
        // For the person who asks why a guest did not start.
        if let Ok(file) = fs::File::create(self.console.with_extension("emulator")) {
            command.stderr(file);
        }
        command
    }

    /// Starts the guest in the state in which it was saved.
    pub(crate) fn resume(&self) -> Guest<'_> {
        let mut command = self.command();
        command.args(["-loadvm", "ready"]).stdin(Stdio::null());
        Guest { process: command.spawn().expect("the emulator starts"), console: self.console }
    }

    /// Boots the guest.
    pub(crate) fn boot(&self) -> Guest<'_> {
        let mut command = self.command();
        command.stdin(Stdio::null());
        Guest { process: command.spawn().expect("the emulator starts"), console: self.console }
    }

    /// Boots the guest, and saves it as it waits for its job.
    pub(crate) fn boot_and_save(&self) -> Result<(), String> {
        let mut command = self.command();
        command.args(["-monitor", "stdio"]).stdin(Stdio::piped());
        let mut guest = Guest { process: command.spawn().expect("the emulator starts"), console: self.console };
        guest.wait_until_ready()?;
        let mut monitor = guest.process.stdin.take().expect("the monitor is on its standard input");
        monitor.write_all(b"stop\nsavevm ready\nquit\n").map_err(|error| error.to_string())?;
        match guest.process.wait() {
            Ok(status) if status.success() => Ok(()),
            ended => Err(format!("the emulator ended with {ended:?}")),
        }
    }
}

impl Guest<'_> {
    /// Waits until it says that it is ready for a job.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        self.wait_until(|said, _| said.contains(&"ready").then_some(()))
    }

    /// Waits until it is done, or has ended to reboot.
    pub(crate) fn wait_for_an_end(&mut self) -> Result<End, String> {
        let end = |said: &[&str], has_ended: bool| match said {
            _ if said.contains(&"done") => Some(End::Done),
            _ if has_ended && said.contains(&"reboots") => Some(End::Reboots),
            _ => None,
        };
        self.wait_until(end)
    }

    /// Waits until its words on the console, lines `reboot-test: WORDS`, and whether it has ended, make a `found`. The
    /// error is the end of the console, if the guest ended before, or nothing was heard of it for as long as we are
    /// patient.
    fn wait_until<T>(&mut self, found: impl Fn(&[&str], bool) -> Option<T>) -> Result<T, String> {
        let (mut heard, mut since) = (0, Instant::now());
        loop {
            // Once more after the end: the line may have come in between.
            let has_ended = self.process.try_wait().is_ok_and(|status| status.is_some());
            let console = String::from_utf8_lossy(&fs::read(self.console).unwrap_or_default()).into_owned();
            let said = console.lines().filter_map(|line| line.strip_prefix("reboot-test: "));
            let said: Vec<&str> = said.map(str::trim_end).collect();
            if let Some(found) = found(&said, has_ended) {
                return Ok(found);
            }
            if said.len() > heard {
                (heard, since) = (said.len(), Instant::now());
            }
            if has_ended || since.elapsed() > patience() {
                let last = console.lines().map(str::trim_end).rfind(|line| !line.is_empty()).unwrap_or("nothing");
                return Err(format!("the console ended with `{last}`"));
            }
            sleep(Duration::from_millis(300));
        }
    }

    /// Waits until the machine is off, which is soon after its last word.
    pub(crate) fn wait_for_its_end(&mut self) {
        let since = Instant::now();
        while self.process.try_wait().is_ok_and(|status| status.is_none()) && since.elapsed().as_secs() < 20 {
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes the disk at `disk` that hands a guest its job: the directory `job` as a tar archive, or nothing yet.
pub(crate) fn job_disk(disk: &Path, job: Option<&Path>) -> Result<(), String> {
    let _ = fs::remove_file(disk);
    if let Some(job) = job {
        let above = job.parent().expect("a job has a directory");
        let status = Command::new("tar")
            .args(["--owner=0", "--group=0", "--numeric-owner", "-C"])
            .arg(above)
            .arg("-cf")
            .args([disk, Path::new(job.file_name().expect("a job has a name"))])
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err("the job cannot be packed".to_owned());
        }
    }
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(disk);
    let file = file.map_err(|error| format!("{}: {error}", disk.display()))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length > JOB_SIZE {
        return Err(format!("the job has {length} bytes, and its disk {JOB_SIZE}"));
    }
    file.set_len(JOB_SIZE).map_err(|error| format!("{}: {error}", disk.display()))
}
