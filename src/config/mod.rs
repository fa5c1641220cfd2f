//! Configuration: a file, the environment and the command line become validated settings (docs/CONFIG.md).
//!
//! [`load`] gives one node, [`Topology::load`] a whole network, [`check`] judges a file without starting anything. All
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

mod check;
mod diff;
mod ends;
mod env;
mod expand;
mod fields;
mod file;
mod keys;
mod load;
mod network;
mod node_file;
mod own_address;
mod parse;
mod paths;
mod peers;
mod permissions;
mod place;
mod print;
mod problems;
mod reach;
mod receivers;
mod routes;
mod schema;
mod seats;
mod secret;
mod secret_file;
mod settings;
mod show;
mod speak;
mod substitute;
mod syntax;
mod tables;
mod tables_parts;
mod tables_topology;
mod tabs;
mod tag;
mod tls_files;
mod told;
mod topology;
mod value;
mod watch;
mod weak;
mod yaml;

pub use check::{Checked, check};
pub use diff::{Change, diff};
pub use ends::{Between, between};
pub use env::{Environment, get as variable, of_process as environment_of_process};
pub use expand::{LOOPBACK_BTP_PORT, LOOPBACK_HEALTH_PORT, LOOPBACK_HTTP_PORT, Mode};
pub use file::{Content, FILE_BYTES_MAX};
pub use load::{Form, Loaded, Override, Source, load, load_content};
pub use own_address::{OwnAddressError, not_below_peer};
pub use place::{Origin, Place};
pub use problems::{PROBLEMS_MAX, Problem, Problems};
pub use schema::schema;
pub use seats::{PortNote, Seats};
pub use secret::{MASK, Secret};
pub use secret_file::{SECRET_FILE_BYTES_MAX, SecretFileError, read_secret, read_secret_file};
pub use settings::{
    AssetMismatch, Credentials, HealthSettings, HttpSettings, LogSettings, NodeConfig, PeerConfig,
    ReceiverConfig, Routing, ServerSettings, SessionSettings, TlsFiles, Unset,
};
pub use topology::Topology;
pub use watch::{ContentHash, Decision, FileWatch, Look};

#[cfg(test)]
mod tests;
