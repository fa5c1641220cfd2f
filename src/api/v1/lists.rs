//! What can be asked for once: nodes, links, routes, events and balances.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::V1;
use super::access::Caller;
use super::answers::{ApiBody, EventsBody, LinksBody, NodesBody};
use super::query::{Parameters, mistake, not_found};
use super::remote_nodes::Refresh;
use crate::api::pages::{json, node_routes};
use crate::api::routes::RoutesAnswer;
use crate::api::status::NodeStatus;
use crate::observe::{EventBody, NodeBody};
use crate::web::ProblemDetails;

pub(super) type ListAnswer = Result<Response, ProblemDetails>;

impl V1 {
    pub(super) fn find_node(&self, id: &str) -> Result<Arc<NodeStatus>, ProblemDetails> {
        let mut nodes = self.observer.nodes(&self.view).into_iter();
        let found = nodes.find(|node| node.context().connector.node_id().as_str() == id);
        found.ok_or_else(|| {
            let known = self.observer.node_ids(&self.view).join(", ");
            not_found(format!("there is no node {id:?} here; there are {known}"))
        })
    }
}

pub(super) fn ok(body: &impl Serialize) -> ListAnswer {
    Ok(json(StatusCode::OK, body))
}

pub(super) fn no_parameters(query: Option<&str>) -> Result<(), ProblemDetails> {
    Parameters::parse(query, &[]).map(drop)
}

/// What this listener is, and what this client may do.
#[utoipa::path(get, path = "/api/v1", responses((status = OK, body = ApiBody)))]
pub(super) async fn top(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Names).await;
    ok(&ApiBody {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: v1.observer.ids.boot(),
        nodes: v1.observer.node_ids(&caller.view),
        scopes: caller.scopes.into_iter().collect(),
        peer: caller.peer.as_ref().map(ToString::to_string),
        features: v1.features(),
        page: v1.observer.page_url().filter(|_| caller.peer.is_none()),
    })
}

/// All nodes in view.
#[utoipa::path(get, path = "/api/v1/nodes", responses((status = OK, body = NodesBody)))]
pub(super) async fn nodes(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Nodes).await;
    let (state, _) = v1.observer.sample(&caller.view);
    ok(&NodesBody { nodes: state.nodes })
}

/// One node.
#[utoipa::path(get, path = "/api/v1/nodes/{node}", params(("node" = String, Path, description = "The id of a node")), responses((status = OK, body = NodeBody)))]
pub(super) async fn node(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Nodes).await;
    if v1.observer.remotes.find(&id).is_none() {
        v1.find_node(&id)?;
    }
    // All nodes, because the ids of links depend on both ends.
    let (state, _) = v1.observer.sample(&caller.view);
    let node = state.nodes.into_iter().find(|node| node.id == id);
    ok(&node.ok_or_else(|| not_found(format!("node {id:?} has stopped")))?)
}

/// All links in view.
#[utoipa::path(get, path = "/api/v1/links", responses((status = OK, body = LinksBody)))]
pub(super) async fn links(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Nodes).await;
    let (state, _) = v1.observer.sample(&caller.view);
    ok(&LinksBody { links: state.links })
}

/// A page of a node's routing table, or what happens to packets to one destination.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/routes", params(("node" = String, Path, description = "The id of a node"),
        ("after" = Option<String>, Query, description = "Prefixes after this one"),
        ("limit" = Option<u16>, Query, description = "Prefixes, at most; default 1000", minimum = 1, maximum = 10000),
        ("destination" = Option<String>, Query, description = "Instead: what happens to packets to this ILP address"),
    ), responses((status = OK, body = RoutesAnswer)))]
pub(super) async fn routes(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let node = v1.find_node(&id)?;
    node_routes(&node, query.as_deref().unwrap_or_default())
        .map_err(|error| mistake(error.to_string()))
}

/// The last events, the oldest first.
#[utoipa::path(get, path = "/api/v1/events", params(("after" = Option<String>, Query, description = "Events after this id")), responses((status = OK, body = EventsBody)))]
pub(super) async fn events(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["after"])?;
    let after = match parameters.get("after") {
        None => 0,
        Some(id) => match v1.observer.ids.number(id) {
            Some(Ok(number)) => number,
            // All events of this boot are after any of another one.
            Some(Err(_)) => 0,
            None => return Err(mistake(format!("after: {id:?} is not an id of this API"))),
        },
    };
    v1.observer.refresh(Refresh::Records).await;
    let found = v1.observer.events.after(after);
    let events = found.items.iter().filter_map(|(_, event)| caller.view.event(event));
    let events: Vec<EventBody> = events.map(|event| EventBody::clone(event)).collect();
    ok(&EventsBody { events, lost: found.lost })
}
