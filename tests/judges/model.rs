//! The first judge: what the program's own pure functions make of a case, against what its author expects.
//!
//! A case of `boots` is judged on every image that boots its system, with the files of the image beside its own; the
//! roots of `requests` say themselves how they boot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::case::{Case, JUDGES, Judge, cases, groups};
use super::expected::Line;
use super::images::{ALIKE, Image};
use super::machine;
use super::modelled;
use super::verdicts::Verdicts;
use conntrack_sysctl::boot::{Arrival, boot, detected};
use conntrack_sysctl::failure::Failure;
use conntrack_sysctl::host;
use conntrack_sysctl::kernel::release::Release;
use conntrack_sysctl::plan::{Plan, plan};
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::show;
use conntrack_sysctl::snapshot::{LiveKernel, Snapshot};
use conntrack_sysctl::tree::Entry;

#[test]
fn the_model_says_what_the_cases_expect() {
    let mut verdicts = Verdicts::default();
    for case in ["requests", "refusals"].into_iter().flat_map(cases).filter(|case| case.is_for(Judge::Model)) {
        judge(&case, None, &mut verdicts);
    }
    for case in groups("boots").iter().flat_map(|group| cases(group)).filter(|case| case.is_for(Judge::Model)) {
        let images: Vec<&Image> = modelled::all().filter(|image| image.boots(&case)).collect();
        assert!(!images.is_empty(), "{}: no image boots its system", case.name);
        for image in images {
            judge(&case, Some(image), &mut verdicts);
        }
    }
    verdicts.assert(1000);
}

/// Judges `case` on `image`.
fn judge(case: &Case, image: Option<&Image>, verdicts: &mut Verdicts) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    machine(case, image, directory.path());
    let told = Told::of(case, image, directory.path());
    let words = image.map_or_else(|| vec![Judge::Model.name()], |image| image.words_for(Judge::Model));
    let on = format!("{} on {}", case.name, image.map_or("its own", |image| image.name));
    if let Some(image) = image {
        verdicts.compare(&on, &image.system, &detected(&told.after.tree).name);
    }
    let lines = case.expected.counting(&words);
    for line in lines.iter().filter(|line| !line.name.starts_with("probe.")) {
        let expected = Line { places: Vec::new(), ..(*line).clone() };
        verdicts.compare(&on, &expected, &told.about(&line.name, line.from.is_some()));
    }
    for name in told.must_be_expected() {
        let is_expected = lines.iter().any(|line| line.name == name);
        assert!(is_expected, "{on}: `expected` has no line about {name}: {:?}", told.refused);
    }
    assert!(!lines.is_empty(), "{on}: nothing is expected");
}

/// The release of an image's kernel.
fn kernel(image: &Image) -> Option<Release> {
    image.words_for(Judge::Model).into_iter().find_map(|word| Release::parse(word.strip_prefix("linux-")?))
}

/// What the program tells of a machine, once the request is applied.
struct Told {
    report: Option<Report>,
    refused: Option<Failure>,
    after: Snapshot,
}

impl Told {
    fn of(case: &Case, image: Option<&Image>, root: &Path) -> Told {
        let mut before = host::open_root(root).and_then(|root| host::observe(&root)).expect("the root can be read");
        before.live =
            image.and_then(kernel).map(|release| LiveKernel { release: Some(release), ..LiveKernel::default() });
        // Of an image the program does not read it: it is the running kernel's.
        if let Ok(bytes) = fs::read(root.join("proc/cmdline")) {
            before.tree.insert("/proc/cmdline", Entry::File(bytes));
        }
        let desired = case.request().map(|request| request::from_slice(&request));
        let desired = match desired.transpose() {
            Ok(desired) => desired,
            Err(failure) => return Told { report: None, refused: Some(failure), after: before },
        };
        let Some(mut desired) = desired else { return Told { report: None, refused: None, after: before } };
        // Of an image's kernel nothing is known but its release.
        desired.live &= before.live.is_none();
        match plan(&desired, &before) {
            Ok(plan) => {
                let after = plan.predict(&before);
                let report = Report::new(Mode::Apply, &desired, &before, &after, &plan);
                Told { report: Some(report), refused: None, after }
            }
            Err(failure) => {
                let report = Report::new(Mode::Apply, &desired, &before, &before, &Plan::default());
                Told { report: Some(report), refused: Some(failure), after: before }
            }
        }
    }

    /// The line that `expected` should have about `name`.
    fn about(&self, name: &str, with_place: bool) -> Line {
        let (value, from) = match name {
            "failure" => self.failure(),
            "module" => self.arrival(),
            "doubt" => self.doubt(),
            _ => self.value(name),
        };
        let from = from.filter(|_| with_place);
        Line { name: name.to_owned(), value: value.into_bytes(), from, places: Vec::new() }
    }

    fn failure(&self) -> (String, Option<String>) {
        let Some(failure) = &self.refused else { return ("none".to_owned(), None) };
        let kind = serde_json::to_value(failure.kind).expect("a kind has a name");
        (kind.as_str().expect("it is text").to_owned(), failure.pointer.clone())
    }

    fn arrival(&self) -> (String, Option<String>) {
        let (word, place) = match boot(&self.after, detected(&self.after.tree)).arrival {
            Arrival::BuiltIn => ("built-in", None),
            Arrival::Early(place) => ("early", Some(place)),
            Arrival::Reapplied { reruns, .. } => ("again", reruns.into_iter().next().map(|rerun| rerun.rule)),
            Arrival::Outside => ("outside", None),
            Arrival::Late { barred, .. } => ("late", barred),
        };
        (word.to_owned(), place.map(|place| place.to_string()))
    }

    /// The first doubt about the boot.
    fn doubt(&self) -> (String, Option<String>) {
        let boot = boot(&self.after, detected(&self.after.tree));
        let Some(doubt) = boot.doubts.first() else { return ("none".to_owned(), None) };
        let reason = serde_json::to_value(doubt.reason).expect("a reason has a name");
        let line = doubt.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = doubt.file.as_ref().map(|file| format!("{}{line}", file.display()));
        (reason.as_str().expect("it is text").to_owned(), place)
    }

    /// The number that the boot makes of a setting, and the line that decides. What the request does not name is as
    /// `show` tells it.
    fn value(&self, name: &str) -> (String, Option<String>) {
        let reported = self.report.iter().flat_map(|report| &report.settings).find(|setting| setting.name == name);
        let (number, winner) = if let Some(setting) = reported {
            (setting.boot.after, setting.boot.winner.clone())
        } else {
            let shown = show::named(&[name.to_owned()], &self.after).unwrap_or_else(|failure| panic!("{failure}"));
            (shown.settings[0].boot, shown.settings[0].winner.clone())
        };
        let number = number.map_or_else(|| "default".to_owned(), |number| number.to_string());
        (number, winner.map(|place| place.to_string()))
    }

    /// What a case must not leave open: whether the request fails, and what becomes of each setting that it names.
    fn must_be_expected(&self) -> BTreeSet<String> {
        let settings = self.report.iter().flat_map(|report| &report.settings).map(|setting| setting.name.clone());
        settings.chain(self.refused.iter().map(|_| "failure".to_owned())).collect()
    }
}

#[test]
fn every_line_of_a_case_holds_somewhere() {
    let groups = ["requests".to_owned(), "refusals".to_owned()].into_iter().chain(groups("boots"));
    for case in groups.flat_map(|group| cases(&group)) {
        let images = modelled::all().filter(|image| image.boots(&case));
        let judges: Vec<Judge> = JUDGES.into_iter().filter(|judge| case.is_for(*judge)).collect();
        let mut places: Vec<Vec<&str>> =
            images.flat_map(|image| judges.iter().map(|it| image.words_for(*it))).collect();
        let alike = ALIKE.iter().filter(|image| image.boots(&case) && case.is_for(Judge::Reboot));
        places.extend(alike.map(|image| image.words_for(Judge::Reboot)));
        if places.is_empty() {
            // The roots of requests are machines of their own.
            places.extend(judges.iter().map(|judge| vec![judge.name()]));
        }
        for line in &case.expected.lines {
            let counts = |words: &Vec<&str>| case.expected.of(&line.name, words) == Some(line);
            assert!(places.iter().any(counts), "{}: `{line}` holds nowhere", case.name);
            let is_known = |word: &String| places.iter().any(|words| words.contains(&word.as_str()));
            assert!(line.places.iter().all(is_known), "{}: `{line}`: there is no such place", case.name);
        }
    }
}
