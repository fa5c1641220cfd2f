//! The requests of the lab: what may be broken, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audited::{LabAudit, SET, UNDO, done, fail};
use super::burst::{Burst, COUNT_MAX, PER_SECOND_MAX};
use super::{Effect, Lab, LinkFault};
use crate::api::audited::VerbClient;
use crate::api::status::NodeStatus;
use crate::api::v1::V1;
use crate::api::v1::lists::{ListAnswer, no_parameters, ok};
use crate::api::v1::query::{mistake, not_found};
use crate::api::v1::verb_body::read_body;
use crate::net::LinkCarrier;
use crate::observe::{FaultBody, FaultKind, LinkKind};
use crate::web::ProblemDetails;
use crate::wire::{Address, Amount};

/// How long a fault lasts, in seconds.
const TTL_MAX: u64 = 3_600;
const TTL_DEFAULT: u64 = 60;
/// The longest delay of a direction, in milliseconds.
const DELAY_MS_MAX: u64 = 10_000;
const BURST_PER_SECOND: u32 = 100;

/// What to break, or to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FaultRequest {
    kind: FaultKind,
    /// The node to stop.
    node: Option<String>,
    /// The link to cut, to slow down, or to drop packets of.
    link: Option<String>,
    delay_ms: Option<u64>,
    drop_percent: Option<u64>,
    /// The node that sends packets.
    from: Option<String>,
    /// A node, or an ILP address.
    to: Option<String>,
    count: Option<u64>,
    per_second: Option<u32>,
    amount: Option<String>,
    ttl_seconds: Option<u64>,
}

/// What is broken now, and what was.
#[derive(Debug, Serialize, ToSchema)]
struct LabBody {
    /// The oldest first.
    faults: Vec<FaultBody>,
    /// What is over, the newest first.
    ended: Vec<EndedBody>,
}

/// A fault that is over.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EndedBody {
    #[serde(flatten)]
    fault: FaultBody,
    ended_at: String,
    /// `expired`, `undone`, `replaced`, `gone` or `done`.
    how: &'static str,
}

fn lab_of(v1: &V1) -> Result<&Arc<Lab>, ProblemDetails> {
    let lab = v1.observer.lab().filter(|_| v1.has_lab());
    lab.ok_or_else(|| {
        not_found(
            "there is no lab here: it is a part of the page of `ilp-connector up --lab FILE`, which runs a network of \
             your own machine",
        )
    })
}

/// What is broken on purpose now, and what was.
#[utoipa::path(get, path = "/api/v1/lab", responses((status = OK, body = LabBody)))]
pub(in crate::api::v1) async fn get_lab(
    State(v1): State<Arc<V1>>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let lab = lab_of(&v1)?;
    let inner = lab.inner.lock();
    let ended = inner.ended.iter().rev().map(|ended| EndedBody {
        fault: ended.body.clone(),
        ended_at: ended.ended_at.clone(),
        how: ended.how.as_str(),
    });
    let ended = ended.collect();
    drop(inner);
    ok(&LabBody { faults: lab.faults(), ended })
}

/// Breaks something for a time, or sends packets.
#[utoipa::path(post, path = "/api/v1/lab", request_body = FaultRequest, responses((status = OK, body = FaultBody)))]
pub(in crate::api::v1) async fn post_lab(
    State(v1): State<Arc<V1>>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let lab = lab_of(&v1)?;
    let request: FaultRequest = read_body(body).await?;
    let plan = match plan_of(&v1, lab, &request) {
        Ok(plan) => plan,
        Err(problem) => {
            let named = [&request.node, &request.from].into_iter().flatten();
            let ends = request.link.iter().flat_map(|link| link.split('~'));
            let named = named.map(String::as_str).chain(ends);
            let nodes = named.filter_map(|node| v1.find_node(node).ok());
            let target = [&request.node, &request.from, &request.link].into_iter().flatten().next();
            let target = target.map_or("", String::as_str);
            LabAudit::new(SET, &client, nodes, lab).refuse(target, problem.detail());
            return Err(problem);
        }
    };
    let Plan { mut fault, effect, nodes, ttl_seconds } = plan;
    let audit = LabAudit::new(SET, &client, nodes, lab);
    let tickets = audit.record(&fault, Some(ttl_seconds)).await?;
    if let Effect::Stop(_) = &effect
        && let Some(node) = audit.nodes.first()
        && !lab.stop_node(node).await
    {
        let why = "the node cannot be stopped now: it is starting or stopping";
        fail(tickets, why);
        return Err(mistake(why));
    }
    fault.by = client.name();
    match lab.set(fault, Duration::from_secs(ttl_seconds), effect, &v1.observer) {
        Some(fault) => {
            done(tickets);
            ok(&fault)
        }
        None => {
            let why = "too much is broken already; undo something";
            fail(tickets, why);
            Err(mistake(why))
        }
    }
}

/// Ends a fault.
#[utoipa::path(delete, path = "/api/v1/lab/{id}", operation_id = "undo_fault", params(("id" = String, Path, description = "The id of a fault")), responses((status = OK, body = FaultBody)))]
pub(in crate::api::v1) async fn undo(
    State(v1): State<Arc<V1>>,
    client: VerbClient,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let lab = lab_of(&v1)?;
    let unknown = || not_found(format!("nothing is broken with the id {id:?}"));
    let fault = lab.faults().into_iter().find(|fault| fault.id == id).ok_or_else(unknown)?;
    let ends = fault.link.iter().flat_map(|link| link.split('~'));
    let named = fault.node.as_deref().into_iter().chain(ends);
    let nodes = named.filter_map(|node| v1.find_node(node).ok());
    let audit = LabAudit::new(UNDO, &client, nodes, lab);
    let tickets = audit.record(&fault, None).await?;
    match lab.undo(&id, &v1.observer) {
        Some(undone) => {
            done(tickets);
            ok(&undone)
        }
        None => {
            fail(tickets, "it was over already");
            Err(unknown())
        }
    }
}

/// What a sound request would do.
struct Plan {
    fault: FaultBody,
    effect: Effect,
    /// That it concerns.
    nodes: Vec<Arc<NodeStatus>>,
    ttl_seconds: u64,
}

fn plan_of(v1: &V1, lab: &Lab, request: &FaultRequest) -> Result<Plan, ProblemDetails> {
    let ttl_seconds = in_range("ttlSeconds", request.ttl_seconds, Some(TTL_DEFAULT), TTL_MAX)?;
    let (fault, effect, nodes) = match request.kind {
        FaultKind::StopNode => stop_node(v1, request)?,
        FaultKind::Cut => break_link(v1, lab, request, LinkFault::Cut)?,
        FaultKind::Delay => {
            let ms = in_range("delayMs", request.delay_ms, None, DELAY_MS_MAX)?;
            break_link(v1, lab, request, LinkFault::Delay(Duration::from_millis(ms)))?
        }
        FaultKind::Drop => {
            let percent = in_range("dropPercent", request.drop_percent, None, 100)?;
            let percent = u8::try_from(percent).unwrap_or(100);
            break_link(v1, lab, request, LinkFault::Drop(percent))?
        }
        FaultKind::Burst => start_burst(v1, lab, request)?,
    };
    Ok(Plan { fault, effect, nodes, ttl_seconds })
}

type Planned = (FaultBody, Effect, Vec<Arc<NodeStatus>>);

fn stop_node(v1: &V1, request: &FaultRequest) -> Result<Planned, ProblemDetails> {
    only(request, &["node"])?;
    let id = needed("node", request.node.as_deref())?;
    let node = v1.find_node(id)?;
    let fault = FaultBody {
        node: Some(id.to_owned()),
        note: Some(note_of_stop(&node).to_owned()),
        ..empty(FaultKind::StopNode)
    };
    Ok((fault, Effect::Stop(node.context().connector.node_id()), vec![node]))
}

fn note_of_stop(node: &NodeStatus) -> &'static str {
    match node.context().store_meter.get() {
        Some(_) => "it has a store: its balances continue when it starts again",
        None => {
            "it has no store: its balances begin at zero when it starts again, and those of its peers stay, so the two ends \
             of a link differ"
        }
    }
}

fn break_link(
    v1: &V1,
    lab: &Lab,
    request: &FaultRequest,
    fault: LinkFault,
) -> Result<Planned, ProblemDetails> {
    only(request, &["link", "delayMs", "dropPercent"])?;
    let id = needed("link", request.link.as_deref())?;
    let (state, _) = v1.observer.sample(&v1.view);
    let link = state.links.iter().find(|link| link.id == *id);
    let link =
        link.ok_or_else(|| not_found(format!("there is no link {id:?}; see /api/v1/links")))?;
    if link.kind == LinkKind::Receiver {
        return Err(mistake(format!(
            "{id} is a receiver inside its node: no connection leads to it"
        )));
    }
    let ends = [(&link.a, Some(&link.a_peer)), (&link.b, link.b_peer.as_ref())];
    let ends = ends.into_iter().filter_map(|(node, peer)| {
        let node = node.parse().ok()?;
        lab.node_faults(&node).of_peer(peer?)
    });
    let ends: Vec<_> = ends.collect();
    if ends.is_empty() {
        return Err(mistake(format!(
            "no node of this network dials {id}, and the lab reaches only connections that one of them has dialled; suspend \
             the peer instead"
        )));
    }
    let carries_bytes = ends.iter().any(|end| end.carrier() == LinkCarrier::Bytes);
    let (kind, value, note) = match fault {
        LinkFault::Cut => (FaultKind::Cut, None, None),
        LinkFault::Delay(delay) => {
            (FaultKind::Delay, Some(format!("{} ms", delay.as_millis())), None)
        }
        LinkFault::Drop(_) if carries_bytes => {
            return Err(mistake(format!(
                "{id} is a link over HTTP, where packets cannot be told from other bytes; it can be cut or slowed down"
            )));
        }
        LinkFault::Drop(percent) => (
            FaultKind::Drop,
            Some(format!("{percent} %")),
            Some(
                "where an answer is lost, one end counts the packet as fulfilled and the other does not: their balances \
                 differ by it from then on",
            ),
        ),
    };
    let body = FaultBody {
        link: Some(id.to_owned()),
        value,
        note: note.map(str::to_owned),
        ..empty(kind)
    };
    let nodes = [&link.a, &link.b].into_iter().filter_map(|node| v1.find_node(node).ok());
    Ok((body, Effect::Link { ends, fault }, nodes.collect()))
}

fn start_burst(v1: &V1, lab: &Lab, request: &FaultRequest) -> Result<Planned, ProblemDetails> {
    only(request, &["from", "to", "count", "perSecond", "amount"])?;
    let id = needed("from", request.from.as_deref())?;
    let to = needed("to", request.to.as_deref())?;
    let node = v1.find_node(id)?;
    if let Some(why) = lab.stop_of(&node.context().connector.node_id()) {
        return Err(mistake(format!("node {id} is {why}")));
    }
    let destination = address_of(v1, to)?;
    if node.context().connector.address().as_ref() == Some(&destination) {
        return Err(mistake("from and to are the same node: no packet would leave it"));
    }
    let count = in_range("count", request.count, Some(1_000), COUNT_MAX)?;
    let per_second = request.per_second.map(u64::from);
    let per_second =
        in_range("perSecond", per_second, Some(BURST_PER_SECOND.into()), PER_SECOND_MAX.into())?;
    let per_second = u32::try_from(per_second).unwrap_or(PER_SECOND_MAX);
    let text = request.amount.as_deref().unwrap_or("1");
    let amount = text
        .parse()
        .map(Amount)
        .map_err(|_| mistake(format!("amount {text:?} is not a number from 0 to {}", u64::MAX)))?;
    let value = format!("{count} packets of {} to {to}, {per_second} a second", amount.0);
    let context = Arc::clone(node.context());
    let burst = Burst::new(context, destination, (amount, count, per_second));
    let body =
        FaultBody { node: Some(id.to_owned()), value: Some(value), ..empty(FaultKind::Burst) };
    Ok((body, Effect::Burst(burst), vec![node]))
}

/// The address of a node, or an address.
fn address_of(v1: &V1, to: &str) -> Result<Address, ProblemDetails> {
    if let Ok(node) = v1.find_node(to) {
        let address = node.context().connector.address();
        return address.ok_or_else(|| mistake(format!("node {to} has no address yet")));
    }
    to.parse().map_err(|error| {
        mistake(format!("to: {to:?} is neither a node of this network nor an ILP address: {error}"))
    })
}

fn empty(kind: FaultKind) -> FaultBody {
    FaultBody {
        id: String::new(),
        kind,
        node: None,
        link: None,
        value: None,
        by: String::new(),
        set_at: String::new(),
        expires_at: String::new(),
        note: None,
        result: None,
    }
}

/// # Errors
/// Another key than these is set, which this kind does not use.
fn only(request: &FaultRequest, used: &[&str]) -> Result<(), ProblemDetails> {
    let set = [
        ("node", request.node.is_some()),
        ("link", request.link.is_some()),
        ("delayMs", request.delay_ms.is_some()),
        ("dropPercent", request.drop_percent.is_some()),
        ("from", request.from.is_some()),
        ("to", request.to.is_some()),
        ("count", request.count.is_some()),
        ("perSecond", request.per_second.is_some()),
        ("amount", request.amount.is_some()),
    ];
    let unused = set.iter().find(|(key, is_set)| *is_set && !used.contains(key));
    unused.map_or(Ok(()), |(key, _)| {
        let kind = request.kind.as_str();
        Err(mistake(format!("{kind} has no {key}; it has {} and ttlSeconds", used.join(", "))))
    })
}

fn needed<'a>(key: &str, value: Option<&'a str>) -> Result<&'a str, ProblemDetails> {
    value.ok_or_else(|| mistake(format!("{key} is needed")))
}

/// A number from 1 to `max`.
fn in_range(
    key: &str,
    value: Option<u64>,
    default: Option<u64>,
    max: u64,
) -> Result<u64, ProblemDetails> {
    let value = value.or(default).ok_or_else(|| mistake(format!("{key} is needed")))?;
    let range = 1..=max;
    if range.contains(&value) {
        return Ok(value);
    }
    Err(mistake(format!("{key} {value} is not a number from 1 to {max}")))
}
