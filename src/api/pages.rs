//! The pages: from path and method to status, headers and body.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;

use super::audited::{VerbToken, note_refused_access};
use super::bearer_auth::{ABOVE_RATE, AuthRefusal, EXPIRED, NEEDS_TOKEN};
use super::health::HealthStatus;
use super::query::{QueryError, RoutesQuery};
use super::status::NodeStatus;
use super::v1::{self, V1};
use super::{ledger_changes, peers, routes, ui};
use crate::net::{RemoteAddress, mask_random_words, sanitize_json};
use crate::observe::{AccountFacts, Scope, format_time};
use crate::peers::PeerState;
use crate::telemetry::{Exposition, Metrics, StatusMetrics};
use crate::web::{json_response, json_text, remote_of};

/// Characters of a path in the log.
const PATH_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Pages {
    pub(super) status: Arc<NodeStatus>,
    pub(super) metrics: Metrics,
}

pub(super) fn router(pages: Pages, v1: Arc<V1>) -> Router {
    let pages = Arc::new(pages);
    let guarded = Router::new()
        .route("/peers", get(peers))
        .route("/routes", get(routes))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), refuse_on_standby))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), refuse_web_pages))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state((Arc::clone(&pages), Scope::Read), authorize));
    let changes = Router::new()
        .route("/ledger/changes", post(ledger_changes::post))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), refuse_on_standby))
        .route_layer(middleware::from_fn_with_state(
            (Arc::clone(&pages), Scope::Operate),
            authorize,
        ));
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .merge(guarded)
        .merge(changes)
        .with_state(pages)
        .merge(v1::router(v1))
        .merge(ui::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(log))
}

/// The listener of a network has no pages of a node.
pub(super) fn network_router(v1: Arc<V1>) -> Router {
    v1::router(v1)
        .merge(ui::router())
        .fallback(not_found_in_network)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(log))
}

/// The listener of `watch`, which is healthy as long as it answers; the health of nodes is in its lists.
pub(super) fn watch_router(v1: Arc<V1>) -> Router {
    let page = || async { json(StatusCode::OK, &json!({ "status": "healthy" })) };
    network_router(v1).route("/health", get(page))
}

async fn health(State(pages): State<Arc<Pages>>) -> Response {
    let node = &pages.status;
    let peers = node.peers();
    let health = node.health(&peers);
    let mut connected = 0;
    let peers: Vec<_> = peers
        .into_iter()
        .map(|(role, snapshot)| {
            let state = snapshot.as_ref().map_or(PeerState::Waiting, |snapshot| snapshot.state);
            connected += usize::from(state == PeerState::Connected);
            json!({
                "id": role.id.as_str(),
                "state": state,
                "required": role.required,
                "since": snapshot.as_ref().map(|snapshot| format_time(snapshot.since)),
                "lastError": snapshot.and_then(|snapshot| snapshot.last_error),
            })
        })
        .collect();
    let last_reload = node.last_reload();
    let body = json!({
        "status": health.status,
        "uptime": node.uptime().as_secs(),
        "peersConnected": connected,
        "totalPeers": peers.len(),
        "timestamp": node.context().clock.now().wall.to_string(),
        "nodeId": node.context().connector.node_id().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "reasons": health.reasons,
        // A refused configuration does not make a node unhealthy: the one before stays in force.
        "config": {
            "lastReload": format_time(last_reload.at),
            "successful": last_reload.error.is_none(),
            "error": last_reload.error,
        },
        "peers": peers,
    });
    let code = match health.status {
        HealthStatus::Healthy => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(code, &body)
}

/// For supervisors that restart a hanging program. This thread answers, so the heartbeat of the others decides.
async fn live(State(pages): State<Arc<Pages>>) -> Response {
    match pages.status.heartbeat.hung_for() {
        None => json(StatusCode::OK, &json!({ "status": "alive" })),
        Some(_) => json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "hung" })),
    }
}

async fn ready(State(pages): State<Arc<Pages>>) -> Response {
    let reasons = pages.status.reasons_not_ready();
    let (code, status) = match reasons.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "notReady"),
    };
    json(code, &json!({ "status": status, "reasons": reasons }))
}

async fn metrics(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let last_reload = pages.status.last_reload();
    pages.metrics.set_status(StatusMetrics {
        ready: pages.status.observe_health() == HealthStatus::Healthy,
        standby: pages.status.is_standby(),
        reload_successful: last_reload.error.is_none(),
        reload_succeeded_at: last_reload.succeeded_at,
        required: pages.status.required_peers(),
    });
    // RFC 9110 5.3: several header lines of a list are one list.
    let accept = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let exposition = Exposition::accepted(&accept.collect::<Vec<_>>().join(","));
    match pages.metrics.text(exposition) {
        Ok(text) => ([(CONTENT_TYPE, exposition.content_type())], text).into_response(),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be formatted"),
    }
}

async fn peers(State(pages): State<Arc<Pages>>) -> Response {
    let context = pages.status.context();
    let report = context.connector.report();
    let snapshots = context.peers.snapshot();
    let settlements = context.account_settlements();
    let facts = AccountFacts {
        snapshots: &snapshots,
        settlements: Some(&settlements),
        now: context.clock.now().wall,
    };
    let body = peers::body(&report, &pages.status.roles(), facts);
    json(StatusCode::OK, &body)
}

async fn routes(State(pages): State<Arc<Pages>>, uri: Uri) -> Response {
    node_routes(&pages.status, uri.query().unwrap_or_default())
        .unwrap_or_else(|mistake| error(StatusCode::BAD_REQUEST, &mistake.to_string()))
}

/// A page of the routing table of a node, or the explanation of one destination.
pub(super) fn node_routes(node: &NodeStatus, query: &str) -> Result<Response, QueryError> {
    let context = node.context();
    let connector = &context.connector;
    let (node_id, address) = (connector.node_id().to_string(), connector.address());
    Ok(match RoutesQuery::parse(query)? {
        RoutesQuery::Page { after, limit } => {
            let found = connector.routes(after.as_deref(), limit + 1);
            let total = connector.routes_total();
            json(StatusCode::OK, &routes::page(node_id, address.as_ref(), total, found, limit))
        }
        RoutesQuery::Destination(destination) => {
            let explanation = connector.explain(destination.view(), context.clock.now());
            let body = routes::explanation(node_id, address.as_ref(), &destination, explanation);
            json(StatusCode::OK, &body)
        }
    })
}

async fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "no such page; there are /ui/, /api/v1, /health, /health/live, /health/ready, /metrics, /peers, /routes and /ledger/changes",
    )
}

async fn not_found_in_network() -> Response {
    let message =
        "no such page; there are /ui/ and /api/v1; each node has its own pages, see /api/v1/nodes";
    error(StatusCode::NOT_FOUND, message)
}

async fn method_not_allowed() -> Response {
    let message =
        "pages are read with GET or HEAD; only /ledger/changes takes another method, POST";
    error(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Lets callers with this scope pass. Changes need a token, so without one there are none.
async fn authorize(
    State((pages, scope)): State<(Arc<Pages>, Scope)>,
    mut request: Request,
    next: Next,
) -> Response {
    let now = pages.status.context().clock.now();
    let refuse = |request: &Request, token: Option<&str>, message: &str| {
        note_refused_access(&pages.status, request, token, message);
        error(StatusCode::FORBIDDEN, message)
    };
    match pages.status.auth.identify(request.headers(), remote(&request), now) {
        Err(refusal) => not_authorized(&pages, &request, refusal),
        Ok(None) if scope == Scope::Operate => {
            refuse(&request, None, "without an apiToken nothing can be changed here; set one")
        }
        Ok(None) => next.run(request).await,
        Ok(Some(token)) if !token.scopes.contains(&scope) => {
            let id = &token.id;
            let message =
                format!("this page needs the scope {scope}, which the token {id} does not have");
            refuse(&request, Some(id), &message)
        }
        Ok(Some(token)) if token.peer.is_some() => {
            let message =
                "this page is not for the token of a peer, because it shows others; /api/v1 is";
            refuse(&request, Some(&token.id), message)
        }
        Ok(Some(token)) => {
            request.extensions_mut().insert(VerbToken(token.id.clone()));
            next.run(request).await
        }
    }
}

fn not_authorized(pages: &Pages, request: &Request, refusal: AuthRefusal) -> Response {
    let message = match refusal {
        AuthRefusal::WrongToken => NEEDS_TOKEN,
        AuthRefusal::Expired => EXPIRED,
        AuthRefusal::AboveRate => ABOVE_RATE,
    };
    note_refused_access(&pages.status, request, None, message);
    match refusal {
        AuthRefusal::WrongToken | AuthRefusal::Expired => {
            let challenge = [(WWW_AUTHENTICATE, "Bearer realm=\"ilp-connector\"")];
            (challenge, error(StatusCode::UNAUTHORIZED, message)).into_response()
        }
        AuthRefusal::AboveRate => {
            let answer = error(StatusCode::TOO_MANY_REQUESTS, message);
            ([(RETRY_AFTER, "1")], answer).into_response()
        }
    }
}

/// Without a token, any web page in the operator's browser could read these pages under a name that it resolves to this
/// machine (DNS rebinding).
async fn refuse_web_pages(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response {
    if !pages.status.auth.has_tokens()
        && let Err(refusal) = pages.status.hosts.check_request(&request)
    {
        return error(StatusCode::FORBIDDEN, &refusal.to_string());
    }
    next.run(request).await
}

/// A standby has no balances and no routes of its own to show or to change.
async fn refuse_on_standby(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response {
    if pages.status.is_standby() {
        let message = "this process is a standby: ask the one that has the books, see /health";
        return error(StatusCode::SERVICE_UNAVAILABLE, message);
    }
    next.run(request).await
}

/// Logs at debug only, because health checks come every few seconds.
async fn log(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let began = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let path = mask_random_words(path);
    let remote = remote(&request);
    let answer = next.run(request).await;
    let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let status = answer.status().as_u16();
    tracing::debug!(%remote, %method, path, status, duration_us, "request answered");
    answer
}

pub(super) fn remote(request: &Request) -> RemoteAddress {
    remote_of(request.extensions())
}

pub(super) fn error(code: StatusCode, message: &str) -> Response {
    json(code, &json!({ "error": message }))
}

pub(super) fn json(code: StatusCode, body: &impl Serialize) -> Response {
    // Some texts come from peers, and operators read pages in terminals.
    let mut text = sanitize_json(json_text(body));
    text.push('\n');
    let headers = [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, json_response(code, "application/json", text)).into_response()
}
