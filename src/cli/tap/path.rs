//! Shows each packet as a whole: the records of all nodes, in the order of its path.
//!
//! A packet is shown when its answers are there, or cannot come any more. [`packet_paths`] puts the records in order.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::line::describe_packet;
use crate::console::{padded, sanitize};
use crate::observe::{HopBody, PacketBody, PacketPhase, packet_paths, parse_time};

/// A packet is complete when each node has answered it and nothing has come for this time.
const QUIET: Duration = Duration::from_secs(1);
/// Packets that are kept until they are complete. The oldest goes first.
const PACKETS_MAX: usize = 4_096;
/// Records of one key. Packets that are not in the sample may share one.
const RECORDS_MAX: usize = 256;

/// What tells packets apart: the condition, and the sample key where many packets have the condition.
type PacketKey = (String, Option<String>);

/// Packets that are not complete yet.
#[derive(Debug, Default)]
pub(super) struct OpenPaths {
    records: HashMap<PacketKey, OpenRecords>,
    /// Keys in the order of their first records.
    order: VecDeque<PacketKey>,
}

/// What is known of the packets with one key.
#[derive(Debug, Default)]
struct OpenRecords {
    records: Vec<PacketBody>,
    /// When the last one came.
    last: Option<Instant>,
    /// For each node, account and request id that waits for an answer: when that cannot come any more.
    waiting: HashMap<SentPacket, Instant>,
}

/// Node, account of the next hop, and request id there.
type SentPacket = (String, Option<String>, Option<u32>);

impl OpenRecords {
    fn add(&mut self, packet: PacketBody, now: Instant) {
        self.last = Some(now);
        let sent = (packet.node.clone(), packet.to.clone(), packet.outgoing_request_id);
        match packet.phase {
            PacketPhase::Forwarded => {
                // Both are of the node's clock.
                let times =
                    parse_time(&packet.at).zip(packet.expires_at.as_deref().and_then(parse_time));
                let left = times.map(|(at, expiry)| expiry.saturating_duration_since(at));
                let until = now.checked_add(left.unwrap_or_default()).unwrap_or(now);
                self.waiting.insert(sent, until);
            }
            _ => drop(self.waiting.remove(&sent)),
        }
        self.records.push(packet);
    }

    fn is_complete(&self, now: Instant) -> bool {
        let is_past = |at: &Instant| now.saturating_duration_since(*at) >= QUIET;
        self.last.iter().chain(self.waiting.values()).all(is_past)
    }
}

impl OpenPaths {
    /// Adds a record. Returns paths that must make room.
    pub(super) fn add(&mut self, packet: PacketBody, now: Instant) -> Vec<Vec<String>> {
        let key = (packet.condition.clone(), packet.sample_key.clone());
        let open = self.records.entry(key.clone()).or_insert_with(|| {
            self.order.push_back(key.clone());
            OpenRecords::default()
        });
        open.add(packet, now);
        if open.records.len() >= RECORDS_MAX {
            return self.close(&key);
        }
        match self.order.len() > PACKETS_MAX {
            true => {
                self.order.front().cloned().map(|oldest| self.close(&oldest)).unwrap_or_default()
            }
            false => Vec::new(),
        }
    }

    /// The paths that are complete, or all.
    pub(super) fn take_complete(&mut self, now: Instant, all: bool) -> Vec<Vec<String>> {
        let is_complete = |key: &&PacketKey| {
            all || self.records.get(*key).is_none_or(|open| open.is_complete(now))
        };
        let complete: Vec<PacketKey> = self.order.iter().filter(is_complete).cloned().collect();
        complete.iter().flat_map(|key| self.close(key)).collect()
    }

    fn close(&mut self, key: &PacketKey) -> Vec<Vec<String>> {
        self.order.retain(|known| known != key);
        let records = self.records.remove(key).unwrap_or_default().records;
        packet_paths(records.iter()).iter().map(|hops| path_lines(hops)).collect()
    }
}

/// One packet as lines.
fn path_lines(hops: &[HopBody]) -> Vec<String> {
    let records = || hops.iter().flat_map(|hop| [&hop.forwarded, &hop.answer]).flatten();
    let destination = records().find_map(|record| record.destination.as_deref());
    let destination = destination.map_or("?".to_owned(), sanitize);
    let first = records().next();
    let condition = first.and_then(|record| record.condition.get(..16)).unwrap_or_default();
    let at = first.and_then(|record| record.at.get(11..23)).unwrap_or_default();
    let (at, condition) = (sanitize(at), sanitize(condition));
    let head = format!("{at}  packet {condition} to {destination}");
    let of_hops = records().map(|record| {
        let node = padded(&sanitize(&record.node), 8);
        format!("  {node}  {}", describe_packet(record))
    });
    std::iter::once(head).chain(of_hops).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::packet;
    use super::*;
    use crate::console::apply_colours;

    fn record(node: &str, from: &str, to: &str, ids: (u32, u32), phase: PacketPhase) -> PacketBody {
        PacketBody {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            request_id: Some(ids.0),
            outgoing_request_id: Some(ids.1),
            destination: (!matches!(phase, PacketPhase::Fulfilled)).then(|| "test.c.x".to_owned()),
            // Nodes count their records.
            id: format!("00000000-{}", u8::from(phase != PacketPhase::Forwarded)),
            ..packet(node, phase)
        }
    }

    #[test]
    fn shuffled_records_of_two_packets_with_one_condition() {
        use PacketPhase::{Forwarded, Fulfilled, Received};
        let records = [
            record("b", "a", "c", (20, 30), Fulfilled),
            record("a", "cli", "b", (10, 20), Forwarded),
            record("b", "a", "c", (21, 31), Forwarded),
            record("c", "b", "x", (30, 0), Received),
            record("b", "a", "c", (20, 30), Forwarded),
            record("a", "cli", "b", (10, 20), Fulfilled),
        ];
        let now = Instant::now();
        let mut open = OpenPaths::default();
        for record in records {
            assert_eq!(open.add(record, now), Vec::<Vec<String>>::new());
        }
        assert!(open.take_complete(now, false).is_empty());
        let paths = open.take_complete(now + QUIET, false);
        insta::assert_snapshot!(plain(&paths), @r"
        12:00:01.104  packet 0000000000000000 to test.c.x
          a         forwarded  cli -> b      test.c.x
          a         fulfilled  cli -> b
          b         forwarded  a -> c        test.c.x
          b         fulfilled  a -> c
          c         received   b -> x        test.c.x

        12:00:01.104  packet 0000000000000000 to test.c.x
          b         forwarded  a -> c        test.c.x
        ");
        assert!(open.take_complete(now, true).is_empty());
    }

    fn plain(paths: &[Vec<String>]) -> String {
        let plain = paths.iter().map(|lines| {
            let lines = lines.iter().map(|line| apply_colours(line, false));
            lines.collect::<Vec<_>>().join("\n")
        });
        plain.collect::<Vec<_>>().join("\n\n")
    }

    /// Both ends of the link between b and c count for themselves, and the two pings have one condition.
    #[test]
    fn pings_over_http_are_whole() {
        use PacketPhase::{Forwarded, Fulfilled};
        let (now, mut open) = (Instant::now(), OpenPaths::default());
        for (key, nth) in [("11", 0), ("22", 1)] {
            for (node, from, to, ids) in [
                ("b", "a", "c", (20 + nth, 30 + nth)),
                ("c", "b", "d", (nth, 40 + nth)),
                ("d", "c", "x", (40 + nth, 50)),
            ] {
                let phases = if node == "d" { vec![Fulfilled] } else { vec![Forwarded, Fulfilled] };
                for phase in phases {
                    let sample_key = Some(key.repeat(8));
                    let condition = hex::encode(crate::wire::Condition::PING.0);
                    let record = record(node, from, to, ids, phase);
                    open.add(PacketBody { sample_key, condition, ..record }, now);
                }
            }
        }
        let paths = open.take_complete(now + QUIET, false);
        let nodes = |lines: &Vec<String>| {
            let nodes = lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
            nodes.collect::<String>()
        };
        assert_eq!(paths.iter().map(nodes).collect::<Vec<_>>(), ["bbccd", "bbccd"]);
    }

    #[test]
    fn a_packet_waits_for_its_answer_until_it_expires() {
        let (now, mut open) = (Instant::now(), OpenPaths::default());
        let mut forwarded = record("a", "cli", "b", (1, 2), PacketPhase::Forwarded);
        forwarded.expires_at = Some("2026-03-01T12:00:10.104Z".to_owned());
        let answer = record("a", "cli", "b", (1, 2), PacketPhase::Rejected);
        open.add(forwarded.clone(), now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(open.take_complete(after(8), false).is_empty(), "9 s are left at the next hop");
        open.add(answer, after(8));
        assert!(open.take_complete(after(8), false).is_empty(), "other nodes may have more");
        let paths = open.take_complete(after(9), false);
        insta::assert_snapshot!(plain(&paths), @r"
        12:00:01.104  packet 0000000000000000 to test.c.x
          a         forwarded  cli -> b      test.c.x
          a         rejected   cli -> b      test.c.x
        ");
        open.add(forwarded, now);
        assert!(open.take_complete(after(9), false).is_empty());
        assert_eq!(
            open.take_complete(after(10), false).len(),
            1,
            "the record of the answer is lost"
        );
    }

    #[test]
    fn the_oldest_packet_makes_room() {
        let now = Instant::now();
        let mut open = OpenPaths::default();
        let mut printed = 0;
        for number in 0..PACKETS_MAX + 3 {
            let condition = format!("{number:064x}");
            let record = PacketBody { condition, ..packet("a", PacketPhase::Forwarded) };
            printed += open.add(record, now).len();
        }
        assert_eq!(printed, 3);
        let many = (0..RECORDS_MAX).map(|number| PacketBody {
            id: format!("00000000-{number}"),
            ..packet("a", PacketPhase::Forwarded)
        });
        printed = many.map(|record| open.add(record, now).len()).sum();
        assert_eq!(printed, 1 + RECORDS_MAX);
    }
}
