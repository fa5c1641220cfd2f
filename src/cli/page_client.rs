//! Asks the pages of nodes, for commands that look at a network.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asked_nodes::AskedNode;
use crate::console::{Failure, error_chain, sanitize};
use crate::http::{DocumentRequest, DocumentStream, HttpClient, Opened};
use crate::net::{HttpUrl, TlsTrust};

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
    /// Each request takes at most three times this time.
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

    /// Another page, with the token of the node. The path may have a query.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        node: &AskedNode,
        path: &str,
    ) -> Result<T, PageError> {
        match self.ask(node, path, token_of(node)).await? {
            (200, body) => parse(&body),
            (code, body) => Err(not_shown(node, code, &body)),
        }
    }

    /// A page without an end.
    pub(super) async fn stream(
        &self,
        node: &AskedNode,
        path: &str,
    ) -> Result<PageStream, PageError> {
        let url = page_url(node, path)?;
        match self.http.open(self.request(&url, token_of(node))).await {
            Ok(Opened::Stream(stream)) => Ok(PageStream(stream)),
            Ok(Opened::Document(answer)) => Err(not_shown(node, answer.status, &answer.body)),
            Err(error) => Err(PageError::NoAnswer(sanitize(&error_chain(&error)))),
        }
    }

    async fn ask(
        &self,
        node: &AskedNode,
        path: &str,
        bearer: Option<&str>,
    ) -> Result<(u16, Vec<u8>), PageError> {
        let url = page_url(node, path)?;
        match self.http.fetch(self.request(&url, bearer)).await {
            Ok(answer) => Ok((answer.status, answer.body.to_vec())),
            Err(error) => Err(PageError::NoAnswer(sanitize(&error_chain(&error)))),
        }
    }

    fn request<'r>(&self, url: &'r HttpUrl, bearer: Option<&'r str>) -> DocumentRequest<'r> {
        // Also JSON lines, which are no other type for a node.
        let (accept, bytes_max) = ("application/json", PAGE_BYTES_MAX);
        DocumentRequest { url, accept, bearer, timeout: self.timeout, bytes_max }
    }
}

/// A page that is read piece by piece.
#[derive(Debug)]
pub(super) struct PageStream(DocumentStream);

impl PageStream {
    /// The next bytes; `None` at the end. Cancel safe.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Bytes>, String> {
        self.0.next_chunk().await.map_err(|error| sanitize(&error_chain(&error)))
    }
}

fn page_url(node: &AskedNode, path: &str) -> Result<HttpUrl, PageError> {
    let url = format!("{}{path}", node.url.without_credentials());
    url.parse().map_err(|_| PageError::NotANode)
}

fn token_of(node: &AskedNode) -> Option<&str> {
    node.token.as_ref().map(|token| token.expose())
}

/// Why a page with this status has no content.
fn not_shown(node: &AskedNode, code: u16, body: &[u8]) -> PageError {
    match (code, &node.token) {
        (401, None) => PageError::TokenMissing,
        (401, Some(_)) => PageError::TokenWrong,
        (code, _) => refused(code, body),
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
