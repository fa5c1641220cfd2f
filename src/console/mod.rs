//! Shared by commands and tools: failures and exit codes, the runtime, formats and tables for people, parsers of flags.

mod arg_parsers;
mod failure;
mod format;
mod runtime;
mod table;

pub use arg_parsers::{parse_duration, parse_hash, parse_hex, parse_ping_address};
pub use failure::{Failure, exit_result, report_clap_error};
pub use format::{
    count, describe_code, describe_node, error_chain, format_duration, format_millis,
    format_percent, group_digits, padded, per_second, ratio, sanitize, sanitize_json, shell_quote,
};
pub use runtime::build_runtime;
pub use table::{Cell, Colour, Table, apply_colours, truncate};
