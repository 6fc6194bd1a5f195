//! Draws the rooms and the way of one request, from the table of rooms: docs/images/rooms.svg and request.svg.

use std::collections::BTreeSet;

use super::{ROOMS, Room};
use crate::support::documents::project;
use crate::support::golden;

/// The size of a box, and the distance from one to the next.
const BOX: (usize, usize) = (140, 34);
const STEP: (usize, usize) = (156, 72);
const MARGIN: usize = 16;

#[test]
fn the_architecture_draws_the_rooms() {
    golden(&project().join("docs/images/rooms.svg"), &rooms());
}

#[test]
fn the_architecture_draws_the_way_of_a_request() {
    golden(&project().join("docs/images/request.svg"), &request());
}

fn of(name: &str) -> &'static Room {
    ROOMS.iter().find(|room| room.name == name).expect("the table has the rooms that it names")
}

/// The number of floors below a room.
fn floor(room: &Room) -> usize {
    room.imports.iter().map(|to| 1 + floor(of(to))).max().unwrap_or(0)
}

/// Whether `from` reaches `to` by more than one import, so that an arrow of its own tells nothing more.
fn is_told(from: &Room, to: &str) -> bool {
    from.imports.iter().any(|between| *between != to && reaches(of(between), to))
}

fn reaches(from: &Room, to: &str) -> bool {
    from.imports.iter().any(|next| *next == to || reaches(of(next), to))
}

/// The rooms on their floors; an arrow for each import that no other way tells.
fn rooms() -> String {
    let drawn: Vec<&Room> = ROOMS.iter().filter(|room| room.name != "lib").collect();
    let top = drawn.iter().map(|room| floor(room)).max().unwrap_or(0);
    let on = |level: usize| drawn.iter().filter(move |room| floor(room) == level).collect::<Vec<_>>();
    let widest = (0..=top).map(|level| on(level).len()).max().unwrap_or(0);
    let size = (2 * MARGIN + widest * STEP.0, 2 * MARGIN + (top + 1) * STEP.1);
    let place = |room: &Room| {
        let neighbours = on(floor(room));
        let index = neighbours.iter().position(|other| other.name == room.name).unwrap_or(0);
        let left = (size.0 - neighbours.len() * STEP.0) / 2;
        (left + index * STEP.0, MARGIN + (top - floor(room)) * STEP.1)
    };
    let mut svg = head(size, "The rooms, each above all that it imports");
    for room in &drawn {
        let (x, y) = place(room);
        let told: BTreeSet<&str> = room.imports.iter().filter(|to| is_told(room, to)).copied().collect();
        for to in room.imports.iter().filter(|to| !told.contains(*to)) {
            let (to_x, to_y) = place(of(to));
            svg += &arrow((x + BOX.0 / 2, y + BOX.1), (to_x + BOX.0 / 2, to_y));
        }
    }
    for room in &drawn {
        svg += &filled(place(room), room.name, !room.names.is_empty());
    }
    svg + "</svg>\n"
}

/// The stages of a run: the room that does it, and its result.
const STAGES: [(&str, &str); 8] = [
    ("request", "Desired"),
    ("host", "Snapshot"),
    ("boot", "Outlook"),
    ("plan", "Plan"),
    ("apply", "changes"),
    ("host", "Snapshot"),
    ("verify", "Judgement"),
    ("report", "Report"),
];

fn request() -> String {
    let size = (2 * MARGIN + STAGES.len() * STEP.0, 2 * MARGIN + BOX.1 + 28);
    let mut svg = head(size, "The way of one request: each room, and below it the value that it hands on");
    for (index, (room, value)) in STAGES.iter().enumerate() {
        let at = (MARGIN + index * STEP.0, MARGIN);
        if index + 1 < STAGES.len() {
            svg += &arrow((at.0 + BOX.0, at.1 + BOX.1 / 2), (at.0 + STEP.0, at.1 + BOX.1 / 2));
        }
        svg += &filled(at, room, !of(room).names.is_empty());
        svg += &text((at.0 + BOX.0 / 2, at.1 + BOX.1 + 20), value, "note");
    }
    svg + "</svg>\n"
}

fn head((width, height): (usize, usize), title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n\
         <style>svg {{ background: #fff }} text {{ font: 13px sans-serif; text-anchor: middle; fill: #1f2328 }}\n\
         .note {{ fill: #57606a }} rect {{ fill: #ddf4ff; stroke: #0969da }} .touches {{ fill: #fff1e5; stroke: #bc4c00 }}\n\
         line {{ stroke: #8c959f; marker-end: url(#head) }}</style>\n\
         <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#8c959f\"/></marker>\n"
    )
}

fn arrow(from: (usize, usize), to: (usize, usize)) -> String {
    format!("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", from.0, from.1, to.0, to.1)
}

/// The box of a room; one that touches the machine has a colour of its own.
fn filled(at: (usize, usize), name: &str, touches: bool) -> String {
    let class = if touches { " class=\"touches\"" } else { "" };
    let (x, y) = at;
    let label = text((x + BOX.0 / 2, y + 22), name, "room");
    format!("<rect{class} x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"5\"/>\n{label}", BOX.0, BOX.1)
}

fn text((x, y): (usize, usize), words: &str, class: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>\n")
}
