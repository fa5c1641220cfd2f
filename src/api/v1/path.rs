//! The path of one packet over the nodes in view, from the records that are kept.
//!
//! A node's record of a packet has the request ids of both links, and the next node's has the same id for the link
//! between them: link, direction and id join them, and the condition must be the same. Clocks do not matter.

use std::sync::Arc;

use serde::Serialize;

use crate::observe::{PacketBody, PacketPhase};

/// Hops of one path, at most.
const HOPS_MAX: usize = 64;

/// What one node did with a packet.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PacketHop {
    node: String,
    /// The Prepare that it sent on, or that its receiver took.
    forwarded: Option<Arc<PacketBody>>,
    /// The answer that it gave or passed back.
    answer: Option<Arc<PacketBody>>,
}

impl PacketHop {
    fn of(record: &Arc<PacketBody>) -> Self {
        let is_answer = matches!(record.phase, PacketPhase::Fulfilled | PacketPhase::Rejected);
        let (forwarded, answer) = match is_answer {
            true => (None, Some(Arc::clone(record))),
            false => (Some(Arc::clone(record)), None),
        };
        Self { node: record.node.clone(), forwarded, answer }
    }

    /// What is known of it.
    pub(super) fn records(&self) -> impl Iterator<Item = &PacketBody> {
        self.forwarded.as_deref().into_iter().chain(self.answer.as_deref())
    }

    fn record(&self) -> Option<&PacketBody> {
        self.forwarded.as_deref().or(self.answer.as_deref())
    }

    /// Adds the record if it is about the same packet at the same node.
    fn add(&mut self, record: &Arc<PacketBody>) -> bool {
        let Some(own) = self.record() else { return false };
        let is_same = own.node == record.node
            && own.from == record.from
            && own.request_id == record.request_id
            && ids_fit(own.outgoing_request_id, record.outgoing_request_id);
        let other = Self::of(record);
        let fits = match (&self.forwarded, &self.answer) {
            (Some(_), None) => other.answer.is_some(),
            (None, Some(_)) => other.forwarded.is_some(),
            _ => false,
        };
        if is_same && fits {
            self.forwarded = self.forwarded.take().or(other.forwarded);
            self.answer = self.answer.take().or(other.answer);
        }
        is_same && fits
    }

    /// Whether this hop sent the packet to `next`.
    fn leads_to(&self, next: &Self) -> bool {
        let (Some(own), Some(far)) = (self.record(), next.record()) else { return false };
        own.to.as_deref() == Some(&*next.node)
            && far.from.as_deref() == Some(&*self.node)
            && far.request_id.is_some()
            && own.outgoing_request_id == far.request_id
    }
}

/// A node that answers by itself has no outgoing id.
fn ids_fit(one: Option<u32>, other: Option<u32>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// The hops of this packet that are kept, in the order of its path.
pub(super) fn hops(packet: &PacketBody, kept: &[(u64, Arc<PacketBody>)]) -> Vec<PacketHop> {
    let mut hops: Vec<PacketHop> = Vec::new();
    let same = kept.iter().filter(|(_, record)| record.condition == packet.condition);
    for (_, record) in same {
        // The newest hop first: an id may be used again after its answer.
        if !hops.iter_mut().rev().any(|hop| hop.add(record)) {
            hops.push(PacketHop::of(record));
        }
    }
    let has_packet = |hop: &PacketHop| {
        [&hop.forwarded, &hop.answer].into_iter().flatten().any(|record| record.id == packet.id)
    };
    let Some(at) = hops.iter().position(has_packet) else { return Vec::new() };
    let mut path = std::collections::VecDeque::from([hops.swap_remove(at)]);
    while path.len() < HOPS_MAX
        && let Some(first) = path.front()
        && let Some(at) = hops.iter().position(|hop| hop.leads_to(first))
    {
        path.push_front(hops.swap_remove(at));
    }
    while path.len() < HOPS_MAX
        && let Some(last) = path.back()
        && let Some(at) = hops.iter().position(|hop| last.leads_to(hop))
    {
        path.push_back(hops.swap_remove(at));
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::observe::PacketLane;

    /// A packet over these nodes, with an id on each link.
    fn records(nodes: &[&str], first_id: u32, number: &mut u64) -> Vec<Arc<PacketBody>> {
        let mut records = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let index_id = u32::try_from(index).unwrap();
            let before = index.checked_sub(1).map_or("cli", |before| nodes[before]);
            let after = nodes.get(index + 1);
            for phase in [PacketPhase::Forwarded, PacketPhase::Rejected] {
                if after.is_none() && phase == PacketPhase::Forwarded {
                    continue;
                }
                *number += 1;
                records.push(Arc::new(PacketBody {
                    id: format!("00000001-{number}"),
                    at: String::new(),
                    node: (*node).to_owned(),
                    phase,
                    lane: PacketLane::Sample,
                    condition: "01".to_owned(),
                    from: Some(before.to_owned()),
                    request_id: Some(first_id + index_id),
                    to: after.map(|after| (*after).to_owned()),
                    outgoing_request_id: after.map(|_| first_id + index_id + 1),
                    destination: None,
                    prefix: None,
                    amount: None,
                    outgoing_amount: None,
                    expires_at: None,
                    latency_us: None,
                    code: None,
                    decided_here: after.is_none(),
                    reason: None,
                    triggered_by: None,
                    message: None,
                }));
            }
        }
        records
    }

    /// Pings have one condition, so only the ids tell their packets apart.
    #[test]
    fn shuffled_records_of_many_packets_become_their_paths() {
        const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
        for seed in 0..50 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut number = 0;
            let mut paths = Vec::new();
            for packet in 0..10 {
                let mut nodes = NODES.to_vec();
                nodes.shuffle(&mut random);
                nodes.truncate(random.random_range(1..=5));
                let records = records(&nodes, packet * 100, &mut number);
                paths.push((nodes, records));
            }
            let mut kept: Vec<_> = paths.iter().flat_map(|(_, records)| records).cloned().collect();
            kept.shuffle(&mut random);
            let kept: Vec<_> = kept.into_iter().map(|record| (0, record)).collect();
            for (nodes, records) in &paths {
                let wanted = &records[random.random_range(0..records.len())];
                let found = hops(wanted, &kept);
                let path: Vec<&str> = found.iter().map(|hop| hop.node.as_str()).collect();
                assert_eq!(path, *nodes, "seed {seed}");
                let last = found.len() - 1;
                for (index, hop) in found.iter().enumerate() {
                    assert_eq!(hop.forwarded.is_some(), index < last, "seed {seed}");
                    assert!(hop.answer.is_some(), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn a_gap_ends_the_path() {
        let mut records = records(&["a", "b", "c"], 1, &mut 0);
        records.retain(|record| record.node != "b");
        let kept: Vec<_> = records.iter().map(|record| (0, Arc::clone(record))).collect();
        let path = hops(&records[0], &kept);
        assert_eq!(path.len(), 1);
        assert!(path[0].forwarded.is_some() && path[0].answer.is_some());
        assert!(hops(&records[0], &[]).is_empty());
    }
}
