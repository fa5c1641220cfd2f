//! What receivers got, by STREAM connection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of what receivers got by connection, in the order of receiver, asset and connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentsBody {
    /// The totals of connections.
    pub payments: Vec<PaymentBody>,
    /// `after` of the next page. Null: there are no more.
    pub next: Option<String>,
}

/// What a receiver got through one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentBody {
    /// The node.
    pub node: String,
    /// The id of the receiver.
    pub receiver: String,
    /// Its asset then.
    pub asset_code: String,
    /// The scale of its amounts then.
    pub asset_scale: u8,
    /// What follows the receiver in the destination of the packets. Null: the sum of connections that are not kept one
    /// by one any more.
    pub connection: Option<String>,
    /// The packets that were fulfilled.
    pub packets: u64,
    /// Their sum in the receiver's units.
    pub amount: String,
    /// When the last one was fulfilled.
    pub last_at: String,
}
