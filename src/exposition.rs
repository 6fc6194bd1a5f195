//! Writes metrics in Prometheus' text format, for the textfile collector of `node_exporter`.

use crate::text::is_unseen;

/// A text in the exposition format.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Adds the metric `name` with its rows, each with its labels and its value. Without rows nothing is said of it.
    pub fn family(&mut self, name: &str, kind: &str, help: &str, rows: impl Iterator<Item = (String, String)>) {
        let mut rows = rows.peekable();
        if rows.peek().is_some() {
            self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        for (labels, value) in rows {
            self.0 += &format!("{name}{labels} {value}\n");
        }
    }

    /// The text, without a line end at its end.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.truncate(self.0.trim_end().len());
        self.0
    }
}

/// The labels of a row: names and their values.
#[must_use]
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

/// A label's value in the form of the format. What a reader would not see as it is is escaped as in every text.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        match c {
            '\\' => text += "\\\\",
            '"' => text += "\\\"",
            '\n' => text += "\\n",
            c if is_unseen(c) => text += &c.escape_default().to_string().replace('\\', "\\\\"),
            c => text.push(c),
        }
    }
    text
}
