//! How long a process may act on books that another one could take over.

use crate::time::MonoTime;

/// The lease of the books, as their holder knows it. Readings are of the node's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Until then, no other process can have taken the books.
    pub valid_until: MonoTime,
    /// Why it could not be renewed. It ends with the next cut that is saved.
    pub failure: Option<String>,
    /// The process that has taken the books: this one never has the lease again.
    pub lost_to: Option<String>,
}

impl Lease {
    /// Whether the books are still this process's own.
    pub fn is_valid(&self, now: MonoTime) -> bool {
        self.lost_to.is_none() && now < self.valid_until
    }
}

/// The process that has the books instead of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BooksHolder {
    /// Such as `process 7 on host a`.
    pub process: String,
    /// The time of day, UTC, at which its lease ends unless it is renewed.
    pub until: String,
}
