//! The answer to an asynchronous Prepare (RFC 35): a request of our own to the peer's server, tried again until it is taken
//! or the Prepare has expired, but not for longer than we would wait for the answer of a next hop.
//!
//! The peer says where its server is, so it must not say anything: a `Callback-Url` has to have the origin (scheme, host
//! and port) of the url that is configured for the peer. Else whoever knows a token could have us post anywhere.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::http_peers::HttpPeer;
use super::pool::Pool;
use crate::net::HttpUrl;
use crate::peers::TransportContext;
use crate::time::{Backoff, MonoTime};

/// The header that names a request.
pub(super) const REQUEST_ID: &str = "request-id";
/// The header that says where the answer goes.
pub(super) const CALLBACK_URL: &str = "callback-url";
/// What packets are.
pub(super) const OCTETS: &str = "application/octet-stream";

/// The delay before the first retry; each other one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// For one attempt, so that a server which swallows requests leaves time for others.
const ATTEMPT_TIME: Duration = Duration::from_secs(5);
/// Bytes of a server's answer to a reply, which nobody reads.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Where an answer goes, and until when.
#[derive(Debug)]
pub(super) struct HttpReply {
    /// Whose server.
    pub(super) contact: Arc<HttpPeer>,
    /// Which resource there; of the same origin as the contact's url.
    pub(super) url: HttpUrl,
    /// As the peer gave it.
    pub(super) request_id: String,
    /// An answer after this is none.
    pub(super) deadline: MonoTime,
}

impl HttpReply {
    /// Sends the answer. Nobody waits for the result: an answer that does not arrive in time is one that never came.
    pub(super) async fn send(
        self,
        packet: Vec<u8>,
        pool: Arc<Pool>,
        context: Arc<TransportContext>,
    ) {
        let packet = Bytes::from(packet);
        let mut backoff = Backoff::new(RETRY_FIRST, Duration::MAX);
        // The peer chose the expiry; it may be any.
        let latest = context.clock.mono().after(context.connector.max_hold());
        let until = self.deadline.min(latest);
        loop {
            let left = until.since(context.clock.mono());
            if left.is_zero() {
                return self.gave_up("its time is up");
            }
            let attempt = timeout(left.min(ATTEMPT_TIME), self.attempt(&packet, &pool, &context));
            let failed = match attempt.await {
                // RFC 35: 2xx and 4xx are final.
                Ok(Ok(status)) if status.is_success() => return,
                Ok(Ok(status)) if status.is_client_error() => {
                    return self.gave_up(&format!("it answered {status}"));
                }
                Ok(Ok(status)) => format!("it answered {status}"),
                Ok(Err(error)) => error,
                Err(_) => "no answer".to_owned(),
            };
            tracing::debug!(peer = %self.contact.dial().peer(), %failed, "a reply was not taken; it is sent again");
            sleep(backoff.next_delay().min(left)).await;
        }
    }

    async fn attempt(
        &self,
        packet: &Bytes,
        pool: &Pool,
        context: &TransportContext,
    ) -> Result<axum::http::StatusCode, String> {
        let authorization = self.contact.authorization(context.clock.now().wall);
        let authorization = authorization.ok_or("the token cannot stand in a header")?;
        let head = |request: axum::http::request::Builder| {
            request
                .header(CONTENT_TYPE, OCTETS)
                .header(AUTHORIZATION, authorization.clone())
                .header(REQUEST_ID, &self.request_id)
        };
        let answer = pool.post(&self.url, head, packet.clone(), ANSWER_BYTES_MAX).await;
        answer.map(|response| response.status).map_err(|error| error.to_string())
    }

    fn gave_up(&self, why: &str) {
        tracing::debug!(peer = %self.contact.dial().peer(), why, "a reply could not be delivered");
    }
}

/// Where the answer to an asynchronous request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Callback {
    /// Into the response: the request is synchronous.
    Response,
    /// To this resource of the peer's server.
    To(HttpUrl),
    /// Nowhere: what the request says is refused.
    Refused(&'static str),
}

/// Decides by what a request with a `Request-Id` says, and by what is configured for the peer that sent it.
pub(super) fn callback(asked: Option<&[u8]>, contact: Option<&HttpPeer>) -> Callback {
    let Some(asked) = asked else {
        // No address in the request: the peer's server is known by agreement, if that is the agreement.
        return match contact {
            Some(contact) if contact.is_async() => Callback::To(contact.dial().url().clone()),
            _ => Callback::Response,
        };
    };
    let Some(contact) = contact else {
        return Callback::Refused(
            "no http url is configured here for this peer, so answers cannot be sent to a Callback-Url; \
             leave it out to have the answer in the response",
        );
    };
    let url = std::str::from_utf8(asked).ok().and_then(|text| text.parse::<HttpUrl>().ok());
    match url {
        Some(url) if !url.is_same_origin(contact.dial().url()) => Callback::Refused(
            "Callback-Url must have the scheme, host and port of the url that is configured for this peer",
        ),
        Some(url) if url.username().is_some() => {
            Callback::Refused("Callback-Url must not hold a user or a token")
        }
        Some(url) => Callback::To(url),
        None => Callback::Refused("Callback-Url is not an http or https URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HttpAuth, HttpDial, HttpMode};

    fn contact(mode: HttpMode) -> HttpPeer {
        let url = "https://bob.example/ilp".parse().unwrap();
        let dial = HttpDial::new("bob".parse().unwrap(), url, "me", None);
        HttpPeer::new(dial.with(mode, HttpAuth::Simple))
    }

    fn check(asked: Option<&str>, contact: Option<&HttpPeer>, expected: &str) {
        let found = match callback(asked.map(str::as_bytes), contact) {
            Callback::Response => "response".to_owned(),
            Callback::To(url) => url.without_credentials(),
            Callback::Refused(why) => why.to_owned(),
        };
        assert!(found.contains(expected), "{asked:?}: {found}");
    }

    #[test]
    fn answers_go_to_the_configured_server_only() {
        let sync = contact(HttpMode::Sync);
        check(None, None, "response");
        check(None, Some(&sync), "response");
        check(None, Some(&contact(HttpMode::Async)), "https://bob.example/ilp");
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
        check(Some("https://u:t@bob.example/back"), Some(&sync), "must not hold");
        for nonsense in ["", "bob.example/back", "file:///etc/passwd", "ws://bob.example/"] {
            check(Some(nonsense), Some(&sync), "not an http or https URL");
        }
    }
}
