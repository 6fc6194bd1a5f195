//! Reads text line by line in bounded memory, whatever the file is.

use std::io::{self, BufRead};

/// The longest line that is read whole: 20 times the longest line of conntrack(8), and any message of the kernel.
const LONGEST: usize = 64 << 10;

/// The lines of a text. The rest of a line beyond `LONGEST` is skipped.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    line: Vec<u8>,
}

/// The lines of any file.
pub type Text<'a> = Lines<&'a mut dyn BufRead>;

impl<R: BufRead> Lines<R> {
    /// The lines of `source`.
    pub fn new(source: R) -> Lines<R> {
        Lines { source, line: Vec::new() }
    }

    /// The next line, without its end.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.until(b'\n')?.map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// The bytes before the next `end`, which is left out.
    pub fn until(&mut self, end: u8) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut any = false;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(any.then_some(&self.line[..]));
            }
            any = true;
            let found = available.iter().position(|byte| *byte == end);
            let part = &available[..found.unwrap_or(available.len())];
            let room = LONGEST - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(found.is_some());
            self.source.consume(used);
            if found.is_some() {
                return Ok(Some(&self.line[..]));
            }
        }
    }
}
