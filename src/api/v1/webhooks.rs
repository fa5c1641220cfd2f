//! The webhooks of a node, and what operators may do about them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::not_found;
use super::verb_body::read_body;
use super::verbs::{ReasonRequest, check_reason, refuse_in_audit, unavailable};
use crate::api::audited::{AuditedVerb, VerbClient, record};
use crate::api::status::NodeStatus;
use crate::api::webhook_orders::{WebhookOrder, WebhookRefusal, WebhookReport};
use crate::observe::{WebhookBody, WebhookVerbBody, WebhooksBody};
use crate::web::ProblemDetails;

/// For the node to answer; the store may take a while.
const ORDER_TIMEOUT: Duration = Duration::from_secs(12);

/// The webhooks of a node.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/webhooks", params(("node" = String, Path, description = "The id of a node")), responses((status = OK, body = WebhooksBody)))]
pub(super) async fn webhooks(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let node = v1.find_node(&node)?;
    let listed = match node.webhook_orders.get() {
        // A node without a store has none.
        None => Vec::new(),
        Some(_) => {
            let listed = order(&node, WebhookOrder::List).await?;
            listed.map_err(|why| unavailable(format!("the store cannot be read: {why}")))?
        }
    };
    let lost_events = node.context().connector.lost_events();
    ok(&WebhooksBody { webhooks: listed.into_iter().map(body_of).collect(), lost_events })
}

/// Sends a test to a webhook.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/webhooks/{webhook}/test", operation_id = "test_webhook", params(("node" = String, Path, description = "The id of a node"), ("webhook" = String, Path, description = "The id of a webhook")), request_body = ReasonRequest, responses((status = OK, body = WebhookVerbBody)))]
pub(super) async fn test(
    State(v1): State<Arc<V1>>,
    Path((node, webhook)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let (id, by) = (webhook.clone(), client.name());
    let new = |reply| WebhookOrder::Test { id, by, reply };
    run(&v1, (node, webhook), client, body, "webhook.test", new, |body, event| WebhookVerbBody {
        event: Some(event),
        ..body
    })
    .await
}

/// Tries what a webhook has not accepted again at once.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/webhooks/{webhook}/retry", operation_id = "retry_webhook", params(("node" = String, Path, description = "The id of a node"), ("webhook" = String, Path, description = "The id of a webhook")), request_body = ReasonRequest, responses((status = OK, body = WebhookVerbBody)))]
pub(super) async fn retry(
    State(v1): State<Arc<V1>>,
    Path((node, webhook)): Path<(String, String)>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let id = webhook.clone();
    let new = |reply| WebhookOrder::Retry { id, reply };
    run(&v1, (node, webhook), client, body, "webhook.retry", new, |body, tried| WebhookVerbBody {
        retried: u64::try_from(tried).ok(),
        ..body
    })
    .await
}

async fn run<T>(
    v1: &V1,
    (node, webhook): (String, String),
    client: VerbClient,
    body: Body,
    verb: &'static str,
    new: impl FnOnce(oneshot::Sender<Result<T, WebhookRefusal>>) -> WebhookOrder,
    answer: impl FnOnce(WebhookVerbBody, T) -> WebhookVerbBody,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let audited = AuditedVerb { verb, target: webhook.clone(), ..AuditedVerb::default() };
    let read: Result<ReasonRequest, _> = read_body(body).await;
    let checked = read.and_then(|request| check_reason(&request.reason));
    let reason = refuse_in_audit(&node, &client, &audited, checked)?;
    let audited = AuditedVerb { reason: Some(reason), ..audited };
    let ticket = record(&node, &client, audited).await?;
    match order(&node, new).await {
        Ok(Ok(done)) => {
            ticket.done();
            let node = node.context().connector.node_id().to_string();
            ok(&answer(WebhookVerbBody { node, webhook, event: None, retried: None }, done))
        }
        Ok(Err(refusal)) => {
            let text = refusal.to_string();
            match &refusal {
                WebhookRefusal::NotSaved(_) => ticket.leave_open(&text),
                _ => ticket.fail(&text),
            }
            Err(match &refusal {
                WebhookRefusal::NotFound(_) => not_found(text),
                _ => unavailable(text),
            })
        }
        Err(problem) => {
            ticket.fail(problem.detail());
            Err(problem)
        }
    }
}

async fn order<T>(
    node: &NodeStatus,
    new: impl FnOnce(oneshot::Sender<T>) -> WebhookOrder,
) -> Result<T, ProblemDetails> {
    let orders = node.webhook_orders.get();
    let orders = orders.ok_or_else(|| not_found("the node has no store, and so no webhooks"))?;
    let (reply, done) = oneshot::channel();
    let busy = || unavailable("too many orders wait, or the node stops; try later");
    orders.try_send(new(reply)).map_err(|_| busy())?;
    match timeout(ORDER_TIMEOUT, done).await {
        Ok(done) => done.map_err(|_| busy()),
        Err(_) => Err(unavailable("the node is too busy")),
    }
}

fn body_of(report: WebhookReport) -> WebhookBody {
    let (failed_at, last_error) = report.last_failure.unzip();
    WebhookBody {
        id: report.id,
        url: report.url,
        events: report.events.into_iter().map(str::to_owned).collect(),
        failing: report.is_failing,
        pending: report.counts.pending,
        delivered: report.counts.delivered,
        given_up: report.counts.given_up,
        delivered_at: report.delivered_at.map(|at| at.to_string()),
        failed_at: failed_at.map(|at| at.to_string()),
        last_error,
        next_attempt_at: report.next_attempt_at.map(|at| at.to_string()),
    }
}
