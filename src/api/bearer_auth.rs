//! The operator's token: which requests may read more than `/health` (D22) or change a balance, and how many wrong
//! tokens are checked.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use parking_lot::Mutex;

use crate::link::TokenFingerprint;
use crate::net::{ClientAddress, LogThrottle, SharedRate};
use crate::peers::{NoRandomness, TokenFingerprinter};
use crate::time::MonoTime;
use crate::web::{WRONG_TOKENS, bearer_token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthRefusal {
    /// Or no token.
    WrongToken,
    /// Its address has sent so many wrong tokens that this one is not checked.
    AboveRate,
    /// The request would change something, and no token is configured.
    NoneConfigured,
}

/// Checks the token of requests. Only its fingerprint is kept, so neither memory nor the time of a comparison reveals
/// it.
pub(super) struct ApiAuth {
    fingerprinter: TokenFingerprinter,
    expected: ArcSwapOption<TokenFingerprint>,
    wrong_tokens: Mutex<SharedRate<ClientAddress>>,
    throttle: LogThrottle,
}

impl ApiAuth {
    /// Without a token: every request passes.
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self {
            fingerprinter: TokenFingerprinter::new()?,
            expected: ArcSwapOption::empty(),
            wrong_tokens: Mutex::new(SharedRate::new(WRONG_TOKENS)),
            throttle: LogThrottle::default(),
        })
    }

    /// `None`: every request passes. Returns whether this is another token than before.
    pub(super) fn set_token(&self, token: Option<&str>) -> bool {
        let new = token.map(|token| Arc::new(self.fingerprinter.fingerprint(token.as_bytes())));
        let before = self.expected.swap(new.clone());
        before != new
    }

    pub(super) fn has_token(&self) -> bool {
        self.expected.load().is_some()
    }

    /// Whether a request may read.
    pub(super) fn authorize(
        &self,
        headers: &HeaderMap,
        remote: SocketAddr,
        now: MonoTime,
    ) -> Result<(), AuthRefusal> {
        match self.authorize_change(headers, remote, now) {
            Err(AuthRefusal::NoneConfigured) => Ok(()),
            checked => checked,
        }
    }

    /// Whether a request may change something.
    pub(super) fn authorize_change(
        &self,
        headers: &HeaderMap,
        remote: SocketAddr,
        now: MonoTime,
    ) -> Result<(), AuthRefusal> {
        let expected = self.expected.load();
        let expected = expected.as_deref().ok_or(AuthRefusal::NoneConfigured)?;
        // A request without a token is no guess.
        if !headers.contains_key(AUTHORIZATION) {
            return Err(AuthRefusal::WrongToken);
        }
        let address = ClientAddress::from(remote);
        if self.wrong_tokens.lock().ready_at(address, now) > now {
            return Err(AuthRefusal::AboveRate);
        }
        if bearer_token(headers)
            .is_some_and(|token| self.fingerprinter.fingerprint(token) == *expected)
        {
            return Ok(());
        }
        self.wrong_tokens.lock().spend(address, 1, now);
        if let Some(suppressed) = self.throttle.admit(now) {
            tracing::warn!(%remote, suppressed, "a page was requested with a wrong apiToken");
        }
        Err(AuthRefusal::WrongToken)
    }
}

impl std::fmt::Debug for ApiAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiAuth").field("has_token", &self.has_token()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonoTime = MonoTime(1_000_000_000);

    fn remote(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 5000).into()
    }

    fn passes(auth: &ApiAuth, headers: &HeaderMap) -> bool {
        auth.authorize(headers, remote(1), NOW).is_ok()
    }

    #[test]
    fn guesses_are_counted_by_address() {
        let auth = ApiAuth::new().unwrap();
        auth.set_token(Some("s3cret"));
        let with_token = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            headers
        };
        let guesses = (0..10_000).filter(|n| {
            auth.authorize(&with_token(&n.to_string()), remote(1), NOW)
                == Err(AuthRefusal::WrongToken)
        });
        let checked = guesses.count();
        assert!((100..=210).contains(&checked), "{checked}");
        assert_eq!(
            auth.authorize(&with_token("s3cret"), remote(1), NOW),
            Err(AuthRefusal::AboveRate)
        );
        assert_eq!(auth.authorize(&HeaderMap::new(), remote(1), NOW), Err(AuthRefusal::WrongToken));
        assert_eq!(auth.authorize(&with_token("s3cret"), remote(2), NOW), Ok(()));
        let later = MonoTime(NOW.0 + 5_000_000_000);
        assert_eq!(auth.authorize(&with_token("s3cret"), remote(1), later), Ok(()));
    }

    fn check(token: Option<&str>, header: Option<&str>, expected: bool) {
        let auth = ApiAuth::new().unwrap();
        auth.set_token(token);
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        assert_eq!(passes(&auth, &headers), expected, "{token:?} {header:?}");
        assert!(!format!("{auth:?}").contains("s3cret"));
    }

    #[test]
    fn only_the_right_token_passes() {
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
        // A configuration with an empty token does not pass validation; here it lets no request pass.
        check(Some(""), None, false);
    }

    #[test]
    fn a_reload_changes_the_token() {
        let auth = ApiAuth::new().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer one".parse().unwrap());
        for (token, expected) in [(Some("one"), true), (Some("two"), false), (None, true)] {
            auth.set_token(token);
            assert_eq!(passes(&auth, &headers), expected);
            let changes = auth.authorize_change(&headers, remote(1), NOW).is_ok();
            assert_eq!(changes, expected && token.is_some());
        }
    }
}
