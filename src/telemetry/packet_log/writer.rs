//! The packet log's thread: formats the records in the ring, and appends many lines at a time to the log.
//!
//! When the packet log is off, connectors have no ring, and the packet path pays nothing. Records that find the ring
//! full are lost and counted ([`PacketLogTotals`]), and a line reports them every ten seconds at most. While the log is
//! full this thread waits, and the ring fills up; once the packet log is off, it waits only for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::PacketLine;
use super::{PacketLogTotals, ProcessPacketLog};

/// How long the thread sleeps when the ring is empty.
const IDLE_INTERVAL: Duration = Duration::from_millis(10);
/// Bytes that are appended to the log at a time.
const WRITE_BYTES: usize = 64 * 1024;
/// Room for one line; longer ones make the buffer grow.
const LINE_BYTES: usize = 1024;
/// How long the thread waits for room in the log before it checks whether the packet log is off.
const ROOM_TIMEOUT: Duration = Duration::from_millis(100);

/// The work of the packet log's thread.
#[derive(Debug)]
pub struct PacketWriter {
    packet_log: Arc<ProcessPacketLog>,
    /// Indexed by node number; `None` until the node's first record.
    nodes: Vec<Option<NodeLines>>,
    buffer: Vec<u8>,
    /// The packet log is off and the log is full: the remaining records are counted as lost.
    is_discarding: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct NodeLines {
    line: PacketLine,
    totals: Arc<PacketLogTotals>,
    /// Lines in the buffer.
    buffered: u64,
}

impl PacketWriter {
    pub(super) fn new(packet_log: Arc<ProcessPacketLog>) -> Self {
        Self {
            packet_log,
            nodes: Vec::new(),
            buffer: Vec::with_capacity(WRITE_BYTES + LINE_BYTES),
            is_discarding: false,
            has_ended: false,
        }
    }

    /// Writes until no node has the packet log on. Blocks: run it on a thread of its own.
    pub fn run(mut self) {
        loop {
            // Read first: records pushed before the last node switched it off are then written below.
            let is_off = self.packet_log.is_off();
            while self.write_some() {}
            self.packet_log.count_lost(Instant::now(), is_off);
            if is_off && self.packet_log.may_end() {
                self.has_ended = true;
                return;
            }
            std::thread::park_timeout(IDLE_INTERVAL);
        }
    }

    /// Appends one buffer of lines to the log; `false` if the ring is empty.
    fn write_some(&mut self) -> bool {
        self.packet_log.set_busy(true);
        let has_lines = self.fill_buffer();
        if has_lines {
            self.write_buffer();
            // Under constant load the ring never runs empty, and losses are reported here.
            self.packet_log.count_lost(Instant::now(), false);
        }
        self.packet_log.set_busy(false);
        has_lines
    }

    fn fill_buffer(&mut self) -> bool {
        self.buffer.clear();
        let mut has_lines = false;
        while self.buffer.len() < WRITE_BYTES
            && let Some((number, record)) = self.packet_log.pop()
        {
            has_lines = true;
            let index = usize::try_from(number.0).unwrap_or(usize::MAX);
            if self.nodes.len() <= index {
                self.nodes.resize_with(index + 1, || None);
            }
            let Some(node) = self.nodes.get_mut(index) else { continue };
            if node.is_none() {
                let new = self.packet_log.line_of(number);
                *node = new.map(|(line, totals)| NodeLines { line, totals, buffered: 0 });
            }
            if let Some(node) = node {
                node.line.write(record, &mut self.buffer);
                node.buffered += 1;
            }
        }
        has_lines
    }

    fn write_buffer(&mut self) {
        let is_written = loop {
            let timeout = if self.is_discarding { Duration::ZERO } else { ROOM_TIMEOUT };
            if self.packet_log.output.write_bulk(&self.buffer, timeout) {
                break true;
            }
            self.packet_log.count_lost(Instant::now(), false);
            if self.packet_log.is_off() {
                self.is_discarding = true;
                break false;
            }
        };
        for node in self.nodes.iter_mut().flatten() {
            node.totals.count(std::mem::take(&mut node.buffered), is_written);
        }
    }
}

impl Drop for PacketWriter {
    fn drop(&mut self) {
        if !self.has_ended {
            self.packet_log.forget_writer();
        }
    }
}
