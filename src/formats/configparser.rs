//! The files of Python's `configparser`, with the options that tuned gives it: `=` alone separates, `#` begins a comment
//! behind a blank, `#` and `;` begin one at the start of a line, and a name may stand twice.

/// A section, in the order of the file. Sections of one name are one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The name between the brackets.
    pub name: String,
    /// The options, in the order in which their names first stand there.
    pub options: Vec<Setting>,
}

/// An option. Of several with one name the last counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The line that assigned it last, counted from 1.
    pub line: usize,
    /// The name.
    pub name: String,
    /// The value; continued lines are joined with line feeds.
    pub value: String,
}

/// A line that `configparser` refuses, and with it the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line, counted from 1.
    pub line: usize,
}

impl Section {
    /// The value of the option `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|option| option.name == name).map(|option| option.value.as_str())
    }
}

/// The sections of a file. A line before the first section belongs to the section `first`, if there is one.
///
/// # Errors
///
/// [`Refused`]: a line is neither a section nor an option, or stands before the first section.
pub fn parse(bytes: &[u8], first: Option<&str>) -> Result<Vec<Section>, Refused> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::default();
    if let Some(name) = first {
        reader.begin(name);
    }
    for (index, line) in text.split('\n').enumerate() {
        reader.read(line).ok_or(Refused { line: index + 1 }).map(|()| reader.place(index + 1))?;
    }
    for option in reader.sections.iter_mut().flat_map(|section| &mut section.options) {
        option.value.truncate(option.value.trim_end().len());
    }
    Ok(reader.sections)
}

#[derive(Default)]
struct Reader {
    sections: Vec<Section>,
    /// The section at work, and the option in it that a deeper line continues.
    section: Option<usize>,
    option: Option<usize>,
    indent: usize,
    /// The option that the last line assigned.
    assigned: Option<(usize, usize)>,
}

impl Reader {
    fn begin(&mut self, name: &str) {
        let known = self.sections.iter().position(|section| section.name == name);
        self.section = Some(known.unwrap_or_else(|| {
            self.sections.push(Section { name: name.to_owned(), options: Vec::new() });
            self.sections.len() - 1
        }));
        self.option = None;
    }

    /// The option that a deeper line continues.
    fn continued(&mut self) -> Option<&mut String> {
        Some(&mut self.sections[self.section?].options[self.option?].value)
    }

    /// Reads a line. None: it is refused.
    fn read(&mut self, line: &str) -> Option<()> {
        self.assigned = None;
        let comment = comment(line);
        let value = line[..comment.unwrap_or(line.len())].trim();
        if value.is_empty() {
            if let Some(text) = self.continued().filter(|_| comment.is_none()) {
                text.push('\n');
            }
            return Some(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if indent > self.indent {
            if let Some(text) = self.continued() {
                text.push('\n');
                text.push_str(value);
                return Some(());
            }
        }
        self.indent = indent;
        // The name of a section ends at the last bracket; nothing behind that counts.
        if let Some((name, _)) =
            value.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).filter(|it| !it.0.is_empty())
        {
            self.begin(name);
            return Some(());
        }
        let section = self.section?;
        let (name, value) = value.split_once('=').map(|(name, value)| (name.trim(), value.trim()))?;
        if name.is_empty() {
            return None;
        }
        let options = &mut self.sections[section].options;
        let known = options.iter().position(|option| option.name == name);
        let option = known.unwrap_or_else(|| {
            options.push(Setting { line: 0, name: name.to_owned(), value: String::new() });
            options.len() - 1
        });
        value.clone_into(&mut options[option].value);
        self.option = Some(option);
        self.assigned = Some((section, option));
        Some(())
    }

    /// Says on which line the last option was assigned.
    fn place(&mut self, line: usize) {
        if let Some((section, option)) = self.assigned {
            self.sections[section].options[option].line = line;
        }
    }
}

/// The place in a line at which a comment begins.
fn comment(line: &str) -> Option<usize> {
    if line.trim_start().starts_with(['#', ';']) {
        return Some(0);
    }
    let behind_a_blank = |(at, _): &(usize, &str)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(behind_a_blank).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, usize, String, String)>, Refused> {
        let sections = parse(text.as_bytes(), None)?;
        let flat = |section: Section| {
            let name = section.name;
            section.options.into_iter().map(move |option| (name.clone(), option.line, option.name, option.value))
        };
        Ok(sections.into_iter().flat_map(flat).collect())
    }

    #[test]
    fn sections_comments_and_continuations() {
        let text = "; note\n[main]\na = 1 # note\nb=x#y\n  z\n\n[sysctl] x\n k=2\nk = 3\n[main]\na=4\n";
        let row = |section: &str, line, name: &str, value: &str| (section.into(), line, name.into(), value.into());
        let expected: [(String, usize, String, String); 3] =
            [row("main", 11, "a", "4"), row("main", 4, "b", "x#y\nz"), row("sysctl", 9, "k", "3")];
        assert_eq!(read(text), Ok(expected.into()));
    }

    #[test]
    fn what_is_neither_a_section_nor_an_option_is_refused() {
        for (text, line) in [("a=1\n", 1), ("[x]\nword\n", 2), ("[x]\n=1\n", 2), ("[x]\n[]\n", 2)] {
            assert_eq!(read(text), Err(Refused { line }), "{text}");
        }
    }
}
