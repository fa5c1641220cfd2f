//! The packet log of a process: one ring for all nodes, so that a search finds a packet's hops in order, and one thread
//! that empties it while any node has the packet log on.

mod destinations;
mod line;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;

use self::line::PacketLine;
pub use self::writer::PacketWriter;
use super::format::{LineHead, micros_now, put_line};
use super::levels::PACKETS;
use super::output::LogOutput;
use crate::connector::{NodeNumber, PacketLog, PacketRecord, PacketRing};
use crate::time::MonoTime;

/// Records that may wait for the thread. At 300,000 packets a second, two records each, this is 50 ms.
const RING_CAPACITY: usize = 32_768;
/// The minimum time between two lines about lost records.
const LOSS_LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Counts of one node's packet log since the start; switching it off and on keeps them.
#[derive(Debug, Default)]
pub struct PacketLogTotals {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl PacketLogTotals {
    /// Records that became lines.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Records that were lost: there was no room for them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn count(&self, records: u64, is_written: bool) {
        let count = if is_written { &self.written } else { &self.dropped };
        count.fetch_add(records, Ordering::Relaxed);
    }
}

/// The packet log of the process, which each node switches on and off.
#[derive(Debug)]
pub struct ProcessPacketLog {
    ring: Arc<PacketRing>,
    output: LogOutput,
    nodes: Mutex<PacketNodes>,
    /// The thread holds records that are not in the log's queue yet.
    is_busy: AtomicBool,
}

#[derive(Debug, Default)]
struct PacketNodes {
    /// Indexed by node number: each node that ever switched it on.
    all: Vec<PacketNode>,
    /// The thread runs, or its writer was returned.
    has_writer: bool,
}

#[derive(Debug)]
struct PacketNode {
    name: Arc<str>,
    log: Arc<PacketLog>,
    totals: Arc<PacketLogTotals>,
    /// The time of day minus the node's monotonic clock, in microseconds.
    clock_offset_us: i64,
    is_on: bool,
    /// Lost records included in `totals`.
    counted: u64,
    /// Lost records that lines have reported, and when the last of them was written.
    reported: u64,
    reported_at: Option<Instant>,
}

impl ProcessPacketLog {
    /// A packet log that is off for all nodes.
    pub fn new(output: LogOutput) -> Arc<Self> {
        Arc::new(Self {
            ring: PacketRing::new(RING_CAPACITY),
            output,
            nodes: Mutex::default(),
            is_busy: AtomicBool::new(false),
        })
    }

    /// Switches the packet log on for a node whose monotonic clock reads `mono` now. Returns the log for its connector
    /// ([`Connector::set_packet_log`](crate::connector::Connector::set_packet_log)) and, unless one runs, a writer that
    /// the caller must run on a thread of its own.
    pub fn switch_on(
        self: &Arc<Self>,
        node: &str,
        totals: Arc<PacketLogTotals>,
        mono: MonoTime,
    ) -> (Arc<PacketLog>, Option<PacketWriter>) {
        let mono_us = i64::try_from(mono.0 / 1000).unwrap_or(i64::MAX);
        let clock_offset_us = micros_now().saturating_sub(mono_us);
        let mut nodes = self.nodes.lock();
        let known = nodes.all.iter_mut().find(|known| &*known.name == node);
        let log = if let Some(known) = known {
            (known.totals, known.clock_offset_us, known.is_on) = (totals, clock_offset_us, true);
            Arc::clone(&known.log)
        } else {
            let number = u32::try_from(nodes.all.len()).expect("a process runs fewer nodes");
            let log = Arc::new(PacketLog::new(Arc::clone(&self.ring), NodeNumber(number)));
            nodes.all.push(PacketNode {
                name: node.into(),
                log: Arc::clone(&log),
                totals,
                clock_offset_us,
                is_on: true,
                counted: 0,
                reported: 0,
                reported_at: None,
            });
            log
        };
        let is_first = !std::mem::replace(&mut nodes.has_writer, true);
        (log, is_first.then(|| PacketWriter::new(Arc::clone(self))))
    }

    /// Switches the packet log off for a node. Records in the ring are still written; after the last node the thread
    /// ends.
    pub fn switch_off(&self, node: &str) {
        let mut nodes = self.nodes.lock();
        if let Some(known) = nodes.all.iter_mut().find(|known| &*known.name == node) {
            known.is_on = false;
        }
    }

    /// Whether each record so far is a line in the log's queue, or counted as lost.
    pub fn is_idle(&self) -> bool {
        self.ring.is_empty() && !self.is_busy.load(Ordering::Acquire)
    }

    fn set_busy(&self, busy: bool) {
        self.is_busy.store(busy, Ordering::Release);
    }

    fn pop(&self) -> Option<(NodeNumber, PacketRecord)> {
        self.ring.pop()
    }

    /// The formatter and the counts of a node, for its first record.
    fn line_of(&self, node: NodeNumber) -> Option<(PacketLine, Arc<PacketLogTotals>)> {
        let nodes = self.nodes.lock();
        let node = nodes.all.get(usize::try_from(node.0).ok()?)?;
        let line = PacketLine::new(&node.name, self.output.format(), node.clock_offset_us);
        Some((line, Arc::clone(&node.totals)))
    }

    fn is_off(&self) -> bool {
        self.nodes.lock().all.iter().all(|node| !node.is_on)
    }

    /// Whether the thread may end. If so, the next node gets another writer.
    fn may_end(&self) -> bool {
        let mut nodes = self.nodes.lock();
        let may_end = self.ring.is_empty() && nodes.all.iter().all(|node| !node.is_on);
        if may_end {
            nodes.has_writer = false;
        }
        may_end
    }

    /// Lets the next node get another writer: this one panicked, or no thread could be started for it.
    fn forget_writer(&self) {
        self.nodes.lock().has_writer = false;
    }

    /// Counts the records that found the ring full, and reports them every ten seconds at most; with `is_last` at once.
    fn count_lost(&self, now: Instant, is_last: bool) {
        for node in &mut self.nodes.lock().all {
            let lost = node.log.dropped();
            node.totals.count(lost - node.counted, false);
            node.counted = lost;
            let is_early =
                node.reported_at.is_some_and(|at| now.duration_since(at) < LOSS_LINE_INTERVAL);
            if lost > node.reported && (is_last || !is_early) {
                self.output.write(&self.loss_line(&node.name, lost - node.reported));
                (node.reported, node.reported_at) = (lost, Some(now));
            }
        }
    }

    fn loss_line(&self, node: &str, lost: u64) -> Vec<u8> {
        let head = LineHead { level: Level::WARN, node: Some(node), target: PACKETS };
        let message = b"packet log records dropped: packets come faster than lines are written";
        let mut out = Vec::new();
        put_line(&mut out, self.output.format(), head, message, |fields| {
            fields.put_integer("dropped", lost);
        });
        out
    }
}

#[cfg(test)]
mod tests;
