//! The stream of one node, object by object. It ends with the connection, and when nothing comes although a heartbeat
//! is due; whoever reads it begins it again where it ended.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::AskedNode;
use super::page_client::{PageClient, PageError, PageStream, url_encode};
use crate::net::sanitize;
use crate::observe::{ByeBody, STREAM_PACKETS_PER_SECOND_MAX, StreamMessage};

/// A node sends something every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Bytes of one object: enough for the state of 1,000 nodes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The open stream of one node.
#[derive(Debug)]
pub struct StreamReader {
    stream: PageStream,
    lines: LineParts,
    silent_since: Instant,
}

/// What the stream of a node must carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamAsk {
    /// Whether a stream is needed at all.
    pub is_open: bool,
    /// Also records of packets.
    pub has_packets: bool,
    /// Of the sample, the same for all nodes.
    pub seed: u64,
}

impl StreamAsk {
    /// The parameters of the stream. `may_read_packets`: the token allows it.
    pub fn query(self, may_read_packets: bool) -> String {
        match self.has_packets && may_read_packets {
            true => format!(
                "topics=state,rates,events,packets&packets={STREAM_PACKETS_PER_SECOND_MAX}&seed={:016x}",
                self.seed
            ),
            false => "topics=state,rates,events".to_owned(),
        }
    }
}

/// Why a stream has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    /// The node has said why.
    #[error("{}", .0.why)]
    Bye(ByeBody),
    #[error("{0}")]
    Broken(String),
    #[error("nothing came for {} s", SILENCE_MAX.as_secs())]
    Silent,
}

/// The lines of a stream.
#[derive(Debug, Default)]
struct LineParts {
    /// The beginning of a line.
    part: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
}

impl StreamReader {
    /// Opens the stream. `query`: its parameters. `after`: the id of the last object that is known.
    ///
    /// # Errors
    /// The node does not answer, or refuses.
    pub async fn open(
        client: &PageClient,
        node: &AskedNode,
        query: &str,
        after: Option<&str>,
    ) -> Result<Self, PageError> {
        let after = after.map(|id| format!("&after={}", url_encode(id))).unwrap_or_default();
        let stream = client.stream(node, &format!("api/v1/stream?{query}{after}")).await?;
        Ok(Self { stream, lines: LineParts::default(), silent_since: Instant::now() })
    }

    /// The next object. Cancel safe.
    ///
    /// # Errors
    /// Why there is none: the stream must be opened again.
    pub async fn next(&mut self) -> Result<StreamMessage, StreamEnd> {
        loop {
            while let Some(line) = self.lines.lines.pop_front() {
                match serde_json::from_slice(&line) {
                    Ok(StreamMessage::Bye(bye)) => {
                        // It is printed as it is.
                        let why = sanitize(&bye.why);
                        return Err(StreamEnd::Bye(ByeBody { why, ..bye }));
                    }
                    Ok(message) => return Ok(message),
                    // An object of a newer version.
                    Err(_) => {}
                }
            }
            let chunk = timeout_at(self.silent_since + SILENCE_MAX, self.stream.next_chunk());
            let chunk = chunk.await.map_err(|_| StreamEnd::Silent)?.map_err(StreamEnd::Broken)?;
            let chunk =
                chunk.ok_or_else(|| StreamEnd::Broken("the stream has ended".to_owned()))?;
            self.silent_since = Instant::now();
            self.lines.add(&chunk);
            if self.lines.part.len() > LINE_BYTES_MAX {
                let why = format!("an object has more than {LINE_BYTES_MAX} bytes");
                return Err(StreamEnd::Broken(why));
            }
        }
    }
}

impl LineParts {
    /// Completes lines. Empty ones are heartbeats.
    fn add(&mut self, chunk: &[u8]) {
        let mut pieces = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            self.part.extend_from_slice(piece);
            if pieces.peek().is_some() {
                let line = std::mem::take(&mut self.part);
                if !line.is_empty() {
                    self.lines.push_back(line);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_pieces() {
        let mut lines = LineParts::default();
        for chunk in ["{\"a\"", ":1}\n\n{}", "\n", "x"] {
            lines.add(chunk.as_bytes());
        }
        assert_eq!(lines.lines, [b"{\"a\":1}".to_vec(), b"{}".to_vec()]);
        assert_eq!(lines.part, b"x");
    }
}
