//! `events`: what happened to nodes and peers: connections, configurations, routes, limits.

use std::io::{self, IsTerminal, Write};

use serde::Deserialize;

use super::args::EventsArguments;
use super::observed::{ObservedNodes, json_text};
use super::terminal::{interrupted, terminal_canvas};
use crate::books::EventLevel;
use crate::config::Environment;
use crate::console::{
    Colour, Failure, apply_colours, block_on, count, padded, sanitize, sanitize_answer, truncate,
};
use crate::observe::{EventBody, GapCause, StreamMessage};
use crate::remote::{Feed, FeedItem};

/// `GET /api/v1/events`.
#[derive(Debug, Deserialize)]
struct EventsPage {
    events: Vec<EventBody>,
    /// Events that are no longer kept.
    lost: u64,
}

/// Prints the events that are kept, and with `-f` those that follow.
pub(super) fn run(
    arguments: &EventsArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let mut nodes = ObservedNodes::find(&arguments.named.targets()?, environment)?;
    let is_terminal = io::stdout().is_terminal();
    let no_colour = environment.get("NO_COLOR").cloned();
    let mut print = |event: &EventBody| -> Result<(), Failure> {
        if arguments.json {
            writeln!(out, "{}", json_text(event, false)?)?;
        } else {
            let canvas = terminal_canvas(no_colour.as_deref());
            let line = event_line(event);
            let line = if is_terminal { truncate(&line, canvas.columns) } else { line };
            writeln!(out, "{}", apply_colours(&line, is_terminal && canvas.colour))?;
        }
        Ok(out.flush()?)
    };
    block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let mut interrupted = std::pin::pin!(interrupted()?);
        let pages: Vec<EventsPage> = tokio::select! {
            pages = nodes.ask("api/v1/events", &mut note) => pages?,
            () = &mut interrupted => return Ok(()),
        };
        let lost = pages.iter().fold(0_u64, |sum, page| sum.saturating_add(page.lost));
        let last_ids = pages.iter().map(|page| page.events.last().map(|event| event.id.clone()));
        let last_ids: Vec<Option<String>> = last_ids.collect();
        let mut events: Vec<EventBody> = pages.into_iter().flat_map(|page| page.events).collect();
        // Times of one form, so their order is that of the texts.
        events.sort_by(|a, b| a.at.cmp(&b.at));
        let shown = events.len();
        events.iter().try_for_each(&mut print)?;
        if !arguments.follow {
            let events = count(shown, "event");
            return note(format!(
                "{events} shown, {lost} no longer kept; -f shows those that follow"
            ));
        }
        let mut feed = Feed::open(&nodes.client, &nodes.nodes, "topics=events", last_ids);
        loop {
            let item = tokio::select! {
                item = feed.next() => item,
                () = &mut interrupted => return Ok(()),
            };
            match item {
                FeedItem::Lost(why) => note(format!("asked again: {why}"))?,
                FeedItem::Message(_, message) => match *message {
                    StreamMessage::Event(event) => print(&event)?,
                    StreamMessage::Gap(gap) => {
                        note(match gap.why {
                            GapCause::Restart => {
                                "a node has restarted; events since the last one may be lost"
                                    .to_owned()
                            }
                            _ => {
                                let lost = usize::try_from(gap.lost).unwrap_or(usize::MAX);
                                format!("{} lost", count(lost, "event"))
                            }
                        })?;
                    }
                    _ => {}
                },
            }
        }
    })
}

/// `2026-03-01 12:00:01.104  b         warn   c disconnected: ...`
fn event_line(event: &EventBody) -> String {
    let (word, colour) = match event.level {
        EventLevel::Info => ("info", None),
        EventLevel::Warn => ("warn", Some(Colour::Yellow)),
        EventLevel::Error => ("error", Some(Colour::Red)),
    };
    let word = padded(word, 5);
    let word = colour.map_or(word.clone(), |colour| colour.paint(&word));
    let at = sanitize(event.at.trim_end_matches('Z')).replace('T', " ");
    format!("{at}  {}  {word}  {}", padded(&sanitize(&event.node), 8), sanitize_answer(&event.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_events() {
        let event = EventBody {
            id: "00000000-1".to_owned(),
            at: "2026-03-01T12:00:01.104Z".to_owned(),
            node: "b".to_owned(),
            level: EventLevel::Warn,
            kind: "peer.disconnected".to_owned(),
            text: "c disconnected: \u{1b}[2J".to_owned(),
            peer: None,
            fields: Default::default(),
        };
        let line = apply_colours(&event_line(&event), false);
        assert_eq!(line, "2026-03-01 12:00:01.104  b         warn   c disconnected: \\u{1b}[2J");
    }
}
