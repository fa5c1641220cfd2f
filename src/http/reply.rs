//! The answer to an asynchronous Prepare (RFC 35): a request to the peer's server. It is repeated until the server
//! accepts it or the Prepare expires, but for no longer than the node waits for a next hop.
//!
//! A `Callback-Url` must have the origin (scheme, host and port) of the URL that is configured for the peer. Otherwise
//! any client with a token could make the node post to any server.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::http_peers::HttpPeer;
use super::pool::Pool;
use crate::net::HttpUrl;
use crate::peers::NodeContext;
use crate::time::{Backoff, MonoTime};

pub(super) const REQUEST_ID: &str = "request-id";
/// The header with the URL for the answer.
pub(super) const CALLBACK_URL: &str = "callback-url";
/// The content type of packets.
pub(super) const OCTET_STREAM: &str = "application/octet-stream";

/// The delay before the first retry; it doubles before each further one.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// For one attempt, so that a silent server leaves time for others.
const ATTEMPT_TIME: Duration = Duration::from_secs(5);
/// Bytes of a server's answer to a reply. They are ignored.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// An answer that is posted to a peer's server.
#[derive(Debug)]
pub(super) struct HttpReply {
    pub(super) peer: Arc<HttpPeer>,
    /// Has the same origin as the URL of the peer.
    pub(super) url: HttpUrl,
    /// From the peer's request.
    pub(super) request_id: String,
    /// The expiry of the Prepare.
    pub(super) deadline: MonoTime,
}

impl HttpReply {
    /// Sends the answer. There is no result: a late answer is the same as none.
    pub(super) async fn send(self, packet: Vec<u8>, pool: Arc<Pool>, context: Arc<NodeContext>) {
        let packet = Bytes::from(packet);
        let mut backoff = Backoff::new(RETRY_FIRST, Duration::MAX);
        // The peer chose the expiry, which may be far away.
        let latest = context.clock.mono().after(context.connector.max_hold_time());
        let until = self.deadline.min(latest);
        loop {
            let left = until.since(context.clock.mono());
            if left.is_zero() {
                return self.log_undelivered("the Prepare has expired");
            }
            let attempt = timeout(left.min(ATTEMPT_TIME), self.attempt(&packet, &pool, &context));
            let failure = match attempt.await {
                // RFC 35 "Retry Behavior": a status of 2xx or 4xx ends the attempts; after 5xx or no answer, the reply
                // should be sent again before the Prepare expires. [row 128]
                Ok(Ok(status)) if status.is_success() => return,
                Ok(Ok(status)) if status.is_client_error() => {
                    return self.log_undelivered(&format!("it answered {status}"));
                }
                Ok(Ok(status)) => format!("it answered {status}"),
                Ok(Err(error)) => error,
                Err(_) => "no answer".to_owned(),
            };
            tracing::debug!(peer = %self.peer.dial().peer(), %failure, "a reply was not accepted; it is sent again");
            sleep(backoff.next_delay().min(left)).await;
        }
    }

    async fn attempt(
        &self,
        packet: &Bytes,
        pool: &Pool,
        context: &NodeContext,
    ) -> Result<axum::http::StatusCode, String> {
        let authorization = self.peer.authorization(context.clock.now().wall);
        let authorization = authorization.ok_or("the token is not valid in a header")?;
        let head = |request: axum::http::request::Builder| {
            request
                .header(CONTENT_TYPE, OCTET_STREAM)
                .header(AUTHORIZATION, authorization.clone())
                .header(REQUEST_ID, &self.request_id)
        };
        let answer = pool.post(&self.url, head, packet.clone(), ANSWER_BYTES_MAX).await;
        answer.map(|response| response.status).map_err(|error| error.to_string())
    }

    fn log_undelivered(&self, reason: &str) {
        tracing::debug!(peer = %self.peer.dial().peer(), reason, "a reply could not be delivered");
    }
}

/// Where the answer to an asynchronous request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Callback {
    /// Into the response: the request is synchronous.
    Response,
    /// To this URL of the peer's server.
    Post(HttpUrl),
    /// The request is refused, for this reason.
    Refused(&'static str),
}

/// Decides about a request with a `Request-Id`, by its `Callback-Url` and the configuration of its peer.
pub(super) fn choose_callback(callback_url: Option<&[u8]>, peer: Option<&HttpPeer>) -> Callback {
    let Some(callback_url) = callback_url else {
        // RFC 35 "Request": the header may be missing if both peers have agreed on the URL. [row 128]
        return match peer {
            Some(peer) if peer.is_async() => Callback::Post(peer.dial().url.clone()),
            _ => Callback::Response,
        };
    };
    let Some(peer) = peer else {
        return Callback::Refused(
            "no http url is configured here for this peer, so answers cannot be sent to a Callback-Url; \
             leave it out to have the answer in the response",
        );
    };
    let url = std::str::from_utf8(callback_url).ok().and_then(|text| text.parse::<HttpUrl>().ok());
    match url {
        Some(url) if !url.is_same_origin(&peer.dial().url) => Callback::Refused(
            "Callback-Url must have the scheme, host and port of the url that is configured for this peer",
        ),
        Some(url) if url.username().is_some() => {
            Callback::Refused("Callback-Url must not contain a user or a token")
        }
        Some(url) => Callback::Post(url),
        None => Callback::Refused("Callback-Url is not an http or https URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpDial;
    use crate::net::{HttpAuth, HttpMode};

    fn peer(mode: HttpMode) -> HttpPeer {
        let url = "https://bob.example/ilp".parse().unwrap();
        let dial = HttpDial::new("bob".parse().unwrap(), url, "me", None);
        HttpPeer::new(dial.with_mode(mode, HttpAuth::Simple))
    }

    fn check(callback_url: Option<&str>, peer: Option<&HttpPeer>, expected: &str) {
        let found = match choose_callback(callback_url.map(str::as_bytes), peer) {
            Callback::Response => "response".to_owned(),
            Callback::Post(url) => url.without_credentials(),
            Callback::Refused(reason) => reason.to_owned(),
        };
        assert!(found.contains(expected), "{callback_url:?}: {found}");
    }

    #[test]
    fn answers_go_only_to_the_configured_server() {
        let sync = peer(HttpMode::Sync);
        check(None, None, "response");
        check(None, Some(&sync), "response");
        check(None, Some(&peer(HttpMode::Async)), "https://bob.example/ilp");
        check(Some("https://bob.example/back?x"), Some(&sync), "https://bob.example/back?x");
        check(Some("https://BOB.example:443/back"), Some(&sync), "https://bob.example/back");
        check(Some("https://bob.example/back"), None, "no http url is configured");
        for elsewhere in [
            "https://bob.example:8443/back",
            "http://bob.example/back",
            "http://bob.example:443/back",
            "https://127.0.0.1/back",
            "https://bob.example.evil.example/back",
            "https://evil.example/https://bob.example",
            "https://bob.example@evil.example/",
        ] {
            check(Some(elsewhere), Some(&sync), "must have the scheme, host and port");
        }
        check(Some("https://u:t@bob.example/back"), Some(&sync), "must not contain");
        for nonsense in ["", "bob.example/back", "file:///etc/passwd", "ws://bob.example/"] {
            check(Some(nonsense), Some(&sync), "not an http or https URL");
        }
    }
}
