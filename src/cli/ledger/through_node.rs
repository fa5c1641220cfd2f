//! Changes of a balance that the running node makes: `POST /ledger/changes`.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::asked_nodes::find_nodes;
use super::super::observed::page_client;
use super::super::verbs::{NotDone, find_changing_pages, post};
use super::change::unclear_failure;
use crate::books::{BalanceChange, ChangeRequest};
use crate::config::{Environment, NodeSettings};
use crate::console::{Failure, SourceArguments, block_on, host_to_dial, post_to_page, sanitize};
use crate::net::authority;

/// Longer than a node takes to notice that its store does not answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the node for a change. Returns the line that describes it.
pub(super) fn change(
    request: &ChangeRequest,
    settings: &NodeSettings,
    api_token: &str,
) -> Result<String, Failure> {
    let port = settings.health_check_port;
    if port == 0 {
        return Err(Failure::Usage(
            "the node runs, but its healthCheckPort is 0, so the port is only in its log; set HEALTH_CHECK_PORT to it"
                .to_owned(),
        ));
    }
    let host = host_to_dial(&settings.health_check_host);
    let url = format!("http://{}/ledger/changes", authority(&host, port));
    let failed = |what: String| unclear_failure(request, &what);
    let body = body_of(request).to_string();
    let answer = post_to_page((&host, port), "/ledger/changes", api_token, &body, TIMEOUT)
        .map_err(|error| failed(format!("no answer from {url}: {error}")))?;
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(sanitize);
    if answer.code != 200 {
        let why = text("error").unwrap_or_else(|| "this is not the answer of a node".to_owned());
        let message = format!("{why} (HTTP {} from {url})", answer.code);
        return Err(if answer.code == 503 { failed(message) } else { Failure::Failed(message) });
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
    let nodes = find_nodes(&[], source, None, environment)?;
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
