//! `GET /api/v1/audit`: the lines of a node's audit log.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, mistake};
use crate::audit::{AuditFailure, AuditPage};
use crate::web::ProblemDetails;

/// Lines of a page without `limit`.
const LINES: usize = 100;
const LINES_MAX: usize = 1_000;

/// Lines of the audit log of a node.
#[derive(Debug, Serialize, ToSchema)]
struct AuditLinesBody {
    node: String,
    /// The file that is written now.
    file: String,
    /// The number of the last line of the log.
    last: u64,
    /// The hash of that line.
    hash: String,
    lines: Vec<Value>,
}

/// The lines after the one with the number `after`, or the newest ones.
#[utoipa::path(get, path = "/api/v1/audit", params(
        ("node" = Option<String>, Query, description = "Whose log; needed if there are several nodes"),
        ("after" = Option<u64>, Query, description = "Lines after this number; default: the newest ones"),
        ("limit" = Option<u16>, Query, description = "Lines, at most; default 100", minimum = 1, maximum = 1000),
    ), responses((status = OK, body = AuditLinesBody)))]
pub(super) async fn audit(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["node", "after", "limit"])?;
    let nodes = v1.observer.nodes(&v1.view);
    let node = match (parameters.get("node"), nodes.as_slice()) {
        (Some(id), _) => v1.find_node(id)?,
        (None, [only]) => Arc::clone(only),
        (None, _) => return Err(mistake("node is needed: each node has an audit log of its own")),
    };
    let after = match parameters.get("after") {
        None => None,
        Some(_) => Some(parameters.number("after", 0..=u64::MAX, 0)?),
    };
    let limit = parameters.number("limit", 1..=LINES_MAX, LINES)?;
    let page = node.audit().read(after, limit).await.map_err(|failure| {
        let code = match failure {
            AuditFailure::NotConfigured => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        ProblemDetails::new(code, failure.to_string())
    })?;
    let AuditPage { file, lines, last, hash } = page;
    let node = node.context().connector.node_id().to_string();
    ok(&AuditLinesBody { node, file: file.display().to_string(), last, hash, lines })
}
