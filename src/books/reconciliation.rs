//! Reconciliation: two neighbours compare their books, and each concludes which differences last, why, and what it does
//! about them. Pure; the exchange itself is in `connector` and `node`.

mod compare;
mod judge;
mod state;

pub use compare::{Exchange, Parts};
pub use judge::{BooksNotice, Cause, Judgement, OnCrash, OwnEnd, ReconcilePolicy};
pub use state::{
    Baseline, GivenUp, Outstanding, PeerBooksId, ReconcileState, ReconciliationRow, Verdict,
};

#[cfg(test)]
mod model;
