//! `top`: a live table of nodes, links, peers, or reasons of Rejects. Without a terminal it is printed once.

mod table;

use std::io::{self, Write};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{interval, sleep};

use self::table::{ReasonRow, TopFigures};
use super::args::{TopArguments, TopTable};
use super::observed::{FIGURES_QUERY, NodeFigures, ObservedNodes, json_text};
use super::tap::ApiPage;
use super::terminal::{
    Screen, Scroll, TerminalKey, TerminalKeys, can_show_view, interrupted, next_keys,
    terminal_canvas,
};
use crate::config::Environment;
use crate::console::{Failure, apply_colours, block_on, truncate};
use crate::remote::{Feed, FeedItem};

/// How often the table is drawn, and how often the reasons are read.
const REDRAW: Duration = Duration::from_secs(1);

/// The page of the reasons.
const REASONS: &str = "api/v1/reasons";

/// `GET /api/v1/reasons`.
#[derive(Debug, Deserialize)]
struct ReasonsPage {
    reasons: Vec<ReasonRow>,
}

/// Draws the table until `q` or a signal.
pub(super) fn run(
    arguments: &TopArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let variable = |name: &str| environment.get(name).map(String::as_str);
    let mut nodes = ObservedNodes::find(&arguments.observed.flags.targets()?, environment)?;
    let is_live = !arguments.observed.json && can_show_view(variable("TERM"));
    block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let _: Vec<ApiPage> = nodes.ask("api/v1", &mut note).await?;
        if is_live {
            return show(arguments, variable("NO_COLOR"), &nodes).await;
        }
        let figures = NodeFigures::read_all(&nodes, &mut note).await?;
        let pages = nodes.ask(REASONS, &mut note).await?;
        let figures = TopFigures { nodes: figures, reasons: reasons_of(pages) };
        if arguments.observed.json {
            let links: Vec<_> = NodeFigures::links(&figures.nodes)
                .iter()
                .map(|one| json!({ "link": one.link, "rates": one.rates }))
                .collect();
            let states = figures.nodes.iter().filter_map(|node| node.state.as_ref());
            let states: Vec<_> = states.flat_map(|state| &state.nodes).collect();
            let reasons = &figures.reasons;
            let report = json!({ "nodes": states, "links": links, "reasons": reasons });
            writeln!(out, "{}", json_text(&report, true)?)?;
        } else {
            let lines = figures.lines(arguments.table, arguments.sort, usize::MAX);
            lines.iter().try_for_each(|line| writeln!(out, "{}", apply_colours(line, false)))?;
        }
        Ok(out.flush()?)
    })
}

fn reasons_of(pages: Vec<ReasonsPage>) -> Vec<ReasonRow> {
    pages.into_iter().flat_map(|page| page.reasons).collect()
}

async fn show(
    arguments: &TopArguments,
    no_colour: Option<&str>,
    nodes: &ObservedNodes,
) -> Result<(), Failure> {
    let mut interrupted = std::pin::pin!(interrupted()?);
    let mut feed = Feed::open(&nodes.client, &nodes.nodes, FIGURES_QUERY, Vec::new());
    let mut screen = Screen::enter(io::stdout())?;
    let mut keys = TerminalKeys::read();
    let (mut table, mut scroll) = (arguments.table, Scroll::default());
    let blank = nodes.nodes.iter().map(|_| NodeFigures::default()).collect();
    let mut figures = TopFigures { nodes: blank, reasons: Vec::new() };
    let mut lost = None;
    let mut redraw = interval(REDRAW);
    let mut pages = std::pin::pin!(stream::unfold(false, |asked_before| async move {
        if asked_before {
            sleep(REDRAW).await;
        }
        Some((nodes.ask_again::<ReasonsPage>(REASONS).await, true))
    }));
    loop {
        tokio::select! {
            () = &mut interrupted => return Ok(()),
            item = feed.next() => {
                match item {
                    FeedItem::Lost(why) => lost = Some(why),
                    FeedItem::Message(node, message) => {
                        if let Some(node) = figures.nodes.get_mut(node) {
                            node.add(*message);
                        }
                    }
                }
                continue;
            }
            _ = redraw.tick() => {}
            // Keys are read while a node does not answer.
            Some(pages) = pages.next(), if table == TopTable::Reasons => {
                if !pages.is_empty() {
                    figures.reasons = reasons_of(pages);
                }
            }
            pressed = next_keys(&mut keys) => {
                let page = terminal_canvas(None).rows.saturating_sub(2);
                for key in pressed {
                    let next = match key {
                        TerminalKey::Char('q') => return Ok(()),
                        TerminalKey::Char('n') => TopTable::Nodes,
                        TerminalKey::Char('l') => TopTable::Links,
                        TerminalKey::Char('p') => TopTable::Peers,
                        TerminalKey::Char('r') => TopTable::Reasons,
                        key => {
                            scroll.press(key, page);
                            continue;
                        }
                    };
                    (table, scroll) = (next, Scroll::default());
                    redraw.reset_immediately();
                }
            }
        }
        let canvas = terminal_canvas(no_colour);
        let page = canvas.rows.saturating_sub(2).max(1);
        let mut lines = figures.lines(table, arguments.sort, canvas.columns);
        let rows = lines.split_off(1.min(lines.len()));
        lines.extend(scroll.window(rows, page.saturating_sub(1)));
        lines.resize(page, String::new());
        lines.push(lost.take().unwrap_or_default());
        lines.push("q stops   n nodes  l links  p peers  r reasons   arrows scroll".to_owned());
        let lines = lines.iter().map(|line| truncate(line, canvas.columns));
        let lines: Vec<String> = lines.map(|line| apply_colours(&line, canvas.colour)).collect();
        screen.draw(&lines)?;
    }
}
