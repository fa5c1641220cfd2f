//! Who may log in: names and tokens -> accounts.
//!
//! Tokens are not kept. What is kept is their HMAC-SHA256 under a key that is drawn when the directory is made, so that
//! comparing them tells nothing through time: an attacker cannot predict which bytes are compared. For the same reason
//! an unknown name costs the same work as a known one.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use ring::hmac;
use ring::rand::SystemRandom;

use super::token::Token;
use crate::account::AccountId;

/// One peer's way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account that it opens.
    pub account: AccountId,
    /// What the peer calls itself (`auth_username`, or its segment of the path).
    pub username: String,
    /// What it must know. `None` or empty: this peer cannot log in, we dial it.
    pub token: Option<Token>,
}

/// The directory in force, for every listener of a node. Sessions that are up stay when it changes.
pub type Logins = ArcSwap<Directory>;

/// Who may log in. Made anew, and swapped whole, when the peers change.
pub struct Directory {
    key: hmac::Key,
    by_name: HashMap<String, Entry>,
    by_token: HashMap<Tag, Holder>,
    /// Compared with where there is nothing to compare with.
    nobody: Tag,
}

type Tag = [u8; 32];

struct Entry {
    account: AccountId,
    tag: Option<Tag>,
    /// Verifies what the peer signed with its token; the token cannot be read from it.
    signing: Option<hmac::Key>,
}

enum Holder {
    One(AccountId),
    /// A token that two peers share says nothing about who is calling.
    Several,
}

/// The operating system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

impl Directory {
    /// A directory of these logins. Of two with one name the first counts (`config` refuses such a pair).
    pub fn new(logins: impl IntoIterator<Item = Login>) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| NoRandomness)?;
        let nobody = tag(&key, b"");
        let mut directory = Self { key, by_name: HashMap::new(), by_token: HashMap::new(), nobody };
        for login in logins {
            directory.add(login);
        }
        Ok(directory)
    }

    fn add(&mut self, login: Login) {
        let token = login.token.filter(|token| !token.is_empty());
        let secret = token.as_ref().map(|token| token.reveal().as_bytes());
        let tag = secret.map(|secret| tag(&self.key, secret));
        let signing = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret));
        if let Some(tag) = tag {
            self.by_token
                .entry(tag)
                .and_modify(|holder| *holder = Holder::Several)
                .or_insert_with(|| Holder::One(login.account.clone()));
        }
        self.by_name.entry(login.username).or_insert(Entry {
            account: login.account,
            tag,
            signing,
        });
    }

    /// The account of `name`, if `signature` is the HMAC-SHA256 of `message` under its token.
    pub fn find_signer(&self, name: &str, message: &[u8], signature: &[u8]) -> Option<&AccountId> {
        let entry = self.by_name.get(name);
        let signing = entry.and_then(|entry| entry.signing.as_ref());
        // Who is unknown costs the same work.
        let verified = hmac::verify(signing.unwrap_or(&self.key), message, signature);
        signing?;
        entry.filter(|_| verified.is_ok()).map(|entry| &entry.account)
    }

    /// The account that logs in under `name`. For the operator's pages, once a login has been answered: it says whether
    /// there is such a name.
    pub fn account_named(&self, name: &str) -> Option<&AccountId> {
        self.by_name.get(name).map(|entry| &entry.account)
    }

    /// The account that `token` opens for `name`, or, without a name, the only one that it opens.
    ///
    /// An unknown name is not tried without a name (D2): whoever misspells it must hear of it.
    pub fn find(&self, name: Option<&str>, token: &[u8]) -> Option<&AccountId> {
        let offered = tag(&self.key, token);
        if token.is_empty() {
            return None;
        }
        let Some(name) = name else {
            return match self.by_token.get(&offered)? {
                Holder::One(account) => Some(account),
                Holder::Several => None,
            };
        };
        let entry = self.by_name.get(name);
        let expected = entry.and_then(|entry| entry.tag).unwrap_or(self.nobody);
        entry.filter(|_| expected == offered).map(|entry| &entry.account)
    }
}

fn tag(key: &hmac::Key, token: &[u8]) -> Tag {
    let tag = hmac::sign(key, token);
    // HMAC-SHA256 has 32 bytes.
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("logins", &self.by_name.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(account: &str, username: &str, token: Option<&str>) -> Login {
        Login {
            account: account.parse().unwrap(),
            username: username.to_owned(),
            token: token.map(Token::from),
        }
    }

    fn directory() -> Directory {
        Directory::new([
            login("alice", "alice", Some("secret-a")),
            login("bob", "robert", Some("secret-b")),
            login("carol", "carol", Some("shared")),
            login("dave", "dave", Some("shared")),
            login("erin", "erin", None),
            login("frank", "frank", Some("")),
        ])
        .unwrap()
    }

    fn check(name: Option<&str>, token: &str, expected: Option<&str>) {
        let directory = directory();
        let found = directory.find(name, token.as_bytes()).map(AccountId::as_str);
        assert_eq!(found, expected, "{name:?} {token:?}");
    }

    #[test]
    fn names_and_tokens() {
        check(Some("alice"), "secret-a", Some("alice"));
        check(Some("robert"), "secret-b", Some("bob"));
        check(Some("carol"), "shared", Some("carol"));
        check(Some("dave"), "shared", Some("dave"));
        check(None, "secret-a", Some("alice"));

        check(Some("alice"), "secret-b", None);
        check(Some("alice"), "secret-a ", None);
        check(Some("bob"), "secret-b", None);
        check(Some("Alice"), "secret-a", None);
        check(Some("nobody"), "secret-a", None);
        check(Some(""), "secret-a", None);
        check(None, "shared", None);
        check(None, "unknown", None);
        for name in [None, Some("alice"), Some("erin"), Some("frank"), Some("nobody")] {
            check(name, "", None);
        }
    }

    #[test]
    fn names_without_tokens() {
        let directory = directory();
        let named = |name| directory.account_named(name).map(AccountId::as_str);
        assert_eq!((named("robert"), named("erin")), (Some("bob"), Some("erin")));
        assert_eq!((named("bob"), named("")), (None, None));
    }

    #[test]
    fn who_signed() {
        let directory = directory();
        let signed = |secret: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), b"message")
        };
        let check = |name: &str, secret: &str, expected: Option<&str>| {
            let found = directory.find_signer(name, b"message", signed(secret).as_ref());
            assert_eq!(found.map(AccountId::as_str), expected, "{name} {secret:?}");
            assert_eq!(directory.find_signer(name, b"other", signed(secret).as_ref()), None);
        };
        check("alice", "secret-a", Some("alice"));
        check("robert", "secret-b", Some("bob"));
        check("dave", "shared", Some("dave"));
        check("alice", "secret-b", None);
        for name in ["erin", "frank", "nobody", ""] {
            check(name, "", None);
            check(name, "secret-a", None);
        }
        assert_eq!(directory.find_signer("alice", b"message", b""), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?} {:?}", directory(), login("a", "a", Some("S3CRET")));
        assert!(!shown.contains("S3CRET") && !shown.contains("secret"), "{shown}");
    }
}
