//! What a node tells about itself: log lines, packet lines, metrics.
//!
//! [`Logs`] is set up once per process and may be told new levels at any time. The packet log is per node: the packet
//! path pushes binary records into a ring, and a [`PacketWriter`] on a thread of its own turns them into lines.

mod clock;
mod event;
mod exchange;
mod exposition;
mod families;
mod levels;
mod line;
mod logs;
mod metrics;
mod output;
mod packet_line;
mod packet_log;
mod process;
mod text;

pub use levels::{LevelError, LogLevels, PACKETS, parse_level};
pub use logs::{LogError, Logs, node_span};
pub use metrics::{Exposition, Metrics};
pub use output::{LogTo, Output, OutputError};
pub use packet_log::{PacketLogTotals, PacketWriter, PacketWriterStop};
pub use text::Format;
