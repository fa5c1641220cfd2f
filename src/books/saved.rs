//! The books at the start of a node.

use super::flow::FlowRow;
use super::received::ReceivedPayment;
use super::reconciliation::ReconciliationRow;
use super::recovery::RecoveredAccount;
use super::settlement::Settlement;
use crate::link::CutNumber;

/// What a store holds when it is opened.
#[derive(Debug, Default)]
pub struct SavedBooks {
    /// Identifies these books; random.
    pub books_id: String,
    /// The newest cut.
    pub cut: CutNumber,
    /// Whether the node was stopped in order, or the books are new.
    pub was_clean: bool,
    /// The accounts, sorted by name, asset and scale.
    pub accounts: Vec<RecoveredAccount>,
    /// What receivers got, those of each receiver in the order of their last times.
    pub payments: Vec<ReceivedPayment>,
    /// The flows of the newest hour.
    pub flows: Vec<FlowRow>,
    /// The settlements that a node goes on with: those that no engine has accepted, the newest incoming one of each
    /// account and asset, and those of ours in the hour before the start; in the order in which they were saved.
    pub settlements: Vec<Settlement>,
    /// What is known of peers' books.
    pub reconciliations: Vec<ReconciliationRow>,
}

impl SavedBooks {
    /// Makes the rows those of the last cut, with what is in flight: for a reader, it is not uncertain yet.
    pub fn show_as_saved(&mut self) {
        for account in &mut self.accounts {
            account.row = account.clone().saved_row();
        }
    }
}
