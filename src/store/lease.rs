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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lease_is_valid_before_its_end_unless_it_is_lost() {
        let at = |seconds| MonoTime::default().after(Duration::from_secs(seconds));
        let mut lease = Lease { valid_until: at(8), failure: None, lost_to: None };
        let valid = |lease: &Lease| [7, 8, 9].map(|seconds| lease.is_valid(at(seconds)));
        assert_eq!(valid(&lease), [true, false, false]);
        lease.failure = Some("no answer".to_owned());
        assert_eq!(valid(&lease), [true, false, false], "it can still be renewed");
        lease.lost_to = Some("process 7 on a".to_owned());
        assert_eq!(valid(&lease), [false; 3]);
    }
}
