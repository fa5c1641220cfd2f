//! `edges`: the links of a network, with state, rates, times, balances, and what limits them.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::json;

use super::args::EdgesArguments;
use super::network_view::ViewState;
use super::observed::{NodeFigures, ObservedNodes, RatedLink, json_text};
use super::tap::ApiPage;
use super::terminal::terminal_canvas;
use crate::config::Environment;
use crate::console::{
    Cell, Failure, Table, apply_colours, block_on, count, format_millis, group_digits,
    shorten_name, truncate,
};
use crate::observe::{LinkBody, LinkKind, LinkState};

/// Columns of a name on a terminal.
const NAME_WIDTH_MAX: usize = 12;

/// Prints the links.
pub(super) fn run(
    arguments: &EdgesArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let mut nodes = ObservedNodes::find(&arguments.named.targets()?, environment)?;
    let links = block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let _: Vec<ApiPage> = nodes.ask("api/v1", &mut note).await?;
        let figures = NodeFigures::read_all(&nodes, &mut note).await?;
        Ok::<_, Failure>(NodeFigures::links(&figures))
    });
    let links = links?;
    if arguments.json {
        writeln!(out, "{}", json_text(&to_json(&links), true)?)?;
        return Ok(out.flush()?);
    }
    let canvas = terminal_canvas(environment.get("NO_COLOR").map(String::as_str));
    let is_terminal = io::stdout().is_terminal();
    let columns = if is_terminal { canvas.columns } else { usize::MAX };
    for line in lines(&links, arguments.all, columns) {
        writeln!(
            out,
            "{}",
            apply_colours(&truncate(&line, columns), is_terminal && canvas.colour)
        )?;
    }
    Ok(out.flush()?)
}

/// A table, links that are down first, and their number.
pub(super) fn lines(links: &[RatedLink], all: bool, columns: usize) -> Vec<String> {
    let is_shown = |one: &&RatedLink| {
        all || matches!(one.link.kind, LinkKind::Peer | LinkKind::Outside)
            || one.rates.as_ref().is_some_and(|rates| rates.ab.prepares + rates.ba.prepares > 0)
    };
    let mut shown: Vec<&RatedLink> = links.iter().filter(is_shown).collect();
    // Problems first.
    shown.sort_by_key(|one| state_of(&one.link).rank());
    let headings = [
        "LINK",
        "STATE",
        "THERE/S",
        "BACK/S",
        "OK %",
        "P50 MS",
        "P99 MS",
        "IN FLIGHT",
        "BALANCE",
        "ASSET",
        "LIMITED BY",
    ];
    let mut table = Table::new(&headings).ending_with_text();
    for one in &shown {
        let (link, rates) = (&one.link, one.rates.as_ref());
        let name = |name: &str| match columns {
            usize::MAX => name.to_owned(),
            _ => shorten_name(name, NAME_WIDTH_MAX),
        };
        let figure = |text: Option<String>| Cell::right(text.unwrap_or_else(|| "-".to_owned()));
        let millis = |us: u64| format_millis(Duration::from_micros(us));
        let latency = rates.and_then(|rates| rates.latency);
        let limited_by = match (&link.last_error, one.limited_by.as_slice()) {
            (Some(error), _) if link.state != LinkState::Up => error.clone(),
            (_, []) => "-".to_owned(),
            (_, limits) => limits.join(", "),
        };
        table.add_row([
            Cell::left(format!("{} - {}", name(&link.a), name(&link.b))),
            state_of(link).cell(),
            figure(rates.map(|rates| format!("{:.0}", rates.ab_per_second))),
            figure(rates.map(|rates| format!("{:.0}", rates.ba_per_second))),
            figure(
                rates.and_then(|rates| rates.fulfilled_percent).map(|share| format!("{share:.1}")),
            ),
            figure(latency.map(|latency| millis(latency.p50_us))),
            figure(latency.map(|latency| millis(latency.p99_us))),
            figure(rates.map(|rates| group_digits(rates.in_flight_ab + rates.in_flight_ba))),
            figure(rates.and_then(|rates| rates.balance_a.as_deref()).map(group_digits)),
            Cell::left(&link.asset),
            Cell::left(limited_by),
        ]);
    }
    let mut lines = table.lines(columns);
    let left_out = links.len() - shown.len();
    let unused = match left_out {
        0 => String::new(),
        number => format!(", {} not shown (see --all)", count(number, "unused account")),
    };
    lines.push(format!("{}{unused}", count(shown.len(), "link")));
    lines
}

fn state_of(link: &LinkBody) -> ViewState {
    match link.state {
        LinkState::Up => ViewState::Good("up".to_owned()),
        LinkState::Partly => ViewState::Pending("partly".to_owned()),
        LinkState::Suspended => ViewState::Pending("suspended".to_owned()),
        // A tool that is done is no problem.
        LinkState::Down if link.kind == LinkKind::Tool && link.last_error.is_none() => {
            ViewState::Pending("gone".to_owned())
        }
        LinkState::Down => ViewState::Bad("down".to_owned()),
        LinkState::Unknown => ViewState::Bad("unknown".to_owned()),
    }
}

fn to_json(links: &[RatedLink]) -> serde_json::Value {
    let links = links
        .iter()
        .map(|one| json!({ "link": one.link, "rates": one.rates, "limitedBy": one.limited_by }));
    json!({ "links": links.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::LinkRates;

    fn merged(a: &str, b: &str, state: LinkState, kind: LinkKind, prepares: u64) -> RatedLink {
        let traffic = json!({ "prepares": prepares, "fulfills": 0, "rejects": {} });
        let rates: LinkRates = serde_json::from_value(json!({
            "id": "x", "ab": traffic, "ba": traffic,
            "abPerSecond": prepares, "baPerSecond": 2.6, "fulfilledPercent": 99.84,
            "inFlightAb": 1_000, "inFlightBa": 200, "outboxA": 0, "outboxB": 0,
            "balanceA": "-1200000", "balanceB": null, "latency": { "p50Us": 400, "p99Us": 2_100 },
        }))
        .unwrap();
        let link: LinkBody = serde_json::from_value(json!({
            "id": format!("{a}~{b}"), "a": a, "b": b, "aPeer": b, "bPeer": null,
            "aState": null, "bState": null, "state": state, "since": null,
            "lastError": (state == LinkState::Down).then_some("cannot connect: connection refused"),
            "kind": kind, "transport": null, "asset": "USD/9",
        }))
        .unwrap();
        RatedLink { link, rates: (state == LinkState::Up).then_some(rates), limited_by: Vec::new() }
    }

    #[test]
    fn a_table_of_links() {
        use LinkKind::{Peer, Tool};
        let mut links = vec![
            merged("a", "b", LinkState::Up, Peer, 1_204),
            merged("a", "cli", LinkState::Up, Tool, 0),
            merged("b", "c", LinkState::Down, Peer, 0),
            merged("c", "cli", LinkState::Down, Tool, 0),
        ];
        // It has done what it wanted.
        (links[3].link.last_error, links[3].rates) = (None, links[0].rates.clone());
        links[0].limited_by = vec!["a.minBalance".to_owned()];
        let lines = lines(&links, false, usize::MAX);
        let lines: Vec<String> = lines.iter().map(|line| apply_colours(line, false)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        LINK     STATE  THERE/S  BACK/S  OK %  P50 MS  P99 MS  IN FLIGHT     BALANCE  ASSET  LIMITED BY
        b - c    down         -       -     -       -       -          -           -  USD/9  cannot connect: connection refused
        c - cli  gone      1204       3  99.8   0.400    2.10      1,200  -1,200,000  USD/9  -
        a - b    up        1204       3  99.8   0.400    2.10      1,200  -1,200,000  USD/9  a.minBalance
        3 links, 1 unused account not shown (see --all)
        ");
    }
}
