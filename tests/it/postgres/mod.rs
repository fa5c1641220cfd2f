//! Nodes whose books are in a real PostgreSQL.

mod engines;
mod events;
mod lease;
mod limits;
mod nodes;
mod server;
mod standby;
mod tls;
mod worker;

use std::error::Error;

use ilp_connector::internals::books::SavedBooks;
use ilp_connector::internals::net::{Clock, StorePlace};
use ilp_connector::internals::store::{OpenError, Store, StoreIdentity};

pub(crate) use server::{PostgresServer, TestDatabase};

fn identity(node: &str) -> StoreIdentity {
    StoreIdentity { node: Some(node.parse().unwrap()) }
}

/// Opens the books of a node.
fn try_open(place: &StorePlace, node: &str) -> Result<(Store, SavedBooks), OpenError> {
    Store::open(place, &identity(node), Clock::start())
}

/// The message of an error with those of its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
