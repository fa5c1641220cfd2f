//! The tokens of a node's pages: which of them a request has, what that allows, and how many wrong tokens are checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use parking_lot::Mutex;

use crate::account::AccountId;
use crate::link::TokenFingerprint;
use crate::net::{ClientAddress, LogThrottle, RemoteAddress, SharedRate};
use crate::observe::Scope;
use crate::peers::{NoRandomness, TokenFingerprinter};
use crate::time::Now;
use crate::web::{WRONG_TOKENS, bearer_token};
use crate::wire::Timestamp;

pub(super) const NEEDS_TOKEN: &str =
    "this page needs the header Authorization: Bearer with a token of the node";
pub(super) const EXPIRED: &str =
    "this token has expired; ask the operator of the node for another one";
pub(super) const ABOVE_RATE: &str =
    "too many wrong tokens from this address; try again in a second";

/// A token of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken<'a> {
    /// Its name in logs, for messages and for the audit.
    pub id: &'a str,
    /// The token itself.
    pub secret: &'a str,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// It is the token of this peer, which learns nothing about others.
    pub peer: Option<AccountId>,
    /// From this moment on it is refused.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for ApiToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A token of the configuration, of which only a fingerprint is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownToken {
    pub(super) id: String,
    fingerprint: TokenFingerprint,
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) peer: Option<AccountId>,
    expires: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthRefusal {
    /// Or no token.
    WrongToken,
    /// Its address has sent so many wrong tokens that this one is not checked.
    AboveRate,
    /// It was a token of this node.
    Expired,
}

/// Checks the tokens of requests. Only their fingerprints under a random key are kept and compared, so neither memory
/// nor the time of a comparison reveals a token.
pub(super) struct ApiAuth {
    fingerprinter: TokenFingerprinter,
    known: ArcSwap<Vec<Arc<KnownToken>>>,
    wrong_tokens: Mutex<SharedRate<ClientAddress>>,
    throttle: LogThrottle,
}

impl KnownToken {
    fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

impl ApiAuth {
    /// Without a token: every request passes.
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self {
            fingerprinter: TokenFingerprinter::new()?,
            known: ArcSwap::default(),
            wrong_tokens: Mutex::new(SharedRate::new(WRONG_TOKENS)),
            throttle: LogThrottle::default(),
        })
    }

    /// Replaces all tokens; without any, every request passes. Returns whether they are others than before.
    pub(super) fn set_tokens(&self, tokens: &[ApiToken<'_>]) -> bool {
        let known = |token: &ApiToken<'_>| KnownToken {
            id: token.id.to_owned(),
            fingerprint: self.fingerprinter.fingerprint(token.secret.as_bytes()),
            scopes: token.scopes.clone(),
            peer: token.peer.clone(),
            expires: token.expires,
        };
        let known: Arc<Vec<_>> = Arc::new(tokens.iter().map(known).map(Arc::new).collect());
        let before = self.known.swap(Arc::clone(&known));
        before != known
    }

    pub(super) fn has_tokens(&self) -> bool {
        !self.known.load().is_empty()
    }

    /// The token of a request; `None`: this node has no tokens, so that none is needed.
    pub(super) fn identify(
        &self,
        headers: &HeaderMap,
        remote: RemoteAddress,
        now: Now,
    ) -> Result<Option<Arc<KnownToken>>, AuthRefusal> {
        let known = self.known.load();
        if known.is_empty() {
            return Ok(None);
        }
        // A request without a token is no guess.
        if !headers.contains_key(AUTHORIZATION) {
            return Err(AuthRefusal::WrongToken);
        }
        let address = ClientAddress::from(remote);
        if self.wrong_tokens.lock().ready_at(address, now.mono) > now.mono {
            return Err(AuthRefusal::AboveRate);
        }
        let given = bearer_token(headers).map(|token| self.fingerprinter.fingerprint(token));
        let found = known.iter().find(|token| Some(&token.fingerprint) == given.as_ref());
        match found {
            Some(token) if token.is_expired(now.wall) => Err(AuthRefusal::Expired),
            Some(token) => Ok(Some(Arc::clone(token))),
            None => {
                self.wrong_tokens.lock().spend(address, 1, now.mono);
                if let Some(suppressed) = self.throttle.admit(now.mono) {
                    tracing::warn!(%remote, suppressed, "a page was requested with a wrong apiToken");
                }
                Err(AuthRefusal::WrongToken)
            }
        }
    }

    /// # Errors
    /// Why a client that has shown this token may not go on: the token has changed, has expired, or is gone.
    pub(super) fn check_again(
        &self,
        shown: Option<&KnownToken>,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(shown) = shown else {
            return match self.has_tokens() {
                false => Ok(()),
                true => Err("the node has a token now".to_owned()),
            };
        };
        let known = self.known.load();
        let is_same = |token: &&Arc<KnownToken>| {
            token.id == shown.id
                && token.fingerprint == shown.fingerprint
                && token.peer == shown.peer
                && token.scopes.is_superset(&shown.scopes)
        };
        match known.iter().find(is_same) {
            None => Err(format!("the token {} has changed or is gone", shown.id)),
            Some(token) if token.is_expired(now) => {
                Err(format!("the token {} has expired", shown.id))
            }
            Some(_) => Ok(()),
        }
    }
}

impl std::fmt::Debug for ApiAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiAuth").field("has_tokens", &self.has_tokens()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;

    const NOW: Now = Now { wall: Timestamp::from_millis(1_000), mono: MonoTime(1_000_000_000) };

    fn remote(last: u8) -> RemoteAddress {
        RemoteAddress::new([192, 0, 2, last].into(), Some(5000))
    }

    fn with_token(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers
    }

    fn token<'a>(id: &'a str, secret: &'a str) -> ApiToken<'a> {
        ApiToken { id, secret, scopes: Scope::ALL.into(), peer: None, expires: None }
    }

    fn auth(tokens: &[ApiToken<'_>]) -> ApiAuth {
        let auth = ApiAuth::new().unwrap();
        auth.set_tokens(tokens);
        auth
    }

    /// The id of the token that a request is found to have.
    fn found(auth: &ApiAuth, headers: &HeaderMap, now: Now) -> Result<Option<String>, AuthRefusal> {
        Ok(auth.identify(headers, remote(1), now)?.map(|token| token.id.clone()))
    }

    #[test]
    fn guesses_are_counted_by_address() {
        let auth = auth(&[token("apiToken", "s3cret")]);
        let identify = |token: &str, last| {
            auth.identify(&with_token(token), remote(last), NOW).map(|token| token.is_some())
        };
        let guesses = (0..10_000)
            .filter(|n| identify(&n.to_string(), 1) == Err(AuthRefusal::WrongToken))
            .count();
        assert!((100..=210).contains(&guesses), "{guesses}");
        assert_eq!(identify("s3cret", 1), Err(AuthRefusal::AboveRate));
        assert_eq!(found(&auth, &HeaderMap::new(), NOW), Err(AuthRefusal::WrongToken));
        assert_eq!(identify("s3cret", 2), Ok(true));
        let later = Now { mono: MonoTime(NOW.mono.0 + 5_000_000_000), ..NOW };
        assert!(found(&auth, &with_token("s3cret"), later).is_ok());
    }

    fn check(token_of_node: Option<&str>, header: Option<&str>, expected: bool) {
        let tokens: Vec<_> = token_of_node.iter().map(|secret| token("apiToken", secret)).collect();
        let auth = auth(&tokens);
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        assert_eq!(found(&auth, &headers, NOW).is_ok(), expected, "{token_of_node:?} {header:?}");
        assert!(!format!("{auth:?} {tokens:?}").contains("s3cret"));
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
    fn each_token_is_known_until_it_expires() {
        let expires = Some(Timestamp::from_millis(2_000));
        let auth =
            auth(&[token("apiToken", "one"), ApiToken { expires, ..token("monitor", "two") }]);
        let at = |millis, secret| {
            let now = Now { wall: Timestamp::from_millis(millis), ..NOW };
            found(&auth, &with_token(secret), now)
        };
        assert_eq!(at(1_999, "one"), Ok(Some("apiToken".to_owned())));
        assert_eq!(at(1_999, "two"), Ok(Some("monitor".to_owned())));
        assert_eq!(at(2_000, "one"), Ok(Some("apiToken".to_owned())));
        assert_eq!(at(2_000, "two"), Err(AuthRefusal::Expired));
        // A node whose tokens have all expired is not open.
        auth.set_tokens(&[ApiToken { expires, ..token("monitor", "two") }]);
        assert_eq!(at(2_000, ""), Err(AuthRefusal::WrongToken));
    }

    #[test]
    fn a_reload_changes_the_tokens() {
        let auth = auth(&[]);
        let changes = |tokens: &[ApiToken<'_>]| auth.set_tokens(tokens);
        assert!(!changes(&[]));
        assert!(changes(&[token("a", "one")]));
        assert!(!changes(&[token("a", "one")]));
        assert!(changes(&[token("a", "two")]));
        assert_eq!(found(&auth, &with_token("one"), NOW), Err(AuthRefusal::WrongToken));
        assert!(changes(&[]));
        assert_eq!(found(&auth, &with_token("one"), NOW), Ok(None));
    }

    #[test]
    fn what_was_shown_is_checked_again() {
        let reader = || ApiToken { scopes: [Scope::Read].into(), ..token("a", "one") };
        let auth = auth(&[reader()]);
        let shown = auth.identify(&with_token("one"), remote(1), NOW).unwrap().unwrap();
        let check = |tokens: &[ApiToken<'_>], expected: Result<(), &str>| {
            auth.set_tokens(tokens);
            let found = auth.check_again(Some(&shown), NOW.wall);
            assert_eq!(found, expected.map_err(str::to_owned), "{tokens:?}");
        };
        let changed = Err("the token a has changed or is gone");
        check(&[reader()], Ok(()));
        check(&[token("b", "two"), reader()], Ok(()));
        check(&[token("a", "one")], Ok(()));
        check(&[], changed);
        check(&[token("a", "two")], changed);
        check(&[token("b", "one")], changed);
        check(&[ApiToken { scopes: [Scope::Packets].into(), ..reader() }], changed);
        check(&[ApiToken { peer: Some("p".parse().unwrap()), ..reader() }], changed);
        check(&[ApiToken { expires: Some(NOW.wall), ..reader() }], Err("the token a has expired"));
        assert!(auth.check_again(None, NOW.wall).is_err());
        auth.set_tokens(&[]);
        assert_eq!(auth.check_again(None, NOW.wall), Ok(()));
    }
}
