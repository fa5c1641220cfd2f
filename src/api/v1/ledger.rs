//! Changes of balances that no packet moved, as the page `/ledger/changes` of a node makes them, for listeners that
//! have several nodes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};

use super::V1;
use super::lists::{ListAnswer, ok};
use crate::api::audited::VerbClient;
use crate::api::ledger_changes::{self, BalanceChangeBody, ChangeBody, NotChanged};
use crate::web::ProblemDetails;

/// Changes a balance by an amount that no packet moved.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/ledger/changes", params(("node" = String, Path, description = "The id of a node")), request_body = ChangeBody, responses((status = OK, body = BalanceChangeBody)))]
pub(super) async fn change_balance(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    match ledger_changes::change(&node, &client, body).await {
        Ok(made) => ok(&made),
        Err(NotChanged { code, message, is_unclear }) => {
            let problem = ProblemDetails::new(code, message);
            Err(if is_unclear { problem.with_unclear_outcome() } else { problem })
        }
    }
}
