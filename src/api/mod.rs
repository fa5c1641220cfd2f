//! The operator's pages: `/health`, `/health/live`, `/health/ready`, `/metrics`, `/peers`, `/routes` and
//! `/ledger/changes`.
//!
//! `POST /ledger/changes` changes a balance, with a token that allows it, and never without one. No answer contains a
//! secret. `/health` is open to all clients; the other pages require `Authorization: Bearer <token>` once a token is
//! set (D22). Without one, `/peers` and `/routes` refuse the pages of other sites in a browser (`hosts`). `node`
//! updates [`NodeStatus`] and makes the changes; all else is read from the connector and the peers when a request
//! comes. Handlers that read never wait. Nothing here spawns: [`Api::run`] is one future that owns its connections.

mod audited;
mod bearer_auth;
mod books_orders;
mod config_values;
mod health;
mod heartbeat;
mod hosts;
mod ledger_changes;
mod network;
mod pages;
mod peers;
mod query;
mod reconcile;
mod routes;
mod server;
mod settlement_orders;
mod status;
mod ui;
mod v1;
mod verbs;
mod watch;
mod webhook_orders;

pub use bearer_auth::ApiToken;
pub use books_orders::{EventsOrder, IncomeOrder, IncomeReport};
pub use config_values::{
    ConfigCheck, ConfigCheckOrder, ConfigMistake, ConfigValue, ConfigValues, ParentValues,
};
pub use health::HealthStatus;
pub use ledger_changes::{ChangeOrder, ChangeRefusal};
pub use network::NetworkApi;
pub use reconcile::{NotCompared, ReconcileOrder};
pub use server::Api;
pub use settlement_orders::{
    ManualSettlement, RecordedSettlement, SettlementOrder, SettlementRefusal,
};
pub use status::{LastReload, NodeAddresses, NodeStatus, PeerRole, StatusSettings};
pub use v1::{Lab, LabOrder, Observer};
pub use verbs::{OperatorVerb, OverrideEnd, VerbDone, VerbOrder, VerbRefusal};
pub use watch::{WatchApi, WatchSettings};
pub use webhook_orders::{WebhookOrder, WebhookRefusal, WebhookReport};
