//! Asks the pages of nodes, for commands that look at a network.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asked_nodes::AskedNode;
use crate::console::{Failure, error_chain, sanitize};
use crate::http::{DocumentRequest, HttpClient};
use crate::net::TlsTrust;

/// Bytes of one page: enough for the 10,000 peers that a node may have.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Characters of a node's error that are shown.
const ERROR_CHARS_MAX: usize = 500;

#[derive(Debug)]
pub(super) struct PageClient {
    http: HttpClient,
    timeout: Duration,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The node has an `apiToken`, and none was given.
    #[error("it has an apiToken; give it with --token-file, or name the configuration of the node")]
    TokenMissing,
    #[error("it refuses the token; is it the apiToken of this node?")]
    TokenWrong,
    #[error("{error} (HTTP {code})")]
    Refused { code: u16, error: String },
    #[error("this is not the answer of a node")]
    NotANode,
}

impl PageClient {
    /// Each request takes at most twice this time.
    pub(super) fn new(timeout: Duration) -> Result<Self, Failure> {
        let http = HttpClient::new(TlsTrust::default());
        let http = http.map_err(|error| Failure::Failed(error_chain(&error)))?;
        Ok(Self { http, timeout })
    }

    /// The status of the node; it has one even if it is not healthy. This page needs no token, so none is sent.
    pub(super) async fn health<T: DeserializeOwned>(
        &self,
        node: &AskedNode,
    ) -> Result<T, PageError> {
        match self.ask(node, "health", None).await? {
            (200 | 503, body) => parse(&body),
            (code, body) => Err(refused(code, &body)),
        }
    }

    /// Another page, with the token of the node.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        node: &AskedNode,
        path: &str,
    ) -> Result<T, PageError> {
        let token = node.token.as_ref().map(|token| token.expose());
        match self.ask(node, path, token).await? {
            (200, body) => parse(&body),
            (401, _) if token.is_none() => Err(PageError::TokenMissing),
            (401, _) => Err(PageError::TokenWrong),
            (code, body) => Err(refused(code, &body)),
        }
    }

    async fn ask(
        &self,
        node: &AskedNode,
        path: &str,
        bearer: Option<&str>,
    ) -> Result<(u16, Vec<u8>), PageError> {
        let url = node.url.join(&[path]).ok_or(PageError::NotANode)?;
        let request = DocumentRequest {
            url: &url,
            accept: "application/json",
            bearer,
            timeout: self.timeout,
            bytes_max: PAGE_BYTES_MAX,
        };
        match self.http.fetch(request).await {
            Ok(answer) => Ok((answer.status, answer.body.to_vec())),
            Err(error) => Err(PageError::NoAnswer(sanitize(&error_chain(&error)))),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, PageError> {
    serde_json::from_slice(body).map_err(|_| PageError::NotANode)
}

/// The node's own words.
fn refused(code: u16, body: &[u8]) -> PageError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(sanitize);
    match text("error").or_else(|| text("detail")) {
        Some(error) => {
            PageError::Refused { code, error: error.chars().take(ERROR_CHARS_MAX).collect() }
        }
        None => PageError::NotANode,
    }
}
