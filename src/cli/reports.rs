//! Reads the reports of many hosts: files, directories of files, and standard input.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::order::sorted_by;
use crate::report::Report;

/// The most bytes that one report may have. A report of all settings takes some 100 KiB. The report comes from another host,
/// which may be hostile.
const MOST: u64 = 16 << 20;

/// A host, and its report or the reason why there is none.
type Named = (String, Result<Report, String>);

/// Each host with its report: of a file, of the files `*.json` in a directory, and for `-` one in each line of
/// standard input, named after the host in it.
pub(super) fn read(paths: &[PathBuf]) -> Vec<Named> {
    let mut reports = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            lines(&mut io::stdin().lock(), &mut reports);
        } else if path.is_dir() {
            in_directory(path, &mut reports);
        } else {
            reports.push((host_name(path), in_file(path)));
        }
    }
    reports
}

fn in_directory(directory: &Path, reports: &mut Vec<Named>) {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            reports.push((host_name(directory), Err(unreadable(directory, &error))));
            return;
        }
    };
    // A FIFO would keep the reader waiting for ever.
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json") && path.is_file());
    let paths = sorted_by(paths, Ord::cmp);
    if paths.is_empty() {
        let reason = format!("`{}` holds no file *.json", directory.display());
        reports.push((host_name(directory), Err(reason)));
    }
    reports.extend(paths.into_iter().map(|path| (host_name(&path), in_file(&path))));
}

fn in_file(path: &Path) -> Result<Report, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    parsed(&bytes, &format!("`{}`", path.display()))
}

fn lines(input: &mut dyn BufRead, reports: &mut Vec<Named>) {
    let mut input = BufReader::new(input);
    for number in 1_usize.. {
        let name = format!("line {number}");
        let mut line = Vec::new();
        match input.by_ref().take(MOST).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(_) => {
                let report = parsed(&line, &name);
                let host =
                    report.as_ref().ok().and_then(|report| report.origin.as_ref()).map(|origin| origin.host.clone());
                reports.push((host.unwrap_or(name), report));
            }
            Err(error) => {
                reports.push((name, Err(format!("standard input cannot be read: {error}"))));
                return;
            }
        }
    }
}

fn parsed(bytes: &[u8], name: &str) -> Result<Report, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(format!("{name} is empty: the host did not answer"));
    }
    serde_json::from_slice(bytes).map_err(|error| format!("{name} is not a report: {error}"))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("`{}` cannot be read: {error}", path.display())
}

/// The host whose report is in the file `path`.
fn host_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".json").unwrap_or(&name).to_owned()
}
