//! How a node reaches the HTTP server of a peer: URL, credentials and mode.

use axum::http::HeaderValue;
use parking_lot::Mutex;

use super::jwt;
use crate::account::AccountId;
use crate::link::TokenFingerprint;
use crate::net::{HttpAuth, HttpMode, HttpUrl};
use crate::peers::Token;
use crate::wire::Timestamp;

/// How a node reaches the HTTP server of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDial {
    peer: AccountId,
    pub(super) url: HttpUrl,
    subject: String,
    token: Token,
    pub(super) mode: HttpMode,
    auth: HttpAuth,
    pub(super) callback: Option<HttpUrl>,
    pub(super) requests_max: usize,
}

/// Concurrent requests to one peer, unless configured.
const REQUESTS_MAX: usize = 1024;

impl HttpDial {
    /// User and token come from the URL if it has them, and otherwise are `node_id` and `auth_token` (D2).
    pub fn new(peer: AccountId, url: HttpUrl, node_id: &str, auth_token: Option<&Token>) -> Self {
        let subject = url.username().filter(|user| !user.is_empty()).unwrap_or(node_id).to_owned();
        let token = match url.token() {
            Some(token) => Token::from(token),
            None => auth_token.cloned().unwrap_or_else(|| Token::from("")),
        };
        let (mode, auth) = (HttpMode::default(), HttpAuth::default());
        Self { peer, url, subject, token, mode, auth, callback: None, requests_max: REQUESTS_MAX }
    }

    /// The same with a mode and a kind of token.
    pub fn with_mode(self, mode: HttpMode, auth: HttpAuth) -> Self {
        Self { mode, auth, ..self }
    }

    /// The same with the URL to which the peer posts its answers in the asynchronous mode. Without one, the peer must
    /// know it from its configuration.
    pub fn with_callback(self, callback: Option<HttpUrl>) -> Self {
        Self { callback, ..self }
    }

    /// The same with a number of concurrent requests. Over HTTP/1.1 each has a connection of its own.
    pub fn with_requests_max(self, requests_max: usize) -> Self {
        Self { requests_max, ..self }
    }

    /// Whether the link may stay up and use the token of `other`: only the tokens differ, and the present one is among
    /// the `valid` ones.
    pub fn may_become(&self, other: &Self, valid: &[TokenFingerprint]) -> bool {
        let here = Self { token: other.token.clone(), ..self.clone() };
        here == *other
            && self.token.fingerprint().is_some_and(|fingerprint| valid.contains(&fingerprint))
    }

    pub fn peer(&self) -> &AccountId {
        &self.peer
    }
}

/// Makes the `Authorization` of requests to one peer. A signed token is used for half of its life.
#[derive(Debug, Default)]
pub(super) struct Authorization(Mutex<Option<SignedJwt>>);

#[derive(Debug)]
struct SignedJwt {
    secret: Token,
    value: HeaderValue,
    renew_at: Timestamp,
}

impl Authorization {
    /// `None`: the token is not valid in a header.
    pub(super) fn header_value(&self, dial: &HttpDial, now: Timestamp) -> Option<HeaderValue> {
        let HttpAuth::Jwt = dial.auth else {
            return sensitive_value(&format!("Bearer {}", dial.token.reveal()));
        };
        let mut last = self.0.lock();
        if let Some(signed) = &*last
            && now < signed.renew_at
            && signed.secret == dial.token
        {
            return Some(signed.value.clone());
        }
        let (token, renew_at) = jwt::sign(&dial.subject, &dial.token, now);
        let value = sensitive_value(&format!("Bearer {token}"))?;
        *last = Some(SignedJwt { secret: dial.token.clone(), value: value.clone(), renew_at });
        Some(value)
    }
}

/// A value that `Debug` hides and that HTTP/2 does not index.
fn sensitive_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(url: &str, token: Option<&str>) -> HttpDial {
        let token = token.map(Token::from);
        HttpDial::new("bob".parse().unwrap(), url.parse().unwrap(), "me", token.as_ref())
    }

    #[test]
    fn credentials_of_the_url_come_first() {
        let check = |url: &str, token: Option<&str>, expected: (&str, &str)| {
            let dial = dial(url, token);
            assert_eq!((dial.subject.as_str(), dial.token.reveal()), expected, "{url}");
        };
        check("https://b/ilp", Some("ours"), ("me", "ours"));
        check("https://us@b/ilp", Some("ours"), ("us", "ours"));
        check("https://us:theirs@b/ilp", Some("ours"), ("us", "theirs"));
        check("https://:theirs@b/ilp", None, ("me", "theirs"));
    }

    #[test]
    fn tokens_are_sent_and_never_logged() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let simple = dial("https://b/", Some("secret"));
        let authorization = Authorization::default();
        let value = authorization.header_value(&simple, now).unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer secret");
        assert!(!format!("{simple:?} {authorization:?} {value:?}").contains("secret"));
        assert_eq!(authorization.header_value(&dial("https://b/", Some("a\nb")), now), None);

        let jwt = simple.with_mode(HttpMode::Sync, HttpAuth::Jwt);
        let first = authorization.header_value(&jwt, now).unwrap();
        assert!(first.to_str().unwrap().starts_with("Bearer ey"));
        assert_eq!(
            authorization.header_value(&jwt, now.saturating_add_millis(149_999)),
            Some(first.clone())
        );
        assert_ne!(
            authorization.header_value(&jwt, now.saturating_add_millis(150_000)),
            Some(first)
        );
        assert!(!format!("{authorization:?}").contains("ey"), "{authorization:?}");
    }
}
