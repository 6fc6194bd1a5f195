//! Draws a screen of a terminal.

use conntrack_sysctl::text::escaped;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

/// A piece of a row in one style.
pub(super) struct Piece {
    text: String,
    colour: &'static str,
    is_bold: bool,
}

const PLAIN: &str = "#d4d4d4";

/// The size of a cell, and the margin around all of them.
const CELL: (f64, f64) = (8.4, 19.0);
const MARGIN: f64 = 14.0;

/// The blocks that fill a cell from below, by eighths.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn prompt(command: &str) -> Vec<Piece> {
    let piece = |text: &str, colour, is_bold| Piece { text: text.to_owned(), colour, is_bold };
    vec![piece("$ ", "#6a9955", true), piece(command, "#ffffff", true)]
}

/// A line that a program has printed, with the colours of its escape sequences.
pub(super) fn painted(line: &str) -> Vec<Piece> {
    let (mut colour, mut is_bold) = (PLAIN, false);
    let mut pieces = Vec::new();
    for (number, part) in line.trim_end_matches('\r').split("\u{1b}[").enumerate() {
        let text = if number == 0 {
            part
        } else {
            let (codes, text) = part.split_once('m').expect("a program only prints colours");
            for code in codes.split(';') {
                match code {
                    "" | "0" => (colour, is_bold) = (PLAIN, false),
                    "1" => is_bold = true,
                    "31" => colour = red(),
                    "32" => colour = "#6fcf6f",
                    "33" => colour = "#e5c07b",
                    "36" => colour = cyan(),
                    code => panic!("no colour for {code} in {line:?}"),
                }
            }
            text
        };
        pieces.push(Piece { text: text.to_owned(), colour, is_bold });
    }
    pieces
}

/// The rows of a view that was drawn in memory.
pub(super) fn buffered(buffer: &Buffer) -> Vec<Vec<Piece>> {
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let mut pieces: Vec<Piece> = Vec::new();
        for cell in cells {
            let colour = match cell.fg {
                Color::Red => red(),
                Color::Cyan => cyan(),
                _ if cell.modifier.contains(Modifier::DIM) => "#8a8a8a",
                Color::Reset => PLAIN,
                colour => panic!("no colour for {colour}"),
            };
            let is_bold = cell.modifier.contains(Modifier::BOLD);
            match pieces.last_mut() {
                Some(last) if (last.colour, last.is_bold) == (colour, is_bold) => last.text += cell.symbol(),
                _ => pieces.push(Piece { text: cell.symbol().to_owned(), colour, is_bold }),
            }
        }
        pieces
    };
    rows.map(row).collect()
}

fn red() -> &'static str {
    "#ff7b72"
}

fn cyan() -> &'static str {
    "#56b6c2"
}

/// The picture. Each row appears after its seconds; a picture in which nothing moves has them all at once.
pub(super) fn svg(title: &str, rows: &[(Vec<Piece>, u32)]) -> String {
    let columns = rows.iter().map(|(row, _)| row.iter().map(|piece| piece.text.chars().count()).sum()).max();
    let size = (columns_wide(columns.unwrap_or(0)) + 2.0 * MARGIN, rows_high(rows.len()) + 2.0 * MARGIN);
    let title = escaped(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\">\n<title>{title}</title>\n\
         <style>text {{ font: 14px ui-monospace, \"DejaVu Sans Mono\", Menlo, Consolas, monospace; white-space: pre }}\n\
         .bold {{ font-weight: bold }}\n\
         @media screen and (prefers-reduced-motion: no-preference) {{ .later {{ animation: later 1ms both }} }}\n\
         @keyframes later {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e1e1e\"/>\n",
        size.0, size.1,
    );
    for (number, (row, seconds)) in rows.iter().enumerate() {
        let drawn = drawn_row(row, MARGIN + rows_high(number));
        match seconds {
            0 => svg += &drawn,
            seconds => svg += &format!("<g class=\"later\" style=\"animation-delay: {seconds}s\">\n{drawn}</g>\n"),
        }
    }
    svg + "</svg>\n"
}

fn drawn_row(row: &[Piece], top: f64) -> String {
    let mut drawn = String::new();
    let mut column = 0;
    for Piece { text, colour, is_bold } in row {
        let cells: Vec<char> = text.chars().collect();
        for word in cells.chunk_by(|a, b| is_block(*a) == is_block(*b)) {
            let x = MARGIN + columns_wide(column);
            let width = columns_wide(word.len());
            column += word.len();
            if word.iter().all(|cell| *cell == ' ') {
                continue;
            }
            if is_block(word[0]) {
                drawn +=
                    &format!("<path fill=\"{colour}\" shape-rendering=\"crispEdges\" d=\"{}\"/>\n", bars(word, x, top));
                continue;
            }
            let class = if *is_bold { " class=\"bold\"" } else { "" };
            let word: String = word.iter().collect();
            drawn += &format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{colour}\"{class}>{}</text>\n",
                top + 14.0,
                escaped(&word),
            );
        }
    }
    drawn
}

fn is_block(cell: char) -> bool {
    BLOCKS.contains(&cell)
}

/// Blocks side by side, as one shape: characters would leave gaps between the rows.
fn bars(word: &[char], x: f64, top: f64) -> String {
    let mut shape = String::new();
    let mut left = x;
    for same in word.chunk_by(|a, b| a == b) {
        let eighths = (1_u32..).zip(BLOCKS).find(|(_, block)| *block == same[0]).map_or(8, |(eighths, _)| eighths);
        let height = CELL.1 * f64::from(eighths) / 8.0;
        let width = columns_wide(same.len());
        shape += &format!("M{left:.1} {:.1}h{width:.1}v{height:.1}h-{width:.1}z", top + CELL.1 - height);
        left += width;
    }
    shape
}

fn columns_wide(columns: usize) -> f64 {
    CELL.0 * conntrack_sysctl::text::to_f64(columns as u64)
}

fn rows_high(rows: usize) -> f64 {
    CELL.1 * conntrack_sysctl::text::to_f64(rows as u64)
}
