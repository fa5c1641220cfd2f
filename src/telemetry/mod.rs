//! Log lines, packet lines and metrics.
//!
//! [`Logs`] is set up once per process; its levels may change at any time, and a [`LogWriter`] writes its lines on a
//! thread of its own. Each node switches the packet log on or off: the packet path pushes binary records into a ring
//! ([`ProcessPacketLog`]), and a `PacketWriter` on another thread formats them as lines.

mod format;
mod levels;
mod libraries;
mod logs;
mod metrics;
mod output;
mod packet_log;
#[cfg(test)]
mod testing;

pub use levels::{is_meant_as_level, parse_level};
pub use logs::{LevelsOverride, Logs, node_span};
pub use metrics::{Exposition, Metrics, StatusMetrics};
#[cfg(feature = "internals")]
pub use output::LogOutput;
pub use output::{LogTo, LogTotals, LogWriter, RecentLines};
#[cfg(feature = "internals")]
pub use packet_log::PacketWriter;
pub use packet_log::{PacketLogTotals, ProcessPacketLog};
