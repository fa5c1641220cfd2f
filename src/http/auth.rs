//! From the bearer token of a request to an account.
//!
//! The profiles are SIMPLE (the token is the secret) and JWT_HS_256 (the secret signs the token). The rules of logins
//! apply (D2): the path or the token's `sub` names the peer; without a name, only one peer may have the secret. An
//! unknown name, a wrong secret and an expired token get the same answer.

use std::borrow::Cow;

use axum::http::HeaderMap;

use super::jwt;
use crate::account::AccountId;
use crate::peers::LoginDirectory;
use crate::web::bearer_token;
use crate::wire::Timestamp;

/// The account that a request may act for. `name` comes from its path.
pub(super) fn find_account<'d>(
    headers: &HeaderMap,
    name: Option<&str>,
    directory: &'d LoginDirectory,
    now: Timestamp,
) -> Option<&'d AccountId> {
    let token = bearer_token(headers)?;
    if let Some(account) = directory.find_account(name, token) {
        return Some(account);
    }
    let jwt = jwt::parse(token, now)?;
    let claimed = match (name, jwt.subject.as_deref()) {
        // A token for one name is not valid on the path of another, even if both peers have the same secret.
        (Some(name), Some(subject)) if name != subject => return None,
        (name, subject) => subject.or(name)?,
    };
    directory.find_signer(claimed, jwt.message.as_bytes(), &jwt.signature)
}

/// The name that a refused request claims, in its path or its token.
pub(super) fn claimed_name<'n>(
    headers: &HeaderMap,
    name: Option<&'n str>,
    now: Timestamp,
) -> Option<Cow<'n, str>> {
    if let Some(name) = name {
        return Some(Cow::Borrowed(name));
    }
    let token = bearer_token(headers)?;
    jwt::parse(token, now)?.subject.map(Cow::Owned)
}

/// Whether the token of a request is the same text as `name`.
pub(super) fn is_token(headers: &HeaderMap, name: &str) -> bool {
    bearer_token(headers).is_some_and(|token| !token.is_empty() && token == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::peers::{PeerLogin, Token};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn directory() -> LoginDirectory {
        let login = |account: &str, username: &str, token: &str| PeerLogin {
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
        LoginDirectory::new(logins).unwrap()
    }

    fn check(name: Option<&str>, header: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        let directory = directory();
        let found = find_account(&headers, name, &directory, NOW).map(AccountId::as_str);
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
            format!("Bearer {}", jwt::sign(subject, &Token::from(secret), at).0)
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
        check(None, &signed("unknown", "secret-a", NOW), None);
        check(None, &signed("alice", "secret-a", NOW.saturating_sub_millis(300_000)), None);
        // ilp-plugin-http signs {"exp":1800000001}, so only the path names the peer.
        let message = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE4MDAwMDAwMDF9";
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret-a");
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        let unnamed = format!("Bearer {message}.{signature}");
        check(Some("alice"), &unnamed, Some("alice"));
        check(Some("robert"), &unnamed, None);
        check(None, &unnamed, None);
        // The same claims, without a signature and with a wrong one.
        let message = alice.rsplit_once('.').unwrap().0;
        check(None, &format!("{message}."), None);
        check(None, &format!("{message}.{}", "A".repeat(43)), None);
    }
}
