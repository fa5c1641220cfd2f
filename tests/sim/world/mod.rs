//! The simulated world: machines with nodes and programs, and the network between them.

pub mod btp;
mod connection;
pub mod disk_view;
pub mod disk_work;
pub mod engine;
pub mod http;
pub mod machine;
pub mod network;
pub mod node;
pub mod program;
pub mod tally;
pub mod witness;
