//! Who is calling: the bearer token of a request -> an account.
//!
//! The profiles SIMPLE (the token is the secret) and JWT_HS_256 (it is signed with the secret), by the rules of logins
//! (D2): a name in the path names the peer, or the token's `sub`; without either the secret must be one peer's alone.
//! Unknown name, wrong secret, expired token: one answer for all.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::jwt;
use crate::account::AccountId;
use crate::peers::Directory;
use crate::wire::Timestamp;

/// The account that a request may act for. `name` is the one in its path.
pub(super) fn account<'d>(
    headers: &HeaderMap,
    name: Option<&str>,
    directory: &'d Directory,
    now: Timestamp,
) -> Option<&'d AccountId> {
    let token = bearer(headers.get(AUTHORIZATION)?.as_bytes())?;
    if let Some(account) = directory.find_account(name, token) {
        return Some(account);
    }
    let jwt = jwt::read(token, now)?;
    let caller = match (name, jwt.subject.as_deref()) {
        // Who has one path's secret has no business on another, even where both have the same.
        (Some(name), Some(subject)) if name != subject => return None,
        (name, subject) => subject.or(name)?,
    };
    directory.find_signer(caller, jwt.message.as_bytes(), &jwt.signature)
}

/// Who a caller that was refused said it was: the name in the path, or that of its token, which proves nothing.
pub(super) fn claimed<'n>(
    headers: &HeaderMap,
    name: Option<&'n str>,
    now: Timestamp,
) -> Option<Cow<'n, str>> {
    if let Some(name) = name {
        return Some(Cow::Borrowed(name));
    }
    let token = bearer(headers.get(AUTHORIZATION)?.as_bytes())?;
    jwt::read(token, now)?.subject.map(Cow::Owned)
}

/// Whether the token that came is the same text as `name`.
pub(super) fn is_offered(headers: &HeaderMap, name: &str) -> bool {
    let token = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    token.is_some_and(|token| !token.is_empty() && token == name.as_bytes())
}

/// The token of `Bearer <token>` (RFC 6750); the word is read in any case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (word, token) = value.split_at_checked(7)?;
    word.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::peers::{Login, Token};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn directory() -> Directory {
        let login = |account: &str, username: &str, token: &str| Login {
            account: account.parse().unwrap(),
            username: username.to_owned(),
            token: Some(Token::from(token)),
        };
        let logins = [
            login("alice", "alice", "secret-a"),
            login("bob", "robert", "secret-b"),
            login("carol", "carol", "shared"),
            login("dave", "dave", "shared"),
        ];
        Directory::new(logins).unwrap()
    }

    fn check(name: Option<&str>, header: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        let directory = directory();
        let found = account(&headers, name, &directory, NOW).map(AccountId::as_str);
        assert_eq!(found, expected, "{name:?} {header}");
    }

    #[test]
    fn simple() {
        check(Some("alice"), "Bearer secret-a", Some("alice"));
        check(Some("robert"), "bearer   secret-b ", Some("bob"));
        check(None, "Bearer secret-a", Some("alice"));
        check(Some("dave"), "Bearer shared", Some("dave"));
        check(None, "Bearer shared", None);
        check(Some("bob"), "Bearer secret-b", None);
        for header in ["", "Bearer", "Bearer ", "Bearer secret-b", "secret-a", "Basic secret-a"] {
            check(Some("alice"), header, None);
        }
    }

    #[test]
    fn jwt_hs_256() {
        let signed = |subject: &str, secret: &str, at: Timestamp| {
            format!("Bearer {}", jwt::signed(subject, &Token::from(secret), at).0)
        };
        let alice = signed("alice", "secret-a", NOW);
        check(Some("alice"), &alice, Some("alice"));
        check(None, &alice, Some("alice"));
        check(None, &signed("robert", "secret-b", NOW), Some("bob"));
        check(None, &signed("dave", "shared", NOW), Some("dave"));
        check(Some("robert"), &alice, None);
        check(Some("carol"), &signed("dave", "shared", NOW), None);
        check(None, &signed("alice", "secret-b", NOW), None);
        check(None, &signed("bob", "secret-b", NOW), None);
        check(None, &signed("nobody", "secret-a", NOW), None);
        check(None, &signed("alice", "secret-a", NOW.saturating_sub_millis(300_000)), None);
        // As ilp-plugin-http signs {"exp":1800000001}: the path alone says who is calling.
        let message = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE4MDAwMDAwMDF9";
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret-a");
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        let nobodys = format!("Bearer {message}.{signature}");
        check(Some("alice"), &nobodys, Some("alice"));
        check(Some("robert"), &nobodys, None);
        check(None, &nobodys, None);
        // The same claims, with another signature, and with none.
        let message = alice.rsplit_once('.').unwrap().0;
        check(None, &format!("{message}."), None);
        check(None, &format!("{message}.{}", "A".repeat(43)), None);
    }
}
