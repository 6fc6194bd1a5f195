//! Draws the view of `watch` in memory, on terminals of all kinds. tests/table_live.rs runs it on real ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::golden;
use conntrack_sysctl::table::analysis::look::Look;
use conntrack_sysctl::table::view::live::{Effect, Live, Paint};
use conntrack_sysctl::text as time;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table")
}

/// The look number `step` at a table that fills up and then stays nearly full.
fn look(step: u16, fill: f64) -> Look {
    let item = |name: &str, percent: f64| conntrack_sysctl::table::analysis::profile::Item {
        name: name.into(),
        entries: time::to_u64(81.92 * percent),
        percent,
    };
    Look {
        time: "2012-06-07T08:09:10Z".into(),
        loaded: true,
        count: Some(time::to_u64((655.36 * fill).round())),
        limit: Some(65_536),
        fill_percent: Some(fill),
        seconds: 1.0,
        growth: 208,
        new: None,
        drop: if fill > 90.0 { 14 } else { 0 },
        early_drop: 0,
        insert_failed: u64::from(step == 3),
        invalid: 1,
        seconds_until_full: Some(21),
        read: 8192,
        states: vec![item("tcp ESTABLISHED", 71.2), item("udp", 18.0), item("tcp TIME_WAIT", 9.9)],
        sources: vec![
            item("10.0.0.2", 39.4),
            item("10.0.0.9\u{1b}[2J", 24.3),
            item("2001:db8:1111:2222:3333:4444:5555:6666", 15.5),
        ],
        destinations: vec![item("192.0.2.80", 99.8)],
        ports: vec![item("tcp 443", 62.7), item("udp 53", 20.1), item("tcp 8443", 4.4)],
        unread: 0,
    }
}

/// A view after four minutes of looks, with these keys pressed behind them.
fn live(fills: impl Iterator<Item = f64>, keys: &str) -> Live {
    let mut live = Live::new("web1".into(), Some("4026531840".into()), Duration::from_secs(1));
    for (step, fill) in (0..).zip(fills) {
        live.take(look(step, fill));
    }
    for key in keys.chars() {
        live.press(key);
    }
    live
}

/// The fills of the four minutes: a rise, and then a table that is nearly full.
fn fills() -> impl Iterator<Item = f64> {
    (0..250).map(
        |second: u32| if second < 120 { 40.0 + f64::from(second) * 0.44 } else { 92.8 + f64::from(second % 20) * 0.03 },
    )
}

pub(crate) fn drawn(live: &Live, (width, height): (u16, u16), paint: Paint) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory is a terminal");
    terminal.draw(|frame| live.draw(frame, paint)).expect("memory can be drawn on").buffer.clone()
}

/// The characters on the screen, without the blanks at the ends of lines.
fn characters(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width.max(1));
    rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned() + "\n").collect()
}

const UNICODE: Paint = Paint { colour: true, unicode: true };
const ASCII: Paint = Paint { colour: false, unicode: false };

#[test]
fn the_view_on_terminals_of_all_kinds() {
    let sizes = [(80, 24), (120, 40), (30, 8), (40, 12), (20, 5)];
    for (size, paint) in sizes.into_iter().flat_map(|size| [(size, UNICODE), (size, ASCII)]) {
        let characters = characters(&drawn(&live(fills(), ""), size, paint));
        assert!(paint.unicode || characters.is_ascii(), "{characters}");
        let kind = if paint.unicode { "unicode" } else { "ascii" };
        golden(&directory().join(format!("watch/{}x{}-{kind}.txt", size.0, size.1)), &characters);
    }
    for (name, keys) in [("help", "?"), ("by-name", "o"), ("next-list", "ss")] {
        let characters = characters(&drawn(&live(fills(), keys), (80, 24), ASCII));
        golden(&directory().join(format!("watch/{name}.txt")), &characters);
    }
}

#[test]
fn the_view_has_the_sixteen_colours_of_every_terminal_or_none() {
    let colours = |paint| {
        let buffer = drawn(&live(fills(), ""), (80, 24), paint);
        buffer.content.iter().map(|cell| format!("{:?} {:?}", cell.fg, cell.bg)).collect::<BTreeSet<String>>()
    };
    assert_eq!(colours(UNICODE), ["Cyan Reset", "Red Reset", "Reset Reset"].map(str::to_owned).into());
    assert_eq!(colours(ASCII), ["Reset Reset".to_owned()].into());
}

#[test]
fn the_keys_of_the_view() {
    let shown = |live: &Live| characters(&drawn(live, (80, 24), ASCII));
    let mut live = live([10.0, 50.0].into_iter(), "p");
    let before = shown(&live);
    assert!(before.starts_with("PAUSED web1  conntrack 32,768 of 65,536  50.0%  every 1s  for 2s\n"));
    live.take(look(2, 95.0));
    assert_eq!(shown(&live), before);
    // The losses of the pause are counted.
    live.press('p');
    assert!(shown(&live).contains("95.0%  every 1s  for 3s") && shown(&live).contains("drop 14 "), "{}", shown(&live));
    assert_eq!(live.press('+'), Effect::Interval(Duration::from_secs(2)));
    assert_eq!(live.press('-'), Effect::Interval(Duration::from_secs(1)));
    assert_eq!((live.press('x'), live.press('q')), (Effect::Shown, Effect::Quit));
    for _ in 0..20 {
        live.press('-');
    }
    assert!(shown(&live).contains("every 0.2s"));
}

#[test]
fn before_the_first_look_the_view_says_when_it_comes() {
    let mut live = Live::new("web1".into(), None, Duration::from_secs(60));
    let shown = |live: &Live| characters(&drawn(live, (80, 24), ASCII));
    assert!(
        shown(&live).starts_with("web1  conntrack  every 60s  for 0s\nthe first look is in 60s\n"),
        "{}",
        shown(&live)
    );
    live.press('?');
    assert!(shown(&live).contains("  q  quit"), "{}", shown(&live));
}

#[test]
fn a_long_name_leaves_room_for_the_figures_and_a_small_terminal_for_the_help() {
    let name = "ip-10-0-12-34.eu-central-1.compute.internal.example.net";
    let mut long = Live::new(name.into(), Some("4026531840".into()), Duration::from_secs(1));
    long.take(look(0, 50.0));
    let shown = characters(&drawn(&long, (80, 24), ASCII));
    assert!(
        shown.starts_with("ip-10-0-12-34.eu-centra~  conntrack 32,768 of 65,536  50.0%  every 1s  for 1s\n"),
        "{shown}"
    );
    let help = characters(&drawn(&live(fills(), "?"), (30, 8), ASCII));
    for key in ["p  pause, and go on", "o  order by count or name", "q  quit"] {
        assert!(help.lines().any(|line| line.trim() == key), "{help}");
    }
}

proptest! {
    /// A view is drawn on a terminal of any size, whatever the fills and keys are.
    #[test]
    fn the_view_fits(
        width in 0_u16..200,
        height in 0_u16..60,
        fills in proptest::collection::vec(0.0..120.0, 0..300),
        keys in "[psoh?+=-]{0,6}",
        unicode: bool,
    ) {
        let text = characters(&drawn(&live(fills.into_iter(), &keys), (width, height), Paint { colour: unicode, unicode }));
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    }
}
