//! Configuration: a file, the environment and the command line become validated settings (docs/CONFIG.md).
//!
//! [`load()`] gives one node, [`Topology::load`] a whole network, [`check()`] judges a file without starting anything. All
//! of them report every mistake at once, each with its place. The way there:
//!
//! 1. `file` reads bytes, `yaml` makes a tree that knows its lines, `substitute` puts variables in, `secret_file` the secrets
//!    that stand in files of their own.
//! 2. A topology file becomes the tree of one node (`topology`), its routes computed (`paths`).
//! 3. `env` and the command line are laid over that tree.
//! 4. `node_file`, with `peers` and `routes`, reads the tree into a [`NodeConfig`].
//!
//! `keys` holds one table of all keys; ranges, defaults, schema, `--print` and documentation follow it. Nothing here
//! resolves a name, binds a port or reads the process' environment by itself ([`environment_of_process`] does).

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
pub use file::Content;
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
pub use watch::{ContentHash, Decision, FileWatch, Look};

#[cfg(test)]
mod tests;
