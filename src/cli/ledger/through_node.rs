//! Changes of a balance that the running node makes: `POST /ledger/changes`.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::args::NodeTargets;
use super::super::asked_nodes::{find_nodes, node_on_this_machine};
use super::super::observed::page_client;
use super::super::verbs::{NotDone, find_changing_pages, post};
use super::change::unclear_failure;
use crate::books::{BalanceChange, ChangeRequest};
use crate::config::{Environment, NodeConfig, Secret};
use crate::console::{Failure, SourceArguments, block_on, describe_unknown_port, sanitize};
use crate::remote::{AskedNode, PageError, refusal_text};

/// Longer than a node takes to notice that its store does not answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the node for a change, with this token. Returns the line that describes it.
pub(super) fn change(
    request: &ChangeRequest,
    config: &NodeConfig,
    api_token: &Secret,
) -> Result<String, Failure> {
    let settings = &config.settings;
    if settings.health_check_port == 0 {
        let instead = "set the variable HEALTH_CHECK_PORT=PORT for this command";
        let id = settings.node_id.as_str();
        let text = describe_unknown_port(id, "healthCheckPort", "health", instead);
        return Err(Failure::Usage(format!("the node runs, but the {text}")));
    }
    let hint = "the node runs; if its pages are elsewhere, set the variables HEALTH_CHECK_HOST and HEALTH_CHECK_PORT for \
                this command";
    let node = node_on_this_machine(config, hint.to_owned())?;
    let node = AskedNode { token: Some(api_token.clone()), ..node };
    let client = page_client(TIMEOUT)?;
    let failed = |what: String| unclear_failure(request, &what);
    let body = body_of(request).to_string();
    let answer = block_on(async {
        let posted = client.post(&node, "ledger/changes", &body).await;
        posted.map_err(|error| match error {
            // The node may have read the request.
            PageError::NoAnswer(_) | PageError::TooLong(_) => failed(node.describe(&error)),
            error => Failure::Failed(node.describe(&error)),
        })
    })?;
    let url = format!("{}/ledger/changes", node.shown_url());
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != 200 {
        let why = refusal_text(&answer.body);
        let why = why.unwrap_or_else(|| "this is not the answer of a node".to_owned());
        let message = format!("{why} (HTTP {} from {url})", answer.status);
        return Err(if answer.status == 503 { failed(message) } else { Failure::Failed(message) });
    }
    describe(request, &body).ok_or_else(|| failed(format!("the answer from {url} has no balance")))
}

/// Has the page of `up` make a change of a node that takes none itself, because it has no token. `None`: there is no
/// such page.
pub(super) fn change_at_up(
    request: &ChangeRequest,
    source: &SourceArguments,
    environment: &Environment,
) -> Result<Option<String>, Failure> {
    let nodes = find_nodes(&NodeTargets::of_one(source, None, None)?, environment)?;
    let client = page_client(TIMEOUT)?;
    let body = body_of(request);
    let answer = block_on(async {
        let (_, id, pages) = find_changing_pages(&client, nodes, source.node.as_deref()).await?;
        let Some(pages) = pages else { return Ok(None) };
        let posted = post(&client, &pages, &id, "ledger/changes", &body).await;
        posted.map(Some).map_err(|NotDone { text, is_unclear }| match is_unclear {
            true => unclear_failure(request, &text),
            false => Failure::Failed(text),
        })
    })?;
    let Some(answer) = answer else { return Ok(None) };
    let unclear = || unclear_failure(request, "the answer of the node has no balance");
    describe(request, &answer).ok_or_else(unclear).map(Some)
}

/// The line for a change, from the answer of a node.
fn describe(request: &ChangeRequest, answer: &Value) -> Option<String> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(sanitize);
    let (account, asset) = (text("account")?, text("asset")?);
    let (before, after) = (text("balanceBefore")?, text("balance")?);
    let change = request.change;
    Some(format!("{account} ({asset}): {change}; the balance was {before} and is {after}"))
}

fn body_of(request: &ChangeRequest) -> Value {
    let ChangeRequest { id, account, asset, change, reason, by } = request;
    let (key, amount) = match change {
        BalanceChange::Adjust(amount) => ("adjust", amount),
        BalanceChange::Resolve { conceded } => ("concede", conceded),
        BalanceChange::Concede(amount) => ("accept", amount),
        BalanceChange::WriteOff(amount) => ("writeOff", amount),
    };
    let amount = amount.to_string();
    let mut body =
        json!({ "id": id.as_str(), "account": account, key: amount, "reason": reason, "by": by });
    if let (Some(asset), Some(keys)) = (asset, body.as_object_mut()) {
        keys.insert("asset".to_owned(), json!(asset));
    }
    body
}
