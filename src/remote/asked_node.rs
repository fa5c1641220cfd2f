//! Where the pages of a node are, and the token for them.

use super::page_client::PageError;
use crate::net::{HttpUrl, Secret};

/// A node whose pages are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedNode {
    /// Its id, if a file says it. Otherwise its answer does.
    pub id: Option<String>,
    /// Its pages, without a path.
    pub url: HttpUrl,
    /// Its `apiToken`, or one of its `apiTokens`.
    pub token: Option<Secret>,
    /// What to do if it does not answer.
    pub hint: String,
}

impl AskedNode {
    /// Its URL without possible secrets.
    pub fn shown_url(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    /// Its id, or until it has said that, its host and port.
    pub fn name(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.url.authority())
    }

    /// Why a node is missing, and what to do.
    pub fn describe(&self, error: &PageError) -> String {
        let url = self.shown_url();
        let name = self.id.as_ref().map_or_else(|| url.clone(), |id| format!("{id} at {url}"));
        match error {
            PageError::NoAnswer(_) | PageError::AnotherNode(_) => {
                format!("{name}: {error}; {}", self.hint)
            }
            error => format!("{name}: {error}"),
        }
    }
}
