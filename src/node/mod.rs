//! Makes nodes run: starts them, keeps what they are made of together, applies new configurations, and stops them.
//!
//! The only room that spawns. A node is one task that owns everything that changes slowly (who is dialled, what is
//! configured) and listens to orders; around it run the acceptor, one task per session, one per dialled peer, the
//! deadline sweep, and the health server. Packets meet none of that: they are in `connector`.

mod acceptor;
mod adopt;
#[path = "runtime_thread.rs"]
mod api_thread;
mod ccp;
mod clock_watch;
mod command;
mod derive;
mod diallers;
mod draining;
mod file_fingerprint;
#[path = "certificate_watch.rs"]
mod file_watch;
pub mod ildcp;
mod log_thread;
mod node_task;
#[path = "packet_log_switch.rs"]
mod packets;
mod reload;
#[path = "secret_file_watch.rs"]
mod secret_fingerprints;
mod shutdown;
mod signals;
mod single_flight;
mod start;
mod supervise;
mod sweep;
mod task;
#[cfg(test)]
mod tests;
mod tls_thread;

pub use command::NodeHandle;
pub use log_thread::LogThread;
pub use single_flight::{SingleFlight, patiently};
pub use supervise::{Plan, Planned, Supervisor};
