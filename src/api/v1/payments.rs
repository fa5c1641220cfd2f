//! What receivers got, by STREAM connection.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};

use super::V1;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, mistake};
use crate::account::Asset;
use crate::books::{PaymentKey, ReceivedPayment};
use crate::observe::{PaymentBody, PaymentsBody};

/// Connections of a page without `limit`.
const PAYMENTS: u32 = 100;
const PAYMENTS_MAX: u32 = 1_000;

/// A page of what receivers got by STREAM connection.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/payments", params(("node" = String, Path, description = "The id of a node"),
        ("receiver" = Option<String>, Query, description = "Only connections to this receiver"),
        ("after" = Option<String>, Query, description = "The `next` of the page before; default: from the first one on"),
        ("limit" = Option<u32>, Query, description = "Connections, at most; default 100", minimum = 1, maximum = 1000),
    ), responses((status = OK, body = PaymentsBody)))]
pub(super) async fn payments(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["receiver", "after", "limit"])?;
    let max = parameters.number("limit", 1..=PAYMENTS_MAX, PAYMENTS)?;
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let wrong = |text: &str| mistake(format!("after {text:?} is not the `next` of a page"));
    let after = parameters.get("after").map(|text| read_key(text).ok_or_else(|| wrong(text)));
    let after = after.transpose()?;
    let node = v1.find_node(&node)?;
    let connector = &node.context().connector;
    // One more says whether there is another page.
    let mut found =
        connector.received_payments(parameters.get("receiver"), after.as_ref(), max + 1);
    let has_more = found.len() > max;
    found.truncate(max);
    let next = found.last().filter(|_| has_more).map(|last| write_key(&last.key));
    let id = connector.node_id().to_string();
    let payments = found.into_iter().map(|payment| payment_body(&id, payment)).collect();
    ok(&PaymentsBody { payments, next })
}

/// No part of a key has a slash: ids, codes and connections are segments of addresses, or like them.
fn write_key(PaymentKey { receiver, asset, connection }: &PaymentKey) -> String {
    format!("{receiver}/{}/{}/{connection}", asset.code, asset.scale)
}

fn read_key(text: &str) -> Option<PaymentKey> {
    let parts: Vec<&str> = text.split('/').collect();
    let [receiver, code, scale, connection] = *parts else { return None };
    let asset = Asset { code: code.into(), scale: scale.parse().ok()? };
    Some(PaymentKey { receiver: receiver.into(), asset, connection: connection.into() })
}

/// Amounts are texts: JSON numbers are not exact beyond 53 bits.
fn payment_body(node: &str, payment: ReceivedPayment) -> PaymentBody {
    let ReceivedPayment { key, packets, amount, last_at, .. } = payment;
    PaymentBody {
        node: node.to_owned(),
        receiver: key.receiver.to_string(),
        asset_code: key.asset.code.to_string(),
        asset_scale: key.asset.scale,
        connection: Some(key.connection.to_string()).filter(|id| !id.is_empty()),
        packets,
        amount: amount.to_string(),
        last_at: last_at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_where_the_next_one_begins() {
        for text in ["wallet/USD/9/abc~x.y", "wallet/my-asset.x/0/"] {
            assert_eq!(read_key(text).as_ref().map(write_key).as_deref(), Some(text));
        }
        for wrong in ["", "wallet", "wallet/USD/9", "wallet/USD/9/a/b", "wallet/USD/300/a"] {
            assert_eq!(read_key(wrong), None, "{wrong}");
        }
    }
}
