//! What nodes say of themselves and their links: the last state and the last figures of each.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::links::rate_links;
use super::{ObservedNodes, RatedLink};
use crate::console::{Failure, count};
use crate::observe::{RatesBody, StateBody, StreamMessage, merge_nodes, merge_rates};
use crate::remote::{Feed, FeedItem};

/// Figures are differences between two moments, so the second ones are shown.
const FIGURES: u8 = 2;
/// For both of them.
const FIGURES_TIME_MAX: Duration = Duration::from_secs(5);
/// The parameters of the stream.
pub(in crate::cli) const FIGURES_QUERY: &str = "topics=state,rates";

/// What one node, or the page of `up`, has said.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct NodeFigures {
    pub(in crate::cli) state: Option<StateBody>,
    pub(in crate::cli) rates: Option<RatesBody>,
    received: u8,
}

impl NodeFigures {
    /// Waits until each node has sent its state, and figures with rates.
    pub(in crate::cli) async fn read_all(
        nodes: &ObservedNodes,
        note: &mut dyn FnMut(String) -> Result<(), Failure>,
    ) -> Result<Vec<Self>, Failure> {
        let mut figures: Vec<Self> = nodes.nodes.iter().map(|_| Self::default()).collect();
        let mut feed = Feed::open(&nodes.client, &nodes.nodes, FIGURES_QUERY, Vec::new());
        let deadline = (Instant::now() + FIGURES_TIME_MAX).into();
        while !figures.iter().all(Self::is_complete) {
            match timeout_at(deadline, feed.next()).await {
                Ok(FeedItem::Message(node, message)) => {
                    if let Some(figures) = figures.get_mut(node) {
                        figures.add(*message);
                    }
                }
                Ok(FeedItem::Lost(why)) => note(why)?,
                Err(_) => {
                    let missing = figures.iter().filter(|figures| !figures.is_complete()).count();
                    note(format!("no figures of {} in time", count(missing, "node")))?;
                    break;
                }
            }
        }
        Ok(figures)
    }

    pub(in crate::cli) fn add(&mut self, message: StreamMessage) {
        match message {
            StreamMessage::State(state) => self.state = Some(state),
            StreamMessage::Rates(rates) => {
                self.rates = Some(rates);
                self.received = self.received.saturating_add(1);
            }
            _ => {}
        }
    }

    fn is_complete(&self) -> bool {
        self.state.is_some() && self.received >= FIGURES
    }

    /// The links of all nodes, each once.
    pub(in crate::cli) fn links(all: &[Self]) -> Vec<RatedLink> {
        let states = all.iter().filter_map(|figures| figures.state.clone());
        let state = merge_nodes(states.flat_map(|state| state.nodes));
        let rates: Vec<&RatesBody> = all.iter().filter_map(|one| one.rates.as_ref()).collect();
        let rates = merge_rates(&state.links, &rates);
        rate_links(&state, rates)
    }
}
