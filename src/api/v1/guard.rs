//! Who sends a request to `/api/v1`. Without a token it must be one that `/peers` of each node in view would answer.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};

use super::access::Caller;
use super::{ApiView, V1};
use crate::api::bearer_auth::AuthRefusal;
use crate::api::hosts::Hosts;
use crate::api::pages::remote;
use crate::api::status::NodeStatus;
use crate::observe::Scope;
use crate::web::ProblemDetails;

/// What everybody may do at a node without tokens. Changes need a token, so that other users of the machine and its
/// network cannot make them.
const OPEN_NODE: [Scope; 2] = [Scope::Read, Scope::Packets];

/// # Errors
/// The answer to a request that this listener does not answer otherwise, whatever it asks for.
pub(super) fn admit(v1: &V1, request: &Request) -> Result<Caller, ProblemDetails> {
    let nodes = v1.observer.nodes(&v1.view);
    let mut has_token = false;
    for node in &nodes {
        has_token |= node.auth.has_token();
        let now = node.context().clock.mono();
        if let Err(refusal) = node.auth.authorize(request.headers(), remote(request), now) {
            return Err(not_authorized(refusal, &v1.view));
        }
    }
    let checked = match (&v1.view, nodes.first()) {
        _ if has_token => Ok(()),
        (ApiView::Node(_), Some(node)) => node.hosts.check_request(request),
        _ => Hosts::default().check_request(request),
    };
    if let Err(refusal) = checked {
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, refusal.to_string()));
    }
    let is_standby = |node: &Arc<NodeStatus>| node.is_standby();
    // A standby has nothing of its own to show; a node that ends has no state any more.
    if nodes.iter().any(is_standby) || (nodes.is_empty() && v1.view != ApiView::Network) {
        let detail = "this process is a standby: ask the one that has the books, see /health";
        return Err(ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let scopes: &[Scope] = match (has_token, &v1.view) {
        (false, ApiView::Node(_)) => &OPEN_NODE,
        _ => &Scope::ALL,
    };
    let token = has_token.then(|| "apiToken".to_owned());
    Ok(Caller { token, scopes: scopes.iter().copied().collect(), peer: None })
}

fn not_authorized(refusal: AuthRefusal, view: &ApiView) -> ProblemDetails {
    let header = |name: HeaderName, value| (name, value);
    let (status, detail, (name, value)) = match (refusal, view) {
        (AuthRefusal::AboveRate, _) => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong tokens from this address; try again in a second",
            header(RETRY_AFTER, "1"),
        ),
        (_, ApiView::Node(_)) => (
            StatusCode::UNAUTHORIZED,
            "this page needs the header Authorization: Bearer with the node's apiToken",
            header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\""),
        ),
        (_, ApiView::Network) => (
            StatusCode::UNAUTHORIZED,
            "this page needs the header Authorization: Bearer with a token that each node with an apiToken accepts; if \
             they have different ones, use the pages of each node",
            header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\""),
        ),
    };
    ProblemDetails::new(status, detail).with_header(name, value)
}
