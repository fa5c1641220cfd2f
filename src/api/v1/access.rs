//! Who may do what in `/api/v1`. Every route is added by [`ApiRouter::route`], which takes the scope that the caller
//! needs; there is no other way to add one. Handlers find the [`Caller`] among the extensions of the request.
//!
//! A request that changes something must come from a program or from our own page: a form or a script of another site
//! cannot send JSON to us without asking first, and its browser says where it comes from.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::UtoipaMethodRouter;

use super::{ApiView, V1, guard, openapi};
use crate::account::AccountId;
use crate::api::audited::{VerbToken, note_refused_access};
use crate::api::bearer_auth::KnownToken;
use crate::api::status::NodeStatus;
use crate::observe::Scope;
use crate::web::ProblemDetails;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who sends a request, and what that allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The id of the token; `None`: no token is needed here.
    pub(super) token: Option<String>,
    pub(super) scopes: BTreeSet<Scope>,
    /// The token is that of this peer, which learns nothing about others.
    pub(super) peer: Option<AccountId>,
    /// What the caller sees: what the listener shows, or of that only what concerns the peer.
    pub(super) view: ApiView,
    /// The tokens that the nodes in view know; `None`: a node has none.
    pub(super) shown: Vec<(Weak<NodeStatus>, Option<Arc<KnownToken>>)>,
}

impl Caller {
    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// # Errors
    /// The answer to a caller that has not this scope.
    pub(super) fn require(&self, scope: Scope) -> Result<(), ProblemDetails> {
        if self.has(scope) {
            return Ok(());
        }
        let detail = match &self.token {
            Some(token) => format!(
                "this needs the scope {scope}, which the token {token} does not have; add it to its scopes in \
                 apiTokens, or use another token"
            ),
            None => format!(
                "this needs the scope {scope}, which a node without tokens gives to no client; set an apiToken, or \
                 apiTokens with this scope"
            ),
        };
        Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail))
    }

    /// # Errors
    /// Why this client may not go on: its token has changed, has expired, or is gone.
    pub(super) fn check_again(&self) -> Result<(), String> {
        for (node, token) in &self.shown {
            // A node that has stopped asks for nothing.
            let Some(node) = node.upgrade() else { continue };
            node.auth.check_again(token.as_deref(), node.context().clock.now().wall)?;
        }
        Ok(())
    }
}

/// Whether a route is for tokens of peers, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForPeers {
    No,
    /// The handler shows only what [`Caller::view`] shows.
    Yes,
}

/// The routes of `/api/v1`, for any listener, and their description.
pub(super) struct ApiRouter {
    router: Router<Arc<V1>>,
    document: OpenApi,
}

impl ApiRouter {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), document: openapi::empty_document() }
    }

    /// Adds an operation (`routes!(handler)`), for callers with this scope. Methods of one path may need different
    /// scopes.
    pub(super) fn route(self, scope: Scope, operation: UtoipaMethodRouter<Arc<V1>>) -> Self {
        self.add((scope, ForPeers::No), operation)
    }

    /// Adds an operation for callers with this scope, and for tokens of peers. The handler shows nothing but what
    /// [`Caller::view`] shows.
    pub(super) fn route_for_peers(
        self,
        scope: Scope,
        operation: UtoipaMethodRouter<Arc<V1>>,
    ) -> Self {
        self.add((scope, ForPeers::Yes), operation)
    }

    fn add(
        mut self,
        (scope, for_peers): (Scope, ForPeers),
        (schemas, paths, methods): UtoipaMethodRouter<Arc<V1>>,
    ) -> Self {
        let check = move |Extension(v1): Extension<Arc<V1>>, request: Request, next: Next| {
            check(v1, (scope, for_peers), request, next)
        };
        let methods = methods.route_layer(from_fn(check));
        for path in paths.paths.keys() {
            self.router = self.router.route(path, methods.clone());
        }
        openapi::describe(&mut self.document, scope, for_peers == ForPeers::Yes, schemas, paths);
        self
    }

    /// The description of all operations.
    pub(super) fn document(&self) -> &OpenApi {
        &self.document
    }

    /// The routes for one listener.
    pub(super) fn for_listener(&self, v1: Arc<V1>) -> Router {
        self.router.clone().layer(Extension(Arc::clone(&v1))).with_state(v1)
    }
}

async fn check(
    v1: Arc<V1>,
    (scope, for_peers): (Scope, ForPeers),
    mut request: Request,
    next: Next,
) -> Response {
    let mut token = None;
    let checked = guard::admit(&v1, &request).and_then(|caller| {
        token.clone_from(&caller.token);
        caller.require(scope)?;
        if caller.peer.is_some() && for_peers == ForPeers::No {
            let detail = "this is not for the token of a peer: it would show others";
            return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
        }
        if changes_something(request.method()) {
            check_verb(request.headers())?;
        }
        Ok(caller)
    });
    match checked {
        Ok(caller) => {
            if let Some(node) = v1.node_elsewhere(request.uri()).await {
                return v1.forward(&node, request).await;
            }
            if let Some(token) = &caller.token {
                request.extensions_mut().insert(VerbToken(token.clone()));
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            for node in v1.observer.nodes(&v1.view) {
                note_refused_access(&node, &request, token.as_deref(), refusal.detail());
            }
            refusal.into_response()
        }
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// # Errors
/// The answer to a request that a page of another site may have made.
fn check_verb(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    let forbidden = |detail: &str| Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    let site = the_only(headers, &SEC_FETCH_SITE);
    if !matches!(site, Ok(None | Some("same-origin" | "none"))) {
        return forbidden("this cannot be done from pages of other sites");
    }
    let host = the_only(headers, &HOST);
    match (the_only(headers, &ORIGIN), host) {
        (Ok(None), _) => {}
        (Ok(Some(origin)), Ok(Some(host))) if is_origin_of(origin, host) => {}
        _ => {
            return forbidden(
                "this can be done only from pages of this server: Origin must be that of Host",
            );
        }
    }
    let is_json = |text: &str| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    };
    match the_only(headers, &CONTENT_TYPE) {
        Ok(Some(text)) if is_json(text) => Ok(()),
        _ => {
            let detail = "this needs the header Content-Type: application/json";
            Err(ProblemDetails::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// The value of a header that may be given once. `Err`: it is given twice, or is no text.
fn the_only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

/// A proxy in front of us may speak TLS, so the scheme says nothing.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(headers: &[(&str, &str)], expected: Option<u16>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        let found = check_verb(&headers).err().map(|problem| problem.into_response().status());
        assert_eq!(found.map(|status| status.as_u16()), expected, "{headers:?}");
    }

    #[test]
    fn only_programs_and_our_own_page_may_change_something() {
        let host = ("host", "127.0.0.1:8080");
        let json = ("content-type", "application/json");
        let site = |value| ("sec-fetch-site", value);
        let origin = |value| ("origin", value);
        check(&[host, json], None);
        check(&[json], None);
        check(&[host, ("content-type", "application/json; charset=utf-8")], None);
        check(&[host, ("content-type", "Application/JSON")], None);
        check(&[host, json, origin("http://127.0.0.1:8080"), site("same-origin")], None);
        check(&[("host", "Node.Example"), json, origin("https://node.example")], None);
        check(&[host, json, site("none")], None);

        check(&[host], Some(415));
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            check(&[host, ("content-type", other)], Some(415));
        }
        check(&[host, json, json], Some(415));
        for other in ["cross-site", "same-site", "", "Same-Origin"] {
            check(&[host, json, site(other)], Some(403));
        }
        check(&[host, json, site("none"), site("none")], Some(403));
        for other in [
            "null",
            "http://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8081",
            "ftp://127.0.0.1:8080",
            "127.0.0.1:8080",
            "http://127.0.0.1:8080/",
        ] {
            check(&[host, json, origin(other)], Some(403));
        }
        check(&[json, origin("http://127.0.0.1:8080")], Some(403));
        check(&[host, host, json, origin("http://127.0.0.1:8080")], Some(403));
    }

    #[test]
    fn a_refusal_names_the_scope_and_the_token() {
        let caller = Caller { token: Some("monitor".to_owned()), ..Caller::default() };
        let refusal = format!("{:?}", caller.require(Scope::Operate).unwrap_err());
        assert!(refusal.contains("scope operate"), "{refusal}");
        assert!(refusal.contains("token monitor"), "{refusal}");
        assert!(Caller::default().require(Scope::Read).is_err());
        let reader = Caller { scopes: [Scope::Read].into(), ..Caller::default() };
        assert!(reader.require(Scope::Read).is_ok());
    }
}
