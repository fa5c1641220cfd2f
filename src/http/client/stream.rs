//! A document without an end, such as a stream of JSON lines. It is read piece by piece, and nothing of it is kept.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};

use super::{Document, FetchError, broken};
use crate::http::connect::HttpSender;
use crate::web::TaskPoller;

/// The answer to a request for a stream.
#[derive(Debug)]
pub enum Opened {
    /// With status 200.
    Stream(DocumentStream),
    /// With any other status, and at most the bytes of the request.
    Document(Document),
}

/// The connection ends when this is dropped.
pub struct DocumentStream {
    sender: HttpSender,
    poller: TaskPoller,
    body: Incoming,
}

impl std::fmt::Debug for DocumentStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DocumentStream")
    }
}

impl DocumentStream {
    pub(super) fn new(sender: HttpSender, poller: TaskPoller, body: Incoming) -> Self {
        Self { sender, poller, body }
    }

    /// The next bytes; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let Self { sender, poller, body } = self;
        let next = async {
            loop {
                match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(broken(&error)),
                    // Trailers are ignored.
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            }
        };
        let chunk = tokio::select! {
            biased;
            chunk = next => chunk,
            never = poller.run() => match never {},
        }?;
        if let Some(chunk) = &chunk {
            // What was read was wanted, so the server may send as much again.
            sender.allow(chunk.len());
        }
        Ok(chunk)
    }
}
