//! Changes of a balance that the running node makes: `POST /ledger/changes`.

use std::time::Duration;

use serde_json::{Value, json};

use super::change::unclear_failure;
use crate::books::{BalanceChange, ChangeRequest};
use crate::config::NodeSettings;
use crate::console::{Failure, host_to_dial, post_to_page, sanitize};
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
    match (text("account"), text("asset"), text("balanceBefore"), text("balance")) {
        (Some(account), Some(asset), Some(before), Some(after)) => Ok(format!(
            "{account} ({asset}): {}; the balance was {before} and is {after}",
            request.change
        )),
        _ => Err(failed(format!("the answer from {url} has no balance"))),
    }
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
