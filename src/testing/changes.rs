//! Changes that an operator makes, and settlements.

use crate::account::Asset;
use crate::books::{
    BalanceChange, ChangeRequest, Quantity, Settlement, SettlementDirection, SettlementState,
};
use crate::wire::Timestamp;

/// An operator's change of an account.
pub(crate) fn change_request(account: &str, change: BalanceChange) -> ChangeRequest {
    ChangeRequest {
        id: "one".parse().unwrap(),
        account: account.to_owned(),
        asset: None,
        change,
        reason: "a fee".to_owned(),
        by: "ann".to_owned(),
    }
}

/// Ten units between this node and the account c; half a unit is left over.
pub(crate) fn settlement(
    key: &str,
    direction: SettlementDirection,
    state: SettlementState,
    at_ms: u64,
) -> Settlement {
    let at = Timestamp::from_millis(at_ms);
    Settlement {
        key: key.parse().unwrap(),
        account: "c".into(),
        asset: Asset::default(),
        direction,
        quantity: Quantity::of_units(10, 9),
        units: 10,
        leftover: "0.5".parse().unwrap(),
        state,
        attempts: 0,
        created_at: at,
        updated_at: at,
        reference: String::new(),
        by: "ilp-connector".to_owned(),
    }
}
