//! Nodes whose books are in a real PostgreSQL.

mod server;

pub(crate) use server::{PostgresServer, TestDatabase};
