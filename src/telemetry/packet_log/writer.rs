//! The packet log's thread: empties the ring that the packet path fills, and hands many lines at a time to the log.
//!
//! Off means that connectors have no ring and the packet path pays nothing. What finds the ring full is lost, counted
//! ([`PacketLogTotals`]), and told in a line every ten seconds at most. When the log takes no lines the thread waits,
//! and the ring fills up; at the end it waits for a moment only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::packet_line::PacketLine;
use super::packet_stream::{PacketLogTotals, PacketStream};

/// How long the thread sleeps when the ring is empty.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes that are handed over at a time.
const WRITE_BYTES: usize = 64 * 1024;
/// Room for one line; longer ones make the buffer grow.
const LINE_BYTES: usize = 1024;
/// How long the thread waits for room in the log before it looks whether it is to end.
const ROOM_PATIENCE: Duration = Duration::from_millis(100);

/// The thread's work.
#[derive(Debug)]
pub struct PacketWriter {
    stream: Arc<PacketStream>,
    /// Of each node that had a record, by number.
    nodes: Vec<Option<NodeLines>>,
    buffer: Vec<u8>,
    /// It is to end, and the log takes nothing: what is left is counted as lost.
    hopeless: bool,
    ended: bool,
}

#[derive(Debug)]
struct NodeLines {
    line: PacketLine,
    totals: Arc<PacketLogTotals>,
    /// Lines in the buffer.
    buffered: u64,
}

impl PacketWriter {
    pub(super) fn new(stream: Arc<PacketStream>) -> Self {
        PacketWriter {
            stream,
            nodes: Vec::new(),
            buffer: Vec::with_capacity(WRITE_BYTES + LINE_BYTES),
            hopeless: false,
            ended: false,
        }
    }

    /// Writes until no node has the packet log switched on. Blocks; for a thread of its own.
    pub fn run(mut self) {
        loop {
            // Read first: what was pushed before the last node switched it off is then written below.
            let stopping = self.stream.is_off();
            while self.write_some() {}
            self.stream.count_lost(Instant::now(), stopping);
            if stopping && self.stream.may_end() {
                self.ended = true;
                return;
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Hands over one buffer of lines; false if the ring is empty.
    fn write_some(&mut self) -> bool {
        self.stream.set_busy(true);
        let any = self.fill();
        if any {
            self.hand_over();
            // Under a load that never lets the ring run empty, this is the place to tell of it.
            self.stream.count_lost(Instant::now(), false);
        }
        self.stream.set_busy(false);
        any
    }

    fn fill(&mut self) -> bool {
        self.buffer.clear();
        let mut any = false;
        while self.buffer.len() < WRITE_BYTES
            && let Some((number, record)) = self.stream.pop()
        {
            any = true;
            let place = usize::try_from(number.0).unwrap_or(usize::MAX);
            if self.nodes.len() <= place {
                self.nodes.resize_with(place + 1, || None);
            }
            let Some(node) = self.nodes.get_mut(place) else { continue };
            if node.is_none() {
                let made = self.stream.line_of(number);
                *node = made.map(|(line, totals)| NodeLines { line, totals, buffered: 0 });
            }
            if let Some(node) = node {
                node.line.write(record, &mut self.buffer);
                node.buffered += 1;
            }
        }
        any
    }

    fn hand_over(&mut self) {
        let written = loop {
            let patience = if self.hopeless { Duration::ZERO } else { ROOM_PATIENCE };
            if self.stream.output.write_bulk(&self.buffer, patience) {
                break true;
            }
            self.stream.count_lost(Instant::now(), false);
            if self.stream.is_off() {
                self.hopeless = true;
                break false;
            }
        };
        for node in self.nodes.iter_mut().flatten() {
            let records = std::mem::take(&mut node.buffered);
            if written {
                node.totals.count_written(records);
            } else {
                self.stream.count_unwritten(&node.totals, records);
            }
        }
    }
}

impl Drop for PacketWriter {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.writer_gone();
        }
    }
}

#[cfg(test)]
mod tests;
