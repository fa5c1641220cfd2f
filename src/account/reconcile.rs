//! What a node may do by itself when its books and a peer's differ.

use std::time::Duration;

/// What a node does about what was in flight to a peer when it crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// It accepts what the peer says, up to the uncertain amount.
    #[default]
    Concede,
    /// It waits for an operator.
    Wait,
}

/// How the books of an account are compared with the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// What may be given up in a day without an operator, in the account's units.
    pub write_off_max: i128,
    /// After a crash.
    pub on_crash: OnCrash,
    /// How long a settlement may take.
    pub settlement_overdue: Duration,
}

impl Default for ReconcileSettings {
    fn default() -> Self {
        let settlement_overdue = Duration::from_secs(3600);
        Self { write_off_max: 0, on_crash: OnCrash::default(), settlement_overdue }
    }
}
