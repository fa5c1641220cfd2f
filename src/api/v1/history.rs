//! The last five minutes of links and nodes.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use serde::Serialize;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::not_found;
use crate::observe::NodeHistoryBody;

/// The last five minutes of all nodes in view.
#[derive(Debug, Serialize)]
struct HistoryBody {
    /// Sorted by id.
    nodes: Vec<NodeHistoryBody>,
}

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

pub(super) async fn history(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.watch.lock().history.nodes(|node| v1.view.shows(node));
    ok(&HistoryBody { nodes })
}
