//! A text that must never be shown: tokens and shared secrets.

use std::fmt;
use std::sync::Arc;

/// Replaces a secret in messages.
pub const MASK: &str = "***";

/// A secret. `Debug` and `Display` show [`MASK`], which does not reveal the length.
///
/// Equality is for comparing configurations; logins compare tokens in constant time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for code that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Masked: secrets never reach the log or a status page. [row 139]
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
