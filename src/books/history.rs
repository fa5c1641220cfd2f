//! What a store tells of the past.

use super::adjustment::Adjustment;
use super::flow::FlowRow;
use super::saved::SavedBooks;
use super::settlement::Settlement;
use crate::wire::Timestamp;

/// The books at the newest cut, and the changes that operators made until then.
#[derive(Debug)]
pub struct BooksHistory {
    /// The accounts.
    pub books: SavedBooks,
    /// When the newest cut was taken; the epoch if there is none.
    pub cut_at: Timestamp,
    /// The changes, the oldest first.
    pub adjustments: Vec<Adjustment>,
    /// All flows, the oldest first.
    pub flows: Vec<FlowRow>,
    /// All settlements, the oldest first.
    pub settlements: Vec<Settlement>,
}
