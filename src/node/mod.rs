//! Runs nodes: starts them, applies new configurations, and stops them.
//!
//! The only room that spawns. A node is one task that owns its slowly changing state (configuration, dialled peers) and
//! receives commands. Around it run the acceptors, one task per session and per dialled peer, the deadline sweep, and
//! the health server. None of that is on the way of a packet, which is in `connector`.

mod acceptor;
mod adopt;
mod apply;
mod audit_thread;
mod books;
mod books_orders;
mod ccp;
mod certificate_watch;
mod changes;
mod clock_watch;
mod command;
mod config_checks;
mod config_watcher;
mod credits;
mod derive;
mod diallers;
mod draining;
mod engines;
mod event_watch;
mod expiry_watch;
mod file_fingerprint;
mod guest_orders;
mod guests;
mod ildcp;
mod lab;
mod lease;
mod listening_nodes;
mod log_thread;
mod node_task;
mod otlp;
mod overrides;
mod packet_log_switch;
mod plan;
mod rate_sources;
mod reconcile;
mod reload;
mod runtime_thread;
mod saver;
mod service_manager;
mod settlement_orders;
mod settlements;
mod shutdown;
mod signals;
mod single_flight;
mod standby;
mod start;
mod store_waits;
mod stranded_settlements;
mod supervise;
mod sweep;
mod task;
#[cfg(test)]
mod tests;
mod verbs;
mod watched_files;
mod webhook_orders;
mod webhooks;

#[cfg(feature = "simulation")]
pub use command::NodeCommand;
pub use command::NodeHandle;
pub use log_thread::LogThread;
pub use plan::{LoadedPlan, Plan};
pub use single_flight::{SingleFlight, run_with_timeout};
#[cfg(feature = "simulation")]
pub use start::{ListeningNode, StartError};
pub use supervise::{PagePort, Supervisor};
