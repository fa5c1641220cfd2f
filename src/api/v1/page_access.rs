//! Who may use a page that belongs to no node: that of `watch`. It has a token of its own, or none.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use super::access::Caller;
use super::guard::OPEN_NODE;
use crate::api::bearer_auth::{ABOVE_RATE, ApiAuth, ApiToken, AuthRefusal};
use crate::api::hosts::{HostRefusal, Hosts};
use crate::api::pages::remote;
use crate::observe::Scope;
use crate::peers::{NoRandomness, NodeContext};
use crate::web::ProblemDetails;

/// The rule of one page.
#[derive(Debug)]
pub(in crate::api) struct PageAccess {
    auth: ApiAuth,
    /// It listens where only programs of this machine reach it.
    is_loopback: bool,
    context: Arc<NodeContext>,
}

impl PageAccess {
    /// `token`: what a request must have, if anything.
    pub(in crate::api) fn new(
        token: Option<&str>,
        is_loopback: bool,
        context: Arc<NodeContext>,
    ) -> Result<Self, NoRandomness> {
        let auth = ApiAuth::new()?;
        let token = token.map(|secret| ApiToken {
            id: "pageToken",
            secret,
            scopes: Scope::ALL.into(),
            peer: None,
            expires: None,
        });
        auth.set_tokens(token.as_slice());
        Ok(Self { auth, is_loopback, context })
    }

    /// What a request may do. Without a token: everything on the loopback address, as at the page of `up`; elsewhere
    /// only what a node without a token allows. The nodes decide again, by the tokens that the page has for them.
    ///
    /// # Errors
    /// The answer to a request that may do nothing.
    pub(super) fn admit(&self, request: &Request) -> Result<Caller, ProblemDetails> {
        let now = self.context.clock.now();
        let token = self.auth.identify(request.headers(), remote(request), now);
        let token = token.map_err(not_authorized)?.map(|token| token.id.clone());
        if token.is_none() {
            Hosts::default().check_request(request).map_err(foreign)?;
        }
        let scopes = match token.is_some() || self.is_loopback {
            true => Scope::ALL.into(),
            false => OPEN_NODE.into(),
        };
        Ok(Caller { token, scopes, ..Caller::default() })
    }
}

fn foreign(refusal: HostRefusal) -> ProblemDetails {
    let detail = match refusal {
        HostRefusal::NotOneHost => "this page needs exactly one Host header",
        HostRefusal::Unknown => {
            "without --page-token-file this page answers only under an IP address, localhost, or a name without a dot"
        }
        HostRefusal::OtherSite => {
            "without --page-token-file this page is not for pages of other sites in a browser; open it by itself"
        }
    };
    ProblemDetails::new(StatusCode::FORBIDDEN, detail)
}

fn not_authorized(refusal: AuthRefusal) -> ProblemDetails {
    match refusal {
        AuthRefusal::AboveRate => ProblemDetails::new(StatusCode::TOO_MANY_REQUESTS, ABOVE_RATE)
            .with_header(RETRY_AFTER, "1"),
        _ => {
            let detail = "this page needs the header Authorization: Bearer with the token of --page-token-file";
            ProblemDetails::new(StatusCode::UNAUTHORIZED, detail)
                .with_header(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\"")
        }
    }
}
