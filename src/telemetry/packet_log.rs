//! The packet log of a process: one ring for all nodes, so that `grep` finds a packet's hops in their order, and one
//! thread that empties it while any node has it switched on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;

use super::event::{micros_now, time_now};
use super::levels::PACKETS;
use super::line::{self, LineHead};
use super::output::LogOutput;
use super::packet_line::PacketLine;
use super::packet_log::PacketWriter;
use super::text::LineFields;
use crate::connector::{NodeNumber, PacketLog, PacketRecord, PacketRing};
use crate::time::MonoTime;

/// Records that wait for the thread, at most. At 300,000 packets a second, two records each, this is 50 ms.
pub(super) const PLACES: usize = 32_768;
/// The least time between two lines about lost records.
const LOSS_INTERVAL: Duration = Duration::from_secs(10);

/// What the packet log of one node has done since the start, over all the times that it was switched on.
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

    /// Records that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn count_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }
}

/// What nodes switch on and off. One per process.
#[derive(Debug)]
pub struct PacketStream {
    ring: Arc<PacketRing>,
    pub(super) output: LogOutput,
    nodes: Mutex<Nodes>,
    /// The thread has records in its hands.
    busy: AtomicBool,
}

#[derive(Debug, Default)]
struct Nodes {
    /// By their numbers. One for each name that ever switched it on.
    all: Vec<PacketNode>,
    /// There is a thread, or will be in a moment.
    has_writer: bool,
}

#[derive(Debug)]
struct PacketNode {
    name: Arc<str>,
    log: Arc<PacketLog>,
    totals: Arc<PacketLogTotals>,
    /// The time of day less the node's monotonic clock, in microseconds.
    clock_offset_us: i64,
    on: bool,
    /// Lost records that `totals` has.
    counted: u64,
    /// Lost records that a line has told of, and when.
    told: u64,
    told_at: Option<Instant>,
}

impl PacketStream {
    /// Switched off for all.
    pub fn new(output: LogOutput) -> Arc<Self> {
        Arc::new(PacketStream {
            ring: PacketRing::new(PLACES),
            output,
            nodes: Mutex::default(),
            busy: AtomicBool::new(false),
        })
    }

    /// Switches it on for a node, whose monotonic clock says `mono` now. What comes back is for its connector
    /// ([`Connector::set_packet_log`](crate::connector::Connector::set_packet_log)); and, where none runs, a writer
    /// that is to run on a thread of its own.
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
            (known.totals, known.clock_offset_us, known.on) = (totals, clock_offset_us, true);
            Arc::clone(&known.log)
        } else {
            let number = NodeNumber(u32::try_from(nodes.all.len()).unwrap_or(u32::MAX));
            let log = Arc::new(PacketLog::new(Arc::clone(&self.ring), number));
            nodes.all.push(PacketNode {
                name: node.into(),
                log: Arc::clone(&log),
                totals,
                clock_offset_us,
                on: true,
                counted: 0,
                told: 0,
                told_at: None,
            });
            log
        };
        let is_first = !std::mem::replace(&mut nodes.has_writer, true);
        (log, is_first.then(|| PacketWriter::new(Arc::clone(self))))
    }

    /// Switches it off for a node. What is in the ring is written; then the thread ends, if this was the last node.
    pub fn switch_off(&self, node: &str) {
        let mut nodes = self.nodes.lock();
        if let Some(known) = nodes.all.iter_mut().find(|known| &*known.name == node) {
            known.on = false;
        }
    }

    /// Every record that was pushed is a line in the log's queue, or counted as lost.
    pub fn is_idle(&self) -> bool {
        self.ring.is_empty() && !self.busy.load(Ordering::Acquire)
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Release);
    }

    pub(super) fn pop(&self) -> Option<(NodeNumber, PacketRecord)> {
        self.ring.pop()
    }

    /// Lines of a node, made when its first record comes.
    pub(super) fn line_of(&self, node: NodeNumber) -> Option<(PacketLine, Arc<PacketLogTotals>)> {
        let nodes = self.nodes.lock();
        let node = nodes.all.get(usize::try_from(node.0).ok()?)?;
        let line = PacketLine::new(&node.name, self.output.format(), node.clock_offset_us);
        Some((line, Arc::clone(&node.totals)))
    }

    /// No node has it switched on.
    pub(super) fn is_off(&self) -> bool {
        self.nodes.lock().all.iter().all(|node| !node.on)
    }

    /// The thread ends, unless there is something to do again.
    pub(super) fn may_end(&self) -> bool {
        let mut nodes = self.nodes.lock();
        let may = self.ring.is_empty() && nodes.all.iter().all(|node| !node.on);
        if may {
            nodes.has_writer = false;
        }
        may
    }

    /// A writer is gone that has not ended by itself.
    pub(super) fn writer_gone(&self) {
        self.nodes.lock().has_writer = false;
    }

    /// Records of a node that the log had no room for.
    pub(super) fn count_unwritten(&self, totals: &PacketLogTotals, records: u64) {
        totals.dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts what found the ring full, and tells of it every ten seconds at most; `last`: now.
    pub(super) fn count_lost(&self, now: Instant, last: bool) {
        for node in &mut self.nodes.lock().all {
            let lost = node.log.dropped();
            node.totals.dropped.fetch_add(lost - node.counted, Ordering::Relaxed);
            node.counted = lost;
            let quiet = node.told_at.is_some_and(|at| now.duration_since(at) < LOSS_INTERVAL);
            if lost > node.told && (last || !quiet) {
                self.output.write(&self.loss_line(&node.name, lost - node.told));
                (node.told, node.told_at) = (lost, Some(now));
            }
        }
    }

    fn loss_line(&self, node: &str, lost: u64) -> Vec<u8> {
        let (mut out, format) = (Vec::new(), self.output.format());
        let head = LineHead { level: Level::WARN, node: Some(node), target: PACKETS };
        line::put_time(&mut out, format, &time_now());
        line::put_head(&mut out, format, head);
        out.extend_from_slice(
            b"packet log records dropped: packets come faster than lines are written",
        );
        line::end_message(&mut out, format);
        LineFields { out: &mut out, format }.bare("dropped", itoa::Buffer::new().format(lost));
        line::end(&mut out, format);
        out
    }
}
