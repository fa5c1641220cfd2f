//! The operator's pages: `/health`, `/health/live`, `/health/ready`, `/metrics`, `/peers` and `/routes`.
//!
//! No request changes anything, and no answer contains a secret. `/health` is open to all clients; the other pages
//! require `Authorization: Bearer <apiToken>` once a token is set (D22). Without one, `/peers` and `/routes` refuse the
//! pages of other sites in a browser (`hosts`). `node` updates [`NodeStatus`]; all else is read from the connector and
//! the peers when a request comes. Handlers never wait. Nothing here spawns: [`Api::run`] is one future that owns its
//! connections.

mod bearer_auth;
mod health;
mod heartbeat;
mod hosts;
mod pages;
mod peers;
mod query;
mod routes;
mod server;
mod status;

pub use health::HealthStatus;
pub use server::Api;
pub use status::{LastReload, NodeStatus, PeerRole, StatusSettings};
