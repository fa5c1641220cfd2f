//! A connection to one server, for requests one after the other.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::stream::{DocumentStream, Opened};
use super::{
    Document, DocumentRequest, FetchError, HttpClient, HttpVerb, begin_request, broken,
    read_document,
};
use crate::http::connect::{HttpSender, connect};
use crate::net::HttpUrl;
use crate::web::{TaskPoller, Tasks};

/// A connection to the server of a URL. All requests on it reach the same server, so that a client can ask who that is
/// before it sends a secret. It ends when this is dropped.
pub struct HttpConnection {
    sender: HttpSender,
    poller: TaskPoller,
}

impl std::fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpConnection")
    }
}

impl HttpClient {
    /// Connects to the server of the URL.
    ///
    /// # Errors
    /// There is no connection within this time.
    pub async fn connect(
        &self,
        url: &HttpUrl,
        time_max: Duration,
    ) -> Result<HttpConnection, FetchError> {
        let tasks = Tasks::default();
        let mut poller = tasks.poller();
        let (sender, _) = tokio::select! {
            biased;
            never = poller.run() => match never {},
            connected = connect(url, &self.tls, time_max, &tasks, None) => connected?,
        };
        Ok(HttpConnection { sender, poller })
    }
}

impl HttpConnection {
    /// Waits until the next request can be sent, after an answer that was read.
    ///
    /// # Errors
    /// The server has closed the connection, or it cannot be used within this time. Nothing was sent.
    pub async fn ready(&mut self, time_max: Duration) -> Result<(), FetchError> {
        let Self { sender, poller } = self;
        tokio::select! {
            biased;
            never = poller.run() => match never {},
            ready = timeout(time_max, sender.ready()) => {
                let ready = ready.map_err(|_| FetchError::Timeout(time_max))?;
                ready.map_err(|error| broken(&error))
            }
        }
    }

    /// Sends a request to the server of this connection, and reads the answer. Any status is an answer. The time of the
    /// request is for the head of the answer, and again for its body.
    ///
    /// # Errors
    /// There is no such answer. The connection cannot be used again.
    pub async fn fetch(&mut self, asked: DocumentRequest<'_>) -> Result<Document, FetchError> {
        let answer = self.send(asked).await?;
        self.read(answer, asked).await
    }

    /// The same for a stream. The time of the request is for the head of the answer.
    ///
    /// # Errors
    /// There is no such answer.
    pub async fn open(mut self, asked: DocumentRequest<'_>) -> Result<Opened, FetchError> {
        let answer = self.send(asked).await?;
        if answer.status() == 200 {
            let Self { sender, poller } = self;
            return Ok(Opened::Stream(DocumentStream::new(sender, poller, answer.into_body())));
        }
        self.read(answer, asked).await.map(Opened::Document)
    }

    /// The head of the answer.
    pub(super) async fn send(
        &mut self,
        asked: DocumentRequest<'_>,
    ) -> Result<Response<Incoming>, FetchError> {
        let Self { sender, poller } = self;
        let request = begin_request(sender, asked)?;
        let body = match asked.verb {
            HttpVerb::Get => Body::empty(),
            HttpVerb::Post(body) | HttpVerb::PostBytes(body) | HttpVerb::Delete(body) => {
                Body::from(body.to_vec())
            }
        };
        let request = request.body(body).map_err(FetchError::Url)?;
        let sending = timeout(asked.timeout, async {
            // After an answer, the connection needs a moment; or the server has closed it.
            sender.ready().await.map_err(|error| broken(&error))?;
            let answer = sender.send(request, asked.bytes_max).await;
            answer.map_err(|error| broken(&error.into_error()))
        });
        tokio::select! {
            biased;
            never = poller.run() => match never {},
            answer = sending => answer.map_err(|_| FetchError::Timeout(asked.timeout))?,
        }
    }

    async fn read(
        &mut self,
        answer: Response<Incoming>,
        asked: DocumentRequest<'_>,
    ) -> Result<Document, FetchError> {
        let read = timeout(asked.timeout, read_document(answer, asked.bytes_max));
        tokio::select! {
            biased;
            never = self.poller.run() => match never {},
            document = read => document.map_err(|_| FetchError::Timeout(asked.timeout))?,
        }
    }
}
