//! Configuration: a file, the environment and the command line become validated settings (docs/CONFIG.md).
//!
//! [`load()`] gives one node, [`Topology::load`] a whole network, [`check()`] judges a file without starting anything. All
//! of them report every mistake at once, each with its place. The way there:
//!
//! 1. `file` reads bytes, `yaml` makes a tree that knows its lines, `substitute` replaces variables, `secret_file` reads
//!    secrets from files of their own.
//! 2. A topology file becomes the tree of one node (`topology`), with computed routes (`paths`).
//! 3. `env` and the command line override values of that tree.
//! 4. `node_file`, with `peers`, `receivers` and `routes`, reads the tree into a [`NodeConfig`].
//!
//! Each key is one row of `keys!`, in `node_keys`, `peer_keys`, `route_keys` or `topology_keys`. The typed values, the
//! reader, the schema, `--print`, the comparison at a reload and the tables of docs/CONFIG.md follow from the row
//! (docs/adr/0023-one-row-per-key.md).
//!
//! Nothing here resolves a name or binds a port, and only [`environment_of_process`] reads the environment of the process.

#[macro_use]
mod keys_macro;

mod check;
mod diagnostics;
mod diff;
mod env;
mod expand;
mod file;
mod key_names;
mod key_types;
mod keys;
mod link_ends;
mod link_transport;
mod load;
mod location;
mod mapping;
mod network;
mod node_file;
mod node_keys;
mod own_address;
mod parse;
mod paths;
mod peer_keys;
mod peers;
mod permissions;
mod port_assignments;
mod print;
mod reachability;
mod receivers;
mod redact;
mod route_keys;
mod routes;
mod schema;
mod secret;
mod secret_file;
mod settings;
mod simulation;
mod substitute;
mod tabs;
mod tag;
mod tls_files;
mod topology;
mod topology_keys;
mod value;
mod value_kind;
mod watch;
mod weak_secrets;
mod yaml;
mod yaml_hints;

pub use check::{Checked, check};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use diff::diff;
pub use env::{Environment, get as variable, of_process as environment_of_process};
pub use expand::{Deployment, LOOPBACK_BTP_PORT, LOOPBACK_HEALTH_PORT, LOOPBACK_HTTP_PORT};
pub use file::FileContent;
pub use link_ends::between;
pub use load::{FileForm, Loaded, Override, Source, load, load_content, load_in_network};
pub use location::Location;
pub(crate) use node_keys::TlsFiles;
pub use own_address::{OwnAddressError, not_below_peer};
pub use port_assignments::{PortAssignments, PortNote};
pub use schema::schema;
pub use secret::{MASK, Secret};
pub use secret_file::{SecretFileError, read_secret, read_secret_file};
pub use settings::{AssetMismatch, NodeConfig, PeerConfig};
pub use topology::Topology;
pub use watch::{ContentHash, FileWatch, Look, WatchDecision};

#[cfg(test)]
mod tests;
