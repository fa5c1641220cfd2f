//! What a node tells about itself: log lines, packet lines, metrics.
//!
//! [`Logs`] is set up once per process and may be told new levels at any time; its lines are written by a [`LogWriter`]
//! on a thread of its own. The packet log is switched on by each node: the packet path pushes binary records into a ring
//! ([`PacketStream`]), and a `PacketWriter` on another thread turns them into lines.

mod accept_header;
mod ccp;
mod clock;
mod destinations;
mod event;
mod exposition;
mod families;
mod levels;
mod libraries;
mod limits;
mod line;
mod log_writer;
mod logs;
mod metrics;
mod output;
mod packet_line;
mod packet_log;
mod packet_stream;
mod process;
mod sink;
#[cfg(test)]
mod testing;
mod text;

#[cfg(test)]
pub use levels::LogLevels;
pub use levels::{is_meant_as_level, parse_level};
pub use log_writer::LogWriter;
pub use logs::{Logs, node_span};
pub use metrics::{Exposition, Metrics, StatusMetrics};
#[cfg(feature = "internals")]
pub use output::LogOutput;
pub use output::{LogTo, LogTotals};
#[cfg(feature = "internals")]
pub use packet_log::PacketWriter;
pub use packet_stream::{PacketLogTotals, PacketStream};
