//! Fetches a document, such as the answer of an SPSP endpoint: one request, bounded in time and size.
//!
//! Deliberately not here: redirects, cookies, a cache, a pool of connections. A document is fetched once in a while; ILP
//! packets have connections of their own.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use axum::http::{Method, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::connect::{ConnectError, connect};
use crate::net::{ClientTls, HttpUrl, TlsError, TlsTrust};
use crate::web::Tasks;

/// From the request to the end of the answer, and before that for the connection.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of a document.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Fetches documents.
#[derive(Debug)]
pub struct HttpClient {
    tls: ClientTls,
}

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The status code; it need not be a success.
    pub status: u16,
    /// The content type, without parameters, in lower case.
    pub content_type: Option<String>,
    /// Where a redirect leads; not followed here.
    pub location: Option<String>,
    /// All of it.
    pub body: Bytes,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The URL cannot stand in a request.
    #[error("the URL cannot be asked for: {0}")]
    Url(axum::http::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The document is longer than we read.
    #[error("the answer is longer than {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
}

impl HttpClient {
    /// Trusts the system's certificate authorities and what `trust` names, which is read now.
    ///
    /// # Errors
    /// A file that cannot be read or used.
    pub fn new(trust: TlsTrust) -> Result<Self, TlsError> {
        Ok(Self { tls: ClientTls::load(trust)? })
    }

    /// GET. Any status is an answer. User and token of the URL are not sent.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn get(&self, url: &HttpUrl, accept: &str) -> Result<Document, FetchError> {
        let tasks = Tasks::default();
        let mut running = tasks.running();
        let exchange = async {
            let (mut sender, _) = connect(url, &self.tls, TIME, &tasks).await?;
            let request = sender.request(Method::GET, url).header(ACCEPT, accept);
            let request = request.body(Body::empty()).map_err(FetchError::Url)?;
            let answered = async {
                let answer = sender.send(request, DOCUMENT_BYTES_MAX).await;
                read(answer.map_err(|error| broken(&error.into_error()))?).await
            };
            timeout(TIME, answered).await.map_err(|_| FetchError::Timeout(TIME))?
        };
        tokio::select! {
            never = running.run() => match never {},
            document = exchange => document,
        }
    }
}

async fn read(answer: Response<Incoming>) -> Result<Document, FetchError> {
    let (head, body) = answer.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.map(str::to_owned);
    let body = bounded(body, DOCUMENT_BYTES_MAX, None).await?;
    Ok(Document { status: head.status.as_u16(), content_type, location, body })
}

/// All of a body, if it is no longer than `bytes_max`. `shared` counts the bytes of all bodies that are being received, and
/// bounds them.
pub(super) async fn bounded(
    mut body: Incoming,
    bytes_max: usize,
    shared: Option<(&AtomicUsize, usize)>,
) -> Result<Bytes, FetchError> {
    use hyper::body::Body as _;
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > bytes_max) {
        return Err(FetchError::TooLong);
    }
    let mut received = Received { bytes: Vec::new(), counted: 0, shared };
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            None => return Ok(Bytes::from(std::mem::take(&mut received.bytes))),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(frame)) => {
                // Trailers are of no interest.
                let Ok(data) = frame.into_data() else { continue };
                received.add(&data, bytes_max)?;
            }
        }
    }
}

/// What has come of a body.
struct Received<'a> {
    bytes: Vec<u8>,
    counted: usize,
    shared: Option<(&'a AtomicUsize, usize)>,
}

impl Received<'_> {
    fn add(&mut self, data: &[u8], bytes_max: usize) -> Result<(), FetchError> {
        if self.bytes.len() + data.len() > bytes_max {
            return Err(FetchError::TooLong);
        }
        self.bytes.extend_from_slice(data);
        self.counted += data.len();
        if let Some((shared, max)) = self.shared
            && shared.fetch_add(data.len(), Ordering::Relaxed) + data.len() > max
        {
            return Err(FetchError::TooLong);
        }
        Ok(())
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        if let Some((shared, _)) = self.shared {
            shared.fetch_sub(self.counted, Ordering::Relaxed);
        }
    }
}

/// hyper's errors hide what went wrong in their source.
fn broken(error: &dyn Error) -> FetchError {
    FetchError::Broken(match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests;
