//! Where a packet would go now, from node to node, and why. It moves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;

use super::V1;
use super::access::Caller;
use super::answers::ExplainBody;
use super::forward::bad_gateway;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, mistake};
use super::remote_nodes::Refresh;
use crate::account::AccountId;
use crate::api::routes;
use crate::api::status::NodeStatus;
use crate::connector::{PacketDecision, PacketExplanation, RouteReport};
use crate::observe::{StepBody, reason_body};
use crate::remote::{PageError, WayStart, find_way};
use crate::web::ProblemDetails;
use crate::wire::{Address, Amount};

/// Nodes of one walk, at most.
const STEPS_MAX: usize = 64;

/// The packet as it would reach a node.
struct Arrival {
    node: Arc<NodeStatus>,
    from: Option<AccountId>,
    amount: Option<Amount>,
}

/// Where a packet would go now, and why. It moves nothing.
#[utoipa::path(get, path = "/api/v1/explain", params(
        ("destination" = String, Query, description = "An ILP address"),
        ("node" = Option<String>, Query, description = "Where the packet begins; needed if there are several"),
        ("from" = Option<String>, Query, description = "The account that it comes from"),
        ("amount" = Option<String>, Query, description = "In units of that account"),
    ), responses((status = OK, body = ExplainBody)))]
pub(super) async fn explain(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let known = ["node", "destination", "from", "amount"];
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let text = parameters.get("destination").unwrap_or_default();
    let destination: Address = text
        .parse()
        .map_err(|error| mistake(format!("destination {text:?} is not an ILP address: {error}")))?;
    if !v1.observer.remotes.is_empty() {
        return explain_elsewhere(&v1, &parameters, destination.as_str()).await;
    }
    let nodes = v1.observer.nodes(&caller.view);
    let node = match (parameters.get("node"), nodes.as_slice()) {
        (Some(id), _) => v1.find_node(id)?,
        (None, [only]) => Arc::clone(only),
        (None, _) => return Err(mistake("node is needed: where the packet begins")),
    };
    let from = parameters.get("from").filter(|from| !from.is_empty());
    let from = match &caller.peer {
        None => from,
        Some(peer) if from.is_none_or(|from| from == peer.as_str()) => Some(peer.as_str()),
        Some(peer) => {
            let detail = format!("from: the token of {peer} explains only packets from {peer}");
            return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
        }
    };
    let from = match from {
        None => None,
        Some(from) => {
            let account = node.context().connector.account(from);
            let unknown = || mistake(format!("from: the node has no account {from:?}"));
            Some(account.ok_or_else(unknown)?.id().clone())
        }
    };
    let amount = match parameters.get("amount").filter(|amount| !amount.is_empty()) {
        None => None,
        Some(text) => {
            let amount = text.parse().map_err(|_| {
                mistake(format!("amount {text:?} is not a number from 0 to {}", u64::MAX))
            });
            Some(Amount(amount?))
        }
    };
    let (steps, ends) = walk(&nodes, &destination, Arrival { node, from, amount });
    let visibility = caller.view.visibility();
    let steps: Vec<StepBody> = steps.into_iter().map(|step| visibility.step(step)).collect();
    ok(&ExplainBody { steps, ends: ends.to_owned() })
}

/// Asks the nodes on the way, one after the other.
async fn explain_elsewhere(v1: &V1, parameters: &Parameters, destination: &str) -> ListAnswer {
    v1.observer.refresh(Refresh::Nodes).await;
    let remotes = &v1.observer.remotes;
    let first = parameters.get("node").unwrap_or_default();
    let known = || v1.observer.node_ids(&v1.view).join(", ");
    let Some(node) = remotes.find(first) else {
        return Err(mistake(format!("node is where the packet begins; there are {}", known())));
    };
    let Some(client) = remotes.client() else { return Err(mistake("no node runs elsewhere")) };
    let given = |name| parameters.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let start = WayStart { node: first, from: given("from"), destination, amount: given("amount") };
    let node_of = |id: &str| remotes.find(id).map(|node| node.asked.clone());
    match find_way(client, node_of, start).await {
        Ok(way) => ok(&way),
        // The node's own words about the question.
        Err(PageError::Refused { code: 400, error }) => Err(mistake(error)),
        Err(error) => Err(bad_gateway(&node, &error)),
    }
}

fn walk(
    nodes: &[Arc<NodeStatus>],
    destination: &Address,
    mut arrival: Arrival,
) -> (Vec<StepBody>, &'static str) {
    let mut steps = Vec::new();
    let mut visited = BTreeSet::new();
    while steps.len() < STEPS_MAX {
        let connector = &arrival.node.context().connector;
        let id = connector.node_id();
        if !visited.insert(id.clone()) {
            return (steps, "loops");
        }
        let now = arrival.node.context().clock.now();
        let from = arrival.from.as_ref();
        let explanation = connector.explain_packet(destination.view(), from, arrival.amount, now);
        steps.push(step(&id, destination, &arrival, &explanation));
        match explanation.decision {
            PacketDecision::Refuse(_) => return (steps, "refused"),
            PacketDecision::Own
            | PacketDecision::PeerProtocol
            | PacketDecision::Receiver { .. } => return (steps, "delivered"),
            PacketDecision::Forward { next_hop, amount } => {
                let Some(next) = far_end(nodes, &id, &next_hop) else {
                    return (steps, "leavesView");
                };
                arrival = Arrival { node: next, from: Some(id), amount };
            }
        }
    }
    (steps, "loops")
}

/// The node at the other end of a link: it has the id of the account, and an account with the id of this node.
fn far_end(
    nodes: &[Arc<NodeStatus>],
    id: &AccountId,
    next_hop: &AccountId,
) -> Option<Arc<NodeStatus>> {
    let found = nodes.iter().find(|node| node.context().connector.node_id() == *next_hop)?;
    found.context().connector.account(id.as_str())?;
    Some(Arc::clone(found))
}

fn step(
    id: &AccountId,
    destination: &Address,
    arrival: &Arrival,
    explanation: &PacketExplanation,
) -> StepBody {
    let route = explanation.route.as_ref();
    let body = route.map(routes::route);
    let mut step = StepBody {
        node: id.to_string(),
        destination: destination.to_string(),
        from: arrival.from.as_ref().map(ToString::to_string),
        amount: arrival.amount.map(|amount| amount.0.to_string()),
        ..StepBody::default()
    };
    match &explanation.decision {
        PacketDecision::Own => {
            step.decision = "local".to_owned();
            step.why = Some("it is this node's own address".to_owned());
            return step;
        }
        PacketDecision::PeerProtocol => {
            step.decision = "local".to_owned();
            step.why = Some(routes::FOR_NEIGHBOURS.to_owned());
            return step;
        }
        PacketDecision::Receiver { account, amount } => {
            step.decision = "local".to_owned();
            step.to = Some(account.to_string());
            step.outgoing_amount = amount.map(|amount| amount.0.to_string());
            step.origin = route.and_then(|route| origin_of(route, account));
        }
        PacketDecision::Forward { next_hop, amount } => {
            step.decision = "forward".to_owned();
            step.to = Some(next_hop.to_string());
            step.outgoing_amount = amount.map(|amount| amount.0.to_string());
            step.origin = route.and_then(|route| origin_of(route, next_hop));
        }
        PacketDecision::Refuse(refusal) => {
            step.decision = "refuse".to_owned();
            step.code = Some(refusal.code().to_string());
            step.reason = Some(reason_body(refusal, arrival.from.as_ref()));
        }
    }
    if let Some(body) = body {
        step.prefix = Some(body.prefix);
        step.why = Some(body.reason);
        step.candidates = body.candidates;
    }
    step
}

fn origin_of(route: &RouteReport, account: &AccountId) -> Option<String> {
    let hop = route.next_hops.iter().find(|hop| hop.account == *account)?;
    Some(hop.origin.to_string())
}
