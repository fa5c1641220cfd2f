//! The last five minutes of links and nodes.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::V1;
use super::forward::{ANSWER_TIME_MAX, pass_on};
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::not_found;
use super::remote_nodes::Refresh;
use crate::http::HttpVerb;
use crate::observe::{LinkHistoryBody, NodeHistoryBody};
use crate::remote::{KnownNode, url_encode};

/// The last five minutes of all nodes in view.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct HistoryBody {
    /// Sorted by id.
    nodes: Vec<NodeHistoryBody>,
}

/// The last five minutes of a link, a point a second.
#[utoipa::path(
    get,
    path = "/api/v1/links/{id}/history",
    params(("id" = String, Path, description = "The id of a link")),
    responses((status = OK, body = LinkHistoryBody))
)]
pub(super) async fn link_history(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Names).await;
    if let Some((node, path)) = history_elsewhere(&v1, &id) {
        return pass_on(&v1, &node, (&path, HttpVerb::Get), ANSWER_TIME_MAX).await;
    }
    let is_in_view = id.split_once('~').is_some_and(|(a, b)| v1.view.shows(a) || v1.view.shows(b));
    let found = if is_in_view { v1.observer.watch.lock().history.link(&id) } else { None };
    ok(&found.ok_or_else(|| {
        not_found(format!(
            "there is no history of a link {id:?}: it begins when the link is first seen, in `up` at once, at a node \
             when a client has a stream; see /api/v1/links"
        ))
    })?)
}

/// The last five minutes of all nodes in view, a point a second.
#[utoipa::path(get, path = "/api/v1/history", responses((status = OK, body = HistoryBody)))]
pub(super) async fn history(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let mut nodes = v1.observer.watch.lock().history.nodes(|node| v1.view.shows(node));
    let elsewhere: Vec<HistoryBody> = v1.observer.ask_remotes("api/v1/history").await;
    nodes.extend(elsewhere.into_iter().flat_map(|page| page.nodes));
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    ok(&HistoryBody { nodes })
}

/// The node that runs elsewhere and has the history of this link, and the path there: it has its own name of the link.
fn history_elsewhere(v1: &V1, id: &str) -> Option<(Arc<KnownNode>, String)> {
    if v1.observer.remotes.is_empty() {
        return None;
    }
    let state = v1.observer.sample(&v1.view).0;
    let link = state.links.iter().find(|link| link.id == id)?;
    let node = v1.observer.remotes.find(&link.a)?;
    let own_id = url_encode(&format!("{}~{}", link.a, link.a_peer));
    Some((node, format!("api/v1/links/{own_id}/history")))
}
