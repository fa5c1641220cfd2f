//! What commands and tools share: how a failure ends the process, the runtime, figures and tables as people read them,
//! and values of flags.

mod arg_parsers;
mod failure;
mod format;
mod runtime;
mod table;

pub use arg_parsers::{data_from_hex, duration, hash, ping_address};
pub use failure::{Failure, chain, of_clap};
pub use format::{
    format_duration, grouped, millis, padded, per_second, percent, ratio, sanitize, sanitize_json,
    shell,
};
pub use runtime::runtime;
pub use table::{Cell, Colour, Table, fit, paint};
