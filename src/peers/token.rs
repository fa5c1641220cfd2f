//! A shared secret that cannot be printed by accident.

use std::borrow::Cow;
use std::fmt;

use super::directory;
use crate::link::LoginMark;

/// A shorter token is too common a text to be looked for, and no secret.
const HIDDEN_MIN: usize = 4;
/// Stands for it. Shorter than any token that is hidden.
const MASK: &[u8; 3] = b"***";

/// The secret that two peers share. `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself, to be sent or compared.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What tells sessions of this token from those of another; `None` without a token.
    pub fn mark(&self) -> Option<LoginMark> {
        if self.is_empty() { None } else { directory::mark(self.0.as_bytes()) }
    }

    /// What a peer said, without this secret: some servers tell what they were sent.
    pub fn hide_in<'a>(&self, said: &'a [u8]) -> Cow<'a, [u8]> {
        let secret = self.0.as_bytes();
        if secret.len() < HIDDEN_MIN {
            return Cow::Borrowed(said);
        }
        let mut hidden = Cow::Borrowed(said);
        while let Some(at) = hidden.windows(secret.len()).position(|window| window == secret) {
            hidden.to_mut().splice(at..at + secret.len(), *MASK);
        }
        hidden
    }

    /// An empty token opens nothing (D2).
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

    fn check(token: &str, said: &str, expected: &str) {
        let hidden = Token::from(token).hide_in(said.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(hidden).unwrap(), expected);
    }

    #[test]
    fn a_secret_that_a_peer_repeats_is_hidden() {
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
