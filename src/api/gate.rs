//! Who may read more than `/health` (D22).

use crate::transport::NoRandomness;
use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use ring::hmac;
use ring::rand::SystemRandom;

/// Knows the token without keeping it: by its HMAC under a key drawn at start, so that the time of a comparison tells
/// nothing about the token.
pub(super) struct Gate {
    key: hmac::Key,
    expected: ArcSwapOption<[u8; 32]>,
}

impl Gate {
    /// A gate that is open.
    pub(super) fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Gate { key: key.map_err(|_| NoRandomness)?, expected: ArcSwapOption::empty() })
    }

    /// From now on this token opens it; `None`: it is open.
    pub(super) fn set(&self, token: Option<&str>) {
        self.expected.store(token.map(|token| self.tag(token.as_bytes()).into()));
    }

    /// No token is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.expected.load().is_none()
    }

    /// Whether a request with these headers may pass.
    pub(super) fn lets_in(&self, headers: &HeaderMap) -> bool {
        let expected = self.expected.load();
        let Some(expected) = expected.as_deref() else { return true };
        let offered = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        offered.is_some_and(|token| self.tag(token) == *expected)
    }

    fn tag(&self, token: &[u8]) -> [u8; 32] {
        // HMAC-SHA256 has 32 bytes.
        hmac::sign(&self.key, token).as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let closed = self.expected.load().is_some();
        f.debug_struct("Gate").field("closed", &closed).finish_non_exhaustive()
    }
}

/// The token of `Bearer <token>` (RFC 6750); the word is read in any case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (word, token) = value.split_at_checked(7)?;
    word.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, header: Option<&str>, expected: bool) {
        let gate = Gate::new().unwrap();
        gate.set(token);
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        assert_eq!(gate.lets_in(&headers), expected, "{token:?} {header:?}");
        assert!(!format!("{gate:?}").contains("s3cret"));
    }

    #[test]
    fn only_the_token_opens_it() {
        check(None, None, true);
        check(None, Some("Bearer whatever"), true);
        check(Some("s3cret"), Some("Bearer s3cret"), true);
        check(Some("s3cret"), Some("bearer  s3cret "), true);
        check(Some("s3cret"), None, false);
        for header in
            ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "s3cret", "Basic s3cret"]
        {
            check(Some("s3cret"), Some(header), false);
        }
        // A configuration with an empty token does not pass validation; it would not open anything either.
        check(Some(""), None, false);
    }

    #[test]
    fn a_reload_changes_it() {
        let gate = Gate::new().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer one".parse().unwrap());
        for (token, expected) in [(Some("one"), true), (Some("two"), false), (None, true)] {
            gate.set(token);
            assert_eq!(gate.lets_in(&headers), expected);
        }
    }
}
