//! Shared by commands and tools: failures and exit codes, the runtime, the node on this machine that a configuration
//! names and its health, formats and tables for people, parsers of flags.

mod arg_parsers;
mod exit_status;
mod failure;
mod format;
mod health_probe;
mod local_node;
mod runtime;
mod table;

pub use arg_parsers::{parse_duration, parse_hash, parse_hex, parse_ping_address};
pub use failure::{Failure, exit_result, report_clap_error};
pub use format::{
    count, decimal, describe_code, describe_node, error_chain, format_duration, format_millis,
    format_percent, group_digits, padded, per_second, ratio, sanitize, sanitize_answer,
    sanitize_json, shell_quote,
};
pub use health_probe::fetch_health;
pub use local_node::{
    NAME_A_FILE, NodeAndNetwork, SourceArguments, describe_unknown_port, host_to_dial,
    load_local_node, load_node_and_network, url_of_unknown_port,
};
pub use runtime::{block_on, build_runtime};
pub use table::{Cell, Colour, Table, apply_colours, shorten_name, truncate, wrap};
