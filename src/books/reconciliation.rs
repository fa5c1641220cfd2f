//! Reconciliation: two neighbours compare their books, and each concludes which differences last, why, and what it does
//! about them. Pure; the exchange itself is in `connector` and `node`.

mod compare;
mod describe;
mod judge;
mod saved;
mod state;

pub use compare::{Exchange, Parts};
pub use judge::{Judgement, OwnEnd, ReconcilePolicy};
pub use state::{BooksVerdict, ReconcileState, ReconciliationRow};

#[cfg(test)]
mod model;
