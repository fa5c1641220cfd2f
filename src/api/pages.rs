//! The pages: path and method -> status, headers, body.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::bearer_auth::Verdict;
use super::health::HealthStatus;
use super::query::RoutesQuery;
use super::server::ClientAddress;
use super::status::NodeStatus;
use super::{peers, routes};
use crate::net::{mask_random_words, sanitize_json};
use crate::peers::PeerState;
use crate::telemetry::{Exposition, Metrics, StatusMetrics};

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
        .route("/peers", get(peers))
        .route("/routes", get(routes))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), refuse_web_pages))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&pages), authorize));
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
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
    config: ConfigBody,
    peers: Vec<PeerHealthBody>,
}

/// What became of the configuration when it was read last. A refused one does not make a node unhealthy: it goes on
/// with the one before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigBody {
    last_reload: String,
    successful: bool,
    error: Option<String>,
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
struct ReadyBody {
    status: &'static str,
    /// What keeps it from being ready.
    reasons: Vec<String>,
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
    let last_reload = node.last_reload();
    let config = ConfigBody {
        last_reload: peers::time(last_reload.at),
        successful: last_reload.error.is_none(),
        error: last_reload.error,
    };
    let body = HealthBody {
        config,
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

/// For what restarts programs that hang: this thread answers, so it is the others' heartbeat that counts.
async fn live(State(pages): State<Arc<Pages>>) -> Response {
    match pages.status.hung_for() {
        None => json(StatusCode::OK, &LiveBody { status: "alive" }),
        Some(_) => json(StatusCode::SERVICE_UNAVAILABLE, &LiveBody { status: "hung" }),
    }
}

async fn ready(State(pages): State<Arc<Pages>>) -> Response {
    let reasons = pages.status.not_ready();
    if reasons.is_empty() {
        json(StatusCode::OK, &ReadyBody { status: "ready", reasons })
    } else {
        json(StatusCode::SERVICE_UNAVAILABLE, &ReadyBody { status: "notReady", reasons })
    }
}

async fn metrics(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let last_reload = pages.status.last_reload();
    pages.metrics.set_status(StatusMetrics {
        ready: pages.status.observe() == HealthStatus::Healthy,
        reload_successful: last_reload.error.is_none(),
        reload_succeeded_at: last_reload.succeeded_at,
        required: pages.status.required(),
    });
    // Several lines of a list are one list (RFC 9110, 5.3).
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
    let known = "no such page; there are /health, /health/live, /health/ready, /metrics, /peers and /routes";
    error(StatusCode::NOT_FOUND, known)
}

async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "pages are only read here: GET or HEAD")
}

async fn authorize(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    // Every connection of the listener has one.
    let Some(ClientAddress(remote)) = request.extensions().get::<ClientAddress>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let now = pages.status.context().clock.mono();
    match pages.status.gate.judge(request.headers(), remote, now) {
        Verdict::Passes => next.run(request).await,
        Verdict::Refused => {
            let mut answer = error(
                StatusCode::UNAUTHORIZED,
                "this page needs the header Authorization: Bearer with the node's apiToken",
            );
            let challenge = HeaderValue::from_static("Bearer realm=\"ilp-connector\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            answer
        }
        Verdict::Later => {
            let what = "too many wrong tokens from this address; try again in a second";
            let mut answer = error(StatusCode::TOO_MANY_REQUESTS, what);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
    }
}

/// Without a token, anything in the operator's browser could read these pages under a name of its own that leads here.
async fn refuse_web_pages(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response {
    if pages.status.gate.is_open()
        && let Err(refusal) = pages.status.hosts.judge(&request)
    {
        return error(StatusCode::FORBIDDEN, &refusal.to_string());
    }
    next.run(request).await
}

/// Requests are logged at debug only: health checks come every few seconds for ever.
async fn log(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let begin = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_SHOWN_MAX).collect();
    let path = mask_random_words(path);
    let remote =
        request.extensions().get::<ClientAddress>().map(|ClientAddress(remote)| remote.to_string());
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
    let Ok(text) = serde_json::to_string(body) else {
        // Bodies are structs of texts and numbers: they have no way to fail.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // Some texts are those of peers, and pages are looked at in terminals.
    let mut text = sanitize_json(text);
    text.push('\n');
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (code, headers, Body::from(text)).into_response()
}
