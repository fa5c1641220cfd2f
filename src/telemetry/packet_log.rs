//! The packet log's thread: empties the ring that the packet path fills, and writes many lines at a time.
//!
//! It is switched on and off while the node runs: made, given to the connector, run on a thread that `node` spawns; and
//! taken from the connector, stopped, joined. Off means that the connector has no ring and the packet path pays nothing.
//! What finds the ring full is lost, counted ([`PacketLogTotals`]), and told in a line every ten seconds at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::Level;

use super::event::time_now;
use super::levels::PACKETS;
use super::line::{self, Head};
use super::output::Output;
use super::packet_line::PacketLine;
use super::text::Fields;
use crate::connector::PacketLog;

/// Records that wait for the thread, at most. At 300,000 packets a second, two records each, this is 50 ms.
const PLACES: usize = 32_768;
/// How long the thread sleeps when the ring is empty.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes that make a write.
const WRITE_BYTES: usize = 64 * 1024;
/// Room for one line; longer ones make the buffer grow.
const LINE_BYTES: usize = 1024;
/// The least time between two lines about lost records.
const LOSS_INTERVAL: Duration = Duration::from_secs(10);

/// What the packet logs of one node have done since the start, over all the times that it was switched on.
#[derive(Debug, Default)]
pub struct PacketLogTotals {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl PacketLogTotals {
    /// Records written as lines.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Records that found the ring full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The thread's work.
#[derive(Debug)]
pub struct PacketWriter {
    node_id: Arc<str>,
    log: Arc<PacketLog>,
    output: Output,
    totals: Arc<PacketLogTotals>,
    stop: Arc<AtomicBool>,
    /// Of the records that were lost, those that a line has told of.
    told: u64,
    told_at: Option<Instant>,
    counted: u64,
}

/// Stops a [`PacketWriter`].
#[derive(Debug, Clone)]
pub struct PacketWriterStop(Arc<AtomicBool>);

impl PacketWriterStop {
    /// The writer writes what is left, and [`PacketWriter::run`] returns: within 10 ms if there is nothing left.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl PacketWriter {
    /// A writer for the node's packets with an empty ring, and what stops it.
    pub fn new(
        node_id: Arc<str>,
        output: Output,
        totals: Arc<PacketLogTotals>,
    ) -> (Self, PacketWriterStop) {
        let stop = Arc::new(AtomicBool::new(false));
        let log = Arc::new(PacketLog::new(PLACES));
        let writer = PacketWriter {
            node_id,
            log,
            output,
            totals,
            stop: Arc::clone(&stop),
            told: 0,
            told_at: None,
            counted: 0,
        };
        (writer, PacketWriterStop(stop))
    }

    /// The ring, for the connector ([`Connector::set_packet_log`](crate::connector::Connector::set_packet_log)).
    pub fn ring(&self) -> Arc<PacketLog> {
        Arc::clone(&self.log)
    }

    /// Writes until it is told to stop. Blocks; for a thread of its own.
    pub fn run(mut self) {
        let mut line = PacketLine::new(&self.node_id, self.output.format());
        let mut buffer = Vec::with_capacity(WRITE_BYTES + LINE_BYTES);
        loop {
            // Read first: what was pushed before the stop is then written below.
            let stopping = self.stop.load(Ordering::Acquire);
            while self.write_some(&mut line, &mut buffer) {}
            self.count_lost(Instant::now(), stopping);
            if stopping {
                return;
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Writes one buffer of lines; false if the ring is empty.
    fn write_some(&mut self, line: &mut PacketLine, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        let mut records = 0;
        while buffer.len() < WRITE_BYTES
            && let Some(record) = self.log.pop()
        {
            line.write(&record, buffer);
            records += 1;
        }
        if records == 0 {
            return false;
        }
        self.output.write(buffer);
        self.totals.written.fetch_add(records, Ordering::Relaxed);
        // Under a load that never lets the ring run empty, this is the place to tell of it.
        self.count_lost(Instant::now(), false);
        true
    }

    fn count_lost(&mut self, now: Instant, last: bool) {
        let lost = self.log.dropped();
        self.totals.dropped.fetch_add(lost - self.counted, Ordering::Relaxed);
        self.counted = lost;
        let quiet = self.told_at.is_some_and(|at| now.duration_since(at) < LOSS_INTERVAL);
        if lost > self.told && (last || !quiet) {
            self.output.write(&self.loss_line(lost - self.told));
            (self.told, self.told_at) = (lost, Some(now));
        }
    }

    fn loss_line(&self, lost: u64) -> Vec<u8> {
        let (mut out, format) = (Vec::new(), self.output.format());
        let node = Some(&*self.node_id);
        line::put_time(&mut out, format, &time_now());
        line::put_head(&mut out, format, Head { level: Level::WARN, node, target: PACKETS });
        out.extend_from_slice(
            b"packet log records dropped: packets come faster than lines are written",
        );
        line::end_message(&mut out, format);
        Fields { out: &mut out, format }.bare("dropped", itoa::Buffer::new().format(lost));
        line::end(&mut out, format);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet_line::tests::records;
    use super::super::text::Format;
    use super::*;

    fn writer(output: &Output) -> (PacketWriter, PacketWriterStop, Arc<PacketLogTotals>) {
        let totals = Arc::<PacketLogTotals>::default();
        let (writer, stop) = PacketWriter::new("hub".into(), output.clone(), Arc::clone(&totals));
        (writer, stop, totals)
    }

    fn events(output: &Output) -> Vec<String> {
        let lines = output.written();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.map(|line: serde_json::Value| line["message"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_was_pushed_before_the_stop_is_written() {
        let output = Output::memory(Format::Json);
        let (writer, stop, totals) = writer(&output);
        let ring = writer.ring();
        let thread = std::thread::spawn(|| writer.run());
        for _ in 0..1000 {
            records().into_iter().for_each(|record| ring.push(record));
        }
        stop.stop();
        thread.join().unwrap();
        let expected = ["packet forwarded", "packet fulfilled", "packet rejected"].repeat(1000);
        assert_eq!(events(&output), expected);
        assert_eq!((totals.written(), totals.dropped()), (3000, 0));
    }

    #[test]
    fn what_is_lost_is_counted_and_told() {
        let output = Output::memory(Format::Json);
        let (mut writer, _, totals) = writer(&output);
        let [_, fulfilled, _] = records();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut lose = |count: usize, now, last| {
            while writer.log.pop().is_some() {}
            for _ in 0..PLACES + count {
                writer.log.push(fulfilled.clone());
            }
            writer.count_lost(now, last);
        };
        lose(0, at(0), false);
        assert_eq!(events(&output).len(), 0);
        lose(3, at(0), false);
        lose(4, at(9), false);
        assert_eq!((events(&output).len(), totals.dropped()), (1, 7));
        lose(5, at(11), false);
        lose(6, at(12), true);
        assert_eq!(totals.dropped(), 18);
        let told: Vec<u64> = output
            .written()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| {
                assert_eq!((&line["node"], &line["level"]), (&"hub".into(), &"WARN".into()));
                line["dropped"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(told, [3, 9, 6]);
    }
}
