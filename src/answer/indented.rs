//! Writes indented JSON, byte for byte as serde_json does, with one write where a line begins.
//!
//! serde_json writes each step of an indentation by itself, which takes most of its time for a report of many short lines.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// The end of a line and the beginning of the next one, as deep as our values go.
const BREAK: &[u8] = b",\n                                ";

/// The indentation of two blanks a level.
#[derive(Default)]
pub(super) struct Indented {
    depth: usize,
    has_value: bool,
}

impl Indented {
    fn begin<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn end<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.next_line(writer, true)?;
        }
        self.has_value = true;
        writer.write_all(bracket)
    }

    /// Begins the next line; the one before it ends in a comma, unless the next is the first or last within brackets.
    fn next_line<W: Write + ?Sized>(&self, writer: &mut W, is_outermost: bool) -> io::Result<()> {
        let length = 2 + 2 * self.depth;
        writer.write_all(&BREAK[usize::from(is_outermost)..length.min(BREAK.len())])?;
        (BREAK.len()..length).try_for_each(|_| writer.write_all(b" "))
    }
}

impl Formatter for Indented {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next_line(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next_line(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::json;

    #[test]
    fn it_is_the_json_of_serde_json() {
        let mut deep = json!({"a": []});
        for _ in 0..40 {
            deep = json!({"b": [1, deep, {}], "c": null});
        }
        let values: [Value; 6] =
            [json!(null), json!([]), json!({}), json!([[], {}]), json!({"a": {}, "b": "x\n"}), deep];
        for value in values {
            assert_eq!(json(&value), serde_json::to_string_pretty(&value).expect("it is JSON"));
        }
    }
}
