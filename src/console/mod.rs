//! What commands and tools share: how a failure ends the process, the runtime, figures and tables as people read them,
//! and values of flags.

mod arg_values;
mod failure;
mod runtime;
mod table;
mod text;

pub use arg_values::{data_from_hex, duration, hash, ping_address};
pub use failure::{Failure, chain, of_clap};
pub use runtime::runtime;
pub use table::{Cell, Colour, Table, fit, paint};
pub use text::{
    format_duration, grouped, millis, padded, per_second, percent, ratio, sanitize, sanitize_json,
    shell,
};
