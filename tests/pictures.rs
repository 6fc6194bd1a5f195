//! Draws the pictures of the documents: screens of the program, its page for a fleet, and a chart. Each is made from what the
//! program prints now, so that a stale one fails here. `BLESS=1 cargo test --test tests pictures::` draws them again.

mod chart;
mod page;
mod screen;

use std::fs;
use std::path::Path;
use std::time::Duration;

use conntrack_sysctl::table::analysis::look::Look;
use conntrack_sysctl::table::analysis::profile::Item;
use conntrack_sysctl::table::view::live::{Live, Paint};
use conntrack_sysctl::text::{to_f64, to_u64};

use crate::support::documents::project;
use crate::support::golden;
use crate::terminal::on_a_terminal;
use crate::view::drawn;

fn draw(name: &str, picture: &str) {
    // It must be well-formed, or a browser shows a message in its place.
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{name}");
    assert!(picture.len() < 64 << 10, "{name} has {} bytes", picture.len());
    golden(&project().join("docs/images").join(name), picture);
}

/// The commands of the recording, with the seconds that a reader needs before the next one.
const STORY: [(&str, u32); 5] = [
    ("cat image/etc/sysctl.d/90-conntrack.conf", 3),
    ("conntrack-sysctl explain nf_conntrack_max --root image", 6),
    ("cat request.json", 3),
    ("conntrack-sysctl apply request.json --root image", 6),
    ("conntrack-sysctl check request.json --root image --quiet; echo \"exit code $?\"", 3),
];

#[test]
fn the_story_as_a_recording() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let image = directory.path().join("image");
    crate::support::copy_tree(&project().join("tests/cases/requests/story-of-2012-in-a-drop-in/root"), &image);
    let request = r#"{"settings": {"ip_conntrack_max": 98000,
  "ip_conntrack_tcp_timeout_close_wait": "4m",
  "ip_conntrack_tcp_timeout_established": "8h"}}
"#;
    fs::write(directory.path().join("request.json"), request).expect("a file can be written");
    let program = Path::new(env!("CARGO_BIN_EXE_conntrack-sysctl")).parent().expect("it is in a directory");
    let mut rows = Vec::new();
    let mut seconds = 0;
    for (command, pause) in STORY {
        rows.push((screen::prompt(command), seconds));
        let there = format!("PATH={}:$PATH; cd {}; {command}", program.display(), directory.path().display());
        rows.extend(on_a_terminal(&there).lines().map(|line| (screen::painted(line), seconds + 1)));
        seconds += pause;
    }
    draw("story.svg", &screen::svg("The three lines of 2012, and the same fix today", &rows));
}

/// A look at a table that fills up.
fn look(second: u32) -> Look {
    let items = |items: &[(&str, f64)]| {
        items
            .iter()
            .map(|(name, percent)| Item { name: (*name).into(), entries: to_u64(percent * 81.92), percent: *percent })
            .collect()
    };
    let count = to_u64(21_000.0 + f64::from(second.min(150)) * 90.0 + f64::from(second.saturating_sub(150)) * 500.0);
    let count = count.min(65_536);
    let is_full = count == 65_536;
    Look {
        time: "2012-06-07T08:09:10Z".into(),
        loaded: true,
        count: Some(count),
        limit: Some(65_536),
        fill_percent: Some(to_f64(count) / 655.36),
        seconds: 1.0,
        growth: if is_full { 0 } else { 500 },
        new: None,
        drop: if is_full { 412 } else { 0 },
        early_drop: 0,
        insert_failed: 0,
        invalid: u64::from(second % 9 == 0),
        seconds_until_full: (!is_full).then(|| (65_536 - count) / 500),
        read: 8192,
        states: items(&[("tcp ESTABLISHED", 93.3), ("udp", 4.1), ("tcp TIME_WAIT", 2.2), ("icmp", 0.4)]),
        sources: items(&[("192.0.2.7", 81.4), ("192.0.2.9", 9.3), ("198.51.100.2", 5.2), ("198.51.100.40", 1.1)]),
        destinations: items(&[("203.0.113.80", 95.4), ("203.0.113.53", 4.1)]),
        ports: items(&[("tcp 80", 90.2), ("tcp 443", 5.3), ("udp 53", 4.1), ("tcp 22", 0.1)]),
        unread: 0,
    }
}

#[test]
fn the_view_of_watch() {
    let mut live = Live::new("web1".into(), Some("4026531840".into()), Duration::from_secs(1));
    for second in 0..200 {
        live.take(look(second));
    }
    let buffer = drawn(&live, (92, 24), Paint { colour: true, unicode: true });
    let rows: Vec<_> = screen::buffered(&buffer).into_iter().map(|row| (row, 0)).collect();
    draw("watch.svg", &screen::svg("The view of watch on a terminal", &rows));
}

#[test]
fn the_page_of_a_fleet() {
    draw("fleet.svg", &page::svg());
}

#[test]
fn the_entries_over_a_week() {
    draw("entries.svg", &chart::svg());
}
