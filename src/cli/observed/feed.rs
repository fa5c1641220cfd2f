//! The streams of several nodes as one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use tokio::time::sleep;

use super::super::asked_nodes::AskedNode;
use super::super::page_client::{PageClient, PageError, PageStream};
use super::super::tap::url_encode;
use super::describe;
use crate::observe::StreamMessage;

/// Before a node is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of one object: enough for the state of 1,000 nodes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What comes next.
#[derive(Debug)]
pub(in crate::cli) enum FeedItem {
    /// From the node with this number.
    Message(usize, Box<StreamMessage>),
    /// The stream of a node has ended; it is asked again. Said once until it answers.
    Lost(String),
}

/// Reads all streams. Whatever ends is begun again.
pub(in crate::cli) struct Feed<'n>(SelectAll<Pin<Box<dyn Stream<Item = FeedItem> + 'n>>>);

impl<'n> Feed<'n> {
    /// `query`: the parameters of the stream. `after`: the last ids that are known, in the order of the nodes.
    pub(in crate::cli) fn open(
        client: &'n PageClient,
        nodes: &'n [AskedNode],
        query: &str,
        after: Vec<Option<String>>,
    ) -> Self {
        let path = format!("api/v1/stream?{query}");
        let after = after.into_iter().chain(std::iter::repeat(None));
        let streams = nodes.iter().zip(after).enumerate().map(|(number, (node, last_id))| {
            let path = path.clone();
            let reader =
                NodeReader { client, node, number, path, last_id, lines: None, is_lost: false };
            let items = stream::unfold(reader, |mut reader| async move {
                let item = reader.next().await;
                Some((item, reader))
            });
            Box::pin(items) as Pin<Box<dyn Stream<Item = FeedItem> + 'n>>
        });
        Self(stream::select_all(streams))
    }

    /// The next item. Cancel safe.
    pub(in crate::cli) async fn next(&mut self) -> FeedItem {
        match self.0.next().await {
            Some(item) => item,
            // There is no node.
            None => std::future::pending().await,
        }
    }
}

/// The stream of one node.
struct NodeReader<'n> {
    client: &'n PageClient,
    node: &'n AskedNode,
    number: usize,
    path: String,
    /// Where a stream that breaks begins again.
    last_id: Option<String>,
    lines: Option<LineReader>,
    is_lost: bool,
}

impl NodeReader<'_> {
    async fn open(&self) -> Result<PageStream, PageError> {
        match &self.last_id {
            Some(id) => {
                let path = format!("{}&after={}", self.path, url_encode(id));
                self.client.stream(self.node, &path).await
            }
            None => self.client.stream(self.node, &self.path).await,
        }
    }

    fn note_id(&mut self, message: &StreamMessage) {
        match message {
            StreamMessage::Event(event) => self.last_id = Some(event.id.clone()),
            StreamMessage::Packet(packet) => self.last_id = Some(packet.id.clone()),
            _ => {}
        }
    }

    async fn next(&mut self) -> FeedItem {
        loop {
            let why = match &mut self.lines {
                None => {
                    if self.is_lost {
                        sleep(PAUSE).await;
                    }
                    match self.open().await {
                        Ok(stream) => {
                            self.lines = Some(LineReader::new(stream));
                            continue;
                        }
                        Err(error) => describe(self.node, &error),
                    }
                }
                Some(lines) => match lines.next().await {
                    Ok(line) => match serde_json::from_slice(&line) {
                        Ok(message) => {
                            self.is_lost = false;
                            self.note_id(&message);
                            return FeedItem::Message(self.number, Box::new(message));
                        }
                        // A heartbeat, or an object of a newer version.
                        Err(_) => continue,
                    },
                    Err(why) => format!("{}: {why}", self.node.shown_url()),
                },
            };
            self.lines = None;
            if !std::mem::replace(&mut self.is_lost, true) {
                return FeedItem::Lost(why);
            }
        }
    }
}

/// The lines of a stream.
struct LineReader {
    stream: PageStream,
    /// The beginning of a line.
    part: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
}

impl LineReader {
    fn new(stream: PageStream) -> Self {
        Self { stream, part: Vec::new(), lines: VecDeque::new() }
    }

    async fn next(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(line);
            }
            let chunk = self.stream.next_chunk().await?.ok_or("the stream has ended")?;
            add_lines(&chunk, &mut self.part, &mut self.lines);
            if self.part.len() > LINE_BYTES_MAX {
                return Err(format!("an object has more than {LINE_BYTES_MAX} bytes"));
            }
        }
    }
}

/// Completes lines. Empty ones are heartbeats.
fn add_lines(chunk: &[u8], part: &mut Vec<u8>, lines: &mut VecDeque<Vec<u8>>) {
    let mut pieces = chunk.split(|byte| *byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        part.extend_from_slice(piece);
        if pieces.peek().is_some() {
            let line = std::mem::take(part);
            if !line.is_empty() {
                lines.push_back(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_pieces() {
        let (mut part, mut lines) = (Vec::new(), VecDeque::new());
        for chunk in ["{\"a\"", ":1}\n\n{}", "\n", "x"] {
            add_lines(chunk.as_bytes(), &mut part, &mut lines);
        }
        assert_eq!(lines, [b"{\"a\":1}".to_vec(), b"{}".to_vec()]);
        assert_eq!(part, b"x");
    }
}
