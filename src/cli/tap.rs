//! `tap`: prints a line for each thing that happens to packets, over all nodes of a network: a sample of the packets,
//! and the Rejects.

mod line;
mod path;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::time::{interval, sleep};

use self::line::packet_line;
use self::path::OpenPaths;
use super::args::TapArguments;
use super::observed::{ObservedNodes, json_text};
use super::terminal::{interrupted, terminal_canvas};
use crate::config::Environment;
use crate::console::{Failure, apply_colours, block_on, group_digits, sanitize, truncate};
use crate::observe::{PacketBody, PacketFilter, RatesBody, StreamMessage, one_in};
use crate::remote::{Feed, FeedItem, url_encode};

/// How often paths are looked through for complete ones.
const PATHS_INTERVAL: Duration = Duration::from_millis(250);

/// `GET /api/v1`.
#[derive(Debug, Deserialize)]
pub(super) struct ApiPage {
    /// The nodes in view.
    pub(super) nodes: Vec<String>,
}

/// Prints packets until `--for`, `-n`, or a signal.
pub(super) fn run(
    arguments: &TapArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let filter = arguments.filter.join(" ");
    PacketFilter::parse(&filter).map_err(|error| Failure::Usage(error.to_string()))?;
    let nodes = ObservedNodes::find(&arguments.observed.flags.targets()?, environment)?;
    block_on(async {
        let mut tap = Tap::new(arguments, environment, out, err);
        tap.run(nodes, &filter).await?;
        tap.print_end()
    })
}

struct Tap<'a> {
    arguments: &'a TapArguments,
    no_colour: Option<String>,
    is_terminal: bool,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    paths: OpenPaths,
    shown: u64,
    losses: TapLosses,
}

impl<'a> Tap<'a> {
    fn new(
        arguments: &'a TapArguments,
        environment: &Environment,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
    ) -> Self {
        Self {
            arguments,
            no_colour: environment.get("NO_COLOR").cloned(),
            is_terminal: io::stdout().is_terminal(),
            out,
            err,
            paths: OpenPaths::default(),
            shown: 0,
            losses: TapLosses::default(),
        }
    }

    async fn run(&mut self, mut nodes: ObservedNodes, filter: &str) -> Result<(), Failure> {
        let err = &mut self.err;
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let pages: Vec<ApiPage> = nodes.ask("api/v1", &mut note).await?;
        let seen: Vec<String> = pages.into_iter().flat_map(|page| page.nodes).collect();
        let names = sanitize(&seen.join(", "));
        writeln!(self.err, "packets of {names}, until Ctrl-C")?;
        let filter: String = url_encode(filter);
        let rate = self.arguments.rate;
        let query = format!("topics=rates,packets&packets={rate}&filter={filter}");
        let mut feed = Feed::open_packets(&nodes.client, &nodes.nodes, &query, rand::random());
        let mut interrupted = std::pin::pin!(interrupted()?);
        let mut ends = std::pin::pin!(wait(self.arguments.run_time));
        let mut look = interval(PATHS_INTERVAL);
        loop {
            tokio::select! {
                () = &mut interrupted => break,
                () = &mut ends => break,
                _ = look.tick() => {
                    let complete = self.paths.take_complete(Instant::now(), false);
                    self.print_paths(complete)?;
                }
                item = feed.next() => {
                    self.losses.shared_one_in = feed.threshold().map(one_in);
                    self.take(item)?;
                }
            }
            if self.arguments.count.is_some_and(|count| self.shown >= count) {
                return Ok(());
            }
        }
        let rest = self.paths.take_complete(Instant::now(), true);
        self.print_paths(rest)
    }

    fn take(&mut self, item: FeedItem) -> Result<(), Failure> {
        let (node, message) = match item {
            FeedItem::Lost(why) => return Ok(writeln!(self.err, "note: asked again: {why}")?),
            FeedItem::Message(node, message) => (node, message),
        };
        match *message {
            StreamMessage::Packet(packet) => return self.show(packet),
            StreamMessage::Rates(rates) => self.losses.add_rates(node, &rates),
            StreamMessage::Gap(gap) => {
                self.losses.by_stream = self.losses.by_stream.saturating_add(gap.lost);
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, packet: PacketBody) -> Result<(), Failure> {
        if self.arguments.path {
            let must_go = self.paths.add(packet, Instant::now());
            return self.print_paths(must_go);
        }
        self.shown += 1;
        if self.arguments.observed.json {
            writeln!(self.out, "{}", json_text(&packet, false)?)?;
            return Ok(self.out.flush()?);
        }
        self.print_line(&packet_line(&packet))?;
        Ok(self.out.flush()?)
    }

    fn print_paths(&mut self, paths: Vec<Vec<String>>) -> Result<(), Failure> {
        for path in paths {
            if self.arguments.count.is_some_and(|count| self.shown >= count) {
                break;
            }
            self.shown += 1;
            path.iter().try_for_each(|line| self.print_line(line))?;
        }
        Ok(self.out.flush()?)
    }

    fn print_line(&mut self, line: &str) -> Result<(), Failure> {
        let canvas = terminal_canvas(self.no_colour.as_deref());
        let line = if self.is_terminal { truncate(line, canvas.columns) } else { line.to_owned() };
        Ok(writeln!(self.out, "{}", apply_colours(&line, self.is_terminal && canvas.colour))?)
    }

    /// What was shown, and what was not.
    fn print_end(&mut self) -> Result<(), Failure> {
        let shown = group_digits(self.shown);
        let line = format!("{shown} shown, {}", self.losses);
        match self.arguments.observed.json {
            // Standard output has objects only.
            true => writeln!(self.err, "{line}")?,
            false => writeln!(self.out, "{line}")?,
        }
        Ok(self.out.flush()?)
    }
}

/// What a tap does not show.
#[derive(Debug, Default)]
struct TapLosses {
    /// Records that the streams have left out.
    by_stream: u64,
    /// One packet of so many is in the samples of all nodes, if there are several.
    shared_one_in: Option<f64>,
    nodes: BTreeMap<usize, NodeLosses>,
}

#[derive(Debug, Clone, Copy)]
struct NodeLosses {
    /// Records that were lost before the stream: the last figure, and those since the first one.
    lost: (u64, u64),
    /// Prepares on its links, the last.
    prepares: u64,
    /// Prepares that were not in the sample.
    not_sampled: f64,
}

impl TapLosses {
    fn add_rates(&mut self, node: usize, rates: &RatesBody) {
        let of_links = rates.links.iter().map(|link| link.ab.prepares + link.ba.prepares);
        let (prepares, lost) = (of_links.sum(), rates.sampled.lost);
        let one_in = self.shared_one_in.unwrap_or(rates.sampled.one_in);
        let first = NodeLosses { lost: (lost, 0), prepares, not_sampled: 0.0 };
        let known = self.nodes.entry(node).or_insert(first);
        // A restarted node counts from zero.
        let new = prepares.checked_sub(known.prepares).unwrap_or(prepares);
        let share = if one_in >= 1.0 { 1.0 - one_in.recip() } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let new = new as f64;
        known.not_sampled += new * share;
        known.prepares = prepares;
        let new = lost.checked_sub(known.lost.0).unwrap_or(lost);
        known.lost.1 = known.lost.1.saturating_add(new);
        known.lost.0 = lost;
    }
}

impl std::fmt::Display for TapLosses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The sum of no numbers is -0, which would be printed.
        let not_sampled = self.nodes.values().fold(0.0, |sum, node| sum + node.not_sampled);
        let before: u64 = self.nodes.values().map(|node| node.lost.1).sum();
        let about = if not_sampled >= 0.5 { "about " } else { "" };
        let not_sampled = group_digits(format!("{not_sampled:.0}"));
        let lost = group_digits(self.by_stream + before);
        write!(f, "{about}{not_sampled} not sampled, {lost} lost")
    }
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::SampledBody;

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut losses = TapLosses::default();
        assert_eq!(losses.to_string(), "0 not sampled, 0 lost", "before the first figures");
        let mut rates = RatesBody {
            at: String::new(),
            sampled: SampledBody { one_in: 4.0, lost: 7 },
            links: vec![
                serde_json::from_value(serde_json::json!({
                    "id": "a~b",
                    "ab": { "prepares": 100, "fulfills": 0, "rejects": {} },
                    "ba": { "prepares": 0, "fulfills": 0, "rejects": {} },
                    "abPerSecond": 0.0, "baPerSecond": 0.0, "fulfilledPercent": null,
                    "inFlightAb": 0, "inFlightBa": 0, "outboxA": 0, "outboxB": 0,
                    "balanceA": null, "balanceB": null, "latency": null,
                }))
                .unwrap(),
            ],
            nodes: Vec::new(),
        };
        losses.add_rates(0, &rates);
        assert_eq!(losses.to_string(), "0 not sampled, 0 lost");
        rates.links[0].ab.prepares = 4_100;
        rates.sampled.lost = 9;
        losses.add_rates(0, &rates);
        losses.by_stream = 5;
        assert_eq!(losses.to_string(), "about 3,000 not sampled, 7 lost");
        // After a restart.
        rates.links[0].ab.prepares = 40;
        rates.sampled.lost = 0;
        losses.add_rates(0, &rates);
        assert_eq!(losses.to_string(), "about 3,030 not sampled, 7 lost");
    }
}
