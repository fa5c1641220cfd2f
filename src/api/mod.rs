//! What a node answers over HTTP: `/health`, `/health/live`, `/health/ready`, `/metrics`, `/peers` and `/routes`.
//!
//! Read-only: no request changes anything, and no secret is in any answer. `/health` is open; the others ask for
//! `Authorization: Bearer <apiToken>` once a token is set (D22), and without one `/peers` and `/routes` answer no web page
//! that a browser asks for a stranger (`hosts`). [`NodeStatus`] is what `node` tells and tells anew when
//! something changes; all else is read from the connector and the peers at the moment of a request. Handlers never
//! wait, and what a client may hold open is bounded (`server`). What `starting`, `healthy`, `unhealthy` and `stopping`
//! mean is in `health`, without IO. Nothing here spawns: [`Api::run`] is one future that owns its connections.

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
pub use server::{Api, ApiBindError};
pub use status::{LastReload, NodeStatus, PeerRole, StatusSettings};
