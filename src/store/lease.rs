//! How long a process may act on books that another one could take over.

use crate::time::MonoTime;

/// The lease of the books, as their holder knows it. Readings are of the node's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Until then, no other process can have taken the books.
    pub valid_until: MonoTime,
    /// Why it could not be renewed. It ends with the next cut that is saved.
    pub failure: Option<String>,
}
