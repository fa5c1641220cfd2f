//! The settlements of a node: its newest ones, those that operators record, and what they may do about the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, mistake, not_found};
use super::verb_body::read_body;
use super::verbs::{
    PeerOverrideRequest, ReasonRequest, find_peer, order_verb, parameters, read_peer_verb,
    refuse_in_audit, turn, unavailable,
};
use crate::api::OperatorVerb;
use crate::api::audited::{AuditedVerb, VerbClient, record};
use crate::api::settlement_orders::{
    ManualSettlement, RecordedSettlement, SettlementOrder, SettlementRefusal, SettlementReply,
};
use crate::api::status::NodeStatus;
use crate::books::{KeyError, SettlementDirection, SettlementError, SettlementKey};
use crate::net::sanitize;
use crate::observe::{
    OverrideBody, RecordedSettlementBody, SettlementBody, SettlementWay, SettlementsBody,
    SettlementsUnderWayBody,
};
use crate::web::ProblemDetails;

/// Settlements of a page without `limit`.
const LISTED: u32 = 100;
const LISTED_MAX: u32 = 10_000;
/// Bytes of a reference.
const REFERENCE_BYTES_MAX: usize = 256;
/// The answer to a request without a reference.
const NO_REFERENCE: &str =
    "reference is empty; say by what you find the payment again, such as the number of a transfer";
/// For the node to list settlements, or to ask an engine again.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10);

/// A settlement that was made by other means than an engine, such as a bank transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ManualSettlementRequest {
    /// Who paid.
    direction: SettlementWay,
    /// How much: a whole number of units of the account, above zero.
    units: String,
    /// By what the operator finds the payment again, such as the reference of a bank transfer.
    reference: String,
    /// A request for the peer with the same id is the same settlement again. Default: a random one.
    #[serde(default)]
    id: Option<String>,
}

/// The newest settlements of a node, and those under way.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/settlements", params(("node" = String, Path, description = "The id of a node"),
        ("peer" = Option<String>, Query, description = "Only those with this peer"),
        ("limit" = Option<u32>, Query, description = "Settlements, at most; default 100", minimum = 1, maximum = 10000),
    ), responses((status = OK, body = SettlementsBody)))]
pub(super) async fn settlements(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["peer", "limit"])?;
    let node = v1.find_node(&node)?;
    let account = parameters.get("peer").map(|peer| find_peer(&node, peer)).transpose()?;
    let max = parameters.number("limit", 1..=LISTED_MAX, LISTED)?;
    let asked = account.clone();
    let list = |reply| SettlementOrder::List { account: asked, max, reply };
    let listed = match node.settlement_orders.get() {
        // A node without a store has none.
        None => Vec::new(),
        Some(_) => order(&node, list).await?,
    };
    let id = node.context().connector.node_id().to_string();
    let is_asked = |peer: &str| account.as_ref().is_none_or(|asked| asked.as_str() == peer);
    let now = node.context().clock.now().wall;
    let mut known = node.context().account_settlements();
    known.retain(|peer, _| is_asked(peer.as_str()));
    let under_way = known.iter().filter_map(|(peer, known)| {
        Some(SettlementsUnderWayBody {
            peer: peer.to_string(),
            settlement: SettlementBody::new(&id, known.pending.as_ref()?),
            last_error: known.failure.as_ref().map(|failure| failure.last_error.clone()),
            next_attempt_at: known.next_attempt_at(now).map(|at| at.to_string()),
            held_up: known.held_up.map(|why| why.to_string()),
        })
    });
    let paused_until = known
        .iter()
        .filter_map(|(peer, known)| Some((peer.to_string(), known.paused_until?.to_string())));
    let paused_until: BTreeMap<String, String> = paused_until.collect();
    ok(&SettlementsBody {
        settlements: listed.iter().map(|one| SettlementBody::new(&id, one)).collect(),
        under_way: under_way.collect(),
        paused: paused_until.keys().cloned().collect(),
        paused_until,
    })
}

/// Books a settlement that was made by other means than an engine.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/settlements", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = ManualSettlementRequest, responses((status = OK, body = RecordedSettlementBody)))]
pub(super) async fn record_settlement(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let verb = "settlement.record";
    let audited = AuditedVerb { verb, target: peer.clone(), ..AuditedVerb::default() };
    let checked = async { check_manual(&node, &client, &peer, read_body(body).await?) }.await;
    let settlement = refuse_in_audit(&node, &client, &audited, checked)?;
    let parameters = parameters([
        ("id", json!(settlement.key.as_str())),
        ("direction", json!(SettlementWay::from(settlement.direction))),
        ("units", json!(settlement.units.to_string())),
    ]);
    let reason = Some(settlement.reference.clone());
    let audited = AuditedVerb { parameters, reason, ..audited };
    let ticket = record(&node, &client, audited).await?;
    let id = settlement.key.to_string();
    let (reply, done) = oneshot::channel();
    let sent = send(&node, SettlementOrder::Record { settlement, reply });
    if let Err(problem) = sent {
        ticket.fail(problem.detail());
        return Err(problem);
    }
    match done.await {
        Ok(Ok(RecordedSettlement { settlement, was_known })) => {
            ticket.done();
            let node = node.context().connector.node_id().to_string();
            let settlement = SettlementBody::new(&node, &settlement);
            ok(&RecordedSettlementBody { settlement, already_recorded: was_known })
        }
        Ok(Err(refusal)) if refusal.is_unclear() => {
            let text = format!("{refusal}; to repeat this safely, give the id {id}");
            ticket.leave_open(&text);
            Err(problem_of(&refusal, text).with_unclear_outcome())
        }
        Ok(Err(refusal)) => {
            let text = refusal.to_string();
            ticket.fail(&text);
            Err(problem_of(&refusal, text))
        }
        Err(_) => {
            let text = format!(
                "the node stops, and may or may not have booked it; repeat it with the id {id} when the node runs again"
            );
            ticket.leave_open(&text);
            Err(unavailable(text).with_unclear_outcome())
        }
    }
}

/// Lets no settlement with a peer begin for a time.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/settlements/pause", operation_id = "pause_settlements", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = PeerOverrideRequest, responses((status = OK, body = OverrideBody)))]
pub(super) async fn pause(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    turn(&v1, (&node, &peer), client, body, "settlement.pause", |peer, ttl| {
        OperatorVerb::PauseSettlement { peer, ttl }
    })
    .await
}

/// Ends a pause of settlements.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/settlements/resume", operation_id = "resume_settlements", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = ReasonRequest, responses((status = OK, body = OverrideBody)))]
pub(super) async fn resume(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let (peer, audited) = read_peer_verb(&node, &client, "settlement.resume", &peer, body).await?;
    order_verb(&node, client, audited, OperatorVerb::ResumeSettlement { peer }).await
}

/// Asks the engine of a peer again at once for the settlement that it has not accepted.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/peers/{peer}/settlements/retry", operation_id = "retry_settlement", params(("node" = String, Path, description = "The id of a node"), ("peer" = String, Path, description = "The id of a peer")), request_body = ReasonRequest, responses((status = OK, body = SettlementBody)))]
pub(super) async fn retry(
    State(v1): State<Arc<V1>>,
    Path((node, peer)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let (account, audited) =
        read_peer_verb(&node, &client, "settlement.retry", &peer, body).await?;
    let ticket = record(&node, &client, audited).await?;
    let done = order(&node, |reply| SettlementOrder::Retry { account, reply }).await;
    match done {
        Ok(settlement) => {
            ticket.done();
            let node = node.context().connector.node_id().to_string();
            ok(&SettlementBody::new(&node, &settlement))
        }
        Err(problem) => {
            ticket.fail(problem.detail());
            Err(problem)
        }
    }
}

fn check_manual(
    node: &NodeStatus,
    client: &VerbClient,
    peer: &str,
    request: ManualSettlementRequest,
) -> Result<ManualSettlement, ProblemDetails> {
    let ManualSettlementRequest { direction, units, reference, id } = request;
    let account = find_peer(node, peer)?;
    let units = units.parse().ok().filter(|units| *units > 0).ok_or_else(|| {
        mistake(format!("units {units:?} is not a whole number of units above zero"))
    })?;
    if reference.trim().is_empty() {
        return Err(mistake(NO_REFERENCE));
    }
    if reference.len() > REFERENCE_BYTES_MAX {
        return Err(mistake(format!("reference has more than {REFERENCE_BYTES_MAX} bytes")));
    }
    let key = match id {
        Some(id) => id.parse().map_err(|error: KeyError| mistake(format!("id: {error}")))?,
        None => SettlementKey::from_random(rand::random()),
    };
    let direction = match direction {
        SettlementWay::Sent => SettlementDirection::Outgoing,
        SettlementWay::Received => SettlementDirection::Incoming,
    };
    let by = client.name();
    Ok(ManualSettlement { key, account, direction, units, reference: sanitize(&reference), by })
}

fn send(node: &NodeStatus, order: SettlementOrder) -> Result<(), ProblemDetails> {
    let orders = node.settlement_orders.get().ok_or_else(|| {
        let refusal = SettlementRefusal::Settlement(SettlementError::NoStore);
        problem_of(&refusal, refusal.to_string())
    })?;
    let busy = "nothing has changed: too many orders wait, or the node stops; try later";
    orders.try_send(order).map_err(|_| unavailable(busy))
}

async fn order<T>(
    node: &NodeStatus,
    order: impl FnOnce(SettlementReply<T>) -> SettlementOrder,
) -> Result<T, ProblemDetails> {
    let (reply, done) = oneshot::channel();
    send(node, order(reply))?;
    match timeout(ORDER_TIMEOUT, done).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(refusal))) => Err(problem_of(&refusal, refusal.to_string())),
        Ok(Err(_)) => Err(unavailable("the node stops")),
        Err(_) => Err(unavailable("the node is too busy; try later")),
    }
}

fn problem_of(refusal: &SettlementRefusal, text: String) -> ProblemDetails {
    match refusal {
        SettlementRefusal::StoreFails(_)
        | SettlementRefusal::Unknown(_)
        | SettlementRefusal::NotSaved(_) => unavailable(text),
        SettlementRefusal::Settlement(SettlementError::UnknownAccount(_)) => not_found(text),
        _ => ProblemDetails::new(StatusCode::CONFLICT, text),
    }
}
