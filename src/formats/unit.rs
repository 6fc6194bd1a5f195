//! The unit files of systemd.unit(5) and their drop-ins, as far as `Name=value` lines in sections go.

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// The section, such as `Service`; empty before the first one.
    pub section: String,
    /// The name, such as `ExecStart`.
    pub name: String,
    /// The value. An empty value resets a name that may be assigned several times.
    pub value: String,
}

/// The assignments of a file in order.
///
/// A backslash at the end joins two lines with a blank; comments (`#`, `;`) between joined lines are left out, as
/// systemd does (src/shared/conf-parser.c).
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Assignment> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut assignments = Vec::new();
    let mut section = String::new();
    let mut joined: Option<(usize, String)> = None;
    for (index, line) in text.split('\n').enumerate() {
        if line.trim_start_matches(is_blank).starts_with(['#', ';']) {
            continue;
        }
        let (first, mut whole) = joined.take().unwrap_or((index + 1, String::new()));
        if let Some(begin) = continued(line) {
            whole += begin;
            whole.push(' ');
            joined = Some((first, whole));
            continue;
        }
        whole += line;
        let line = whole.trim_matches(is_blank);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=') {
            assignments.push(Assignment {
                line: first,
                section: section.clone(),
                name: name.trim_matches(is_blank).to_owned(),
                value: value.trim_matches(is_blank).to_owned(),
            });
        }
    }
    assignments
}

/// The line without the backslash that joins the next one to it: the last of an odd number of them.
fn continued(line: &str) -> Option<&str> {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    (backslashes % 2 == 1).then(|| &line[..line.len() - 1])
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_continuations_and_comments() {
        let text = b"# unit\n[Unit]\nDescription=A \\\n; note\n  B\nCondition = x\n[Service]\nExecStart=\nExecStart=/bin/a\\\\\nnothing\n";
        let read: Vec<(usize, String, String, String)> =
            parse(text).into_iter().map(|a| (a.line, a.section, a.name, a.value)).collect();
        let row = |line, section: &str, name: &str, value: &str| (line, section.into(), name.into(), value.into());
        let expected: [(usize, String, String, String); 4] = [
            row(3, "Unit", "Description", "A    B"),
            row(6, "Unit", "Condition", "x"),
            row(8, "Service", "ExecStart", ""),
            row(9, "Service", "ExecStart", "/bin/a\\\\"),
        ];
        assert_eq!(read, expected);
    }
}
