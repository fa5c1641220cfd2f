//! The live view of `up`: plain data in, lines of text out. It uses no node, clock or terminal, so that tests can
//! compare all of it.

use std::time::Duration;

use crate::console::{
    Cell, Colour, Table, apply_colours, count, format_duration, group_digits, sanitize, truncate,
};

/// The most events that are kept.
pub(super) const EVENTS_MAX: usize = 200;
/// The most events that are drawn.
const EVENTS_SHOWN: usize = 8;

/// The data of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) file: String,
    pub(super) uptime: Duration,
    pub(super) nodes: Vec<NodeView>,
    pub(super) links: Vec<LinkView>,
    /// Oldest first.
    pub(super) events: Vec<EventView>,
    /// The path of the log.
    pub(super) log: String,
    /// Notes and commands to try, one line each.
    pub(super) hints: Vec<String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeView {
    pub(super) id: String,
    /// As in `/health`.
    pub(super) state: ViewState,
    pub(super) peers_connected: usize,
    pub(super) peers: usize,
    /// The ILP address, once the node has one.
    pub(super) address: Option<String>,
    /// The address of its BTP server.
    pub(super) btp: String,
    /// The address of its health server.
    pub(super) health: String,
}

/// The state of a node or a link, with the word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ViewState {
    Good(&'static str),
    /// It changes soon without help.
    Pending(&'static str),
    /// It needs attention.
    Bad(&'static str),
}

/// One link, from the side of the node that comes first in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkView {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) state: ViewState,
    /// Prepares from `from` to `to`.
    pub(super) forward_per_second: u64,
    /// Prepares from `to` to `from`.
    pub(super) backward_per_second: u64,
    pub(super) in_flight: usize,
    /// The debt of `to` at `from`, in units of `asset`.
    pub(super) balance: i128,
    pub(super) asset: String,
    /// Prepares both ways since the start.
    pub(super) prepares: u64,
}

/// A peer event or a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventView {
    /// Time of day.
    pub(super) at: String,
    pub(super) node: String,
    pub(super) text: String,
}

/// The size of the terminal, and whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) colour: bool,
}

/// The whole frame: at most `rows` lines of at most `columns` characters, colour codes not counted.
pub(super) fn render(view: &View, canvas: Canvas) -> Vec<String> {
    let mut top = vec![title(view), String::new()];
    let mut bottom = vec![String::new(), totals(view)];
    // The 5 are two headings, two blank lines and the line of the log.
    let fixed_lines = top.len() + bottom.len() + view.hints.len() + 5;
    let free_lines = canvas.rows.saturating_sub(fixed_lines);
    let (nodes, links, events) = allot_lines(free_lines, view);
    top.extend(nodes_table(view, nodes, canvas));
    top.push(String::new());
    top.extend(links_table(view, links, canvas));
    if events > 0 {
        bottom.push(String::new());
        let first = view.events.len().saturating_sub(events);
        let shown = view.events.iter().skip(first);
        bottom.extend(
            shown.map(|event| format!("{}  {:<8} {}", event.at, event.node, sanitize(&event.text))),
        );
    }
    bottom.push(String::new());
    bottom.extend(view.hints.iter().cloned());
    bottom.push(format!("log: {}   Ctrl-C stops", view.log));
    top.extend(bottom);
    top.truncate(canvas.rows);
    top.iter().map(|line| apply_colours(&truncate(line, canvas.columns), canvas.colour)).collect()
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

fn title(view: &View) -> String {
    let is_node = |id: &str| view.nodes.iter().any(|node| node.id == id);
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
    let total: u64 = view.links.iter().map(|link| link.prepares).sum();
    format!(
        "all links: {} packets/s, {} in flight, {} packets since the start",
        group_digits(per_second),
        group_digits(in_flight),
        group_digits(total)
    )
}

fn nodes_table(view: &View, shown: usize, canvas: Canvas) -> Vec<String> {
    let mut table = Table::new(&["NODE", "STATE", "PEERS", "ADDRESS", "BTP", "HEALTH"]);
    for node in view.nodes.iter().take(shown) {
        let address = node.address.as_deref().unwrap_or("(asks its parent)");
        table.add_row([
            Cell::left(&node.id),
            node.state.cell(),
            Cell::right(format!("{}/{}", node.peers_connected, node.peers)),
            Cell::left(address),
            Cell::left(&node.btp),
            Cell::left(&node.health),
        ]);
    }
    let mut lines = table.lines(canvas.columns);
    push_omitted(&mut lines, view.nodes.len(), shown);
    lines
}

fn links_table(view: &View, shown: usize, canvas: Canvas) -> Vec<String> {
    let mut table =
        Table::new(&["LINK", "STATE", "THERE/S", "BACK/S", "IN FLIGHT", "BALANCE", "ASSET"]);
    for link in view.links.iter().take(shown) {
        table.add_row([
            Cell::left(format!("{} - {}", link.from, link.to)),
            link.state.cell(),
            Cell::right(group_digits(link.forward_per_second)),
            Cell::right(group_digits(link.backward_per_second)),
            Cell::right(group_digits(link.in_flight)),
            Cell::right(group_digits(link.balance)),
            Cell::left(&link.asset),
        ]);
    }
    let mut lines = table.lines(canvas.columns);
    push_omitted(&mut lines, view.links.len(), shown);
    lines
}

fn push_omitted(lines: &mut Vec<String>, all: usize, shown: usize) {
    if all > shown {
        lines.push(format!("... and {} more", all - shown));
    }
}

impl ViewState {
    fn cell(&self) -> Cell {
        match self {
            Self::Good(word) => Cell::left(*word).with_colour(Colour::Green),
            Self::Pending(word) => Cell::left(*word).with_colour(Colour::Yellow),
            Self::Bad(word) => Cell::left(*word).with_colour(Colour::Red),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, state: ViewState, connected: usize, number: usize) -> NodeView {
        NodeView {
            id: id.to_owned(),
            state,
            peers_connected: connected,
            peers: 2,
            address: (id != "c").then(|| format!("test.{id}")),
            btp: format!("127.0.0.1:{}", 3000 + number),
            health: format!("127.0.0.1:{}", 8080 + number),
        }
    }

    fn link(from: &str, to: &str, state: ViewState, there: u64) -> LinkView {
        LinkView {
            from: from.to_owned(),
            to: to.to_owned(),
            state,
            forward_per_second: there,
            backward_per_second: there / 2,
            in_flight: usize::try_from(there / 10).unwrap(),
            balance: -i128::from(there) * 1000,
            asset: "USD/9".to_owned(),
            prepares: there * 60,
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
                node("a", ViewState::Good("healthy"), 1, 0),
                node("b", ViewState::Bad("unhealthy"), 1, 1),
                node("c", ViewState::Pending("starting"), 0, 2),
            ],
            links: vec![
                link("a", "b", ViewState::Good("connected"), 1200),
                link("b", "c", ViewState::Bad("down"), 0),
            ],
            events: vec![
                event("12:00:01", "a", "b connected"),
                event("12:00:09", "b", "c disconnected: \u{1b}[31mreset"),
            ],
            log: "/tmp/ilp-connector-up.log".to_owned(),
            hints: vec![
                "try: ilp-connector ping test.c --config examples/linear-3.yaml --node a"
                    .to_owned(),
                "     edit examples/linear-3.yaml, and the network follows".to_owned(),
            ],
        }
    }

    fn drawn(columns: usize, rows: usize) -> String {
        render(&view(), Canvas { columns, rows, colour: false }).join("\n")
    }

    #[test]
    fn a_large_canvas_shows_everything() {
        insta::assert_snapshot!(drawn(120, 40), @r"
        ilp-connector up examples/linear-3.yaml   3 nodes, 2 links, up 1 min 12 s

        NODE  STATE      PEERS  ADDRESS            BTP             HEALTH
        a     healthy      1/2  test.a             127.0.0.1:3000  127.0.0.1:8080
        b     unhealthy    1/2  test.b             127.0.0.1:3001  127.0.0.1:8081
        c     starting     0/2  (asks its parent)  127.0.0.1:3002  127.0.0.1:8082

        LINK   STATE      THERE/S  BACK/S  IN FLIGHT     BALANCE  ASSET
        a - b  connected    1,200     600        120  -1,200,000  USD/9
        b - c  down             0       0          0           0  USD/9

        all links: 1,800 packets/s, 120 in flight, 72,000 packets since the start

        12:00:01  a        b connected
        12:00:09  b        c disconnected: \u{1b}[31mreset

        try: ilp-connector ping test.c --config examples/linear-3.yaml --node a
             edit examples/linear-3.yaml, and the network follows
        log: /tmp/ilp-connector-up.log   Ctrl-C stops
        ");
    }

    #[test]
    fn a_small_canvas_leaves_out_columns_and_rows() {
        insta::assert_snapshot!(drawn(50, 15), @r"
        ilp-connector up examples/linear-3.yaml   3 nodes…

        NODE  STATE    PEERS  ADDRESS  BTP
        a     healthy    1/2  test.a   127.0.0.1:3000
        ... and 2 more

        LINK   STATE      THERE/S  BACK/S  IN FLIGHT
        a - b  connected    1,200     600        120
        ... and 1 more

        all links: 1,800 packets/s, 120 in flight, 72,000…

        try: ilp-connector ping test.c --config examples/…
             edit examples/linear-3.yaml, and the network…
        log: /tmp/ilp-connector-up.log   Ctrl-C stops
        ");
    }

    #[test]
    fn no_frame_exceeds_its_canvas() {
        let mut view = view();
        view.nodes =
            (0..50).map(|n| node(&format!("node-{n}"), ViewState::Good("healthy"), 2, n)).collect();
        view.links = (0..70)
            .map(|n| link(&format!("node-{n}"), "x", ViewState::Good("connected"), 1))
            .collect();
        for (columns, rows) in [(1, 1), (20, 5), (80, 24), (79, 30), (200, 60), (200, 500)] {
            let lines = render(&view, Canvas { columns, rows, colour: false });
            assert!(lines.len() <= rows, "{columns}x{rows}: {} lines", lines.len());
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns, "{columns}x{rows}: {widest}");
            assert!(rows < 20 || lines.last().unwrap().starts_with("log: "), "{columns}x{rows}");
        }
    }

    #[test]
    fn colour_codes_have_no_width() {
        let plain = render(&view(), Canvas { columns: 100, rows: 40, colour: false });
        let colour = render(&view(), Canvas { columns: 100, rows: 40, colour: true });
        for (plain, colour) in plain.iter().zip(&colour) {
            let codes = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];
            let stripped = codes.iter().fold(colour.clone(), |line, code| line.replace(code, ""));
            assert_eq!(&stripped, plain);
        }
        assert!(colour.iter().any(|line| line.contains("\x1b[32mhealthy\x1b[0m")));
        assert!(!plain.concat().contains('\x1b'));
    }
}
