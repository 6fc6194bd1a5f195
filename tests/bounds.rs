//! Memory and time have bounds, whatever lies in the directories that a boot reads: a run either tells the state, or fails
//! with the name of a file.

mod image;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use conntrack_sysctl::report::Report;
use image::Image;

/// The memory that a run may reserve. Of it a run uses less: there are gaps between what it keeps.
const MOST: u64 = 64 << 20;

/// The seconds of processor time that a run may take. A release takes a tenth of a run without optimization.
const LONGEST: u64 = 60;

impl Image {
    /// Files of a size that is read, until they are too much together, each made of one line.
    fn full_of(&self, pattern: &str, head: &str, line: &str) {
        const SIZE: usize = 1 << 20;
        for number in 0..8 {
            let lines = (SIZE - head.len()) / line.len();
            self.file(&pattern.replace('N', &number.to_string()), &(head.to_owned() + &line.repeat(lines)));
        }
    }

    /// A file of so many lines, in each of which N stands for another number.
    fn lines(&self, path: &str, count: usize, line: &str) {
        self.file(path, &(0..count).map(|number| line.replace('N', &number.to_string())).collect::<String>());
    }

    /// The report of a check, by a program that dies if it needs too much.
    fn check(&self, name: &str) -> Report {
        let text = r#"{"settings": {"nf_conntrack_udp_timeout": 31, "nf_conntrack_acct": 1}}"#;
        self.run("check", text, name)
    }

    fn run(&self, command: &str, text: &str, name: &str) -> Report {
        let request = self.root().join("request.json");
        fs::write(&request, text).expect("a file can be written");
        let output = Command::new("prlimit")
            .arg(format!("--data={MOST}"))
            .arg(format!("--cpu={LONGEST}"))
            .args(["--core=0", env!("CARGO_BIN_EXE_conntrack-sysctl"), command, "--output", "json", "--root"])
            .args([self.root(), &request])
            .stdin(Stdio::null())
            .output()
            .expect("prlimit starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{name}: {}: {message}", output.status);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {message}"))
    }
}

type Build = fn(&Image);

const UDEV: &str = "usr/lib/systemd/systemd-udevd";

/// What may lie in the directories.
const CASES: &[(&str, Build)] = &[
    ("sparse files", |image| {
        (0..400).for_each(|number| image.sparse(&format!("etc/sysctl.d/{number}.conf"), 1 << 20));
    }),
    ("one file of 100 MiB", |image| image.sparse("etc/sysctl.d/50-a.conf", 100 << 20)),
    ("files of 8 MiB", |image| {
        (0..200).for_each(|number| image.sparse(&format!("etc/sysctl.d/{number}.conf"), 8 << 20));
    }),
    ("empty files", |image| {
        (0..50_000).for_each(|number| image.file(&format!("etc/sysctl.d/{number}.conf"), ""));
    }),
    ("files that are not read", |image| {
        (0..50_000).for_each(|number| image.file(&format!("etc/sysctl.d/{number}.txt"), "a=1\n"));
    }),
    ("patterns for all keys", |image| image.full_of("etc/sysctl.d/N.conf", "", "*=1\n")),
    ("lines that end in a zero byte", |image| image.full_of("etc/sysctl.d/N.conf", "", "*=1\0")),
    ("lines of one key", |image| {
        image.full_of("etc/sysctl.d/95-N.conf", "", "net.netfilter.nf_conntrack_udp_timeout=30\n");
    }),
    ("lines of as many keys", |image| {
        image.lines("etc/sysctl.d/95-a.conf", 17_000, "net.netfilter.nf_conntrack_aN = 1\n");
        image.lines("etc/sysctl.d/96-a.conf", 17_000, "net.netfilter.nf_conntrack_bN = 1\n");
    }),
    ("as many patterns for all keys", |image| {
        image.lines("etc/sysctl.d/95-a.conf", 30_000, "net.netfilter.nf_conntrack_*{,N} = 1\n");
    }),
    ("aliases of modules", |image| {
        let kernel = "usr/lib/modules/6.12.0-1-amd64";
        image.file(&format!("{kernel}/modules.dep"), "kernel/net/netfilter/nf_conntrack.ko:\n");
        let line = "alias nf_conntrack-x nf_conntrack\n";
        image.file(&format!("{kernel}/modules.alias"), &line.repeat((15 << 20) / line.len()));
        image.file("etc/modules-load.d/a.conf", "nf_conntrack-x\n");
    }),
    ("dependencies of modules", |image| {
        let line = "kernel/net/netfilter/nf_conntrack.ko: kernel/net/netfilter/nf_conntrack.ko\n";
        image.file("usr/lib/modules/6.12.0-1-amd64/modules.dep", &line.repeat((15 << 20) / line.len()));
    }),
    ("rules of udev", |image| {
        image.file(UDEV, "");
        let line = "ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", RUN+=\"/usr/lib/systemd/systemd-sysctl\"\n";
        image.full_of("etc/udev/rules.d/N.rules", "", line);
    }),
    ("a rule of udev that never ends", |image| {
        image.file(UDEV, "");
        image.full_of("etc/udev/rules.d/N.rules", "", "RUN+=\"a\",\\\n");
    }),
    ("options of modules", |image| {
        image.full_of("etc/modprobe.d/N.conf", "", "options nf_conntrack hashsize=65536\n");
    }),
    ("aliases in modprobe.d", |image| image.full_of("etc/modprobe.d/N.conf", "", "alias a nf_conntrack\n")),
    ("ufw", |image| {
        image.file("usr/sbin/ufw", "");
        image.file("usr/lib/ufw/ufw-init", "");
        image.full_of("etc/ufw/ufw.conf", "", "ENABLED=yes\n");
        image.full_of("etc/default/ufw", "", "IPT_SYSCTL=/etc/ufw/sysctl.conf\n");
        image.full_of("etc/ufw/sysctl.conf", "", "net/netfilter/nf_conntrack_udp_timeout=1\n");
    }),
    ("tuned", |image| {
        image.file("usr/sbin/tuned", "");
        image.file("etc/tuned/active_profile", "p\n");
        image.full_of("etc/tuned/p/tuned.conf", "[sysctl]\n", "net.netfilter.nf_conntrack_udp_timeout=1\n");
    }),
    ("profiles of tuned that include each other", |image| {
        image.file("usr/sbin/tuned", "");
        image.file("etc/tuned/active_profile", "p0\n");
        for number in 0..2_000 {
            let text = format!("[main]\ninclude=p{}\n[sysctl]\nnet.netfilter.nf_conntrack_acct=1\n", number + 1);
            image.file(&format!("etc/tuned/p{number}/tuned.conf"), &text);
        }
    }),
    ("kube-proxy", |image| {
        image.full_of("var/lib/kube-proxy/config.conf", "conntrack:\n", "  maxPerCore: 100\n");
        image.full_of("var/lib/kubelet/config.yaml", "", "a: 1\n");
    }),
    ("cloud-init", |image| {
        image.file("usr/bin/cloud-init", "");
        let line = " - sysctl -w net.netfilter.nf_conntrack_udp_timeout=5\n";
        image.full_of("etc/cloud/cloud.cfg.d/N.cfg", "runcmd:\n", line);
    }),
    ("cloud-init, a word a line", |image| {
        image.file("usr/bin/cloud-init", "");
        image.full_of("etc/cloud/cloud.cfg.d/N.cfg", "runcmd:\n", " - a\n");
    }),
    ("tmpfiles.d", |image| {
        image.file("usr/bin/systemd-tmpfiles", "");
        let line = "w /proc/sys/net/netfilter/nf_conntrack_udp_timeout - - - - 5\n";
        image.full_of("etc/tmpfiles.d/N.conf", "", line);
    }),
    ("drop-ins of the loader's unit", |image| {
        for number in 0..3_000 {
            image.file(&format!("etc/systemd/system/systemd-sysctl.service.d/{number}.conf"), "[Service]\nNice=1\n");
        }
    }),
    ("fstab", |image| image.full_of("etc/fstab", "", "/dev/sda /x ext4 defaults 0 0\n")),
    ("kernels", |image| {
        for number in 0..2_000 {
            let index = format!("usr/lib/modules/6.12.{number}-amd64/modules.dep");
            image.file(&index, "kernel/net/netfilter/nf_conntrack.ko:\n");
        }
    }),
    ("files of killed runs", |image| {
        for number in 0..20_000 {
            image.file(&format!("etc/sysctl.d/.a.conf.conntrack-sysctl.{number}.tmp"), "");
        }
    }),
];

/// Whatever is in memory for each byte of a file, the weight of all files bounds it.
#[test]
fn memory_has_a_bound_whatever_lies_in_the_directories() {
    for (name, build) in CASES {
        let image = Image::new();
        build(&image);
        let report = image.check(name);
        if let Some(failure) = report.failure {
            let names_a_file = failure.message.split('`').any(|word| Path::new(word).is_absolute());
            assert!(names_a_file || failure.hint.is_some(), "{name}: {failure}");
        }
    }
}

/// What is not refused stays within the same memory.
#[test]
fn memory_is_enough_for_what_is_read() {
    for image in [Image::new, Image::of_procps] {
        let cases = [
            ("lines of as many keys", 17_000, "net.netfilter.nf_conntrack_aN = 1\n"),
            ("as many patterns for all keys", 3_900, "net.netfilter.nf_conntrack_*{,N} = 1\n"),
        ];
        for (name, count, line) in cases {
            let image = image();
            image.lines("etc/sysctl.d/95-a.conf", count, line);
            let report = image.check(name);
            let is_too_much =
                report.failure.as_ref().is_some_and(|failure| failure.message.contains("more than 4 MiB"));
            assert!(!is_too_much, "{name}: {report:?}");
        }
    }
}

/// 100,000 equal lines are edited, within the same memory.
#[test]
fn a_file_of_very_many_equal_lines_is_edited() {
    const EDITS: [(&str, &str); 3] = [
        ("95-a.conf", r#"{"settings": {"nf_conntrack_udp_timeout": 31}, "conflicts": "comment_out"}"#),
        ("90-conntrack.conf", r#"{"settings": {"nf_conntrack_udp_timeout": null}, "state": "absent"}"#),
        ("90-conntrack.conf", r#"{"settings": {"nf_conntrack_acct": 1}, "exclusive": true}"#),
    ];
    for (file, request) in EDITS {
        let image = Image::new();
        image.file(&format!("etc/sysctl.d/{file}"), &"net.netfilter.nf_conntrack_udp_timeout = 30\n".repeat(100_000));
        let report = image.run("apply", request, request);
        assert!(report.failure.is_none() && report.changed && report.in_sync, "{request}: {:?}", report.failure);
    }
}

/// The time of a run grows with the number of lines and names, not with its square: the square would take minutes here.
#[test]
fn time_grows_with_the_number_of_lines_and_names() {
    const LINES: usize = 30_000;
    let image = Image::new();
    image.file("etc/sysctl.d/95-a.conf", &"net.netfilter.nf_conntrack_max=1\n".repeat(LINES));
    let output = Command::new("prlimit")
        .args([
            "--cpu=30",
            "--core=0",
            env!("CARGO_BIN_EXE_conntrack-sysctl"),
            "explain",
            "nf_conntrack_max",
            "--output",
        ])
        .args(["json", "--root"])
        .arg(image.root())
        .output()
        .expect("prlimit starts");
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let story: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(story["assignments"].as_array().map(Vec::len), Some(LINES));

    let image = Image::of_procps();
    for number in 0..2_000 {
        image.file(&format!("etc/sysctl.d/{number:05}-[ab].conf"), "net.netfilter.nf_conntrack_acct=1\n");
    }
    assert_eq!(image.check("names with brackets").failure, None);
}
