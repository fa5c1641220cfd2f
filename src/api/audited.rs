//! What the API writes into the audit log of a node: each verb before it has an effect, and requests without a right.
//!
//! A handler that changes something calls [`record`] when it knows that the request is sound, and does nothing if that
//! fails. A request that is not sound is passed to [`record_refused`].

use axum::extract::{FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::pages::remote;
use super::status::NodeStatus;
use crate::audit::{AuditRecord, AuditTicket, RefusedAccess};
use crate::net::{RemoteAddress, mask_random_words};
use crate::web::{ProblemDetails, remote_of};

/// Characters of a path.
const PATH_CHARS_MAX: usize = 200;
/// A client without a token, or with one that is not known.
const UNKNOWN: &str = "-";
/// The name of such a client.
const LOCAL: &str = "local";

/// The client that wants to change something. Handlers extract it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct VerbClient {
    /// The id of its token, or `-`.
    pub(in crate::api) who: String,
    pub(in crate::api) remote: RemoteAddress,
}

/// The id of the token of a request, as the check of its right leaves it for [`VerbClient`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct VerbToken(pub(in crate::api) String);

/// What a client wants to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct AuditedVerb {
    /// Such as `peer.suspend`.
    pub(in crate::api) verb: &'static str,
    /// What is changed, such as a peer.
    pub(in crate::api) target: String,
    /// The values. No secret may be among them.
    pub(in crate::api) parameters: Map<String, Value>,
    /// Why, in the words of the operator.
    pub(in crate::api) reason: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for VerbClient {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let who = parts.extensions.get::<VerbToken>().map(|token| token.0.clone());
        let remote = remote_of(&parts.extensions);
        Ok(Self { who: who.unwrap_or_else(|| UNKNOWN.to_owned()), remote })
    }
}

impl VerbClient {
    /// Its name in books and records: the id of its token, or `local`.
    pub(in crate::api) fn name(&self) -> String {
        let name = if self.who == UNKNOWN { LOCAL } else { &self.who };
        name.to_owned()
    }
}

impl AuditedVerb {
    fn by(self, client: &VerbClient) -> AuditRecord {
        AuditRecord {
            who: client.who.clone(),
            remote: client.remote.to_string(),
            verb: self.verb.to_owned(),
            target: self.target,
            parameters: self.parameters,
            reason: self.reason,
        }
    }
}

/// Writes a verb into the audit log of the node, before it is done. If it fails after all, say so with
/// [`AuditTicket::fail`], otherwise call [`AuditTicket::done`].
///
/// # Errors
/// The answer to the client: the verb must not be done.
pub(in crate::api) async fn record(
    node: &NodeStatus,
    client: &VerbClient,
    verb: AuditedVerb,
) -> Result<AuditTicket, ProblemDetails> {
    let recorded = node.audit().record(verb.by(client)).await;
    recorded.map_err(|failure| {
        let detail = format!("nothing has changed, because it cannot be recorded: {failure}");
        ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })
}

/// Writes that a verb was refused, and why. It does not wait.
pub(in crate::api) fn record_refused(
    node: &NodeStatus,
    client: &VerbClient,
    verb: AuditedVerb,
    why: &str,
) {
    node.audit().record_refused(verb.by(client), why);
}

/// Notes a request that the client has no right to: one that would change something, or one with a token. A request to
/// read without a token is no attempt. `token`: the id of its token, if that is known.
pub(in crate::api) fn note_refused_access(
    node: &NodeStatus,
    request: &Request,
    token: Option<&str>,
    why: &str,
) {
    let method = request.method();
    let is_verb = !matches!(*method, Method::GET | Method::HEAD);
    if is_verb || request.headers().contains_key(AUTHORIZATION) {
        let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
        node.audit().note_refused_access(RefusedAccess {
            who: token.unwrap_or(UNKNOWN).to_owned(),
            remote: remote(request),
            request: format!("{method} {}", mask_random_words(path)),
            is_verb,
            why: why.to_owned(),
        });
    }
}
