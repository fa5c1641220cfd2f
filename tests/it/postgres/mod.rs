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

pub(crate) use server::{PostgresServer, TestDatabase};

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
