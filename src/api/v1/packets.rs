//! Reads what the nodes record of their packets: samples while a client watches, and Rejects always.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::account::AccountId;
use crate::api::status::NodeStatus;
use crate::connector::{ObservedPacket, PacketTap, Sample, TAP_CAPACITY};
use crate::observe::{
    ObjectIds, PacketBody, PacketDescriber, PacketLane, Resumed, Ring, SAMPLED_PER_SECOND,
    SampledBody, SharedSample, next_threshold, one_in, parse_time,
};
use crate::remote::{KnownNode, ReceivedPackets};

/// Records of sampled packets that are kept.
const SAMPLES_KEPT: usize = 4_096;
/// Rejects that are kept. Each node keeps some by itself until they are read.
const REJECTS_KEPT: usize = 4_096;
/// Records that are kept, of both lanes.
pub(super) const PACKETS_KEPT: usize = SAMPLES_KEPT + REJECTS_KEPT;
/// No packet is below its threshold.
pub(super) const NO_SAMPLE: Sample = Sample { seed: 0, threshold: 0 };
/// How often the sample gets another size.
const SAMPLE_STEP_MS: u64 = 250;
/// After so many records of one node it gets one at once: packets may come suddenly.
const STEP_RECORDS_MAX: u64 = 4 * SAMPLED_PER_SECOND * SAMPLE_STEP_MS / 1000;

/// What has been read, and how far.
#[derive(Debug)]
pub(super) struct PacketReader {
    samples: Ring<PacketBody>,
    rejects: Ring<PacketBody>,
    lanes: HashMap<AccountId, LaneRead>,
    describer: PacketDescriber,
    sampling: Option<Sampling>,
    /// Records that were lost before they could be read.
    lost: u64,
    /// The same when a client began to watch.
    lost_before: u64,
}

/// How far the Rejects of a node have been read.
#[derive(Clone, Copy, Debug, Default)]
struct LaneRead {
    number: u64,
    not_kept: u64,
}

/// The sample of all nodes, while a client watches.
#[derive(Debug)]
struct Sampling {
    sample: Sample,
    taps: HashMap<AccountId, TapRead>,
    step_began_ms: u64,
    /// Of nodes that run elsewhere, by URL.
    remote: SharedSample<String>,
}

#[derive(Debug)]
struct TapRead {
    node: Weak<NodeStatus>,
    tap: Arc<PacketTap>,
    lost: u64,
    /// Records in this step, lost ones too.
    in_step: u64,
}

/// A record that has no number yet.
struct NewRecord {
    wall_ms: u64,
    body: PacketBody,
}

impl Default for PacketReader {
    fn default() -> Self {
        Self {
            samples: Ring::new(SAMPLES_KEPT),
            rejects: Ring::new(REJECTS_KEPT),
            lanes: HashMap::new(),
            describer: PacketDescriber::default(),
            sampling: None,
            lost: 0,
            lost_before: 0,
        }
    }
}

impl PacketReader {
    /// Begins to sample packets, unless it does. The seed is secret until then, and holds as long as one watches; but
    /// the lowest one that a reader asks for replaces it, so that those who read several processes can agree. Returns
    /// whether another one was replaced.
    pub(super) fn start_sampling(
        &mut self,
        nodes: &[Arc<NodeStatus>],
        now_ms: u64,
        seed: Option<u64>,
    ) -> bool {
        if let Some(sampling) = &mut self.sampling {
            let Some(seed) = seed.filter(|seed| *seed < sampling.sample.seed) else { return false };
            self.lost += sampling.lower_seed(seed, nodes);
            return true;
        }
        let seed = seed.unwrap_or_else(rand::random);
        let sample = Sample { seed, threshold: u64::MAX };
        let mut sampling = Sampling {
            sample,
            taps: HashMap::new(),
            step_began_ms: now_ms,
            remote: SharedSample::new(seed),
        };
        sampling.tap_new_nodes(nodes);
        self.sampling = Some(sampling);
        self.lost_before = self.lost;
        false
    }

    pub(super) fn stop_sampling(&mut self, nodes: &[Arc<NodeStatus>]) {
        if self.sampling.take().is_some() {
            nodes.iter().for_each(|node| node.context().connector.set_packet_tap(None));
        }
    }

    /// Seed and threshold. Without a sample, no packet is below the threshold.
    pub(super) fn sample(&self) -> Sample {
        self.sampling.as_ref().map_or(NO_SAMPLE, Sampling::sample)
    }

    pub(super) fn sampled(&self) -> SampledBody {
        let lost = self.lost - self.lost_before;
        match &self.sampling {
            Some(sampling) => SampledBody { one_in: one_in(sampling.sample().threshold), lost },
            None => SampledBody::default(),
        }
    }

    /// The sample of a node that runs elsewhere, if packets are sampled.
    pub(super) fn set_remote_sample(
        &mut self,
        node: &KnownNode,
        sample: Sample,
        nodes: &[Arc<NodeStatus>],
    ) {
        let Some(sampling) = &mut self.sampling else { return };
        sampling.remote.set(node.asked.shown_url(), sample);
        let seed = sampling.remote.seed();
        if seed < sampling.sample.seed {
            self.lost += sampling.lower_seed(seed, nodes);
        }
    }

    pub(super) fn forget_remote(&mut self, node: &KnownNode) {
        if let Some(sampling) = &mut self.sampling {
            sampling.remote.remove(&node.asked.shown_url());
        }
    }

    /// Records that are not kept: lost, or dropped for newer ones.
    pub(super) fn not_kept(&self) -> u64 {
        self.lost + self.samples.dropped() + self.rejects.dropped()
    }

    /// Everything that is kept, the oldest first.
    pub(super) fn kept(&self) -> Vec<(u64, Arc<PacketBody>)> {
        let mut all: Vec<_> = self.samples.iter().chain(self.rejects.iter()).cloned().collect();
        all.sort_by_key(|(number, _)| *number);
        all
    }

    /// Kept records after a number, the oldest first.
    pub(super) fn after(&self, number: u64) -> Resumed<PacketBody> {
        let (samples, rejects) = (self.samples.after(number), self.rejects.after(number));
        let mut items = samples.items;
        items.extend(rejects.items);
        items.sort_by_key(|(number, _)| *number);
        let lost = samples.lost + rejects.lost;
        Resumed { items, lost, lost_last: samples.lost_last.max(rejects.lost_last) }
    }

    /// Reads what the nodes have recorded since the last call, in the order of time.
    pub(super) fn read(
        &mut self,
        (nodes, remote): (&[Arc<NodeStatus>], &[Arc<KnownNode>]),
        ids: &ObjectIds,
        now_ms: u64,
    ) -> Vec<(u64, Arc<PacketBody>)> {
        if let Some(sampling) = &mut self.sampling {
            sampling.tap_new_nodes(nodes);
        }
        let mut new: Vec<NewRecord> = Vec::new();
        for node in nodes {
            new.extend(self.read_node(node));
        }
        for node in remote {
            new.extend(self.read_remote(node));
        }
        if let Some(sampling) = &mut self.sampling {
            sampling.adjust(now_ms);
        }
        // Stable: records of one node keep their order.
        new.sort_by_key(|record| record.wall_ms);
        let numbered = new.into_iter().map(|record| {
            let number = ids.next();
            let body = Arc::new(PacketBody { id: ids.id(number), ..record.body });
            let ring = match body.lane {
                PacketLane::Sample => &mut self.samples,
                PacketLane::Reject => &mut self.rejects,
            };
            ring.push(number, Arc::clone(&body));
            (number, body)
        });
        numbered.collect()
    }

    /// Records that are not in the samples of all nodes are left out, because others on their way have none.
    fn read_remote(&mut self, node: &KnownNode) -> Vec<NewRecord> {
        let ReceivedPackets { packets, lost } = node.take_packets();
        self.lost += lost;
        let url = node.asked.shown_url();
        let is_shown = |packet: &PacketBody| {
            self.sampling.as_ref().is_none_or(|sampling| sampling.remote.contains(&url, packet))
        };
        let shown = packets.into_iter().filter(is_shown).map(|body| NewRecord {
            wall_ms: parse_time(&body.at).map_or(0, |at| at.as_millis()),
            body,
        });
        shown.collect()
    }

    /// The lane of Rejects first: then no answer comes before its Prepare.
    fn read_node(&mut self, node: &NodeStatus) -> Vec<NewRecord> {
        let connector = &node.context().connector;
        let (id, lane) = (connector.node_id(), connector.rejects());
        let read = self.lanes.entry(id.clone()).or_default();
        if lane.last_number() < read.number {
            // Another node with the same id has started.
            *read = LaneRead::default();
        }
        let not_kept = lane.not_kept();
        self.lost += not_kept.saturating_sub(read.not_kept);
        read.not_kept = not_kept;
        let mut found: Vec<(PacketLane, Arc<ObservedPacket>)> = Vec::new();
        for kept in lane.kept_after(read.number) {
            self.lost += (kept.number - read.number).saturating_sub(1);
            read.number = kept.number;
            found.push((PacketLane::Reject, kept.packet));
        }
        if let Some(tapped) = self.sampling.as_mut().and_then(|all| all.taps.get_mut(&id)) {
            let sampled = std::iter::from_fn(|| tapped.tap.pop());
            // The packet path may go on meanwhile.
            let sampled: Vec<_> = sampled.take(TAP_CAPACITY).collect();
            let lost = tapped.tap.lost();
            tapped.in_step += sampled.len() as u64 + (lost - tapped.lost);
            self.lost += lost - tapped.lost;
            tapped.lost = lost;
            let sampled = sampled.into_iter().map(|one| (PacketLane::Sample, Arc::from(one)));
            found.extend(sampled);
        }
        found.sort_by_key(|(_, packet)| packet.record.at.mono);
        let records = found.into_iter().map(|(lane, packet)| NewRecord {
            wall_ms: packet.record.at.wall.as_millis(),
            body: self.describer.describe(id.as_str(), lane, &packet),
        });
        records.collect()
    }
}

impl Sampling {
    /// That of all nodes together.
    fn sample(&self) -> Sample {
        let threshold = self.remote.threshold().unwrap_or(u64::MAX);
        Sample { threshold: self.sample.threshold.min(threshold), ..self.sample }
    }

    /// Takes the sample of another seed. Returns how many records of the one before are lost.
    fn lower_seed(&mut self, seed: u64, nodes: &[Arc<NodeStatus>]) -> u64 {
        self.sample.seed = seed;
        self.remote.lower_seed(seed);
        let before = std::mem::take(&mut self.taps);
        self.tap_new_nodes(nodes);
        let lost = before.values().map(|read| {
            let unread = std::iter::from_fn(|| read.tap.pop()).take(TAP_CAPACITY).count() as u64;
            unread + read.tap.lost().saturating_sub(read.lost)
        });
        lost.sum()
    }

    fn tap_new_nodes(&mut self, nodes: &[Arc<NodeStatus>]) {
        for node in nodes {
            let connector = &node.context().connector;
            let id = connector.node_id();
            // A node that has stopped and started again is another one.
            let is_tapped =
                |tapped: &TapRead| std::ptr::eq(tapped.node.as_ptr(), Arc::as_ptr(node));
            if !self.taps.get(&id).is_some_and(is_tapped) {
                let tap = PacketTap::new(self.sample);
                connector.set_packet_tap(Some(Arc::clone(&tap)));
                let node = Arc::downgrade(node);
                self.taps.insert(id, TapRead { node, tap, lost: 0, in_step: 0 });
            }
        }
    }

    /// The lowest threshold of all nodes, so that what is shown has its whole path.
    fn adjust(&mut self, now_ms: u64) {
        let step_ms = now_ms.saturating_sub(self.step_began_ms);
        let busiest = self.taps.values().map(|tapped| tapped.in_step).max().unwrap_or(0);
        if step_ms < SAMPLE_STEP_MS && busiest <= STEP_RECORDS_MAX {
            return;
        }
        self.step_began_ms = now_ms;
        // A tap that was full has made its sample smaller by itself.
        let threshold = self.taps.values().map(|tapped| tapped.tap.sample().threshold).min();
        self.sample.threshold = match threshold.filter(|least| *least < self.sample.threshold) {
            Some(least) => least,
            None => next_threshold(self.sample.threshold, busiest, step_ms),
        };
        for tapped in self.taps.values_mut() {
            tapped.in_step = 0;
            tapped.tap.set_threshold(self.sample.threshold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sudden_flood_shrinks_the_sample_at_once() {
        let sample = Sample { seed: 0, threshold: u64::MAX };
        let tap = PacketTap::new(sample);
        let tapped = TapRead { node: Weak::new(), tap, lost: 0, in_step: 10_000 };
        let taps = [("a".parse().unwrap(), tapped)].into();
        let mut sampling =
            Sampling { sample, taps, step_began_ms: 0, remote: SharedSample::new(0) };
        sampling.adjust(10);
        assert_eq!(one_in(sampling.sample.threshold).to_string(), "5000");
        // A few more records wait for the end of the step, and then the sample may grow again.
        sampling.adjust(20);
        assert_eq!(one_in(sampling.sample.threshold).to_string(), "5000");
        sampling.adjust(260);
        assert_eq!(one_in(sampling.sample.threshold).to_string(), "2500");
        // The tap was full.
        sampling.taps.values().for_each(|tapped| tapped.tap.set_threshold(u64::MAX / 9_000));
        sampling.adjust(510);
        assert_eq!(one_in(sampling.sample.threshold).to_string(), "9000");
    }
}
