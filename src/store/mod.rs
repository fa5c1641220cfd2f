//! Keeps the books of a node in a file or in a database: opens and checks them, and saves cuts.
//!
//! One process has the books of a node open at a time. Everything here blocks; `node` runs it on a thread of its own.

mod delivery_query;
mod engine;
mod error;
mod file_lock;
mod identity;
mod lease;
mod ownership;
mod paths;
mod postgres;
#[cfg(feature = "simulation")]
mod simulated_worker;
mod sqlite;
#[cfg(test)]
mod tests;
mod worker;

pub use delivery_query::DeliveryQuery;
pub use engine::Store;
pub use error::{OpenError, WriteError};
pub use identity::StoreIdentity;
pub use lease::{BooksHolder, Lease};
pub use worker::{StoreHandle, StoreWorker};
