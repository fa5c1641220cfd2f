//! `GET /api/v1/nodes/{node}/log`: the last lines of the log.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, not_found};

/// Lines of an answer without `limit`, and at most.
const LINES: usize = 1_000;
const LINES_MAX: usize = 10_000;

/// The last lines of the log.
#[derive(Debug, Serialize, ToSchema)]
struct LogBody {
    node: String,
    /// As they were written, the oldest first: of this node, and those of its process that name no node.
    lines: Vec<String>,
}

/// The last lines of the log, of which a process keeps 256 KiB. With a packet log they show packets.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/log", params(("node" = String, Path, description = "The id of a node"),
        ("limit" = Option<u16>, Query, description = "Lines, at most; default 1000", minimum = 1, maximum = 10000),
    ), responses((status = OK, body = LogBody)))]
pub(super) async fn log(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["limit"])?;
    let limit = parameters.number("limit", 1..=LINES_MAX, LINES)?;
    v1.find_node(&id)?;
    let log = v1.observer.log().ok_or_else(|| not_found("this process has no log"))?;
    ok(&LogBody { lines: log.of_node(&id, limit), node: id })
}
