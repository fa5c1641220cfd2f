//! The id of an account.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

/// The longest account id in bytes.
pub const MAX_ACCOUNT_ID: usize = 64;

/// The account of a node that the tools log in with (`ping`, `send`, ...).
pub const TOOL_ACCOUNT: &str = "cli";

/// The beginning of the ids of guests. No id in a configuration begins so.
pub const GUEST_PREFIX: &str = "guest~";

/// The id of one account of a node.
///
/// RFC 15 "Address Requirements": it has only characters of an address segment, because a child's address ends with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct AccountId(Arc<str>);

/// Why a text is not an account id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountIdError {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than [`MAX_ACCOUNT_ID`] bytes.
    #[error("an id has at most 64 characters, this one has {0}")]
    TooLong(usize),
    /// The text has a character that is not allowed in an ILP address segment.
    #[error("an id is made of letters, digits, '_', '~' and '-'; found {0:?}")]
    BadCharacter(char),
}

impl AccountId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the account of a guest: a program of this machine that logged in at the guests' door, and that no
    /// configuration names.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.0.starts_with(GUEST_PREFIX)
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(AccountIdError::Empty);
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '~' | '-');
        if let Some(bad) = text.chars().find(|c| !allowed(c)) {
            return Err(AccountIdError::BadCharacter(bad));
        }
        if text.len() > MAX_ACCOUNT_ID {
            return Err(AccountIdError::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }
}

impl From<&AccountId> for Arc<str> {
    fn from(id: &AccountId) -> Self {
        Self::clone(&id.0)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.as_str().to_owned()
    }
}

impl Borrow<str> for AccountId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_address_segments_are_ids() {
        let check = |text: &str, expected: Result<(), AccountIdError>| {
            assert_eq!(text.parse::<AccountId>().map(|_| ()), expected, "{text:?}");
        };
        check("alice", Ok(()));
        check("A-1_~", Ok(()));
        check(&"x".repeat(64), Ok(()));
        check("", Err(AccountIdError::Empty));
        check("a.b", Err(AccountIdError::BadCharacter('.')));
        check("a b", Err(AccountIdError::BadCharacter(' ')));
        check("ä", Err(AccountIdError::BadCharacter('ä')));
        check(&"x".repeat(65), Err(AccountIdError::TooLong(65)));
    }

    #[test]
    fn an_id_is_its_text() {
        let id: AccountId = "alice".parse().unwrap();
        assert_eq!(
            (id.as_str(), id.to_string(), String::from(id.clone())),
            ("alice", "alice".into(), "alice".into())
        );
        assert_eq!(&*<Arc<str>>::from(&id), "alice");
        assert!(std::collections::HashSet::from([id]).contains("alice"));
    }

    #[test]
    fn the_ids_of_guests_begin_with_their_prefix() {
        let is_guest = |text: &str| text.parse::<AccountId>().unwrap().is_guest();
        assert!(is_guest("guest~1") && !is_guest("guest") && !is_guest("a-guest~1"));
    }
}
