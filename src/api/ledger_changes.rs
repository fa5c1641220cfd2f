//! `POST /ledger/changes`: an operator changes a balance. The node's task for changes makes the change; the answer
//! comes when it is durable.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::audited::{AuditedVerb, VerbClient, record, record_refused};
use super::pages::{Pages, error, json};
use super::status::NodeStatus;
use crate::books::{Adjustment, BalanceChange, ChangeError, ChangeId, ChangeRequest};
use crate::net::sanitize;

/// In the audit log.
const VERB: &str = "ledger.change";
/// Bytes of a body.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// For the body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1024;
/// Bytes of the name of the person who makes the change.
const BY_BYTES_MAX: usize = 128;
/// Changes that wait. They are made one after the other.
pub(super) const CHANGE_ORDERS_MAX: usize = 64;

/// A change to make, and where the result goes.
#[derive(Debug)]
pub struct ChangeOrder {
    /// The change.
    pub request: ChangeRequest,
    /// The record of the change once it is durable. If this is dropped, the node stops.
    pub reply: oneshot::Sender<Result<Adjustment, ChangeRefusal>>,
}

/// Why a change is not answered with its record.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefusal {
    /// It cannot be made.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The store fails, and nothing has changed.
    #[error("nothing has changed, because the store fails: {0}")]
    StoreFails(String),
    /// The store fails, and it is not known whether an earlier request with this id has changed something.
    #[error(
        "this request has changed nothing, because the store fails: {0}; whether an earlier request with this id has, is not known until the store works"
    )]
    Unknown(String),
    /// The store fails, and the change waits for it.
    #[error(
        "the balance has changed, but is not saved yet, because the store fails: {0}; the node goes on trying. The same request with the same id waits for it"
    )]
    NotSaved(String),
}

/// A change of a balance, by one of `adjust`, `concede`, `accept` and `writeOff`: whole units as text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ChangeBody {
    /// A request with the same id is the same change again. Default: a random one.
    id: Option<String>,
    /// The account.
    account: String,
    /// Its asset and scale, if it has had several.
    asset: Option<String>,
    /// By how much the balance changes.
    adjust: Option<String>,
    /// How much of the uncertain amount the peer is owed.
    concede: Option<String>,
    /// What the peer has fulfilled beyond the books.
    accept: Option<String>,
    /// What this node fulfilled and gives up.
    write_off: Option<String>,
    /// Why.
    reason: String,
    /// Who asks for it. Default: `api`.
    by: Option<String>,
}

/// A change that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BalanceChangeBody {
    /// Its id: a request with the same id is the same change again.
    id: String,
    /// When it was made.
    at: String,
    /// The account.
    account: String,
    /// Its asset and scale, such as `USD/9`.
    asset: String,
    /// `adjust`, `resolve`, `accept` or `writeOff`.
    kind: &'static str,
    /// In units of the account.
    amount: String,
    /// The balance before it.
    balance_before: String,
    /// The balance after it.
    balance: String,
    /// Why.
    reason: String,
    /// Who asked for it.
    by: String,
}

/// Why a request is not answered with a change.
#[derive(Debug)]
pub(super) struct NotChanged {
    pub(super) code: StatusCode,
    pub(super) message: String,
    /// The change may be made, or is not saved yet.
    pub(super) is_unclear: bool,
}

pub(super) async fn post(
    State(pages): State<Arc<Pages>>,
    client: VerbClient,
    request: Request,
) -> Response {
    match change(&pages.status, &client, request.into_body()).await {
        Ok(made) => json(StatusCode::OK, &made),
        Err(NotChanged { code, message, .. }) => error(code, &message),
    }
}

/// Makes the change of a request, with a line in the audit log.
pub(super) async fn change(
    node: &NodeStatus,
    client: &VerbClient,
    body: Body,
) -> Result<BalanceChangeBody, NotChanged> {
    let refused = |code, message| NotChanged { code, message, is_unclear: false };
    let request = read_request(body).await.map_err(|(code, message)| {
        let verb = AuditedVerb { verb: VERB, ..AuditedVerb::default() };
        record_refused(node, client, verb, &message);
        refused(code, message)
    })?;
    let id = request.id.clone();
    let ticket = record(node, client, verb_of(&request))
        .await
        .map_err(|problem| refused(StatusCode::SERVICE_UNAVAILABLE, problem.detail().to_owned()))?;
    let (answer, outcome) = make(node, request, &id).await;
    match outcome {
        Made::Yes => ticket.done(),
        Made::No(why) => ticket.fail(&why),
        Made::Unknown(why) => ticket.leave_open(&why),
    }
    answer
}

/// Whether a balance has changed.
enum Made {
    Yes,
    No(String),
    Unknown(String),
}

fn verb_of(request: &ChangeRequest) -> AuditedVerb {
    let ChangeRequest { id, account, asset, change, reason, by } = request;
    let parameters = [
        ("id", json!(id.as_str())),
        ("asset", json!(asset)),
        ("kind", json!(change.kind())),
        ("amount", json!(change.amount().to_string())),
        ("by", json!(by)),
    ];
    let parameters = parameters.into_iter().filter(|(_, value)| !value.is_null());
    AuditedVerb {
        verb: VERB,
        target: account.clone(),
        parameters: parameters.map(|(key, value)| (key.to_owned(), value)).collect(),
        reason: Some(reason.clone()),
    }
}

async fn make(
    node: &NodeStatus,
    request: ChangeRequest,
    id: &ChangeId,
) -> (Result<BalanceChangeBody, NotChanged>, Made) {
    let code = StatusCode::SERVICE_UNAVAILABLE;
    let Some(orders) = node.changes.get() else {
        return refused(&ChangeError::NoStore.into());
    };
    let (reply, made) = oneshot::channel();
    if orders.try_send(ChangeOrder { request, reply }).is_err() {
        let message = "nothing has changed: too many changes wait, or the node stops; try later";
        let message = message.to_owned();
        let not_changed = NotChanged { code, message: message.clone(), is_unclear: false };
        return (Err(not_changed), Made::No(message));
    }
    match made.await {
        Ok(Ok(made)) => (Ok(body_of(&made)), Made::Yes),
        Ok(Err(refusal)) => refused(&refusal),
        Err(_) => {
            let message = format!(
                "the node stops, and may or may not have made the change; repeat it with the id {id} when the node runs again"
            );
            let not_changed = NotChanged { code, message: message.clone(), is_unclear: true };
            (Err(not_changed), Made::Unknown(message))
        }
    }
}

fn refused(refusal: &ChangeRefusal) -> (Result<BalanceChangeBody, NotChanged>, Made) {
    let code = match refusal {
        ChangeRefusal::Change(ChangeError::UnknownAccount(_)) => StatusCode::NOT_FOUND,
        ChangeRefusal::Change(ChangeError::AmountTooLarge(_)) => StatusCode::BAD_REQUEST,
        ChangeRefusal::Change(ChangeError::NoStore)
        | ChangeRefusal::StoreFails(_)
        | ChangeRefusal::Unknown(_)
        | ChangeRefusal::NotSaved(_) => StatusCode::SERVICE_UNAVAILABLE,
        ChangeRefusal::Change(_) => StatusCode::CONFLICT,
    };
    let message = refusal.to_string();
    let made = match refusal {
        // The balance has changed, and the node goes on trying to save it.
        ChangeRefusal::NotSaved(_) => Made::Yes,
        ChangeRefusal::Unknown(_) => Made::Unknown(message.clone()),
        ChangeRefusal::Change(_) | ChangeRefusal::StoreFails(_) => Made::No(message.clone()),
    };
    let is_unclear = !matches!(made, Made::No(_));
    (Err(NotChanged { code, message, is_unclear }), made)
}

fn body_of(made: &Adjustment) -> BalanceChangeBody {
    BalanceChangeBody {
        id: made.id.to_string(),
        at: made.at.to_string(),
        account: made.account.to_string(),
        asset: made.asset.to_string(),
        kind: made.change.kind(),
        amount: made.change.amount().to_string(),
        balance_before: made.balance_before().to_string(),
        balance: made.balance.to_string(),
        reason: made.reason.clone(),
        by: made.by.clone(),
    }
}

async fn read_request(body: Body) -> Result<ChangeRequest, (StatusCode, String)> {
    let read = timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await;
    let bytes = read
        .map_err(|_| {
            let message = format!("the body did not come within {BODY_TIME:?}");
            (StatusCode::REQUEST_TIMEOUT, message)
        })?
        // Or the connection broke, and then no client reads this.
        .map_err(|_| {
            let message = format!("the body has more than {BODY_BYTES_MAX} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, message)
        })?;
    parse_request(&bytes).map_err(|mistake| (StatusCode::BAD_REQUEST, mistake))
}

fn parse_request(bytes: &[u8]) -> Result<ChangeRequest, String> {
    let body: ChangeBody =
        serde_json::from_slice(bytes).map_err(|error| format!("the body: {error}"))?;
    type ToChange = fn(i128) -> BalanceChange;
    let kinds: [(_, _, ToChange); 4] = [
        ("adjust", &body.adjust, BalanceChange::Adjust),
        ("concede", &body.concede, |conceded| BalanceChange::Resolve { conceded }),
        ("accept", &body.accept, BalanceChange::Concede),
        ("writeOff", &body.write_off, BalanceChange::WriteOff),
    ];
    let mut given =
        kinds.iter().filter_map(|(key, amount, change)| Some((key, amount.as_ref()?, change)));
    let (Some((key, amount, change)), None) = (given.next(), given.next()) else {
        return Err("give one of adjust, concede, accept and writeOff".to_owned());
    };
    let change = change(parse_amount(key, amount)?);
    if body.reason.trim().is_empty() {
        return Err("reason is empty; say why the balance changes".to_owned());
    }
    let by = body.by.unwrap_or_else(|| "api".to_owned());
    for (key, text, bytes_max) in
        [("reason", &body.reason, REASON_BYTES_MAX), ("by", &by, BY_BYTES_MAX)]
    {
        if text.len() > bytes_max {
            return Err(format!("{key} has more than {bytes_max} bytes"));
        }
    }
    let id = match body.id {
        Some(id) => id.parse().map_err(|error| format!("id: {error}"))?,
        None => ChangeId::from_random(rand::random()),
    };
    let (reason, by) = (sanitize(&body.reason), sanitize(&by));
    Ok(ChangeRequest { id, account: body.account, asset: body.asset, change, reason, by })
}

fn parse_amount(key: &str, text: &str) -> Result<i128, String> {
    text.parse().map_err(|_| format!("{key} is not a whole number of units as text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_mistake(body: &str, expected: &str) {
        let mistake = parse_request(body.as_bytes()).unwrap_err();
        assert!(mistake.contains(expected), "{body}: {mistake}");
    }

    #[test]
    fn bodies_are_parsed() {
        let body = br#"{"id":"x-1","account":"c","asset":"USD/9","adjust":"-5","reason":"a\u001b[2J fee","by":"ann"}"#;
        let request = parse_request(body).unwrap();
        assert_eq!(request.change, BalanceChange::Adjust(-5));
        assert_eq!((request.id.as_str(), &*request.by), ("x-1", "ann"));
        assert!(!request.reason.contains('\u{1b}'), "{}", request.reason);
        let body = br#"{"account":"c","concede":"120","reason":"agreed"}"#;
        let request = parse_request(body).unwrap();
        assert_eq!(request.change, BalanceChange::Resolve { conceded: 120 });
        assert_eq!((request.id.as_str().len(), &*request.by), (32, "api"));
        let body = br#"{"account":"c","accept":"30","reason":"agreed"}"#;
        assert_eq!(parse_request(body).unwrap().change, BalanceChange::Concede(30));
        let body = br#"{"account":"c","writeOff":"-4","reason":"agreed"}"#;
        assert_eq!(parse_request(body).unwrap().change, BalanceChange::WriteOff(-4));
    }

    #[test]
    fn mistakes_are_named() {
        check_mistake("", "the body: EOF");
        check_mistake(r#"{"account":"c","adjust":"1"}"#, "missing field `reason`");
        check_mistake(r#"{"acount":"c"}"#, "unknown field `acount`");
        check_mistake(r#"{"account":"c","account":"d"}"#, "duplicate field `account`");
        check_mistake(
            r#"{"account":"c","reason":"x"}"#,
            "give one of adjust, concede, accept and writeOff",
        );
        check_mistake(
            r#"{"account":"c","adjust":"1","concede":"1","reason":"x"}"#,
            "give one of adjust, concede, accept and writeOff",
        );
        check_mistake(r#"{"account":"c","adjust":1,"reason":"x"}"#, "invalid type: integer");
        check_mistake(
            r#"{"account":"c","adjust":"1.5","reason":"x"}"#,
            "adjust is not a whole number",
        );
        check_mistake(r#"{"account":"c","adjust":"1","reason":" "}"#, "reason is empty");
        check_mistake(r#"{"account":"c","adjust":"1","reason":"x","id":""}"#, "id: the id of a");
        let long = "x".repeat(REASON_BYTES_MAX + 1);
        let body = format!(r#"{{"account":"c","adjust":"1","reason":"{long}"}}"#);
        check_mistake(&body, "reason has more than 1024 bytes");
    }
}
