//! The transport of a topology's link.

use std::str::FromStr;

/// The transport of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkTransport {
    /// BTP: one node dials the other, and both send requests over that session.
    #[default]
    Btp,
    /// ILP over HTTP: each node posts its requests to the other's server, so both dial.
    Http,
}

/// A word that is no transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTransport;

impl FromStr for LinkTransport {
    type Err = UnknownTransport;

    fn from_str(word: &str) -> Result<Self, UnknownTransport> {
        match word {
            "btp" => Ok(Self::Btp),
            "http" => Ok(Self::Http),
            _ => Err(UnknownTransport),
        }
    }
}
