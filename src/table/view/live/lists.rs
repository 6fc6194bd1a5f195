//! Draws what the entries have in common: their states, sources, destinations and ports, with counts and shares.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{NARROW, Page, bold, cut};
use crate::order::sorted_by;
use crate::table::analysis::look::Look;
use crate::table::analysis::profile::Item;
use crate::text::{grouped, printable, to_f64, to_u64};

/// The lists, in the order of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Sources,
    Ports,
    States,
    Destinations,
}

/// The columns between two lists.
const GAP: u16 = 3;

/// The rows that a list has at most, without its head.
const MOST: u16 = 12;

impl List {
    pub(super) fn next(self) -> List {
        match self {
            List::Sources => List::Ports,
            List::Ports => List::States,
            List::States => List::Destinations,
            List::Destinations => List::Sources,
        }
    }

    fn head(self) -> &'static str {
        match self {
            List::States => "STATES",
            List::Sources => "SOURCES",
            List::Destinations => "DESTINATIONS",
            List::Ports => "PORTS",
        }
    }

    fn items(self, look: &Look) -> &[Item] {
        match self {
            List::States => &look.states,
            List::Sources => &look.sources,
            List::Destinations => &look.destinations,
            List::Ports => &look.ports,
        }
    }
}

/// The rows that the lists take of `rows`: as many as they have, and three of five at most, so that the graph has some.
pub(super) fn height(look: &Look, rows: u16) -> u16 {
    let lists = [List::States, List::Sources, List::Destinations, List::Ports];
    let longest = lists.iter().map(|list| list.items(look).len()).max().unwrap_or(0);
    let wanted = u16::try_from(longest).unwrap_or(MOST).min(MOST) + 1;
    let most = if rows < 4 { rows } else { (rows * 3 / 5).max(2) };
    wanted.min(most)
}

/// Draws as many lists side by side as there is room for, from `first` on.
pub(super) fn draw(look: &Look, first: List, is_by_name: bool, page: &mut Page, area: Rect) {
    let order = if is_by_name { ", by name" } else { "" };
    let mut list = first;
    let mut rest = area;
    while !rest.is_empty() {
        let head = format!("{}{order}", list.head());
        let rows = rows(list.items(look), look, is_by_name);
        let shown = rows.iter().take(usize::from(area.height)).map(|row| row.chars().count());
        let width = u16::try_from(shown.chain([head.len()]).max().unwrap_or(0)).unwrap_or(u16::MAX);
        // The first list is always there, and a list that would be cut off is not.
        if list != first && (width > rest.width || area.width < NARROW) {
            return;
        }
        // One row alone has no room for a head.
        let head = (area.height > 1).then(|| Line::styled(head, bold()));
        let lines = rows.iter().map(|row| Line::raw(cut(row, usize::from(rest.width))));
        for (y, line) in (area.y..area.bottom()).zip(head.into_iter().chain(lines)) {
            page.put(line, Rect { y, height: 1, ..rest });
        }
        let taken = (width + GAP).min(rest.width);
        rest = Rect { x: rest.x + taken, width: rest.width - taken, ..rest };
        list = list.next();
        if list == first {
            return;
        }
    }
}

fn rows(items: &[Item], look: &Look, is_by_name: bool) -> Vec<String> {
    let items: Vec<&Item> = items.iter().collect();
    let items = if is_by_name { sorted_by(items, |a, b| a.name.cmp(&b.name)) } else { items };
    let is_sample = look.count.is_some_and(|count| look.read < count);
    let count = |item: &Item| match look.count {
        Some(all) if is_sample => format!("~{}", grouped(to_u64(to_f64(all) * item.percent / 100.0))),
        _ => grouped(item.entries),
    };
    let counts: Vec<String> = items.iter().map(|item| count(item)).collect();
    let widest = counts.iter().map(String::len).max().unwrap_or(0);
    let row =
        |(item, count): (&&Item, &String)| format!("{:>5.1}% {count:>widest$} {}", item.percent, printable(&item.name));
    items.iter().zip(&counts).map(row).collect()
}
