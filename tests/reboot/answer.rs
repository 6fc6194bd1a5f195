//! Reads what a guest sent: its results are files, which its scripts in `guest` wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::case::Case;
use super::judge::Values;
use conntrack_sysctl::report::Report;
use conntrack_sysctl::verify::Verdict;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The findings of a guest after its reboot.
pub(crate) struct Answer {
    /// When connection tracking came: `early` or `late`.
    pub(crate) module: String,
    /// The text in each key of the kernel.
    pub(crate) seen: Values,
    /// The prediction of `show` before the boot; else the reason why there is none.
    pub(crate) show: Result<Shown, String>,
    /// The outcome of each case, by its name.
    pub(crate) cases: BTreeMap<String, Answered>,
}

/// The part of `show`'s output that is about the boot. The rest is about the running kernel.
#[derive(Deserialize)]
pub(crate) struct Shown {
    pub(crate) settings: Vec<ShownSetting>,
}

/// Its answer about one setting.
#[derive(Deserialize)]
pub(crate) struct ShownSetting {
    pub(crate) name: String,
    /// None: no file decides.
    pub(crate) boot: Option<i64>,
    /// `unknown` where the boot is in doubt.
    pub(crate) verdict: Verdict,
}

/// The outcome of a case.
#[derive(Default)]
pub(crate) struct Answered {
    /// The report of its request before the boot; else why there is none. None: it has no request.
    pub(crate) report: Option<Result<Report, String>>,
    /// The report of a check of the same request after the boot.
    pub(crate) check: Option<Result<Report, String>>,
    /// The output of its script `probe`.
    pub(crate) probe: BTreeMap<String, String>,
}

impl Answer {
    /// Reads the results of `cases` in `directory`.
    pub(crate) fn read(directory: &Path, cases: &[Case]) -> Result<Answer, String> {
        let answered = |case: &Case| {
            let directory = directory.join("cases").join(directory_of(case));
            let answered = Answered {
                report: printed(&directory.join("report"), &[0, 1]),
                check: printed(&directory.join("check"), &[0, 1, 2]),
                probe: pairs(&fs::read_to_string(directory.join("probe")).unwrap_or_default()),
            };
            (case.name.clone(), answered)
        };
        Ok(Answer {
            module: text(&directory.join("module"))?.trim_end().to_owned(),
            seen: values(&directory.join("seen"))?,
            show: printed(&directory.join("show"), &[0]).unwrap_or_else(|| Err("`show` was not run".to_owned())),
            cases: cases.iter().map(answered).collect(),
        })
    }
}

/// The name of a case's directory in a job and in its results.
pub(crate) fn directory_of(case: &Case) -> String {
    case.name.replace('/', "+")
}

/// Reads the numbers of the kernel that a guest has listed in the file at `path`.
pub(crate) fn values(path: &Path) -> Result<Values, String> {
    let number = |(key, text): (String, String)| match text.parse() {
        Ok(number) => Ok((key, number)),
        Err(error) => Err(format!("{key} is `{text}`: {error}")),
    };
    let values: Values = pairs(&text(path)?).into_iter().map(number).collect::<Result<_, _>>()?;
    if values.is_empty() { Err("no value was read".to_owned()) } else { Ok(values) }
}

/// The words of lines `NAME VALUE`.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The output of a run of the program, which may end with one of `codes`. None: it was not started.
fn printed<T: DeserializeOwned>(path: &Path, codes: &[i32]) -> Option<Result<T, String>> {
    let beside = |suffix: &str| fs::read_to_string(path.with_extension(suffix)).unwrap_or_default();
    let printed = fs::read_to_string(path).ok()?;
    let (code, said) = (beside("exit"), beside("stderr"));
    let said = if said.is_empty() { "nothing on standard error" } else { said.trim_end() };
    let is_code = code.trim_end().parse().is_ok_and(|code| codes.contains(&code));
    let error = match serde_json::from_str(&printed) {
        Ok(parsed) if is_code => return Some(Ok(parsed)),
        Ok(_) => "not one of the codes that it may end with".to_owned(),
        Err(error) => error.to_string(),
    };
    // 124 is of timeout(1).
    Some(Err(format!("{error} (exit code {}, 124 after a minute; {said})", code.trim_end())))
}
