//! From a configuration file to nodes: [`load()`] gives one node, of its own file or of a network's, [`Topology::load`]
//! a whole network, [`check()`] judges a file without starting anything.
//!
//! 1. `network_file` reads the form of a topology file: nodes, links, defaults.
//! 2. `expand` makes the tree of one node from it: with `expand_peers` its peers, with `listeners` its ports, with
//!    `addresses` its address, with `computed_routes` and `paths` its routes. `config` reads such a tree.
//! 3. `network` judges the nodes together: addresses, ports, both ends of each link.
//! 4. `reachability` sends packets through `simulation`: the nodes as connectors in memory, on a virtual clock.

mod addresses;
mod check;
mod computed_routes;
mod deployment;
mod expand;
mod expand_peers;
mod guest_ports;
mod link_ends;
mod listeners;
mod load;
mod network;
mod network_file;
mod paths;
mod port_assignments;
mod reachability;
mod simulation;
#[cfg(test)]
pub mod tests;

pub use check::{Checked, check};
pub use deployment::Deployment;
pub use link_ends::check_link_ends;
pub use listeners::{LOOPBACK_BTP_PORT, LOOPBACK_HEALTH_PORT, LOOPBACK_HTTP_PORT};
pub use load::{Described, load, load_content, load_described, load_in_network, load_pages};
pub use network_file::Topology;
pub use port_assignments::{PortAssignments, PortReplacement};
