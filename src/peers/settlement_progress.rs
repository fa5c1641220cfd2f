//! How far the settlement of an account is that its engine has not accepted.

use crate::wire::Timestamp;

/// A settlement that an engine has not accepted at the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementProgress {
    /// How often the engine was asked since the start.
    pub attempts: u32,
    /// Why it was not accepted.
    pub last_error: String,
    /// When the engine is asked again.
    pub next_attempt_at: Timestamp,
}
