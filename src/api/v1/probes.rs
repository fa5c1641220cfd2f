//! `POST /api/v1/probes`: a node pings an address, or finds the connectors on the way to it.
//!
//! The packets are the node's own requests, which follow its routes, and are counted and logged like all others. They
//! carry no money, so that a probe costs nothing on any link. Number, time, and probes at a time are bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::V1;
use super::forward::pass_on;
use super::lists::{ListAnswer, ok};
use super::query::mistake;
use super::verb_body::read_body;
use crate::api::audited::{AuditedVerb, VerbClient, record};
use crate::api::status::NodeStatus;
use crate::connector::PacketDecision;
use crate::http::HttpVerb;
use crate::link::{Cause, Outcome, Rejection};
use crate::web::ProblemDetails;
use crate::wire::ilp::{ErrorCode, Prepare};
use crate::wire::{Address, Amount, Condition};

/// Pings of one probe, at most.
const COUNT_MAX: u32 = 20;
/// Probes of one process at a time.
pub(super) const PROBES_MAX: usize = 4;
/// The lifetime of a ping.
const PING_TIME: Duration = Duration::from_secs(5);
/// For a whole probe. The packet in flight at the end still gets its answer.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
/// For the answer of a node that runs elsewhere.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(40);
/// A packet of a trace gets this much more time than the one before. A node that keeps less is not found.
const TRACE_STEP: Duration = Duration::from_millis(250);
/// The longest lifetime of a packet of a trace.
const TRACE_TIME_MAX: Duration = Duration::from_secs(30);
/// Nodes of one trace, at most.
const HOPS_MAX: usize = 32;
/// Random bytes in each packet, so that observers can tell packets with one condition apart.
const NONCE_BYTES: usize = 16;

/// What a node should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum ProbeKind {
    /// Measure round trips.
    Ping,
    /// Find the connectors on the way.
    Trace,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProbeRequest {
    kind: ProbeKind,
    /// The node that sends the packets.
    from: String,
    /// A node in view, or an ILP address.
    to: String,
    /// Pings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What came of a probe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProbeBody {
    kind: ProbeKind,
    from: String,
    destination: String,
    /// What each packet costs the node.
    amount: String,
    results: Vec<ProbeResultBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hops: Option<Vec<ProbeHopBody>>,
}

/// The answer to one packet; of a trace, to the last one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProbeResultBody {
    seq: u32,
    latency_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ProbeErrorBody>,
}

/// Why a packet was not fulfilled.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProbeErrorBody {
    code: String,
    name: Option<&'static str>,
    message: String,
    triggered_by: Option<String>,
}

/// A connector on the way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProbeHopBody {
    address: String,
    /// The least lifetime of a packet that has reached it.
    least_ms: u64,
    latency_us: u64,
}

/// The answer to one packet.
struct Answered {
    after: Duration,
    outcome: Outcome,
}

/// Lets a node ping an address, or find the connectors on the way to it.
#[utoipa::path(post, path = "/api/v1/probes", request_body = ProbeRequest, responses((status = OK, body = ProbeBody)))]
pub(super) async fn post_probe(
    State(v1): State<Arc<V1>>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let request: ProbeRequest = read_body(body).await?;
    let count = request.count.unwrap_or(1);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(mistake(format!("count {count} is not a number from 1 to {COUNT_MAX}")));
    }
    let destination = v1.destination(&request.to).await?;
    if let Some(node) = v1.observer.remotes.find(&request.from) {
        let request = ProbeRequest { to: destination.to_string(), ..request };
        let body = serde_json::to_vec(&request).map_err(|error| mistake(error.to_string()))?;
        let verb = HttpVerb::Post(&body);
        return pass_on(&v1, &node, ("api/v1/probes", verb), ANSWER_TIME_MAX).await;
    }
    let node = v1.find_node(&request.from)?;
    let Ok(_permit) = v1.observer.probes.try_acquire() else {
        let detail = format!("{PROBES_MAX} probes are under way; try again when one has ended");
        let problem = ProblemDetails::new(StatusCode::TOO_MANY_REQUESTS, detail);
        return Err(problem.with_header(RETRY_AFTER, "5"));
    };
    check_leaves_node(&node, &destination)?;
    let parameters = json!({ "kind": request.kind, "count": count });
    let verb = AuditedVerb {
        verb: "probe.send",
        target: destination.to_string(),
        parameters: parameters.as_object().cloned().unwrap_or_default(),
        reason: request.reason,
    };
    let ticket = record(&node, &client, verb).await?;
    let (results, hops) = match request.kind {
        ProbeKind::Ping => (ping(&node, &destination, count).await, None),
        ProbeKind::Trace => {
            let (result, hops) = trace(&node, &destination).await;
            (vec![result], Some(hops))
        }
    };
    ticket.done();
    ok(&ProbeBody {
        kind: request.kind,
        from: request.from,
        destination: destination.to_string(),
        amount: Amount::ZERO.0.to_string(),
        results,
        hops,
    })
}

impl V1 {
    /// The address of a node in view, or the one that the text is.
    async fn destination(&self, text: &str) -> Result<Address, ProblemDetails> {
        self.observer.refresh(super::remote_nodes::Refresh::Names).await;
        let (state, _) = self.observer.sample(&self.view);
        let address = match state.nodes.into_iter().find(|node| node.id == text) {
            Some(node) => node.address.ok_or_else(|| {
                let detail = format!("the node {text} has no address yet");
                ProblemDetails::new(StatusCode::CONFLICT, detail)
            })?,
            None => text.to_owned(),
        };
        address.parse().map_err(|error| {
            mistake(format!("to {text:?} is no node here, and no ILP address: {error}"))
        })
    }
}

/// # Errors
/// The answer if the node would send no packet.
fn check_leaves_node(node: &NodeStatus, destination: &Address) -> Result<(), ProblemDetails> {
    let now = node.context().clock.now();
    let explained = node.context().connector.explain_packet(destination.view(), None, None, now);
    match explained.decision {
        PacketDecision::Own | PacketDecision::PeerProtocol | PacketDecision::Receiver { .. } => {
            Err(mistake(format!(
                "{destination} is at the node itself, so that no packet leaves it"
            )))
        }
        PacketDecision::Forward { .. } | PacketDecision::Refuse(_) => Ok(()),
    }
}

async fn ping(node: &NodeStatus, destination: &Address, count: u32) -> Vec<ProbeResultBody> {
    let until = Instant::now() + PROBE_TIME_MAX;
    let mut results = Vec::new();
    for seq in 1..=count {
        if Instant::now() >= until {
            break;
        }
        let answered = send_packet(node, destination, PING_TIME).await;
        results.push(result(seq, answered));
    }
    results
}

/// Each connector keeps some of a packet's time, and rejects one with less with its own address. So more and more time
/// leads further and further.
async fn trace(node: &NodeStatus, destination: &Address) -> (ProbeResultBody, Vec<ProbeHopBody>) {
    let until = Instant::now() + PROBE_TIME_MAX;
    let mut hops: Vec<ProbeHopBody> = Vec::new();
    let mut left = TRACE_STEP;
    loop {
        let answered = send_packet(node, destination, left).await;
        let address = match &answered.outcome {
            Outcome::Fulfilled { .. } => destination.as_str(),
            Outcome::Rejected(rejection) => rejection.by.as_str(),
            Outcome::NotSent(_) | Outcome::NoAnswer(_) => "",
        };
        if !address.is_empty() && hops.last().is_none_or(|last| last.address != address) {
            hops.push(ProbeHopBody {
                address: address.to_owned(),
                least_ms: millis(left),
                latency_us: micros(answered.after),
            });
        }
        let is_late = matches!(
            &answered.outcome,
            Outcome::Rejected(Rejection { code: ErrorCode::R00 | ErrorCode::R02, .. })
        );
        let next = left + TRACE_STEP;
        let is_over = Instant::now() >= until || next > TRACE_TIME_MAX || hops.len() >= HOPS_MAX;
        if !is_late || is_over {
            return (result(1, answered), hops);
        }
        left = next;
    }
}

/// Sends one packet and waits for its answer.
async fn send_packet(node: &NodeStatus, destination: &Address, left: Duration) -> Answered {
    let context = node.context();
    let now = context.clock.now();
    let explained = context.connector.explain_packet(destination.view(), None, None, now);
    let next_hop = match explained.decision {
        PacketDecision::Forward { next_hop, .. } => next_hop,
        PacketDecision::Refuse(refusal) => {
            let cause = Cause { code: refusal.code(), message: refusal.to_string() };
            return Answered { after: Duration::ZERO, outcome: Outcome::NotSent(cause) };
        }
        // The routes have changed since the probe began.
        PacketDecision::Own | PacketDecision::PeerProtocol | PacketDecision::Receiver { .. } => {
            let message = "the address is at the node itself".to_owned();
            let cause = Cause { code: ErrorCode::F00, message };
            return Answered { after: Duration::ZERO, outcome: Outcome::NotSent(cause) };
        }
    };
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let prepare = Prepare {
        amount: Amount::ZERO,
        expires_at: now.wall.saturating_add(left),
        condition: Condition::PING,
        destination: destination.view(),
        data: &nonce,
    };
    let began = Instant::now();
    let outcome = context.send_prepare(&next_hop, &prepare, now).await;
    Answered { after: began.elapsed(), outcome }
}

fn result(seq: u32, answered: Answered) -> ProbeResultBody {
    let Answered { after, outcome } = answered;
    let error = |code: ErrorCode, message: String, by: Option<String>| ProbeErrorBody {
        code: code.to_string(),
        name: code.name(),
        message,
        triggered_by: by.filter(|by| !by.is_empty()),
    };
    let latency_us = Some(micros(after));
    match outcome {
        Outcome::Fulfilled { .. } => ProbeResultBody { seq, latency_us, error: None },
        Outcome::Rejected(Rejection { code, by, message, .. }) => {
            ProbeResultBody { seq, latency_us, error: Some(error(code, message, Some(by))) }
        }
        // Nothing came back, so there is no round trip.
        Outcome::NotSent(Cause { code, message }) | Outcome::NoAnswer(Cause { code, message }) => {
            ProbeResultBody { seq, latency_us: None, error: Some(error(code, message, None)) }
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
