//! Who sends a request to `/api/v1`. Without a token it must be one that `/peers` of each node in view would answer.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};

use super::access::Caller;
use super::{ApiView, V1};
use crate::api::bearer_auth::{ABOVE_RATE, AuthRefusal, EXPIRED, NEEDS_TOKEN};
use crate::api::hosts::Hosts;
use crate::api::pages::remote;
use crate::api::status::NodeStatus;
use crate::observe::Scope;
use crate::web::ProblemDetails;

/// What all clients may do at a node without tokens. Changes need a token, so that other users of the machine and its
/// network cannot make them.
pub(super) const OPEN_NODE: [Scope; 2] = [Scope::Read, Scope::Packets];

/// # Errors
/// The answer to a request that this listener does not answer otherwise, whatever it asks for.
pub(super) fn admit(v1: &V1, request: &Request) -> Result<Caller, ProblemDetails> {
    if let Some(access) = &v1.access {
        return access.admit(request);
    }
    let nodes = v1.observer.nodes(&v1.view);
    let view = v1.view.clone();
    let mut caller = Caller { scopes: Scope::ALL.into(), view, ..Caller::default() };
    for node in &nodes {
        let now = node.context().clock.now();
        let token = node.auth.identify(request.headers(), remote(request), now);
        let token = token.map_err(|refusal| not_authorized(refusal, &v1.view))?;
        if let Some(token) = &token {
            caller.scopes.retain(|scope| token.scopes.contains(scope));
            caller.token.get_or_insert_with(|| token.id.clone());
            caller.peer = caller.peer.or_else(|| token.peer.clone());
        }
        caller.shown.push((Arc::downgrade(node), token));
    }
    if let (Some(peer), Some(node)) = (&caller.peer, v1.view.node()) {
        caller.view = ApiView::Peer { node: node.clone(), peer: peer.clone() };
    } else if caller.peer.is_some() {
        let detail = "the token of a peer is for the pages of the node that has this peer, not for those of a network";
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    }
    let checked = match (&v1.view, nodes.first()) {
        _ if caller.token.is_some() => Ok(()),
        (ApiView::Node(_) | ApiView::Peer { .. }, Some(node)) => node.hosts.check_request(request),
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
    if caller.token.is_none() && v1.view != ApiView::Network {
        caller.scopes = OPEN_NODE.into();
    }
    Ok(caller)
}

fn not_authorized(refusal: AuthRefusal, view: &ApiView) -> ProblemDetails {
    let header = |name: HeaderName, value| (name, value);
    let (status, detail, (name, value)) = match (refusal, view) {
        (AuthRefusal::AboveRate, _) => {
            (StatusCode::TOO_MANY_REQUESTS, ABOVE_RATE, header(RETRY_AFTER, "1"))
        }
        (AuthRefusal::Expired, _) => (
            StatusCode::UNAUTHORIZED,
            EXPIRED,
            header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\", error=\"invalid_token\""),
        ),
        (AuthRefusal::WrongToken, ApiView::Node(_) | ApiView::Peer { .. }) => (
            StatusCode::UNAUTHORIZED,
            NEEDS_TOKEN,
            header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\""),
        ),
        (AuthRefusal::WrongToken, ApiView::Network) => (
            StatusCode::UNAUTHORIZED,
            "this page needs the header Authorization: Bearer with a token that each node with tokens accepts; if \
             they have different ones, use the pages of each node",
            header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\""),
        ),
    };
    ProblemDetails::new(status, detail).with_header(name, value)
}
