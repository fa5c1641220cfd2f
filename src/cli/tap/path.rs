//! Puts the records of one packet at several nodes in the order of its path.
//!
//! Link, direction and request id join two hops; the condition is the check. Clocks do not matter.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::line::describe_packet;
use crate::console::{padded, sanitize};
use crate::observe::{PacketBody, PacketPhase};

/// A packet is complete when nothing has come for this time.
const QUIET: Duration = Duration::from_secs(1);
/// Packets that are kept until they are complete. The oldest goes first.
const PACKETS_MAX: usize = 4_096;
/// Records of one condition. Pings share one.
const RECORDS_MAX: usize = 256;

/// Packets that are not complete yet, by condition.
#[derive(Debug, Default)]
pub(super) struct OpenPaths {
    records: HashMap<String, (Instant, Vec<PacketBody>)>,
    /// Conditions in the order of their first records.
    order: VecDeque<String>,
}

/// What one node did with a packet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct TappedHop {
    records: Vec<PacketBody>,
}

impl OpenPaths {
    /// Adds a record. Returns paths that must make room.
    pub(super) fn add(&mut self, packet: PacketBody, now: Instant) -> Vec<Vec<String>> {
        let condition = packet.condition.clone();
        let (last, records) = self.records.entry(condition.clone()).or_insert_with(|| {
            self.order.push_back(condition.clone());
            (now, Vec::new())
        });
        *last = now;
        records.push(packet);
        if records.len() >= RECORDS_MAX {
            return self.close(&condition);
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
        let is_quiet = |condition: &&String| {
            let last = self.records.get(*condition).map(|(last, _)| *last);
            all || last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET)
        };
        let complete: Vec<String> = self.order.iter().filter(is_quiet).cloned().collect();
        complete.iter().flat_map(|condition| self.close(condition)).collect()
    }

    fn close(&mut self, condition: &str) -> Vec<Vec<String>> {
        self.order.retain(|known| known != condition);
        let records = self.records.remove(condition).map(|(_, records)| records);
        paths(records.unwrap_or_default())
    }
}

/// The records as paths, each as lines.
fn paths(records: Vec<PacketBody>) -> Vec<Vec<String>> {
    let mut hops: Vec<TappedHop> = Vec::new();
    for record in records {
        match hops.iter_mut().find(|hop| hop.is_of(&record)) {
            Some(hop) => hop.records.push(record),
            None => hops.push(TappedHop { records: vec![record] }),
        }
    }
    for hop in &mut hops {
        // The Prepare before its answer.
        hop.records.sort_by_key(is_answer);
    }
    let is_first = |hop: &TappedHop| !hops.iter().any(|before| before.leads_to(hop));
    let firsts: Vec<&TappedHop> = hops.iter().filter(|hop| is_first(hop)).collect();
    firsts.into_iter().map(|first| path_lines(first, &hops)).collect()
}

fn path_lines(first: &TappedHop, hops: &[TappedHop]) -> Vec<String> {
    let text = |value: Option<&String>| value.map_or("?".to_owned(), |value| sanitize(value));
    let destination = first.records.iter().find_map(|record| record.destination.as_ref());
    let condition = first.records.first().map(|record| record.condition.as_str());
    let condition = sanitize(condition.and_then(|text| text.get(..16)).unwrap_or_default());
    let at = first.records.first().and_then(|record| record.at.get(11..23));
    let at = sanitize(at.unwrap_or_default());
    let mut lines = vec![format!("{at}  packet {condition} to {}", text(destination))];
    let mut hop = Some(first);
    let mut left = hops.len();
    while let Some(current) = hop.filter(|_| left > 0) {
        left -= 1;
        for record in &current.records {
            let node = padded(&sanitize(&record.node), 8);
            lines.push(format!("  {node}  {}", describe_packet(record)));
        }
        hop = hops.iter().find(|next| current.leads_to(next));
    }
    lines
}

fn is_answer(record: &PacketBody) -> bool {
    matches!(record.phase, PacketPhase::Fulfilled | PacketPhase::Rejected)
}

impl TappedHop {
    fn is_of(&self, record: &PacketBody) -> bool {
        self.records.first().is_some_and(|own| {
            own.node == record.node
                && own.from == record.from
                && own.request_id == record.request_id
                && is_answer(own) != is_answer(record)
                && self.records.len() < 2
        })
    }

    /// Whether the next hop got the packet from this one.
    fn leads_to(&self, next: &Self) -> bool {
        let Some(arrived) = next.records.first() else { return false };
        self.records.iter().any(|sent| {
            sent.outgoing_request_id.is_some()
                && sent.to.as_deref() == Some(&arrived.node)
                && arrived.from.as_deref() == Some(&sent.node)
                && sent.outgoing_request_id == arrived.request_id
        })
    }
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
        let plain: Vec<String> = paths
            .iter()
            .map(|lines| {
                let lines = lines.iter().map(|line| apply_colours(line, false));
                lines.collect::<Vec<_>>().join("\n")
            })
            .collect();
        insta::assert_snapshot!(plain.join("\n\n"), @r"
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
        let many = (0..RECORDS_MAX).map(|_| packet("a", PacketPhase::Forwarded));
        printed = many.map(|record| open.add(record, now).len()).sum();
        assert_eq!(printed, 1 + RECORDS_MAX);
    }
}
