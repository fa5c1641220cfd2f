//! Draws the live view of `up`: plain data in, lines of text out. It uses no node, clock or terminal, so that tests can
//! compare all of it.

use super::super::network_view::{NodeRow, ViewState, problem_lines};
use super::super::terminal::{Canvas, Scroll};
use super::view::{EventView, Hint, LinkView, NodeView, View, ViewPart, ViewPosition};
use crate::console::{
    Cell, Table, apply_colours, count, format_duration, group_digits, sanitize, shorten_name,
    truncate, wrap,
};

/// The most events that are drawn beside the tables.
const EVENTS_SHOWN: usize = 8;
/// The most lines of problems.
const PROBLEM_LINES_MAX: usize = 10;
/// Columns of a name. Longer ones are shortened in the middle.
const NAME_WIDTH_MAX: usize = 20;

/// The whole frame: at most `rows` lines of at most `columns` characters, colour codes not counted.
pub(super) fn render(view: &View, canvas: Canvas, position: &mut ViewPosition) -> Vec<String> {
    let mut lines = head(view, canvas);
    let is_overview = *position == ViewPosition::default();
    let mut bottom = vec![String::new(), totals(view)];
    // The 4 are two headings, a blank line and the keys.
    let needed = lines.len() + view.nodes.len() + view.links.len() + bottom.len() + 4;
    let hints = hints(view, canvas);
    if is_overview && needed + hints.len() < canvas.rows {
        bottom.push(String::new());
        bottom.extend(hints);
    }
    bottom.push(keys_line(canvas, view));
    let room = canvas.rows.saturating_sub(lines.len() + bottom.len());
    lines.extend(match position.part {
        ViewPart::All if is_overview => overview(view, room, canvas),
        ViewPart::All => position.scroll.window(everything(view, canvas), room),
        ViewPart::Nodes => scrolled(nodes_table(view, canvas), room, &mut position.scroll),
        ViewPart::Links => scrolled(links_table(view, canvas), room, &mut position.scroll),
        ViewPart::Events => {
            let events = event_lines(view, view.events.len());
            // The newest first, because the window begins at the top.
            position.scroll.window(events.into_iter().rev().collect(), room)
        }
    });
    lines.extend(bottom);
    lines.truncate(canvas.rows);
    lines.iter().map(|line| apply_colours(&truncate(line, canvas.columns), canvas.colour)).collect()
}

/// What a user must know first.
fn head(view: &View, canvas: Canvas) -> Vec<String> {
    let mut lines = vec![title(view)];
    lines.extend(view.page.iter().map(|page| format!("page: {page}")));
    let rows: Vec<NodeRow> = view.nodes.iter().map(|node| node.row.clone()).collect();
    let mut problems = problem_lines(&rows);
    if let Some(error) = &view.refused_configuration {
        problems.push(format!("configuration refused, the old one stays: {}", sanitize(error)));
    }
    let wrapped = problems.iter().flat_map(|line| wrap(line, canvas.columns, "    "));
    // The tables need room, too.
    lines.extend(wrapped.take(PROBLEM_LINES_MAX.min(canvas.rows / 4).max(1)));
    lines.push(String::new());
    lines
}

/// The tables and the last events, as much as fits: events go first, then lines of the longer table.
fn overview(view: &View, room: usize, canvas: Canvas) -> Vec<String> {
    // The 3 are two headings and a blank line.
    let (nodes, links, events) = allot_lines(room.saturating_sub(3), view);
    let mut lines = shortened(nodes_table(view, canvas), nodes);
    lines.push(String::new());
    lines.extend(shortened(links_table(view, canvas), links));
    if events > 0 {
        lines.push(String::new());
        lines.extend(event_lines(view, events));
    }
    lines
}

/// All lines of all tables, and all events.
fn everything(view: &View, canvas: Canvas) -> Vec<String> {
    let tables = [nodes_table(view, canvas), links_table(view, canvas)];
    let parts = tables.into_iter().chain([event_lines(view, view.events.len())]);
    parts.collect::<Vec<_>>().join(&String::new())
}

/// The numbers of lines for nodes, links and events. If not all fit, events go first, then lines of the longer table.
fn allot_lines(free_lines: usize, view: &View) -> (usize, usize, usize) {
    let (nodes, links) = (view.nodes.len(), view.links.len());
    if let Some(left) = free_lines.checked_sub(nodes + links) {
        // The blank line before the events.
        let events = view.events.len().min(EVENTS_SHOWN).min(left.saturating_sub(1));
        return (nodes, links, events);
    }
    // Each table may need a line for the number of omitted rows.
    let tables = free_lines.saturating_sub(2);
    let shown_nodes = nodes.min((tables / 2).max(tables.saturating_sub(links)));
    (shown_nodes, tables - shown_nodes, 0)
}

/// A table with its heading and this many rows.
fn shortened(mut table: Vec<String>, rows: usize) -> Vec<String> {
    let all = table.len().saturating_sub(1);
    table.truncate(rows + 1);
    if all > rows {
        table.push(format!("... and {} more", all - rows));
    }
    table
}

/// A table whose heading stays while its rows scroll.
fn scrolled(mut table: Vec<String>, room: usize, scroll: &mut Scroll) -> Vec<String> {
    let rows = table.split_off(1.min(table.len()));
    table.extend(scroll.window(rows, room.saturating_sub(1)));
    table
}

fn hints(view: &View, canvas: Canvas) -> Vec<String> {
    let lines = view.hints.iter().flat_map(|hint| match hint {
        Hint::Note(text) => wrap(text, canvas.columns, "  "),
        Hint::Command(command) => {
            // Two columns for the mark that continues the line.
            let mut lines = wrap(command, canvas.columns.saturating_sub(2), "       ");
            let last = lines.len().saturating_sub(1);
            for line in lines.iter_mut().take(last) {
                line.push_str(" \\");
            }
            lines
        }
    });
    lines.chain(wrap(&format!("log: {}", view.log), canvas.columns, "  ")).collect()
}

/// The keys in 80 columns.
fn keys_line(canvas: Canvas, view: &View) -> String {
    match view.has_keys {
        true if canvas.columns < 60 => "q stops, n l e o, arrows".to_owned(),
        true => "q stops   n nodes  l links  e events  o all   arrows scroll".to_owned(),
        false => "Ctrl-C stops".to_owned(),
    }
}

fn title(view: &View) -> String {
    let is_node = |id: &str| view.nodes.iter().any(|node| node.row.id == id);
    let links = view.links.iter().filter(|link| is_node(&link.to)).count();
    let (nodes, links) = (count(view.nodes.len(), "node"), count(links, "link"));
    format!(
        "ilp-connector up {}   {nodes}, {links}, up {}",
        view.file,
        format_duration(view.uptime)
    )
}

fn totals(view: &View) -> String {
    let per_second: u64 =
        view.links.iter().map(|link| link.forward_per_second + link.backward_per_second).sum();
    let in_flight: usize = view.links.iter().map(|link| link.in_flight).sum();
    format!(
        "all links: {} packets/s, {} in flight, {} packets since the start",
        group_digits(per_second),
        group_digits(in_flight),
        group_digits(view.prepares)
    )
}

/// The last events, oldest first.
fn event_lines(view: &View, shown: usize) -> Vec<String> {
    let first = view.events.len().saturating_sub(shown);
    let line = |event: &EventView| {
        let node = shorten_name(&event.node, NAME_WIDTH_MAX);
        format!("{}  {node:<8} {}", event.at, sanitize(&event.text))
    };
    view.events.iter().skip(first).map(line).collect()
}

/// Nodes with problems first.
fn nodes_table(view: &View, canvas: Canvas) -> Vec<String> {
    let mut nodes: Vec<&NodeView> = view.nodes.iter().collect();
    nodes.sort_by_key(|node| node.row.state.rank());
    let mut table = Table::new(&["NODE", "STATE", "PEERS", "ADDRESS", "BTP", "HEALTH"]);
    for NodeView { row, btp, health } in nodes {
        let address = row.address.as_deref().unwrap_or("(asks its parent)");
        table.add_row([
            Cell::left(shorten_name(&row.id, NAME_WIDTH_MAX)),
            row.state.cell(),
            Cell::right(format!("{}/{}", row.peers_connected, row.peers)),
            Cell::left(shorten_name(address, NAME_WIDTH_MAX)),
            Cell::left(btp),
            Cell::left(health),
        ]);
    }
    table.lines(canvas.columns)
}

/// Links that are down first.
fn links_table(view: &View, canvas: Canvas) -> Vec<String> {
    let mut links: Vec<&LinkView> = view.links.iter().collect();
    links.sort_by_key(|link| u8::from(!matches!(link.state, ViewState::Bad(_))));
    let headings =
        ["LINK", "STATE", "THERE/S", "BACK/S", "IN FLIGHT", "REJECTS", "LAST", "BALANCE", "ASSET"];
    let mut table = Table::new(&headings);
    for link in links {
        let name = |id: &str| shorten_name(id, NAME_WIDTH_MAX / 2);
        table.add_row([
            Cell::left(format!("{} - {}", name(&link.from), name(&link.to))),
            link.state.cell(),
            Cell::right(group_digits(link.forward_per_second)),
            Cell::right(group_digits(link.backward_per_second)),
            Cell::right(group_digits(link.in_flight)),
            Cell::right(group_digits(link.rejects)),
            Cell::left(link.last_code.as_deref().unwrap_or("-")),
            Cell::right(group_digits(link.balance)),
            Cell::left(&link.asset),
        ]);
    }
    table.lines(canvas.columns)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::network_view::tests::node_row;
    use super::super::super::terminal::TerminalKey;
    use super::*;

    fn node(id: &str, status: &str, reasons: &[&str], number: usize) -> NodeView {
        NodeView {
            row: NodeRow {
                address: (id != "c").then(|| format!("test.{id}")),
                ..node_row(id, status, reasons)
            },
            btp: format!("127.0.0.1:{}", 3000 + number),
            health: format!("127.0.0.1:{}", 8080 + number),
        }
    }

    fn link(from: &str, to: &str, state: &str, there: u64) -> LinkView {
        LinkView {
            from: from.to_owned(),
            to: to.to_owned(),
            state: ViewState::of_peer(state),
            forward_per_second: there,
            backward_per_second: there / 2,
            in_flight: usize::try_from(there / 10).unwrap(),
            balance: -i128::from(there) * 1000,
            asset: "USD/9".to_owned(),
            rejects: there / 100,
            last_code: (there > 0).then(|| "T01".to_owned()),
        }
    }

    fn view() -> View {
        let event = |at: &str, node: &str, text: &str| EventView {
            at: at.to_owned(),
            node: node.to_owned(),
            text: text.to_owned(),
        };
        View {
            file: "examples/linear-3.yaml".to_owned(),
            uptime: Duration::from_secs(72),
            nodes: vec![
                node("a", "healthy", &[], 0),
                node("b", "unhealthy", &["required peer c is not connected"], 1),
                node("c", "starting", &[], 2),
            ],
            links: vec![link("a", "b", "connected", 1200), link("b", "c", "down", 0)],
            refused_configuration: None,
            prepares: 72_000,
            has_keys: true,
            page: Some("http://127.0.0.1:8000/".to_owned()),
            events: vec![
                event("12:00:01", "a", "b connected"),
                event("12:00:09", "b", "c disconnected: \u{1b}[31mreset"),
            ],
            log: "/tmp/ilp-connector-up.log".to_owned(),
            hints: vec![
                Hint::Command(
                    "try: ilp-connector ping test.c --config examples/linear-3.yaml --node a"
                        .to_owned(),
                ),
                Hint::Note("     edit examples/linear-3.yaml: the network follows".to_owned()),
            ],
        }
    }

    fn drawn(columns: usize, rows: usize) -> String {
        let canvas = Canvas { columns, rows, colour: false };
        render(&view(), canvas, &mut ViewPosition::default()).join("\n")
    }

    #[test]
    fn a_large_canvas_shows_everything() {
        insta::assert_snapshot!(drawn(120, 40), @r"
        ilp-connector up examples/linear-3.yaml   3 nodes, 2 links, up 1 min 12 s
        page: http://127.0.0.1:8000/
        2 of 3 unhealthy:
          b: required peer c is not connected
          c: starting

        NODE  STATE      PEERS  ADDRESS            BTP             HEALTH
        b     unhealthy    1/2  test.b             127.0.0.1:3001  127.0.0.1:8081
        c     starting     1/2  (asks its parent)  127.0.0.1:3002  127.0.0.1:8082
        a     healthy      1/2  test.a             127.0.0.1:3000  127.0.0.1:8080

        LINK   STATE      THERE/S  BACK/S  IN FLIGHT  REJECTS  LAST     BALANCE  ASSET
        b - c  down             0       0          0        0  -              0  USD/9
        a - b  connected    1,200     600        120       12  T01   -1,200,000  USD/9

        12:00:01  a        b connected
        12:00:09  b        c disconnected: \u{1b}[31mreset

        all links: 1,800 packets/s, 120 in flight, 72,000 packets since the start

        try: ilp-connector ping test.c --config examples/linear-3.yaml --node a
             edit examples/linear-3.yaml: the network follows
        log: /tmp/ilp-connector-up.log
        q stops   n nodes  l links  e events  o all   arrows scroll
        ");
    }

    #[test]
    fn a_small_canvas_leaves_out_columns_and_rows() {
        insta::assert_snapshot!(drawn(50, 16), @r"
        ilp-connector up examples/linear-3.yaml   3 nodes…
        page: http://127.0.0.1:8000/
        2 of 3 unhealthy:
          b: required peer c is not connected
          c: starting

        NODE  STATE      PEERS  ADDRESS
        b     unhealthy    1/2  test.b
        ... and 2 more

        LINK   STATE      THERE/S  BACK/S  IN FLIGHT
        b - c  down             0       0          0
        ... and 1 more

        all links: 1,800 packets/s, 120 in flight, 72,000…
        q stops, n l e o, arrows
        ");
    }

    #[test]
    fn no_frame_exceeds_its_canvas() {
        let mut view = view();
        view.nodes = (0..50).map(|n| node(&format!("node-{n}"), "healthy", &[], n)).collect();
        view.links = (0..70).map(|n| link(&format!("node-{n}"), "x", "connected", 1)).collect();
        for (columns, rows) in [(1, 1), (20, 5), (80, 24), (79, 30), (200, 60), (200, 500)] {
            for key in [
                TerminalKey::Escape,
                TerminalKey::Down,
                TerminalKey::Char('n'),
                TerminalKey::Char('l'),
                TerminalKey::Char('e'),
            ] {
                let mut position = ViewPosition::default();
                position.press(key, rows);
                let canvas = Canvas { columns, rows, colour: false };
                let lines = render(&view, canvas, &mut position);
                assert!(lines.len() <= rows, "{columns}x{rows} {key:?}: {} lines", lines.len());
                let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
                assert!(widest <= columns, "{columns}x{rows} {key:?}: {widest}");
                let last = lines.last().unwrap();
                assert!(rows < 20 || last.starts_with("q stops"), "{columns}x{rows} {key:?}");
            }
        }
    }

    #[test]
    fn keys_show_parts_and_scroll_them() {
        let mut view = view();
        view.links = (0..70).map(|n| link(&format!("n{n}"), "x", "connected", 1)).collect();
        view.refused_configuration = Some("net.yaml:3: links: is no list".to_owned());
        let mut position = ViewPosition::default();
        let mut shown = |keys: &[TerminalKey]| {
            for key in keys {
                position.press(*key, 20);
            }
            let canvas = Canvas { columns: 80, rows: 20, colour: false };
            render(&view, canvas, &mut position).join("\n")
        };
        let refused = "\nconfiguration refused, the old one stays: net.yaml:3: links: is no list\n";
        assert!(shown(&[]).contains("... and ") && shown(&[]).contains(refused));
        let end = shown(&[TerminalKey::Char('l'), TerminalKey::End]);
        assert!(end.contains("\nLINK ") && end.contains("\nn69 - x") && end.contains(refused));
        assert!(!end.contains("\nNODE ") && !end.contains("n0 - x"), "{end}");
        let events = shown(&[TerminalKey::Char('e')]);
        assert!(events.contains("12:00:09  b        c disconnected"), "{events}");
        let all = shown(&[TerminalKey::Char('o'), TerminalKey::End]);
        assert!(all.contains("n69 - x") && all.contains("12:00:09  b"), "{all}");
        assert!(shown(&[TerminalKey::Escape]).contains("... and "));
    }

    #[test]
    fn a_command_that_does_not_fit_can_still_be_copied() {
        let mut view = view();
        let file = "/a/long/path/to/the/directory/of/this/network/linear-3.yaml";
        view.hints = vec![Hint::Command(format!("try: ilp-connector ping test.c --config {file}"))];
        let canvas = Canvas { columns: 80, rows: 40, colour: false };
        let text = render(&view, canvas, &mut ViewPosition::default()).join("\n");
        let expected = format!("\ntry: ilp-connector ping test.c --config \\\n       {file}\n");
        assert!(text.contains(&expected), "{text}");
    }

    #[test]
    fn colour_codes_have_no_width() {
        let render = |colour| {
            let canvas = Canvas { columns: 100, rows: 40, colour };
            render(&view(), canvas, &mut ViewPosition::default())
        };
        let (plain, colour) = (render(false), render(true));
        for (plain, colour) in plain.iter().zip(&colour) {
            let codes = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];
            let stripped = codes.iter().fold(colour.clone(), |line, code| line.replace(code, ""));
            assert_eq!(&stripped, plain);
        }
        assert!(colour.iter().any(|line| line.contains("\x1b[32mhealthy\x1b[0m")));
        assert!(!plain.concat().contains('\x1b'));
    }
}
