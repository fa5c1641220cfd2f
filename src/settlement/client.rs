//! One request to a settlement engine: bounded in time and size, with any 2xx as success and no body parsed.

use std::time::Duration;

use bytes::Bytes;

use crate::account::AccountId;
use crate::books::{Quantity, SettlementKey};
use crate::http::{DocumentRequest, HttpClient, HttpVerb};
use crate::net::{HttpUrl, Secret, error_chain, sanitize};
use crate::wire::ilp::MAX_DATA_EMITTED;

/// For the connection, for the head of the answer, and for its body. Engines expect the same of connectors.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For a new account: an engine may answer only when it has agreed with the engine of the peer.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer whose body only says what went wrong.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of that body in a message, which is on one line.
const SHOWN_CHARS_MAX: usize = 160;
/// Bytes of it that are looked at: a page of HTML says little, between many tags.
const SHOWN_BYTES_MAX: usize = 4 * 1024;

/// The settlement engine of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// The account of the peer. Its id is the id of the account at the engine, too.
    pub account: AccountId,
    /// Where the paths of the engine begin.
    pub url: HttpUrl,
    /// Sent as a bearer token. RFC 38 knows none.
    pub token: Option<Secret>,
}

/// Why a request to an engine did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The configuration gives the peer none.
    #[error("peer {0} has no settlement engine")]
    NoEngine(AccountId),
    /// The request may have arrived or not.
    #[error("the settlement engine at {url} gives no answer: {reason}")]
    NoAnswer {
        /// The engine.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It answered with a status other than 2xx.
    #[error("the settlement engine at {url} answers {status}{}", shown(.body))]
    Status {
        /// The engine.
        url: String,
        /// The status.
        status: u16,
        /// The body.
        body: Bytes,
    },
}

/// What the body says, on one line: without the tags of a page, and shortened.
fn shown(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body.get(..SHOWN_BYTES_MAX).unwrap_or(body));
    let text = match text.trim_start().starts_with('<') {
        true => without_tags(&text),
        false => text.into_owned(),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let mut line: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    match line.is_empty() {
        true => String::new(),
        false => format!(": {}", sanitize(&line)),
    }
}

fn without_tags(page: &str) -> String {
    let parts = page.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text));
    // Two paragraphs are not one word.
    parts.collect::<Vec<_>>().join(" ")
}

/// What to ask an engine for.
#[derive(Clone, Copy, Debug)]
pub(super) enum EngineRequest<'r> {
    CreateAccount,
    Settle(&'r SettlementKey, &'r Quantity),
    Message(&'r [u8]),
}

impl EngineError {
    /// The engine says that it does not know the account.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }
}

/// Sends one request, and returns the body of the answer.
///
/// RFC 38 "Settlement Engine HTTP API": an engine has the paths `/accounts`, `/accounts/:id/settlements` and
/// `/accounts/:id/messages`; quantities are JSON with the amount as text. [row 131] No account is ever deleted: the
/// engine may have something left to pay.
pub(super) async fn ask_engine(
    http: &HttpClient,
    engine: &EngineSettings,
    request: EngineRequest<'_>,
) -> Result<Bytes, EngineError> {
    let id = engine.account.as_str();
    let shown_url = || engine.url.without_credentials();
    let no_answer = |reason: String| EngineError::NoAnswer { url: shown_url(), reason };
    let segments: &[&str] = match request {
        EngineRequest::CreateAccount => &["accounts"],
        EngineRequest::Settle(..) => &["accounts", id, "settlements"],
        EngineRequest::Message(_) => &["accounts", id, "messages"],
    };
    let url = engine.url.join(segments);
    let url = url.ok_or_else(|| no_answer("its URL cannot have a path".to_owned()))?;
    let json = match request {
        EngineRequest::CreateAccount => serde_json::json!({ "id": id }).to_string(),
        EngineRequest::Settle(_, quantity) => quantity_json(quantity),
        EngineRequest::Message(_) => String::new(),
    };
    // RFC 38 "Performing idempotent requests": the key is the same in each attempt. [row 133]
    let key = match request {
        EngineRequest::Settle(key, _) => Some(("idempotency-key", key.as_str())),
        _ => None,
    };
    let is_message = matches!(request, EngineRequest::Message(_));
    let asked = DocumentRequest {
        url: &url,
        accept: if is_message { "application/octet-stream" } else { "*/*" },
        bearer: engine.token.as_ref().map(Secret::expose),
        verb: match request {
            EngineRequest::Message(bytes) => HttpVerb::PostBytes(bytes),
            _ => HttpVerb::Post(json.as_bytes()),
        },
        headers: key.as_slice(),
        timeout: match request {
            EngineRequest::CreateAccount => ACCOUNT_TIMEOUT,
            _ => TIMEOUT,
        },
        bytes_max: if is_message { MAX_DATA_EMITTED } else { ANSWER_BYTES_MAX },
    };
    let answer = http.fetch(asked).await;
    let answer = answer.map_err(|error| no_answer(sanitize(&error_chain(&error))))?;
    match answer.status {
        200..=299 => Ok(answer.body),
        status => Err(EngineError::Status { url: shown_url(), status, body: answer.body }),
    }
}

/// A quantity as both sides of the API write it.
pub(super) fn quantity_json(quantity: &Quantity) -> String {
    serde_json::json!({ "amount": quantity.amount(), "scale": quantity.scale }).to_string()
}
