//! The last five minutes of links and nodes.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::not_found;
use crate::observe::{LinkHistoryBody, NodeHistoryBody};

/// The last five minutes of all nodes in view.
#[derive(Debug, Serialize, ToSchema)]
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
    let nodes = v1.observer.watch.lock().history.nodes(|node| v1.view.shows(node));
    ok(&HistoryBody { nodes })
}
