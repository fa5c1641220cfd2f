//! Keeps the books of a node in a file: opens and checks them, and saves cuts.
//!
//! One process has a store open at a time. Everything here blocks; `node` runs it on a thread of its own.

mod error;
mod file_lock;
mod identity;
mod paths;
mod sqlite;
mod worker;

pub use error::{OpenError, WriteError};
pub use identity::StoreIdentity;
pub use sqlite::SqliteStore;
pub use worker::{StoreHandle, StoreWorker};
