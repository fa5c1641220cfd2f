//! The configuration of a node: a file, the environment and the command line become validated settings
//! (docs/CONFIG.md). Every mistake is reported at once, each with its place. The way there:
//!
//! 1. `file` reads bytes, `yaml` makes a tree that knows its lines, `substitute` replaces variables, `secret_file`
//!    reads secrets from files of their own.
//! 2. `node_tree`, with `env`, applies environment and command line to that tree. [`topology`](crate::topology) makes
//!    such trees of a file that describes a network.
//! 3. `node_file`, with `peers`, `receivers`, `api_tokens` and `routes`, reads the tree into a [`NodeConfig`].
//!
//! Each key is one row of `keys!`, in `node_keys`, `peer_keys`, `route_keys` or `topology_keys`. The typed values, the
//! reader, the schema, `--print`, the comparison at a reload and the tables of docs/CONFIG.md follow from the row
//! (docs/adr/0023-one-row-per-key.md).
//!
//! Nothing here resolves a name or binds a port, and only [`environment_of_process`] reads the environment of the
//! process.

#[macro_use]
mod keys_macro;

mod api_tokens;
mod diagnostics;
mod diff;
mod effective;
pub mod env;
mod exchange_rates;
mod file;
mod guests;
pub mod key_names;
mod key_types;
pub mod keys;
mod loaded;
mod location;
mod mapping;
pub mod node_file;
mod node_keys;
mod node_tree;
mod own_address;
pub mod parse;
mod peer_keys;
mod peers;
mod permissions;
mod print;
mod proxies;
mod rate_files;
mod receivers;
pub mod redact;
mod route_keys;
mod routes;
mod schema;
pub mod secret_file;
mod settings;
mod settlement;
mod shown_variables;
mod source;
mod store;
mod substitute;
mod tabs;
mod tag;
mod tls_files;
mod topology_keys;
mod value;
mod value_kind;
mod watch;
pub mod weak_secrets;
mod webhooks;
mod yaml;
pub mod yaml_hints;

pub use crate::net::{MASK, Secret};
pub use diagnostics::{Diagnostic, DiagnosticSink, Diagnostics};
pub use diff::diff;
pub use effective::EffectiveValue;
pub use env::{Environment, environment_of_process, variable, variable_of_peer, variable_part};
pub use file::FileContent;
pub use guests::GuestSettings;
pub use key_types::{KeySet, wrong_type};
pub use loaded::{FileForm, Loaded};
pub use location::{FirstUses, Location, PlaceDetails, ValueOrigin, ValuePath, ValuePlace};
pub use mapping::Mapping;
pub use node_keys::{NODE, NodeSettings, TlsFiles, WebhookSettings};
pub use node_tree::{apply_overrides, overlay_node_file, tree_without_file};
pub use own_address::OwnAddressError;
pub use rate_files::{RateFile, RateFileCheck, read_rate_file};
pub use schema::schema;
pub use secret_file::{SecretFileError, read_secret, read_secret_file};
pub use settings::{
    AssetMismatch, Credentials, Durability, NodeConfig, PeerConfig, RateSourceConfig,
    RateSourcePlace, Unset,
};
pub use shown_variables::{names_a_node, shown_variables};
pub use source::{Override, Source, parse_file, read_file};
pub use tls_files::TlsFileCheck;
pub use topology_keys::{
    LINK, LinkDraft, LinkSettings, LinkTransport, TOPOLOGY, TOPOLOGY_NODE, TopologyNodeDraft,
    TopologyNodeSettings, TopologySettings,
};
pub use value::{Map, Value, ValueData};
pub use watch::{ContentHash, FileWatch, WatchDecision};

#[cfg(test)]
pub mod tests;
#[cfg(test)]
pub use {
    diagnostics::PROBLEMS_MAX, file::FILE_BYTES_MAX, settings::Routing, value_kind::ValueKind,
};
