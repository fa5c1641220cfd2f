//! The node that a program logs in at, and the account that it logs in as.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::account::AccountId;
use crate::btp::BtpDial;
use crate::net::{BtpUrl, TlsName, TlsTrust};
use crate::peers::Token;

/// The node that a program logs in at, and the account that it logs in as: `btp+ws://user:token@host:port`, or
/// `btp+wss://`. Shown without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    url: BtpUrl,
    username: String,
    token: Option<Token>,
    trust: TlsTrust,
}

/// Why a text is not a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoginError(String);

impl Login {
    /// From a URL that contains a token.
    pub(crate) fn from_url(url: BtpUrl) -> Result<Self, LoginError> {
        if url.token().is_none_or(str::is_empty) {
            return Err(LoginError(format!(
                "{url} has no token to log in with; write btp+ws://user:token@host:port"
            )));
        }
        Ok(Self { url, username: String::new(), token: None, trust: TlsTrust::default() })
    }

    /// From a URL without user and token.
    pub(crate) fn new(url: BtpUrl, username: String, token: Token, trust: TlsTrust) -> Self {
        Self { url, username, token: Some(token), trust }
    }

    /// Trusts the certificate authorities in this PEM file too.
    #[must_use]
    pub fn with_ca_file(mut self, file: PathBuf) -> Self {
        self.trust.ca_file = Some(file);
        self
    }

    /// Requires this name in the node's certificate instead of the host's.
    pub(crate) fn with_server_name(mut self, name: TlsName) -> Self {
        self.trust.server_name = Some(name);
        self
    }

    /// The certificates that are trusted.
    pub(crate) fn trust(&self) -> &TlsTrust {
        &self.trust
    }

    /// How to dial the node for the client's account `account`.
    pub(super) fn dial(&self, account: AccountId) -> BtpDial {
        BtpDial::new(account, self.url.clone(), &self.username, self.token.as_ref())
    }
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        let url = text.parse::<BtpUrl>().map_err(|error| LoginError(error.to_string()))?;
        Self::from_url(url)
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url.username() {
            Some(_) => self.url.fmt(f),
            None => write!(f, "{} as {}", self.url, self.username.escape_default()),
        }
    }
}
