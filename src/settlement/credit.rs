//! The request of an engine that the peer has paid: what it must contain, and what becomes of it.

use serde::Deserialize;
use tokio::sync::oneshot;

use super::client::quantity_json;
use crate::account::AccountId;
use crate::books::{Quantity, SettlementError, SettlementKey};
use crate::peers::{CreditOrder, CreditRefusal, NodeContext};

/// A quantity as an engine writes it.
#[derive(Debug, Deserialize)]
struct WrittenQuantity {
    amount: String,
    scale: u8,
}

/// What becomes of a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CreditOutcome {
    /// It is in the books, for ever. The text is the quantity of the request.
    Credited(String),
    /// It is not, and the same request would never be.
    Refused {
        /// Whether another settlement has the key.
        is_conflict: bool,
        /// Whether the account does not exist.
        is_unknown: bool,
        /// What is wrong.
        detail: String,
    },
    /// It may be in the books or not: this process cannot say now. The engine must ask again with the same key. It must
    /// not get an error, after which it could report the same money under another key.
    Unknown,
}

impl CreditOutcome {
    pub(super) fn refused(detail: impl Into<String>) -> Self {
        Self::Refused { is_conflict: false, is_unknown: false, detail: detail.into() }
    }
}

/// The key of a request.
///
/// RFC 38 "Handling idempotent requests": a request to credit a settlement must have a key. [row 133]
pub(super) fn read_key(header: Option<&[u8]>) -> Result<SettlementKey, CreditOutcome> {
    let Some(header) = header else {
        return Err(CreditOutcome::refused("the request needs an Idempotency-Key"));
    };
    let key = std::str::from_utf8(header).ok().and_then(|key| key.parse().ok());
    key.ok_or_else(|| {
        CreditOutcome::refused("the Idempotency-Key must have 1 to 255 visible ASCII characters")
    })
}

/// The quantity in the body of a request. [row 131]
pub(super) fn read_quantity(body: &[u8]) -> Result<Quantity, CreditOutcome> {
    let written: WrittenQuantity = serde_json::from_slice(body).map_err(|error| {
        let expected = r#"expected {"amount": "<decimal digits>", "scale": <0 to 255>}"#;
        CreditOutcome::refused(format!("{expected}: {error}"))
    })?;
    Quantity::new(&written.amount, written.scale)
        .map_err(|error| CreditOutcome::refused(error.to_string()))
}

/// Has a credit booked, and waits until it is durable.
pub(super) async fn credit(
    context: &NodeContext,
    account: AccountId,
    key: SettlementKey,
    quantity: Quantity,
) -> CreditOutcome {
    let Some(credits) = context.credits.get() else {
        // Checked with the configuration: an engine needs a store.
        return CreditOutcome::refused("this node has no store, so it cannot credit settlements");
    };
    let credited = CreditOutcome::Credited(quantity_json(&quantity));
    let (reply, answer) = oneshot::channel();
    if credits.send(CreditOrder { account, key, quantity, reply }).await.is_err() {
        return CreditOutcome::Unknown;
    }
    match answer.await {
        Ok(Ok(())) => credited,
        Ok(Err(CreditRefusal::Settlement(error))) => CreditOutcome::Refused {
            is_conflict: matches!(error, SettlementError::OtherSettlement(_)),
            is_unknown: matches!(error, SettlementError::UnknownAccount(_)),
            detail: error.to_string(),
        },
        // An earlier request with this key may be in the books.
        Ok(Err(CreditRefusal::StoreFails(error))) => {
            tracing::warn!(error, "a settlement engine gets no answer, and will ask again");
            CreditOutcome::Unknown
        }
        Err(_) => CreditOutcome::Unknown,
    }
}
