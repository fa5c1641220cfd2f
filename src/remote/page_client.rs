//! Asks the pages of nodes. Every request to the API of a node goes through here.
//!
//! A token is for one node. If a file says which node a token is for, the first request of each connection asks for its
//! id, without the token, and the token follows on the same connection: so no other program gets it, also if one takes
//! the place of the node in between. A server may close a connection after this request, such as a proxy does: then
//! there is a second one, which begins with the same request. What follows with the token is sent once.
//!
//! If a person has named a URL, the token is for whatever answers there. Redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::AskedNode;
use crate::http::{
    Document, DocumentRequest, DocumentStream, FetchError, HttpClient, HttpConnection, HttpVerb,
    Opened,
};
use crate::net::{HttpUrl, TlsError, TlsTrust, error_chain, sanitize};

/// Bytes of one page: enough for the 10,000 peers that a node may have.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client for the pages of nodes.
#[derive(Debug)]
pub struct PageClient {
    http: HttpClient,
    timeout: Duration,
    page_bytes_max: usize,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The program at the URL of a node is this one, so it does not get the token of the node.
    #[error("the node {0} answers there, so it does not get the token")]
    AnotherNode(String),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
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

/// The page that says which node answers. It needs no token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeIdPage {
    node_id: String,
}

/// An answer of any kind, to pass on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAnswer {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

impl PageClient {
    /// Each request takes at most three times this time; six times if the node shows its id first, and ten times if it
    /// does so on two connections.
    ///
    /// # Errors
    /// The certificate authorities of the system cannot be read.
    pub fn new(timeout: Duration) -> Result<Self, TlsError> {
        let http = HttpClient::new(TlsTrust::default())?;
        Ok(Self { http, timeout, page_bytes_max: PAGE_BYTES_MAX })
    }

    /// Accepts only shorter pages.
    #[must_use]
    pub fn with_page_bytes(self, page_bytes_max: usize) -> Self {
        Self { page_bytes_max, ..self }
    }

    /// The status of the node; it has one even if it is not healthy. This page needs no token, so none is sent.
    pub async fn health<T: DeserializeOwned>(&self, node: &AskedNode) -> Result<T, PageError> {
        let mut connection = self.connect(node).await?;
        self.health_on(&mut connection, node).await
    }

    /// Another page, with the token of the node. The path may have a query.
    pub async fn page<T: DeserializeOwned>(
        &self,
        node: &AskedNode,
        path: &str,
    ) -> Result<T, PageError> {
        let answer = self.ask(node, path, HttpVerb::Get, self.timeout).await?;
        match answer.status {
            200 => parse(&answer.body),
            code => Err(not_shown(node, code, &answer.body)),
        }
    }

    /// Sends a request with the token of the node, whose answer is passed on as it is. It may take this time.
    pub async fn pass_on(
        &self,
        node: &AskedNode,
        path: &str,
        verb: HttpVerb<'_>,
        time_max: Duration,
    ) -> Result<PageAnswer, PageError> {
        let answer = self.ask(node, path, verb, time_max).await?;
        match answer.status {
            // Not the mistake of the one who asked.
            401 => Err(not_shown(node, 401, &answer.body)),
            status => {
                let Document { content_type, body, .. } = answer;
                Ok(PageAnswer { status, content_type, body })
            }
        }
    }

    /// Another page with the token of the node, as it is. Any status is an answer, but 401.
    ///
    /// # Errors
    /// There is no answer, or the node refuses the token.
    pub async fn get(&self, node: &AskedNode, path: &str) -> Result<PageAnswer, PageError> {
        self.pass_on(node, path, HttpVerb::Get, self.timeout).await
    }

    /// Posts JSON with the token of the node. Any status is an answer, but 401.
    ///
    /// # Errors
    /// There is no answer, or the node refuses the token.
    pub async fn post(
        &self,
        node: &AskedNode,
        path: &str,
        json: &str,
    ) -> Result<PageAnswer, PageError> {
        self.pass_on(node, path, HttpVerb::Post(json.as_bytes()), self.timeout).await
    }

    /// A page without an end.
    pub async fn stream(&self, node: &AskedNode, path: &str) -> Result<PageStream, PageError> {
        let url = page_url(node, path)?;
        let (connection, token) = self.connect_for_token(node).await?;
        match connection.open(self.request(&url, token, HttpVerb::Get)).await {
            Ok(Opened::Stream(stream)) => Ok(PageStream(stream)),
            Ok(Opened::Document(answer)) => Err(not_shown(node, answer.status, &answer.body)),
            Err(error) => Err(no_answer(error)),
        }
    }

    async fn ask(
        &self,
        node: &AskedNode,
        path: &str,
        verb: HttpVerb<'_>,
        time_max: Duration,
    ) -> Result<Document, PageError> {
        let url = page_url(node, path)?;
        let (mut connection, token) = self.connect_for_token(node).await?;
        let asked = DocumentRequest { timeout: time_max, ..self.request(&url, token, verb) };
        connection.fetch(asked).await.map_err(no_answer)
    }

    async fn connect(&self, node: &AskedNode) -> Result<HttpConnection, PageError> {
        self.http.connect(&node.url, self.timeout).await.map_err(no_answer)
    }

    /// The one place from which a token comes: a connection that may have it, and the token.
    ///
    /// # Errors
    /// The file names a node, and that one does not answer.
    async fn connect_for_token<'n>(
        &self,
        node: &'n AskedNode,
    ) -> Result<(HttpConnection, Option<&'n str>), PageError> {
        let token = node.token.as_ref().map(|token| token.expose());
        let (Some(id), Some(_)) = (&node.id, token) else {
            return Ok((self.connect(node).await?, token));
        };
        let connection = match self.connect_to_node(node, id).await? {
            Ok(connection) => connection,
            Err(_closed) => self.connect_to_node(node, id).await?.map_err(no_answer)?,
        };
        Ok((connection, token))
    }

    /// A connection on which the node has shown its id. An error in it: it cannot be used after that.
    async fn connect_to_node(
        &self,
        node: &AskedNode,
        id: &str,
    ) -> Result<Result<HttpConnection, FetchError>, PageError> {
        let mut connection = self.connect(node).await?;
        let NodeIdPage { node_id } = self.health_on(&mut connection, node).await?;
        if id != node_id {
            return Err(PageError::AnotherNode(sanitize(&node_id)));
        }
        Ok(connection.ready(self.timeout).await.map(|()| connection))
    }

    async fn health_on<T: DeserializeOwned>(
        &self,
        connection: &mut HttpConnection,
        node: &AskedNode,
    ) -> Result<T, PageError> {
        let url = page_url(node, "health")?;
        let answer = connection.fetch(self.request(&url, None, HttpVerb::Get)).await;
        let answer = answer.map_err(no_answer)?;
        match answer.status {
            200 | 503 => parse(&answer.body),
            code => Err(refused(code, &answer.body)),
        }
    }

    fn request<'r>(
        &self,
        url: &'r HttpUrl,
        bearer: Option<&'r str>,
        verb: HttpVerb<'r>,
    ) -> DocumentRequest<'r> {
        // Also JSON lines, which are no other type for a node.
        let (accept, bytes_max) = ("application/json", self.page_bytes_max);
        DocumentRequest {
            url,
            accept,
            bearer,
            verb,
            headers: &[],
            timeout: self.timeout,
            bytes_max,
        }
    }
}

/// A page that is read piece by piece.
#[derive(Debug)]
pub struct PageStream(DocumentStream);

impl PageStream {
    /// The next bytes; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// What to tell people about the connection that broke.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, String> {
        self.0.next_chunk().await.map_err(|error| sanitize(&error_chain(&error)))
    }
}

/// A value of a query, or a segment of a path. Everything but letters and digits is encoded.
pub fn url_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn page_url(node: &AskedNode, path: &str) -> Result<HttpUrl, PageError> {
    let url = format!("{}{path}", node.url.without_credentials());
    url.parse().map_err(|_| PageError::NotANode)
}

fn no_answer(error: FetchError) -> PageError {
    match error {
        FetchError::TooLong(bytes_max) => PageError::TooLong(bytes_max),
        error => PageError::NoAnswer(sanitize(&error_chain(&error))),
    }
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

fn refused(code: u16, body: &[u8]) -> PageError {
    match refusal_text(body) {
        Some(error) => PageError::Refused { code, error },
        None => PageError::NotANode,
    }
}

/// Why a node refuses a request, in its own words. `None`: no node speaks so.
pub fn refusal_text(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(sanitize);
    text("error").or_else(|| text("detail"))
}

#[cfg(test)]
mod tests;
