//! The streams of several nodes as one.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::AskedNode;
use super::page_client::PageClient;
use super::stream_reader::StreamReader;
use crate::observe::{SharedSample, StreamMessage};

/// Before a node is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What comes next.
#[derive(Debug)]
pub enum FeedItem {
    /// From the node with this number.
    Message(usize, Box<StreamMessage>),
    /// The stream of a node has ended; it is asked again. Said once until it answers.
    Lost(String),
}

/// Reads all streams. Whatever ends is begun again.
pub struct Feed<'n> {
    items: SelectAll<Pin<Box<dyn Stream<Item = FeedItem> + 'n>>>,
    /// The sample that all nodes share, if there are several and their packets are wanted.
    sample: Option<SharedSample<usize>>,
    /// The seed that nodes are asked for.
    seed: watch::Sender<Option<u64>>,
}

impl<'n> Feed<'n> {
    /// `query`: the parameters of the stream. `after`: the last ids that are known, in the order of the nodes.
    pub fn open(
        client: &'n PageClient,
        nodes: &'n [AskedNode],
        query: &str,
        after: Vec<Option<String>>,
    ) -> Self {
        Self::open_with(client, nodes, query, after, None)
    }

    /// The same for packets, which all nodes take into the same sample. `seed` should be random.
    pub fn open_packets(
        client: &'n PageClient,
        nodes: &'n [AskedNode],
        query: &str,
        seed: u64,
    ) -> Self {
        // One process has one sample.
        let sample = (nodes.len() > 1).then(|| SharedSample::new(seed));
        Self::open_with(client, nodes, query, Vec::new(), sample)
    }

    fn open_with(
        client: &'n PageClient,
        nodes: &'n [AskedNode],
        query: &str,
        after: Vec<Option<String>>,
        sample: Option<SharedSample<usize>>,
    ) -> Self {
        let (seed, seeds) = watch::channel(sample.as_ref().map(SharedSample::seed));
        let after = after.into_iter().chain(std::iter::repeat(None));
        let streams = nodes.iter().zip(after).enumerate().map(|(number, (node, last_id))| {
            let reader = NodeReader {
                client,
                node,
                number,
                query: query.to_owned(),
                last_id,
                stream: None,
                is_lost: false,
                seeds: seeds.clone(),
                has_seed: None,
            };
            let items = stream::unfold(reader, |mut reader| async move {
                let item = reader.next().await;
                Some((item, reader))
            });
            Box::pin(items) as Pin<Box<dyn Stream<Item = FeedItem> + 'n>>
        });
        Self { items: stream::select_all(streams), sample, seed }
    }

    /// The next item. Cancel safe.
    pub async fn next(&mut self) -> FeedItem {
        loop {
            let Some(item) = self.items.next().await else {
                // There is no node.
                return std::future::pending().await;
            };
            let FeedItem::Message(node, message) = &item else { return item };
            match (&mut self.sample, &**message) {
                (Some(sample), StreamMessage::Packet(packet)) if !sample.contains(node, packet) => {
                }
                (Some(sample), message) => {
                    if let Some(new) = message.sample() {
                        sample.set(*node, new);
                        self.seed.send_if_modified(|seed| {
                            seed.replace(sample.seed()) != Some(sample.seed())
                        });
                    }
                    return item;
                }
                (None, _) => return item,
            }
        }
    }

    /// One packet of so many is shown, if all nodes have one sample.
    pub fn threshold(&self) -> Option<u64> {
        self.sample.as_ref()?.threshold()
    }
}

/// The stream of one node.
struct NodeReader<'n> {
    client: &'n PageClient,
    node: &'n AskedNode,
    number: usize,
    query: String,
    /// Where a stream that breaks begins again.
    last_id: Option<String>,
    stream: Option<StreamReader>,
    is_lost: bool,
    seeds: watch::Receiver<Option<u64>>,
    /// The seed of the node, as it says.
    has_seed: Option<u64>,
}

impl NodeReader<'_> {
    async fn next(&mut self) -> FeedItem {
        loop {
            let why = match &mut self.stream {
                None => {
                    if self.is_lost {
                        sleep(PAUSE).await;
                    }
                    let seed = *self.seeds.borrow_and_update();
                    let seed = seed.map(|seed| format!("&seed={seed:016x}")).unwrap_or_default();
                    let query = format!("{}{seed}", self.query);
                    let after = self.last_id.as_deref();
                    match StreamReader::open(self.client, self.node, &query, after).await {
                        Ok(stream) => {
                            self.stream = Some(stream);
                            continue;
                        }
                        Err(error) => self.node.describe(&error),
                    }
                }
                Some(stream) => tokio::select! {
                    message = stream.next() => match message {
                        Ok(message) => {
                            self.is_lost = false;
                            if let Some(id) = message.id() {
                                self.last_id = Some(id.to_owned());
                            }
                            if let Some(sample) = message.sample() {
                                self.has_seed = Some(sample.seed);
                            }
                            return FeedItem::Message(self.number, Box::new(message));
                        }
                        Err(why) => format!("{}: {why}", self.node.shown_url()),
                    },
                    Ok(()) = self.seeds.changed() => {
                        // Another node has a lower seed, which this one takes when it is asked for it.
                        if *self.seeds.borrow() != self.has_seed {
                            self.stream = None;
                        }
                        continue;
                    }
                },
            };
            self.stream = None;
            if !std::mem::replace(&mut self.is_lost, true) {
                return FeedItem::Lost(why);
            }
        }
    }
}
