//! A document without an end, such as a stream of JSON lines. It is read piece by piece, and nothing of it is kept.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::{Document, DocumentRequest, FetchError, HttpClient, HttpVerb, broken, read_document};
use crate::http::connect::{HttpSender, connect};
use crate::web::{TaskPoller, Tasks};

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

impl HttpClient {
    /// Requests a stream. The timeout is for the connection and for the head of the answer.
    pub async fn open(&self, asked: DocumentRequest<'_>) -> Result<Opened, FetchError> {
        let tasks = Tasks::default();
        let mut poller = tasks.poller();
        let opening = self.send_request(asked, &tasks);
        let (sender, answer): (HttpSender, Response<Incoming>) = tokio::select! {
            never = poller.run() => match never {},
            opened = opening => opened?,
        };
        if answer.status() == 200 {
            return Ok(Opened::Stream(DocumentStream { sender, poller, body: answer.into_body() }));
        }
        let read = timeout(asked.timeout, read_document(answer, asked.bytes_max));
        tokio::select! {
            never = poller.run() => match never {},
            read = read => {
                read.map_err(|_| FetchError::Timeout(asked.timeout))?.map(Opened::Document)
            }
        }
    }

    pub(super) async fn send_request(
        &self,
        asked: DocumentRequest<'_>,
        tasks: &Tasks,
    ) -> Result<(HttpSender, Response<Incoming>), FetchError> {
        let (mut sender, _) = connect(asked.url, &self.tls, asked.timeout, tasks, None).await?;
        let request = super::begin_request(&sender, asked)?;
        let body = match asked.verb {
            HttpVerb::Get => Body::empty(),
            HttpVerb::Post(body) | HttpVerb::PostBytes(body) | HttpVerb::Delete(body) => {
                Body::from(body.to_vec())
            }
        };
        let request = request.body(body).map_err(FetchError::Url)?;
        let answer = timeout(asked.timeout, sender.send(request, asked.bytes_max)).await;
        let answer = answer.map_err(|_| FetchError::Timeout(asked.timeout))?;
        Ok((sender, answer.map_err(|error| broken(&error.into_error()))?))
    }
}

impl DocumentStream {
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
