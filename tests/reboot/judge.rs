//! Judges what a guest answered: what its report said of the boot, what its author expects, and what the boot made of it.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, Answered, ShownSetting};
use super::case::{Case, Judge};
use super::expected::Line;
use super::images::Image;
use conntrack_sysctl::report::Report;
use conntrack_sysctl::verify::{Reason, Verdict};
use conntrack_sysctl::warning::Code;

/// The numbers of a kernel, by key.
pub(crate) type Values = BTreeMap<String, i64>;

/// The boot value of a setting that the program predicted.
#[derive(Clone, Copy)]
enum Prediction {
    /// It said nothing that could be read.
    None,
    /// No file decides, so that the kernel's default holds.
    Default,
    /// This number.
    Number(i64),
    /// It cannot know. Any value is right.
    Doubtful,
}

impl From<Option<i64>> for Prediction {
    fn from(number: Option<i64>) -> Prediction {
        number.map_or(Prediction::Default, Prediction::Number)
    }
}

/// One thing that was judged: a row of the table.
pub(crate) struct Row {
    /// The case, or `(show)`.
    pub(crate) case: String,
    /// The setting, or what else is judged, in brackets.
    pub(crate) subject: String,
    /// The prediction of the program, or the author's expectation.
    pub(crate) predicted: String,
    /// The outcome.
    pub(crate) seen: String,
    /// The fault, if there is one.
    pub(crate) wrong: Option<String>,
}

/// A guest that has rebooted, and what its kernel has when no file says anything.
pub(crate) struct Booted<'a> {
    pub(crate) image: &'a Image,
    pub(crate) defaults: &'a Values,
    pub(crate) answer: &'a Answer,
}

impl Booted<'_> {
    /// Judges one of the cases that shared the boot.
    pub(crate) fn judge(&self, case: &Case) -> Vec<Row> {
        let mut rows = Vec::new();
        let words = self.image.words_for(Judge::Reboot);
        let nothing = Answered::default();
        let answered = self.answer.cases.get(&case.name).unwrap_or(&nothing);
        let mut settings: BTreeSet<String> = case
            .expected
            .counting(&words)
            .iter()
            .map(|line| line.name.clone())
            .filter(|it| it.starts_with("net."))
            .collect();
        match &answered.report {
            Some(Ok(report)) => {
                rows.extend(failure(case, report, &words));
                rows.extend(doubt(case, report, answered, &words));
                settings.extend(report.settings.iter().map(|setting| setting.name.clone()));
                rows.push(promise(case, report, answered));
            }
            Some(Err(why)) => rows.push(without_answer(case, why)),
            None if case.request().is_some() => rows.push(without_answer(case, "nothing was kept of it")),
            None => {}
        }
        for setting in settings {
            let reported = answered.report.iter().flatten().flat_map(|report| &report.settings);
            let predicted = match reported.into_iter().find(|it| it.name == setting) {
                Some(reported) if !reported.doubts.is_empty() => Prediction::Doubtful,
                Some(reported) => reported.boot.after.into(),
                None => self.shown(&setting),
            };
            let mut expected = case.expected.of(&setting, &words);
            if matches!(predicted, Prediction::Doubtful) {
                // The number of the model is the one without the doubt.
                expected = expected.filter(|line| line.places.iter().any(|place| place == Judge::Reboot.name()));
            }
            let mut row = self.value(&case.name, &setting, predicted, expected.map(Line::value));
            if matches!(predicted, Prediction::Doubtful) && expected_doubt(case, &words).is_none() {
                row.wrong = Some("the case expects no doubt".to_owned());
            }
            rows.push(row);
        }
        if let Some(line) = case.expected.of("module", &words) {
            // By which line it comes early is for the model: the cases of one machine may each bring one.
            let expected = if line.value() == "early" { "early" } else { "late" };
            rows.push(row(case, "(module)", expected, &self.answer.module));
        }
        for line in case.expected.counting(&words) {
            if let Some(name) = line.name.strip_prefix("probe.") {
                let seen = answered.probe.get(name).map_or("absent", String::as_str);
                rows.push(row(case, &format!("({name})"), line.value(), seen));
            }
        }
        if rows.is_empty() {
            rows.push(without_answer(case, "there is nothing to judge"));
        }
        rows
    }

    /// Judges whether a stock machine is left without a warning, before the boot and after it. The story's limit is a large
    /// one for the memory of a guest, and that it makes long chains is no matter of the machine's files.
    pub(crate) fn judge_silence(&self, case: &Case) -> Option<Row> {
        let answered = self.answer.cases.get(&case.name).filter(|_| self.image.is_stock())?;
        let reports = [answered.report.as_ref(), answered.check.as_ref()].into_iter().flatten().flatten();
        let warnings = reports.flat_map(|report| &report.warnings).filter(|warning| warning.code != Code::LongChains);
        let said: Vec<String> = warnings.map(|warning| warning.message.clone()).collect();
        let told = if said.is_empty() { "none".to_owned() } else { said.join("; ") };
        Some(row(case, "(warnings)", "none", &told))
    }

    /// Judges what `show` says of every setting: one row if all of it is true.
    pub(crate) fn judge_show(&self) -> Vec<Row> {
        let name = "(show)";
        let failed = |why: &str| {
            let empty = || "-".to_owned();
            let wrong = Some(why.to_owned());
            vec![Row { case: name.to_owned(), subject: empty(), predicted: empty(), seen: empty(), wrong }]
        };
        let shown = match &self.answer.show {
            Ok(shown) => shown,
            Err(why) => return failed(why),
        };
        let judged = shown.settings.iter().filter(|it| it.boot.is_some() || self.answer.seen.contains_key(&it.name));
        let predicted = |it: &ShownSetting| if self.is_doubted(it) { Prediction::Doubtful } else { it.boot.into() };
        let rows: Vec<Row> = judged.map(|it| self.value(name, &it.name, predicted(it), None)).collect();
        let count = rows.len();
        let wrong: Vec<Row> = rows.into_iter().filter(|row| row.wrong.is_some()).collect();
        if count == 0 {
            return failed("it shows nothing");
        }
        if !wrong.is_empty() {
            return wrong;
        }
        let subject = format!("(all {count} settings)");
        let as_shown = || "as shown".to_owned();
        vec![Row { case: name.to_owned(), subject, predicted: as_shown(), seen: as_shown(), wrong: None }]
    }

    /// The predictions of `show`. No file decides a setting that it does not list.
    fn shown(&self, setting: &str) -> Prediction {
        let Ok(shown) = &self.answer.show else { return Prediction::None };
        shown.settings.iter().find(|shown| shown.name == setting).and_then(|shown| shown.boot).into()
    }

    /// Whether `show` says that it cannot know the boot of a setting, and the report of a case is in doubt too. Of a
    /// setting that the report has in doubt, `show` may say that no file holds it.
    fn is_doubted(&self, shown: &ShownSetting) -> bool {
        let reports = self.answer.cases.values().filter_map(|answered| answered.report.as_ref()?.as_ref().ok());
        let mut in_doubt = reports.flat_map(|report| &report.settings).filter(|it| !it.doubts.is_empty());
        match shown.verdict {
            Verdict::Unknown => in_doubt.next().is_some(),
            Verdict::NotInFiles => in_doubt.any(|it| it.name == shown.name),
            _ => false,
        }
    }

    /// A number: as predicted, as its author expects it, if at all, and as it was seen.
    fn value(&self, case: &str, setting: &str, predicted: Prediction, expected: Option<&str>) -> Row {
        let default = self.defaults.get(setting).copied();
        let seen = self.answer.seen.get(setting).copied();
        let text = |number: Option<i64>| number.map_or_else(|| "absent".to_owned(), |number| number.to_string());
        // A kernel that keeps the module away has no such key.
        let is_absent = seen.is_none() && expected == Some("absent");
        let (shown, is_true) = match predicted {
            Prediction::None => ("-".to_owned(), false),
            Prediction::Default => (format!("default ({})", text(default)), seen == default || is_absent),
            Prediction::Number(number) => (number.to_string(), seen == Some(number)),
            Prediction::Doubtful => ("unknown".to_owned(), seen.is_some()),
        };
        let is_expected = match expected {
            None => true,
            Some("default") => seen == default,
            Some(number) => text(seen) == number,
        };
        let wrong = match expected {
            Some(expected) if !is_expected => Some(format!("the case expects {expected}")),
            _ if !is_true => Some("the prediction is false".to_owned()),
            _ => None,
        };
        Row { case: case.to_owned(), subject: setting.to_owned(), predicted: shown, seen: text(seen), wrong }
    }
}

/// The failure of a run and the one that is expected, if there is either.
fn failure(case: &Case, report: &Report, words: &[&str]) -> Option<Row> {
    let expected = case.expected.of("failure", words).map_or("none", Line::value);
    let found = report.failure.as_ref().map(|failure| serde_json::to_value(failure.kind).expect("a kind has a name"));
    let found = found.as_ref().map_or("none", |kind| kind.as_str().expect("it is text"));
    let mut row = row(case, "(failure)", expected, found);
    if let (Some(wrong), Some(failure)) = (&mut row.wrong, &report.failure) {
        *wrong = failure.to_string();
    }
    (expected != "none" || found != "none").then_some(row)
}

/// The doubt that a case expects.
fn expected_doubt<'a>(case: &'a Case, words: &[&str]) -> Option<&'a Line> {
    case.expected.of("doubt", words).filter(|line| line.value() != "none")
}

/// A doubt that is expected: the report must have it, and so must the check after the reboot, unless the cause ended with
/// the boot.
fn doubt(case: &Case, report: &Report, answered: &Answered, words: &[&str]) -> Option<Row> {
    let line = expected_doubt(case, words)?;
    let text = |reason: &str, place: Option<String>| match place.filter(|_| line.from.is_some()) {
        Some(place) => format!("{reason} from {place}"),
        None => reason.to_owned(),
    };
    let expected = text(line.value(), line.from.clone());
    let of = |report: &Report| -> Vec<(String, Reason)> {
        let doubts = report.settings.iter().flat_map(|setting| &setting.doubts);
        doubts.map(|doubt| (text(&name(doubt.reason), doubt.place()), doubt.reason)).collect()
    };
    let checked = answered.check.iter().flatten().flat_map(of).collect::<Vec<_>>();
    let mut found = of(report);
    let ends_with_the_boot = [Reason::MountedOver, Reason::KexecLoaded];
    // A drift that is certain outweighs a doubt: a file that the boot made too late for itself wins from then on.
    let is_certain = answered.check.iter().flatten().flat_map(|check| &check.settings).any(|it| !it.drifts.is_empty());
    found.retain(|doubt| ends_with_the_boot.contains(&doubt.1) || is_certain || checked.contains(doubt));
    let seen = found.iter().find(|doubt| doubt.0 == expected).or(found.first());
    Some(row(case, "(doubt)", &expected, seen.map_or("none", |doubt| &doubt.0)))
}

/// The name of a reason, as in JSON.
fn name(reason: Reason) -> String {
    let name = serde_json::to_value(reason).expect("a reason has a name");
    name.as_str().expect("it is text").to_owned()
}

/// `in_sync` is a promise that holds through a reboot: a check must find the same after it.
fn promise(case: &Case, report: &Report, answered: &Answered) -> Row {
    let in_words = |is_in_sync: bool| if is_in_sync { "in sync" } else { "not in sync" };
    let checked = match &answered.check {
        Some(Ok(check)) => in_words(check.in_sync),
        Some(Err(_)) | None => "no answer",
    };
    let mut row = row(case, "(check after the reboot)", in_words(report.in_sync), checked);
    if let (Some(wrong), Some(Err(why))) = (&mut row.wrong, &answered.check) {
        wrong.clone_from(why);
    }
    row
}

fn row(case: &Case, subject: &str, expected: &str, seen: &str) -> Row {
    Row {
        case: case.name.clone(),
        subject: subject.to_owned(),
        predicted: expected.to_owned(),
        seen: seen.to_owned(),
        wrong: (expected != seen).then(|| format!("the case expects {expected}")),
    }
}

/// The row of a case about which the guest said nothing.
pub(crate) fn without_answer(case: &Case, why: &str) -> Row {
    let empty = || "-".to_owned();
    let wrong = Some(format!("no answer: {why}"));
    Row { case: case.name.clone(), subject: empty(), predicted: empty(), seen: empty(), wrong }
}
