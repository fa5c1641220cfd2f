//! Reconciliation: two neighbours compare their books, and each concludes which differences last, why, and what it does
//! about them. Pure; the exchange itself is in `connector` and `node`.

mod compare;
mod describe;
mod judge;
mod payments;
mod saved;
mod state;

pub use compare::{Exchange, Parts};
pub use judge::{Judgement, OwnEnd, ReconcilePolicy};
pub use state::{BooksVerdict, NotCredited, ReconcileState, ReconciliationRow};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
