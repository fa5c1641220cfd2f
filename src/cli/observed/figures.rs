//! What nodes say of themselves and their links: the last state and the last figures of each.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{Feed, FeedItem, MergedLink, NodeLinks, ObservedNodes, merge_links};
use crate::console::{Failure, count};
use crate::observe::{RatesBody, StateBody, StreamMessage};

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
    pub(in crate::cli) fn links(all: &[Self]) -> Vec<MergedLink> {
        merge_links(all.iter().map(Self::node_links).collect())
    }

    fn node_links(&self) -> NodeLinks {
        let state = self.state.clone().unwrap_or_default();
        let accounts = state.nodes.into_iter().flat_map(|node| {
            let id = node.id;
            node.peers.into_iter().map(move |peer| ((id.clone(), peer.id.clone()), peer))
        });
        NodeLinks {
            accounts: accounts.collect(),
            links: state.links,
            rates: self.rates.clone().map(|rates| rates.links).unwrap_or_default(),
        }
    }
}
