//! Whose books a store holds.

use crate::account::AccountId;

/// The owner of a store. A store of another owner is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The node; `None`: any.
    pub node: Option<AccountId>,
}
