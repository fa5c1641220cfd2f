//! A shared secret that is not printed by accident.

use std::borrow::Cow;
use std::fmt;

use super::directory;
use crate::link::TokenFingerprint;

/// Shorter tokens are not masked: they occur in ordinary texts, and are no secrets.
const MASKED_BYTES_MIN: usize = 4;
/// Replaces a token. It is shorter than any masked token, so that masking ends.
const MASK: &[u8; 3] = b"***";

/// The secret that two peers share. `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself, to send or compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The fingerprint of sessions that log in with this token; `None`: the token is empty.
    pub fn fingerprint(&self) -> Option<TokenFingerprint> {
        if self.is_empty() { None } else { directory::fingerprint(self.0.as_bytes()) }
    }

    /// A text of a peer with this secret masked: some servers repeat what they received.
    pub fn mask_token<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let secret = self.0.as_bytes();
        if secret.len() < MASKED_BYTES_MIN {
            return Cow::Borrowed(text);
        }
        let mut masked = Cow::Borrowed(text);
        while let Some(at) = masked.windows(secret.len()).position(|window| window == secret) {
            masked.to_mut().splice(at..at + secret.len(), *MASK);
        }
        masked
    }

    /// Whether the token is empty: no account accepts it (D2).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Token {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Token {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: &str, text: &str, expected: &str) {
        let masked = Token::from(token).mask_token(text.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(masked).unwrap(), expected);
    }

    #[test]
    fn a_secret_that_a_peer_repeats_is_masked() {
        check(
            "S3CRET",
            "invalid auth_token S3CRET, not S3CRET!",
            "invalid auth_token ***, not ***!",
        );
        check("S3CRET", "invalid auth_token", "invalid auth_token");
        check("gr\u{fc}n", "not gr\u{fc}n", "not ***");
        check("", "closed", "closed");
        check("a", "a bad day", "a bad day");
        check("****", "******", "***");
    }
}
