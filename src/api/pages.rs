//! The pages: path and method -> status, headers, body.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::health::HealthStatus;
use super::query::RoutesQuery;
use super::server::Remote;
use super::status::NodeStatus;
use super::{peers, routes};
use crate::telemetry::{Exposition, Metrics};
use crate::transport::PeerState;

/// Characters of a path that are logged.
const PATH_SHOWN_MAX: usize = 200;

/// What pages are made of.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) status: Arc<NodeStatus>,
    pub(super) metrics: Metrics,
}

/// All pages.
pub(super) fn router(pages: Pages) -> Router {
    let pages = Arc::new(pages);
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/peers", get(peers))
        .route("/routes", get(routes))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), authorize));
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .merge(guarded)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(log))
        .with_state(pages)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthBody {
    status: HealthStatus,
    uptime: u64,
    peers_connected: usize,
    total_peers: usize,
    timestamp: String,
    node_id: String,
    version: &'static str,
    /// What keeps the node from being healthy, and what an operator should know.
    reasons: Vec<String>,
    peers: Vec<PeerHealthBody>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerHealthBody {
    id: String,
    state: PeerState,
    required: bool,
    since: Option<String>,
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct LiveBody {
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    error: String,
}

async fn health(State(pages): State<Arc<Pages>>) -> Response {
    let node = &pages.status;
    let peers = node.peers();
    let health = node.judge(&peers);
    let peers: Vec<_> = peers
        .into_iter()
        .map(|(role, known)| PeerHealthBody {
            id: role.id.to_string(),
            state: known.as_ref().map_or(PeerState::Waiting, |known| known.state),
            required: role.required,
            since: known.as_ref().map(|known| peers::time(known.since)),
            last_error: known.and_then(|known| known.last_error),
        })
        .collect();
    let body = HealthBody {
        status: health.status,
        uptime: node.uptime().as_secs(),
        peers_connected: peers.iter().filter(|peer| peer.state == PeerState::Connected).count(),
        total_peers: peers.len(),
        timestamp: node.context().clock.now().wall.to_string(),
        node_id: node.context().connector.node_id().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        reasons: health.reasons,
        peers,
    };
    let code = match health.status {
        HealthStatus::Healthy => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(code, &body)
}

async fn live() -> Response {
    json(StatusCode::OK, &LiveBody { status: "alive" })
}

async fn metrics(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    pages.metrics.set_ready(pages.status.observe() == HealthStatus::Healthy);
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted(accept);
    match pages.metrics.text(exposition) {
        Ok(text) => ([(CONTENT_TYPE, exposition.content_type())], text).into_response(),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be formatted"),
    }
}

async fn peers(State(pages): State<Arc<Pages>>) -> Response {
    let context = pages.status.context();
    let report = context.connector.report();
    let known = context.peers.snapshot();
    let body = peers::body(&report, &pages.status.roles(), &known, context.clock.now().wall);
    json(StatusCode::OK, &body)
}

async fn routes(State(pages): State<Arc<Pages>>, uri: Uri) -> Response {
    let context = pages.status.context();
    let connector = &context.connector;
    let (node_id, address) = (connector.node_id().to_string(), connector.address());
    match RoutesQuery::parse(uri.query().unwrap_or_default()) {
        Err(wrong) => error(StatusCode::BAD_REQUEST, &wrong.to_string()),
        Ok(RoutesQuery::Page { after, limit }) => {
            let found = connector.routes(after.as_deref(), limit + 1);
            let total = connector.routes_total();
            json(StatusCode::OK, &routes::page(node_id, address.as_ref(), total, found, limit))
        }
        Ok(RoutesQuery::Destination(destination)) => {
            let explanation = connector.explain(destination.view(), context.clock.now());
            let body = routes::explained(node_id, address.as_ref(), &destination, explanation);
            json(StatusCode::OK, &body)
        }
    }
}

async fn not_found() -> Response {
    let known = "no such page; there are /health, /health/live, /metrics, /peers and /routes";
    error(StatusCode::NOT_FOUND, known)
}

async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "pages are only read here: GET or HEAD")
}

async fn authorize(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    if pages.status.gate.lets_in(request.headers()) {
        return next.run(request).await;
    }
    let mut answer = error(
        StatusCode::UNAUTHORIZED,
        "this page needs the header Authorization: Bearer with the node's apiToken",
    );
    let challenge = HeaderValue::from_static("Bearer realm=\"ilp-connector\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

/// Requests are logged at debug only: health checks come every few seconds for ever.
async fn log(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let begin = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_SHOWN_MAX).collect();
    let remote = request.extensions().get::<Remote>().map(|Remote(remote)| remote.to_string());
    let answer = next.run(request).await;
    let duration_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    let status = answer.status().as_u16();
    tracing::debug!(remote, %method, path, status, duration_us, "request answered");
    answer
}

fn error(code: StatusCode, what: &str) -> Response {
    json(code, &ErrorBody { error: what.to_owned() })
}

fn json(code: StatusCode, body: &impl Serialize) -> Response {
    let Ok(mut bytes) = serde_json::to_vec(body) else {
        // Bodies are structs of texts and numbers: they have no way to fail.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    bytes.push(b'\n');
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (code, headers, Body::from(bytes)).into_response()
}
