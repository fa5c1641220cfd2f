//! The configuration of a node: what is in force and where each value comes from, and what the file would change.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use crate::api::config_values::{ConfigChangeBody, ConfigCheckOrder, ConfigMistake};
use crate::observe::format_time;
use crate::web::ProblemDetails;

/// For the file to be read. A file system may not answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// The values in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigBody {
    node: String,
    /// Null: there is none.
    file: Option<String>,
    last_reload: LastReloadBody,
    values: Vec<ConfigValueBody>,
}

/// The last reading of the configuration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LastReloadBody {
    at: String,
    successful: bool,
    /// When a configuration was last applied.
    succeeded_at: String,
    /// Why it was refused.
    error: Option<String>,
    /// All mistakes, at most 50.
    mistakes: Vec<ConfigMistake>,
}

/// One value in force.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigValueBody {
    key: String,
    value: String,
    /// `default`, `parent`, `override`, `FILE:LINE`, `environment NAME` or `command line FLAG`; several have commas
    /// between them.
    from: String,
    /// Whether the node applies a change while it runs.
    live: bool,
}

/// What the file says now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigCheckBody {
    node: String,
    mistakes: Vec<ConfigMistake>,
    warnings: Vec<ConfigMistake>,
    /// What would change. Empty if there are mistakes.
    changes: Vec<ConfigChangeBody>,
    /// Changes that are not listed, because there are many.
    more_changes: usize,
}

/// The values in force, and where each comes from.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/config", params(("node" = String, Path, description = "The id of a node")), responses((status = OK, body = ConfigBody)))]
pub(super) async fn config(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let node = v1.find_node(&id)?;
    let values = node.config_values().with_overrides(&node.overrides());
    let last = node.last_reload();
    let rows = values.values.into_iter().map(|value| ConfigValueBody {
        key: value.key,
        value: value.value,
        from: value.from,
        live: value.is_live,
    });
    ok(&ConfigBody {
        node: id,
        file: values.file,
        last_reload: LastReloadBody {
            at: format_time(last.at),
            successful: last.error.is_none(),
            succeeded_at: format_time(last.succeeded_at),
            error: last.error,
            mistakes: last.mistakes,
        },
        values: rows.collect(),
    })
}

/// What the file says now, and what it would change. Nothing is applied.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/config/check", params(("node" = String, Path, description = "The id of a node")), responses((status = OK, body = ConfigCheckBody)))]
pub(super) async fn config_check(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let node = v1.find_node(&id)?;
    let (reply, found) = oneshot::channel();
    let order = ConfigCheckOrder { node: node.context().connector.node_id(), reply };
    let is_sent = v1.observer.config_checks().is_some_and(|orders| orders.try_send(order).is_ok());
    if !is_sent {
        return Err(unavailable("too many requests wait for the file; try again later"));
    }
    let Ok(Ok(found)) = timeout(CHECK_TIMEOUT, found).await else {
        return Err(unavailable("the file cannot be read now: its file system does not answer"));
    };
    let running = node.config_values();
    let (changes, more_changes) =
        found.values.map(|file| running.changes(&file)).unwrap_or_default();
    ok(&ConfigCheckBody {
        node: id,
        mistakes: found.mistakes,
        warnings: found.warnings,
        changes,
        more_changes,
    })
}

fn unavailable(detail: &str) -> ProblemDetails {
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(RETRY_AFTER, "5")
}
