//! What a node tells about itself: log lines, packet lines, metrics.
//!
//! [`Logs`] is set up once per process and may be told new levels at any time; its lines are written by a [`LogWriter`]
//! on a thread of its own. The packet log is switched on by each node: the packet path pushes binary records into a ring
//! ([`PacketStream`]), and a `PacketWriter` on another thread turns them into lines.

#[path = "metrics/accept_header.rs"]
mod accept_header;
#[path = "metrics/ccp.rs"]
mod ccp;
#[path = "metrics/clock.rs"]
mod clock;
#[path = "packet_log/destinations.rs"]
mod destinations;
#[path = "format/event.rs"]
mod event;
#[path = "metrics/exposition.rs"]
mod exposition;
#[path = "metrics/families.rs"]
mod families;
mod levels;
mod libraries;
#[path = "metrics/limits.rs"]
mod limits;
#[path = "format/line.rs"]
mod line;
#[path = "output/writer.rs"]
mod log_writer;
mod logs;
mod metrics;
mod output;
#[path = "packet_log/line.rs"]
mod packet_line;
#[path = "packet_log/writer.rs"]
mod packet_log;
#[path = "packet_log.rs"]
mod packet_stream;
#[path = "metrics/process.rs"]
mod process;
#[path = "output/sink.rs"]
mod sink;
#[cfg(test)]
mod testing;
#[path = "format/fields.rs"]
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
