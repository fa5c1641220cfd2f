//! Fetches a document, such as the answer of an SPSP endpoint or a page of a node: one request, or several on one
//! connection, bounded in time and size.
//!
//! Deliberately absent: redirects, cookies, a cache, a pool of connections.

mod connection;
mod stream;

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Response, request};
use bytes::Bytes;
use hyper::body::Incoming;

pub use self::connection::HttpConnection;
pub use self::stream::{DocumentStream, Opened};
use super::connect::{ConnectError, HttpSender};
use crate::net::{ClientTls, HttpUrl, TlsError, TlsTrust};

/// For the connection, for the head of the answer, and for its body.
const TIMEOUT: Duration = Duration::from_secs(10);
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub struct HttpClient {
    tls: Arc<ClientTls>,
}

/// Which document, and the bounds of its answer.
#[derive(Debug, Clone, Copy)]
pub struct DocumentRequest<'r> {
    pub url: &'r HttpUrl,
    /// The content types that the caller can read.
    pub accept: &'r str,
    /// Sent as `Authorization: Bearer`. A secret.
    pub bearer: Option<&'r str>,
    /// What the request does.
    pub verb: HttpVerb<'r>,
    /// Further headers, by name.
    pub headers: &'r [(&'r str, &'r str)],
    /// For the connection, for the head of the answer, and for its body.
    pub timeout: Duration,
    /// Bytes of the body.
    pub bytes_max: usize,
}

/// The method of a request, and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVerb<'r> {
    Get,
    /// Posts JSON.
    Post(&'r [u8]),
    /// Posts `application/octet-stream`.
    PostBytes(&'r [u8]),
    /// Deletes something, for the reason in this JSON.
    Delete(&'r [u8]),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The status code; it need not be a success.
    pub status: u16,
    /// The content type, without parameters, in lower case.
    pub content_type: Option<String>,
    /// The target of a redirect, which is not followed.
    pub location: Option<String>,
    /// When to ask again: seconds or a date.
    pub retry_after: Option<String>,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the URL is not valid in a request: {0}")]
    Url(axum::http::Error),
    #[error("no answer: {0}")]
    Broken(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the token contains a character that a header cannot")]
    Bearer,
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl HttpClient {
    /// Trusts the certificate authorities of the system and of `trust`, which is read now.
    pub fn new(trust: TlsTrust) -> Result<Self, TlsError> {
        Ok(Self { tls: Arc::new(ClientTls::load(trust)?) })
    }

    /// Trusts what `tls` trusts, and follows its changes.
    pub fn with_tls(tls: Arc<ClientTls>) -> Self {
        Self { tls }
    }

    /// Sends a GET request. Any status is an answer. User and token of the URL are not sent.
    pub async fn get(&self, url: &HttpUrl, accept: &str) -> Result<Document, FetchError> {
        let bytes_max = DOCUMENT_BYTES_MAX;
        self.fetch(DocumentRequest {
            url,
            accept,
            bearer: None,
            verb: HttpVerb::Get,
            headers: &[],
            timeout: TIMEOUT,
            bytes_max,
        })
        .await
    }

    /// The same with a token and other bounds.
    pub async fn fetch(&self, asked: DocumentRequest<'_>) -> Result<Document, FetchError> {
        self.connect(asked.url, asked.timeout).await?.fetch(asked).await
    }

    /// The status of the answer. Its body is not read, whatever it is.
    pub async fn fetch_status(&self, asked: DocumentRequest<'_>) -> Result<u16, FetchError> {
        let mut connection = self.connect(asked.url, asked.timeout).await?;
        Ok(connection.send(asked).await?.status().as_u16())
    }
}

fn begin_request(
    sender: &HttpSender,
    asked: DocumentRequest<'_>,
) -> Result<request::Builder, FetchError> {
    const JSON: &str = "application/json";
    let (method, content_type) = match asked.verb {
        HttpVerb::Get => (Method::GET, None),
        HttpVerb::Post(_) => (Method::POST, Some(JSON)),
        HttpVerb::PostBytes(_) => (Method::POST, Some("application/octet-stream")),
        HttpVerb::Delete(_) => (Method::DELETE, Some(JSON)),
    };
    let mut request = sender.request(method, asked.url).header(ACCEPT, asked.accept);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in asked.headers {
        request = request.header(*name, *value);
    }
    Ok(match asked.bearer {
        Some(bearer) => request.header(AUTHORIZATION, bearer_value(bearer)?),
        None => request,
    })
}

/// A header value that logs do not show.
fn bearer_value(token: &str) -> Result<HeaderValue, FetchError> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| FetchError::Bearer)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read_document(
    answer: Response<Incoming>,
    bytes_max: usize,
) -> Result<Document, FetchError> {
    let (head, body) = answer.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (location, retry_after) = (text(LOCATION), text(RETRY_AFTER));
    let [location, retry_after] = [location, retry_after].map(|text| text.map(str::to_owned));
    let body = read_body(body, bytes_max, None).await?;
    Ok(Document { status: head.status.as_u16(), content_type, location, retry_after, body })
}

/// A whole body of at most `bytes_max`. `shared` counts the bytes of all incomplete bodies, and limits them.
pub(super) async fn read_body(
    mut body: Incoming,
    bytes_max: usize,
    shared: Option<(&AtomicUsize, usize)>,
) -> Result<Bytes, FetchError> {
    use hyper::body::Body as _;
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > bytes_max) {
        return Err(FetchError::TooLong(bytes_max));
    }
    let mut received = PartialBody { bytes: Vec::new(), counted: 0, shared };
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            None => return Ok(Bytes::from(std::mem::take(&mut received.bytes))),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(frame)) => {
                // Trailers are ignored.
                let Ok(data) = frame.into_data() else { continue };
                received.add(&data, bytes_max)?;
            }
        }
    }
}

struct PartialBody<'a> {
    bytes: Vec<u8>,
    counted: usize,
    shared: Option<(&'a AtomicUsize, usize)>,
}

impl PartialBody<'_> {
    fn add(&mut self, data: &[u8], bytes_max: usize) -> Result<(), FetchError> {
        if self.bytes.len() + data.len() > bytes_max {
            return Err(FetchError::TooLong(bytes_max));
        }
        self.bytes.extend_from_slice(data);
        self.counted += data.len();
        if let Some((shared, max)) = self.shared
            && shared.fetch_add(data.len(), Ordering::Relaxed) + data.len() > max
        {
            return Err(FetchError::TooLong(bytes_max));
        }
        Ok(())
    }
}

impl Drop for PartialBody<'_> {
    fn drop(&mut self) {
        if let Some((shared, _)) = self.shared {
            shared.fetch_sub(self.counted, Ordering::Relaxed);
        }
    }
}

fn broken(error: &hyper::Error) -> FetchError {
    FetchError::Broken(with_source(error))
}

/// hyper's errors say what went wrong only in their source.
pub(super) fn with_source(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
