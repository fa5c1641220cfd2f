//! One attempt to deliver an event.

use std::sync::Arc;
use std::time::Duration;

use super::payload::payload;
use super::signature::{SigningKey, sign};
use crate::books::{SavedEvent, clip_text};
use crate::http::{DocumentRequest, FetchError, HttpClient, HttpVerb};
use crate::net::{HttpUrl, error_chain};
use crate::wire::Timestamp;

/// For the connection, for the head of the answer, and for its body.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer, which is not read otherwise.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The webhook is gone, and wants nothing more.
const GONE: u16 = 410;

/// Where events go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: Arc<str>,
    /// Its URL.
    pub url: HttpUrl,
    /// Each makes a signature.
    pub keys: Vec<SigningKey>,
}

/// Why an attempt has failed.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It has not accepted the event: the status is not 2xx. Redirects are not followed.
    #[error("HTTP {0}")]
    Status(u16),
    /// There was no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl DeliveryError {
    /// Whether a further attempt makes no sense.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status(GONE))
    }

    /// For the store and for operators: a bounded text without a secret.
    pub fn describe(&self) -> String {
        clip_text(&error_chain(self))
    }
}

/// Posts an event. Any 2xx means that it was accepted.
///
/// # Errors
/// [`DeliveryError`]; the webhook may have got the event nevertheless.
pub async fn deliver(
    client: &HttpClient,
    webhook: &Webhook,
    node: &str,
    event: &SavedEvent,
    at: Timestamp,
) -> Result<(), DeliveryError> {
    let body = payload(node, event);
    let (id, seconds) = (event.id.as_str(), (at.as_millis() / 1_000).to_string());
    let signature = sign(&webhook.keys, id, at, &body);
    let headers =
        [("webhook-id", id), ("webhook-timestamp", &*seconds), ("webhook-signature", &*signature)];
    let request = DocumentRequest {
        url: &webhook.url,
        accept: "*/*",
        bearer: webhook.url.token(),
        headers: &headers,
        verb: HttpVerb::Post(body.as_bytes()),
        timeout: TIMEOUT,
        bytes_max: ANSWER_BYTES_MAX,
    };
    match client.fetch(request).await {
        Ok(document) if (200..300).contains(&document.status) => Ok(()),
        Ok(document) => Err(DeliveryError::Status(document.status)),
        Err(error) => Err(error.into()),
    }
}
