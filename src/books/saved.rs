//! The books at the start of a node.

use super::recovery::RecoveredAccount;
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
}
