//! The request of an engine that the peer has paid: what it must contain, and what becomes of it.

use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::client::quantity_json;
use crate::account::AccountId;
use crate::books::{Quantity, SettlementError, SettlementKey};
use crate::peers::{CreditOrder, CreditRefusal, NodeContext};
use crate::web::ProblemDetails;

/// A quantity as an engine writes it.
#[derive(Debug, Deserialize)]
struct WrittenQuantity {
    amount: String,
    scale: u8,
}

/// What becomes of a credit that is not refused. A refusal is final: the same request would never be credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CreditOutcome {
    /// It is in the books, for ever. The text is the quantity of the request.
    Credited(String),
    /// It may be in the books or not: this process cannot say now. The engine must ask again with the same key. It must
    /// not get an error, after which it could report the same money under another key.
    Unknown,
}

fn mistake(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

/// The key of a request.
///
/// RFC 38 "Handling idempotent requests": a request to credit a settlement must have a key. [row 133]
pub(super) fn read_key(header: Option<&[u8]>) -> Result<SettlementKey, ProblemDetails> {
    let Some(header) = header else {
        return Err(mistake("the request needs an Idempotency-Key"));
    };
    let key = std::str::from_utf8(header).ok().and_then(|key| key.parse().ok());
    key.ok_or_else(|| mistake("the Idempotency-Key must have 1 to 255 visible ASCII characters"))
}

/// The quantity in the body of a request. [row 131]
pub(super) fn read_quantity(body: &[u8]) -> Result<Quantity, ProblemDetails> {
    let written: WrittenQuantity = serde_json::from_slice(body).map_err(|error| {
        let expected = r#"expected {"amount": "<decimal digits>", "scale": <0 to 255>}"#;
        mistake(format!("{expected}: {error}"))
    })?;
    Quantity::new(&written.amount, written.scale).map_err(|error| mistake(error.to_string()))
}

/// Has a credit booked, and waits until it is durable.
pub(super) async fn credit(
    context: &NodeContext,
    account: AccountId,
    key: SettlementKey,
    quantity: Quantity,
) -> Result<CreditOutcome, ProblemDetails> {
    let Some(credits) = context.credits.get() else {
        // Checked with the configuration: an engine needs a store.
        return Err(mistake("this node has no store, so it cannot credit settlements"));
    };
    let credited = CreditOutcome::Credited(quantity_json(&quantity));
    let (reply, answer) = oneshot::channel();
    if credits.send(CreditOrder { account, key, quantity, reply }).await.is_err() {
        return Ok(CreditOutcome::Unknown);
    }
    match answer.await {
        Ok(Ok(())) => Ok(credited),
        Ok(Err(CreditRefusal::Settlement(error))) => {
            let status = match error {
                SettlementError::OtherSettlement(_) => StatusCode::CONFLICT,
                SettlementError::UnknownAccount(_) => StatusCode::NOT_FOUND,
                _ => StatusCode::BAD_REQUEST,
            };
            Err(ProblemDetails::new(status, error.to_string()))
        }
        Ok(Err(error @ CreditRefusal::NoEngine(_))) => {
            Err(ProblemDetails::new(StatusCode::NOT_FOUND, error.to_string()))
        }
        // An earlier request with this key may be in the books.
        Ok(Err(CreditRefusal::StoreFails(error))) => {
            tracing::warn!(error, "a settlement engine gets no answer, and will ask again");
            Ok(CreditOutcome::Unknown)
        }
        Err(_) => Ok(CreditOutcome::Unknown),
    }
}
