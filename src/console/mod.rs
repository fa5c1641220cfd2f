//! What commands and tools share: how a failure ends the process, the runtime, figures and tables as people read them,
//! and values of flags.

mod arg_parsers;
mod failure;
mod format;
mod runtime;
mod table;

pub use arg_parsers::{parse_duration, parse_hash, parse_hex, parse_ping_address};
pub use failure::{Failure, report_clap_error};
pub use format::{
    error_chain, format_duration, format_millis, format_percent, group_digits, padded, per_second,
    ratio, sanitize, sanitize_json, shell_quote,
};
pub use runtime::build_runtime;
pub use table::{Cell, Colour, Table, apply_colours, truncate};
