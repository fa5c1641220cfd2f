//! Who may read more than `/health` (D22), and how often wrong tokens are looked at.

use std::net::SocketAddr;

use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;

use crate::net::{ClientOrigin, SharedRate, Throttle, WorkRate};
use crate::peers::NoRandomness;
use crate::time::MonoTime;

/// Wrong tokens per second, from all addresses together; half of it from one. Beyond them none is looked at, so connections
/// need not be closed: a scraper with an old token keeps its own.
const WRONG_TOKENS: WorkRate = WorkRate(200);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may pass.
    Passes,
    /// No token, or a wrong one.
    Refused,
    /// Its address has sent so many wrong tokens that this one is not looked at.
    Later,
}

/// Knows the token without keeping it: by its HMAC under a key drawn at start, so that the time of a comparison tells
/// nothing about the token.
pub(super) struct ApiAuth {
    key: hmac::Key,
    expected: ArcSwapOption<[u8; 32]>,
    wrong_tokens: Mutex<SharedRate<ClientOrigin>>,
    /// Of lines about wrong tokens.
    lines: Throttle,
}

impl ApiAuth {
    /// A gate that is open.
    pub(super) fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(ApiAuth {
            key: key.map_err(|_| NoRandomness)?,
            expected: ArcSwapOption::empty(),
            wrong_tokens: Mutex::new(SharedRate::new(WRONG_TOKENS)),
            lines: Throttle::default(),
        })
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
    pub(super) fn judge(&self, headers: &HeaderMap, remote: SocketAddr, now: MonoTime) -> Verdict {
        let expected = self.expected.load();
        let Some(expected) = expected.as_deref() else { return Verdict::Passes };
        // Who shows no token guesses none.
        let Some(shown) = headers.get(AUTHORIZATION) else { return Verdict::Refused };
        let origin = ClientOrigin::from(remote);
        if self.wrong_tokens.lock().ready_at(origin, now) > now {
            return Verdict::Later;
        }
        if bearer(shown.as_bytes()).is_some_and(|token| self.tag(token) == *expected) {
            return Verdict::Passes;
        }
        self.wrong_tokens.lock().spend(origin, 1, now);
        if let Some(suppressed) = self.lines.admit(now) {
            tracing::warn!(%remote, suppressed, "a page was asked for with a wrong apiToken");
        }
        Verdict::Refused
    }

    fn tag(&self, token: &[u8]) -> [u8; 32] {
        // HMAC-SHA256 has 32 bytes.
        hmac::sign(&self.key, token).as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for ApiAuth {
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

    const NOW: MonoTime = MonoTime(1_000_000_000);

    fn remote(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 5000).into()
    }

    fn passes(gate: &ApiAuth, headers: &HeaderMap) -> bool {
        gate.judge(headers, remote(1), NOW) == Verdict::Passes
    }

    #[test]
    fn guesses_are_counted_by_address() {
        let gate = ApiAuth::new().unwrap();
        gate.set(Some("s3cret"));
        let shows = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            headers
        };
        let guesses = (0..10_000)
            .filter(|n| gate.judge(&shows(&n.to_string()), remote(1), NOW) == Verdict::Refused);
        let looked_at = guesses.count();
        assert!((100..=210).contains(&looked_at), "{looked_at}");
        assert_eq!(gate.judge(&shows("s3cret"), remote(1), NOW), Verdict::Later);
        assert_eq!(gate.judge(&HeaderMap::new(), remote(1), NOW), Verdict::Refused);
        assert_eq!(gate.judge(&shows("s3cret"), remote(2), NOW), Verdict::Passes, "others");
        let later = MonoTime(NOW.0 + 5_000_000_000);
        assert_eq!(gate.judge(&shows("s3cret"), remote(1), later), Verdict::Passes);
    }

    fn check(token: Option<&str>, header: Option<&str>, expected: bool) {
        let gate = ApiAuth::new().unwrap();
        gate.set(token);
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        assert_eq!(passes(&gate, &headers), expected, "{token:?} {header:?}");
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
        let gate = ApiAuth::new().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer one".parse().unwrap());
        for (token, expected) in [(Some("one"), true), (Some("two"), false), (None, true)] {
            gate.set(token);
            assert_eq!(passes(&gate, &headers), expected);
        }
    }
}
