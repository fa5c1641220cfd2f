//! A peer that speaks ILP over HTTP: where it listens, and who we are to it.

use std::str::FromStr;

use axum::http::HeaderValue;
use parking_lot::Mutex;

use super::jwt;
use crate::account::AccountId;
use crate::link::LoginMark;
use crate::net::HttpUrl;
use crate::peers::Token;
use crate::wire::Timestamp;

/// How the answer to a Prepare of ours comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpMode {
    /// In the response (the mode that is deployed).
    #[default]
    Sync,
    /// In a request of the peer's own, to our server (RFC 35 as of 2026).
    Async,
}

/// What we show to be let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// The secret itself.
    #[default]
    Simple,
    /// A token of five minutes that is signed with it.
    Jwt,
}

/// A word that a choice does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

impl FromStr for HttpMode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "sync" => Ok(HttpMode::Sync),
            "async" => Ok(HttpMode::Async),
            _ => Err(UnknownWord),
        }
    }
}

impl FromStr for HttpAuth {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "simple" => Ok(HttpAuth::Simple),
            "jwt" => Ok(HttpAuth::Jwt),
            _ => Err(UnknownWord),
        }
    }
}

/// Where a peer listens, and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDial {
    peer: AccountId,
    url: HttpUrl,
    subject: String,
    token: Token,
    mode: HttpMode,
    auth: HttpAuth,
    callback: Option<HttpUrl>,
    requests_max: usize,
}

/// Requests to one peer that are under way side by side, where the configuration does not say otherwise.
pub(super) const REQUESTS_MAX: usize = 1024;

impl HttpDial {
    /// How to reach `peer`. What the URL says of user and token wins; otherwise we are `node_id`, and our token is
    /// `auth_token` (D2).
    pub fn new(peer: AccountId, url: HttpUrl, node_id: &str, auth_token: Option<&Token>) -> Self {
        let subject = url.username().filter(|user| !user.is_empty()).unwrap_or(node_id).to_owned();
        let token = match url.token() {
            Some(token) => Token::from(token),
            None => auth_token.cloned().unwrap_or_else(|| Token::from("")),
        };
        let (mode, auth) = (HttpMode::default(), HttpAuth::default());
        Self { peer, url, subject, token, mode, auth, callback: None, requests_max: REQUESTS_MAX }
    }

    /// How answers come, and what is shown to be let in.
    #[must_use]
    pub fn with(self, mode: HttpMode, auth: HttpAuth) -> Self {
        Self { mode, auth, ..self }
    }

    /// Where the peer is to send its answers in the asynchronous mode. Without it the peer knows by agreement.
    #[must_use]
    pub fn with_callback(self, callback: Option<HttpUrl>) -> Self {
        Self { callback, ..self }
    }

    /// How many requests may be under way side by side. Over HTTP/1.1 each has a connection of its own.
    #[must_use]
    pub fn with_requests_max(self, requests_max: usize) -> Self {
        Self { requests_max, ..self }
    }

    pub(super) fn requests_max(&self) -> usize {
        self.requests_max
    }

    /// Whether requests may go on with the token of `other`: nothing else differs, and ours is one of the `valid` ones.
    pub fn may_become(&self, other: &HttpDial, valid: &[LoginMark]) -> bool {
        let here = HttpDial { token: other.token.clone(), ..self.clone() };
        here == *other && self.token.mark().is_some_and(|mark| valid.contains(&mark))
    }

    /// Whom.
    pub fn peer(&self) -> &AccountId {
        &self.peer
    }

    pub(super) fn url(&self) -> &HttpUrl {
        &self.url
    }

    pub(super) fn mode(&self) -> HttpMode {
        self.mode
    }

    pub(super) fn callback(&self) -> Option<&HttpUrl> {
        self.callback.as_ref()
    }
}

/// Makes the `Authorization` of requests to one peer. A signed token is used for half of its life.
#[derive(Debug, Default)]
pub(super) struct Authorization(Mutex<Option<(Token, HeaderValue, Timestamp)>>);

impl Authorization {
    /// The header's value. `None`: the token cannot stand in one.
    pub(super) fn value(&self, dial: &HttpDial, now: Timestamp) -> Option<HeaderValue> {
        let HttpAuth::Jwt = dial.auth else {
            return sensitive(&format!("Bearer {}", dial.token.reveal()));
        };
        let mut kept = self.0.lock();
        if let Some((token, value, renew)) = &*kept
            && now < *renew
            && *token == dial.token
        {
            return Some(value.clone());
        }
        let (token, renew) = jwt::signed(&dial.subject, &dial.token, now);
        let value = sensitive(&format!("Bearer {token}"))?;
        *kept = Some((dial.token.clone(), value.clone(), renew));
        Some(value)
    }
}

/// Never shown by `Debug`, and not indexed by HTTP/2.
fn sensitive(text: &str) -> Option<HeaderValue> {
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
    fn the_url_wins() {
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
    fn what_is_shown() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let simple = dial("https://b/", Some("secret"));
        let authorization = Authorization::default();
        let shown = authorization.value(&simple, now).unwrap();
        assert_eq!(shown.to_str().unwrap(), "Bearer secret");
        assert!(!format!("{simple:?} {authorization:?} {shown:?}").contains("secret"));
        assert_eq!(authorization.value(&dial("https://b/", Some("a\nb")), now), None);

        let jwt = simple.with(HttpMode::Sync, HttpAuth::Jwt);
        let first = authorization.value(&jwt, now).unwrap();
        assert!(first.to_str().unwrap().starts_with("Bearer ey"));
        assert_eq!(
            authorization.value(&jwt, now.saturating_add_millis(149_999)),
            Some(first.clone())
        );
        assert_ne!(authorization.value(&jwt, now.saturating_add_millis(150_000)), Some(first));
        assert!(!format!("{authorization:?}").contains("ey"), "{authorization:?}");
    }
}
