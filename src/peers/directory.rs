//! The logins: names and tokens -> accounts.
//!
//! Instead of the tokens it keeps their HMAC-SHA256 under a random key of the process, so that the time of a comparison
//! reveals nothing: an attacker cannot predict the compared bytes. For the same reason an unknown name takes the same
//! time as a known one. A session keeps the HMAC of its token as its fingerprint; a later directory, with the same key,
//! says whether the token is still valid.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use arc_swap::ArcSwap;
use ring::hmac;
use ring::rand::SystemRandom;

use super::token::Token;
use crate::account::AccountId;
use crate::link::TokenFingerprint;

/// One login of a peer. A peer with several tokens has one for each, with the same account and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerLogin {
    /// The peer's account.
    pub account: AccountId,
    /// The peer's name (`auth_username`, or its segment of the path).
    pub username: String,
    /// `None` or empty: the peer cannot log in, because we dial it.
    pub token: Option<Token>,
}

/// The current directory of all listeners of a node. Open sessions stay when it changes.
pub type Logins = ArcSwap<LoginDirectory>;

/// The logins of all peers. It is immutable, and replaced when the peers change.
pub struct LoginDirectory {
    key: hmac::Key,
    by_name: HashMap<String, AccountLogin>,
    by_token: HashMap<Tag, TokenOwner>,
    /// The largest number of tokens of a peer.
    signing_keys_max: usize,
    /// Tags of all secrets that must not be shown: tokens, and other secrets of the node.
    secrets: HashSet<Tag>,
    guests: HashSet<AccountId>,
    /// Names of peers that are suspended.
    suspended: HashSet<String>,
}

type Tag = [u8; 32];

struct AccountLogin {
    account: AccountId,
    tags: Vec<Tag>,
    /// Verify signatures with a token, and do not reveal it.
    signing_keys: Vec<hmac::Key>,
}

enum TokenOwner {
    One(AccountId),
    /// Peers share the token, so it does not identify one.
    Several,
}

/// The operating system has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

/// Identifies tokens without storing them, by their HMAC under the key of the process.
#[derive(Clone)]
pub struct TokenFingerprinter(hmac::Key);

impl TokenFingerprinter {
    /// # Errors
    /// The operating system gave no random numbers for the key.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self(process_key()?.clone()))
    }

    /// Equal tokens have equal fingerprints.
    pub fn fingerprint(&self, token: &[u8]) -> TokenFingerprint {
        TokenFingerprint(tag(&self.0, token))
    }
}

impl LoginDirectory {
    /// A directory of these logins. If two accounts have the same name, the first counts (`config` refuses such a
    /// pair).
    pub fn new(logins: impl IntoIterator<Item = PeerLogin>) -> Result<Self, NoRandomness> {
        let key = process_key()?.clone();
        let mut directory = Self {
            key,
            by_name: HashMap::new(),
            by_token: HashMap::new(),
            signing_keys_max: 0,
            secrets: HashSet::new(),
            guests: HashSet::new(),
            suspended: HashSet::new(),
        };
        for login in logins {
            directory.add(login);
        }
        Ok(directory)
    }

    fn add(&mut self, login: PeerLogin) {
        let token = login.token.filter(|token| !token.is_empty());
        let secret = token.as_ref().map(|token| token.reveal().as_bytes());
        let tag = secret.map(|secret| tag(&self.key, secret));
        let signing_keys = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret));
        self.secrets.extend(tag);
        if let Some(tag) = tag {
            let holder = self.by_token.entry(tag);
            let holder = holder.or_insert_with(|| TokenOwner::One(login.account.clone()));
            if !matches!(holder, TokenOwner::One(account) if *account == login.account) {
                *holder = TokenOwner::Several;
            }
        }
        let entry = self.by_name.entry(login.username).or_insert_with(|| AccountLogin {
            account: login.account.clone(),
            tags: Vec::new(),
            signing_keys: Vec::new(),
        });
        if entry.account == login.account {
            entry.tags.extend(tag);
            entry.signing_keys.extend(signing_keys);
            self.signing_keys_max = self.signing_keys_max.max(entry.signing_keys.len());
        }
    }

    /// Adds secrets that are no login here but must not be shown either: those for our own logins elsewhere.
    #[must_use]
    pub fn with_secrets<'s>(mut self, secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let tags = secrets.into_iter().map(|secret| tag(&self.key, secret.as_bytes()));
        self.secrets.extend(tags);
        self
    }

    /// The same with the guests that have an account.
    #[must_use]
    pub fn with_guests(self, guests: HashSet<AccountId>) -> Self {
        Self { guests, ..self }
    }

    /// The same with the names of peers that are suspended, and so cannot log in.
    #[must_use]
    pub fn with_suspended(self, suspended: HashSet<String>) -> Self {
        Self { suspended, ..self }
    }

    /// Whether a guest may log in, at the guests' door.
    #[must_use]
    pub fn has_guest(&self, id: &AccountId) -> bool {
        self.guests.contains(id)
    }

    /// Whether these bytes are a secret of this node.
    #[must_use]
    pub fn has_secret(&self, bytes: &[u8]) -> bool {
        self.secrets.contains(&tag(&self.key, bytes))
    }

    /// Whether a name that a client claims is a known secret, or contains one between separators. Then no log line and
    /// no page may show it.
    pub fn is_secret(&self, name: &str) -> bool {
        const PARTS_MAX: usize = 8;
        let separator = |c: char| c.is_whitespace() || ":/@,;=".contains(c);
        let parts = name.split(separator).take(PARTS_MAX);
        parts.chain([name]).any(|part| self.secrets.contains(&tag(&self.key, part.as_bytes())))
    }

    /// The account of `name`, if `signature` is the HMAC-SHA256 of `message` under its token.
    pub fn find_signer(&self, name: &str, message: &[u8], signature: &[u8]) -> Option<&AccountId> {
        let entry = self.by_name.get(name);
        let signing_keys = entry.map(|entry| entry.signing_keys.as_slice()).unwrap_or_default();
        let mut verified = false;
        // Unknown names, and names with fewer tokens, take the same time.
        for number in 0..self.signing_keys_max {
            let key = signing_keys.get(number);
            let matches = hmac::verify(key.unwrap_or(&self.key), message, signature).is_ok();
            verified |= matches && key.is_some();
        }
        entry.filter(|_| verified).map(|entry| &entry.account)
    }

    /// The account with this login name. Reveals whether the name exists: for logs and pages of the operator only.
    pub fn find_by_name(&self, name: &str) -> Option<&AccountId> {
        self.by_name.get(name).map(|entry| &entry.account)
    }

    /// Why a login with this name was refused. Reveals whether the name exists: for logs and pages of the operator
    /// only.
    #[must_use]
    pub fn explain_refusal(&self, name: &str) -> &'static str {
        if self.by_name.contains_key(name) {
            "wrong token"
        } else if self.suspended.contains(name) {
            "the peer with this name is suspended"
        } else {
            "no peer has this name as its id"
        }
    }

    /// The fingerprint of sessions that log in with this token.
    pub fn fingerprint(&self, token: &[u8]) -> TokenFingerprint {
        TokenFingerprint(tag(&self.key, token))
    }

    /// The fingerprints of all valid tokens of an account.
    pub fn fingerprints_of(&self, account: &AccountId) -> Vec<TokenFingerprint> {
        let entries = self.by_name.values().filter(|entry| entry.account == *account);
        entries.flat_map(|entry| &entry.tags).copied().map(TokenFingerprint).collect()
    }

    /// The account with this name and token. Without a name, the only account with this token.
    ///
    /// An unknown name is refused even if the token is unique (D2), so that a misspelt name is noticed.
    pub fn find_account(&self, name: Option<&str>, token: &[u8]) -> Option<&AccountId> {
        let offered = tag(&self.key, token);
        if token.is_empty() {
            return None;
        }
        let Some(name) = name else {
            return match self.by_token.get(&offered)? {
                TokenOwner::One(account) => Some(account),
                TokenOwner::Several => None,
            };
        };
        let entry = self.by_name.get(name);
        let tags = entry.map(|entry| entry.tags.as_slice()).unwrap_or_default();
        // The time to compare HMACs reveals nothing, so the search may stop at the first match.
        entry.filter(|_| tags.contains(&offered)).map(|entry| &entry.account)
    }
}

/// The key of all directories. It outlives reloads, because open sessions keep their fingerprints.
fn process_key() -> Result<&'static hmac::Key, NoRandomness> {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let random = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
    let random = random.map_err(|_| NoRandomness)?;
    Ok(KEY.get_or_init(|| random))
}

/// The fingerprint of a token; `None` without random numbers, when there is no directory either.
pub(super) fn fingerprint(token: &[u8]) -> Option<TokenFingerprint> {
    Some(TokenFingerprint(tag(process_key().ok()?, token)))
}

fn tag(key: &hmac::Key, token: &[u8]) -> Tag {
    let tag = hmac::sign(key, token);
    *tag.as_ref().first_chunk().expect("HMAC-SHA256 has 32 bytes")
}

impl std::fmt::Debug for LoginDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginDirectory")
            .field("logins", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(account: &str, username: &str, token: Option<&str>) -> PeerLogin {
        PeerLogin {
            account: account.parse().unwrap(),
            username: username.to_owned(),
            token: token.map(Token::from),
        }
    }

    fn directory() -> LoginDirectory {
        LoginDirectory::new([
            login("alice", "alice", Some("secret-a")),
            login("bob", "robert", Some("secret-b")),
            login("carol", "carol", Some("shared")),
            login("dave", "dave", Some("shared")),
            login("erin", "erin", None),
            login("frank", "frank", Some("")),
            login("grace", "grace", Some("new-token")),
            login("grace", "grace", Some("old-token")),
            // The second account with this name cannot log in.
            login("heidi", "grace", Some("secret-h")),
        ])
        .unwrap()
    }

    fn check(name: Option<&str>, token: &str, expected: Option<&str>) {
        let directory = directory();
        let found = directory.find_account(name, token.as_bytes()).map(AccountId::as_str);
        assert_eq!(found, expected, "{name:?} {token:?}");
    }

    #[test]
    fn operators_read_why_a_name_was_refused() {
        let directory = directory().with_suspended(["ivan".to_owned()].into());
        let explain = |name| directory.explain_refusal(name);
        assert_eq!(explain("robert"), "wrong token");
        assert_eq!(explain("ivan"), "the peer with this name is suspended");
        // It logs in with another name.
        assert_eq!(explain("bob"), "no peer has this name as its id");
    }

    #[test]
    fn accounts_are_found_by_name_and_token() {
        check(Some("alice"), "secret-a", Some("alice"));
        check(Some("robert"), "secret-b", Some("bob"));
        check(Some("carol"), "shared", Some("carol"));
        check(Some("dave"), "shared", Some("dave"));
        check(None, "secret-a", Some("alice"));

        for token in ["new-token", "old-token"] {
            check(Some("grace"), token, Some("grace"));
            check(None, token, Some("grace"));
        }
        check(Some("grace"), "older-token", None);
        check(Some("grace"), "secret-h", None);

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
    fn fingerprints_outlive_the_directory_and_differ_by_token() {
        let login = |token| login("grace", "grace", Some(token));
        let (before, after) = (directory(), LoginDirectory::new([login("new-token")]).unwrap());
        let fingerprint = |token: &str| before.fingerprint(token.as_bytes());
        let grace = "grace".parse().unwrap();
        assert_eq!(
            before.fingerprints_of(&grace),
            [fingerprint("new-token"), fingerprint("old-token")]
        );
        assert_eq!(after.fingerprints_of(&grace), [fingerprint("new-token")]);
        assert_eq!(after.fingerprints_of(&"alice".parse().unwrap()), []);
        assert_eq!(Token::from("new-token").fingerprint(), Some(fingerprint("new-token")));
        assert_eq!(Token::from("").fingerprint(), None);
    }

    #[test]
    fn accounts_are_found_by_name_alone() {
        let directory = directory();
        let named = |name| directory.find_by_name(name).map(AccountId::as_str);
        assert_eq!((named("robert"), named("erin")), (Some("bob"), Some("erin")));
        assert_eq!((named("bob"), named("")), (None, None));
    }

    #[test]
    fn a_signature_identifies_the_account_of_its_token() {
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
        check("grace", "new-token", Some("grace"));
        check("grace", "old-token", Some("grace"));
        check("grace", "secret-h", None);
        for name in ["erin", "frank", "nobody", ""] {
            check(name, "", None);
            check(name, "secret-a", None);
        }
        assert_eq!(directory.find_signer("alice", b"message", b""), None);
    }

    #[test]
    fn secrets_in_names_are_recognised() {
        let directory = directory().with_secrets(["api-token"]);
        let check =
            |name: &str, expected: bool| assert_eq!(directory.is_secret(name), expected, "{name}");
        for name in ["alice", "bob", "", "secret", "secret-a2", "frank", "nobody"] {
            check(name, false);
        }
        for name in [
            "secret-a",
            "secret-b",
            "shared",
            "api-token",
            "alice:secret-a",
            "Bearer secret-b",
            "token=shared",
        ] {
            check(name, true);
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?} {:?}", directory(), login("a", "a", Some("S3CRET")));
        assert!(!shown.contains("S3CRET") && !shown.contains("secret"), "{shown}");
    }
}
