//! The requests with which operators change a running node for a time, and those that show and end such changes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::{mistake, not_found};
use super::verb_body::read_body;
use crate::account::AccountId;
use crate::api::audited::{AuditedVerb, VerbClient, record, record_refused};
use crate::api::status::NodeStatus;
use crate::api::{OperatorVerb, ReconcileOrder, VerbDone, VerbOrder, VerbRefusal};
use crate::net::sanitize;
use crate::observe::{OverrideBody, ReconcileBody, ReconnectBody, reconcile_body};
use crate::telemetry::parse_level;
use crate::web::ProblemDetails;

/// The longest time of an override, in seconds.
const TTL_MAX: u64 = 86_400;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1024;
/// For the node's task to do a verb.
const VERB_TIMEOUT: Duration = Duration::from_secs(5);
/// For a peer to answer with its books.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(12);

/// For how long a peer is suspended or resumed, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PeerOverrideRequest {
    ttl_seconds: u64,
    reason: String,
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReasonRequest {
    pub(super) reason: String,
}

/// Which log level, for how long, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogLevelRequest {
    level: String,
    ttl_seconds: u64,
    reason: String,
}

/// What a log level is.
const LEVEL_HELP: &str =
    "it is off, error, warn, info, debug or trace, or such as info,packets=debug";

/// The page of overrides, as nodes that run elsewhere are asked for it.
pub(super) const OVERRIDES: &str = "api/v1/overrides";

/// What operators have changed for a time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct OverridesBody {
    pub(super) overrides: Vec<OverrideBody>,
}

/// What operators have changed for a time.
#[utoipa::path(get, path = "/api/v1/overrides", responses((status = OK, body = OverridesBody)))]
pub(super) async fn overrides(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&v1.view);
    let local = nodes.iter().flat_map(|node| node.overrides());
    let elsewhere: Vec<OverridesBody> = v1.observer.ask_remotes(OVERRIDES).await;
    let elsewhere = elsewhere.into_iter().flat_map(|page| page.overrides);
    ok(&OverridesBody { overrides: local.chain(elsewhere).collect() })
}

/// Suspends a peer for a time.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/suspend", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = PeerOverrideRequest, responses((status = OK, body = OverrideBody)))]
pub(super) async fn suspend(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    turn(&v1, (&node, &peer), client, body, "peer.suspend", |peer, ttl| OperatorVerb::Suspend {
        peer,
        ttl,
    })
    .await
}

/// Enables a peer for a time that the file suspends.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/resume", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = PeerOverrideRequest, responses((status = OK, body = OverrideBody)))]
pub(super) async fn resume(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    turn(&v1, (&node, &peer), client, body, "peer.resume", |peer, ttl| OperatorVerb::Resume {
        peer,
        ttl,
    })
    .await
}

pub(super) async fn turn(
    v1: &V1,
    (node, peer): (&str, &str),
    client: VerbClient,
    body: Body,
    verb: &'static str,
    order: impl FnOnce(AccountId, Duration) -> OperatorVerb,
) -> ListAnswer {
    let node = v1.find_node(node)?;
    let audited = AuditedVerb { verb, target: peer.to_owned(), ..AuditedVerb::default() };
    let checked = async {
        let request: PeerOverrideRequest = read_body(body).await?;
        let peer = find_peer(&node, peer)?;
        Ok((order(peer, ttl(request.ttl_seconds)?), request.ttl_seconds, request.reason))
    };
    let (order, seconds, reason) = refuse_in_audit(&node, &client, &audited, checked.await)?;
    let parameters = parameters([("ttlSeconds", json!(seconds))]);
    run(&node, client, AuditedVerb { parameters, ..audited }, order, reason).await
}

/// Closes the sessions of a peer, so that it connects again.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/reconnect", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = ReasonRequest, responses((status = OK, body = ReconnectBody)))]
pub(super) async fn reconnect(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let (peer, audited) = read_peer_verb(&node, &client, "peer.reconnect", &peer, body).await?;
    order_verb(&node, client, audited, OperatorVerb::Reconnect { peer }).await
}

/// Compares the books with those of a peer now. It changes them only as far as the configuration allows.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/reconcile", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = ReasonRequest, responses((status = OK, body = ReconcileBody)))]
pub(super) async fn reconcile(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let (peer, audited) = read_peer_verb(&node, &client, "peer.reconcile", &peer, body).await?;
    let orders = node.reconcile_orders.get().and_then(|orders| orders.try_reserve().ok());
    let Some(room) = orders else {
        let detail = "too many comparisons wait, or the node starts or stops; try later";
        record_refused(&node, &client, audited, detail);
        return Err(unavailable(detail));
    };
    let ticket = record(&node, &client, audited).await?;
    let (reply, done) = oneshot::channel();
    let view = node.context().connector.settlement_view(&peer);
    let asset = view.map(|view| view.asset).unwrap_or_default();
    room.send(ReconcileOrder { peer, reply });
    let detail = match timeout(RECONCILE_TIMEOUT, done).await {
        Ok(Ok(Ok(state))) => {
            ticket.done();
            return ok(&reconcile_body(&state, &asset).unwrap_or_default());
        }
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_)) => "the node stops".to_owned(),
        Err(_) => format!("no answer within {RECONCILE_TIMEOUT:?}"),
    };
    ticket.fail(&detail);
    Err(ProblemDetails::new(StatusCode::BAD_GATEWAY, detail))
}

/// Sets the log level for a time.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/log-level", params(("node" = String, Path, description = "The id of a node")), request_body = LogLevelRequest, responses((status = OK, body = OverrideBody)))]
pub(super) async fn set_log_level(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let target = node.context().connector.node_id().to_string();
    let audited = AuditedVerb { verb: "node.logLevel", target, ..AuditedVerb::default() };
    let checked = async {
        let request: LogLevelRequest = read_body(body).await?;
        parse_level(&request.level)
            .map_err(|error| mistake(format!("level: {error}; {LEVEL_HELP}")))?;
        Ok((ttl(request.ttl_seconds)?, request))
    };
    let (ttl, request) = refuse_in_audit(&node, &client, &audited, checked.await)?;
    let LogLevelRequest { level, ttl_seconds, reason } = request;
    let parameters = parameters([("level", json!(level)), ("ttlSeconds", json!(ttl_seconds))]);
    let order = OperatorVerb::SetLogLevel { level, ttl };
    run(&node, client, AuditedVerb { parameters, ..audited }, order, reason).await
}

/// Ends an override. Its id names the node.
#[utoipa::path(delete, path = "/api/v1/overrides/{id}", operation_id = "undo_override", params(("id" = String, Path, description = "The id of an override")), responses((status = OK, body = OverrideBody)))]
pub(super) async fn undo(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    client: VerbClient,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&v1.view);
    let mut running = nodes.iter().filter_map(|node| {
        let found = node.overrides().into_iter().find(|one| one.id == id)?;
        Some((Arc::clone(node), found))
    });
    let unknown = || {
        not_found(format!(
            "no override has the id {id:?}: it may have ended; see /api/v1/overrides"
        ))
    };
    let (node, found) = running.next().ok_or_else(unknown)?;
    let target = found.peer.unwrap_or(found.node);
    let audited = AuditedVerb {
        verb: "override.undo",
        target,
        parameters: parameters([("id", json!(id)), ("kind", json!(found.kind))]),
        reason: None,
    };
    let order = OperatorVerb::Undo { id };
    order_verb(&node, client, audited, order).await
}

/// Reads the body of a verb that needs only a reason, and finds its peer. A refusal is in the audit log, too.
pub(super) async fn read_peer_verb(
    node: &NodeStatus,
    client: &VerbClient,
    verb: &'static str,
    peer: &str,
    body: Body,
) -> Result<(AccountId, AuditedVerb), ProblemDetails> {
    let audited = AuditedVerb { verb, target: peer.to_owned(), ..AuditedVerb::default() };
    let checked = async {
        let request: ReasonRequest = read_body(body).await?;
        Ok((find_peer(node, peer)?, check_reason(&request.reason)?))
    };
    let (peer, reason) = refuse_in_audit(node, client, &audited, checked.await)?;
    Ok((peer, AuditedVerb { reason: Some(reason), ..audited }))
}

/// Checks the reason, and does the verb.
async fn run(
    node: &NodeStatus,
    client: VerbClient,
    audited: AuditedVerb,
    order: OperatorVerb,
    reason: String,
) -> ListAnswer {
    let reason = refuse_in_audit(node, &client, &audited, check_reason(&reason))?;
    let audited = AuditedVerb { reason: Some(reason), ..audited };
    order_verb(node, client, audited, order).await
}

pub(super) fn check_reason(reason: &str) -> Result<String, ProblemDetails> {
    match reason.trim() {
        "" => Err(mistake("reason is empty; say why")),
        _ if reason.len() > REASON_BYTES_MAX => {
            Err(mistake(format!("reason has more than {REASON_BYTES_MAX} bytes")))
        }
        _ => Ok(sanitize(reason)),
    }
}

pub(super) fn unavailable(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Does a verb, for the reason that the audit log has.
pub(super) async fn order_verb(
    node: &NodeStatus,
    client: VerbClient,
    audited: AuditedVerb,
    verb: OperatorVerb,
) -> ListAnswer {
    let room = node.verbs.get().and_then(|orders| orders.try_reserve().ok());
    let Some(room) = room else {
        let detail =
            "nothing has changed: too many changes wait, or the node starts or stops; try later";
        record_refused(node, &client, audited, detail);
        return Err(unavailable(detail));
    };
    // The end of an override needs none.
    let reason = audited.reason.clone().unwrap_or_default();
    let ticket = record(node, &client, audited).await?;
    let (reply, done) = oneshot::channel();
    room.send(VerbOrder { verb, reason, by: client.name(), ticket, reply });
    match timeout(VERB_TIMEOUT, done).await {
        Ok(Ok(Ok(VerbDone::Override(body)))) => ok(&body),
        Ok(Ok(Ok(VerbDone::Reconnected(body)))) => ok(&body),
        Ok(Ok(Err(VerbRefusal::NotFound(why)))) => Err(not_found(why)),
        Ok(Ok(Err(VerbRefusal::Conflict(why)))) => {
            Err(ProblemDetails::new(StatusCode::CONFLICT, why))
        }
        Ok(Err(_)) => Err(unavailable("nothing has changed: the node stops")),
        // The order is dropped with its reply, unless it has just begun.
        Err(_) => {
            Err(unavailable("the node is too busy; see /api/v1/overrides for what is in force"))
        }
    }
}

/// Passes a result on; a refusal is in the audit log, too.
pub(super) fn refuse_in_audit<T>(
    node: &NodeStatus,
    client: &VerbClient,
    audited: &AuditedVerb,
    checked: Result<T, ProblemDetails>,
) -> Result<T, ProblemDetails> {
    checked.inspect_err(|refusal| {
        record_refused(node, client, audited.clone(), refusal.detail());
    })
}

/// A peer of the configuration.
pub(super) fn find_peer(node: &NodeStatus, peer: &str) -> Result<AccountId, ProblemDetails> {
    let mut peers = node.roles().into_iter().map(|role| role.id);
    peers.find(|id| id.as_str() == peer).ok_or_else(|| {
        let node = node.context().connector.node_id();
        not_found(format!(
            "node {node} has no peer {peer:?}; status, and /api/v1/nodes/{node}, show those that it has"
        ))
    })
}

fn ttl(seconds: u64) -> Result<Duration, ProblemDetails> {
    let range = 1..=TTL_MAX;
    let wrong = || mistake(format!("ttlSeconds {seconds} is not a number from 1 to {TTL_MAX}"));
    range.contains(&seconds).then_some(Duration::from_secs(seconds)).ok_or_else(wrong)
}

pub(super) fn parameters<const N: usize>(values: [(&str, Value); N]) -> Map<String, Value> {
    values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
