//! Reads text line by line in bounded memory, whatever the file is.

use std::io::{self, Read};

use memchr::memchr;

/// The longest line that is read whole: 20 times the longest line of conntrack(8), and any message of the kernel.
const LONGEST: usize = 64 << 10;

/// The bytes that are read at once. They are more than the longest line, so that most lines are never copied.
const BUFFER: usize = 4 * LONGEST;

/// The lines of a text. The rest of a line beyond `LONGEST` is skipped.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// The unread bytes in the buffer.
    start: usize,
    end: usize,
}

/// The lines of any file.
pub type Text<'a> = Lines<&'a mut dyn Read>;

impl<R: Read> Lines<R> {
    /// The lines of `source`.
    pub fn new(source: R) -> Lines<R> {
        Lines { source, buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// The first bytes of the text, which stay to be read: as many as a form can be recognised by.
    pub fn beginning(&mut self) -> io::Result<&[u8]> {
        while self.end - self.start < LONGEST && self.fill()? > 0 {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// The next line, without its end.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.until(b'\n')?.map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// The bytes before the next `end`, which is left out.
    pub fn until(&mut self, end: u8) -> io::Result<Option<&[u8]>> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(found) = memchr(end, &unread[searched..]) {
                let line = self.start..self.start + searched + found;
                self.start = line.end + 1;
                return Ok(Some(&self.buffer[line.start..line.end.min(line.start + LONGEST)]));
            }
            searched = unread.len();
            if searched >= LONGEST {
                return self.cut(end).map(Some);
            }
            if self.fill()? == 0 {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok((!line.is_empty()).then(|| &self.buffer[line]));
            }
        }
    }

    /// The first bytes of a line that is too long. The rest up to `end` is read and forgotten.
    fn cut(&mut self, end: u8) -> io::Result<&[u8]> {
        self.buffer.copy_within(self.start..self.start + LONGEST, 0);
        (self.start, self.end) = (LONGEST, LONGEST);
        while self.fill()? > 0 {
            if let Some(found) = memchr(end, &self.buffer[self.start..self.end]) {
                self.start += found + 1;
                break;
            }
            self.end = self.start;
        }
        Ok(&self.buffer[..LONGEST])
    }

    /// Reads more bytes behind the unread ones; 0: there are no more.
    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
