//! What the packet path hands to observers: the packet log, the tap, that of the export, and the lane of Rejects.

use std::sync::Arc;

use super::core::Connector;
use super::packet_log::{PacketLog, PacketRecord};
use super::packet_sample::SampleKey;
use super::packet_tap::{PacketTap, Sighting};
use super::reject_lane::RejectLane;
use crate::wire::Condition;

/// Bytes of a Reject's message that a record keeps.
pub const OBSERVED_MESSAGE_MAX: usize = 128;

/// A packet record with what only observers need.
#[derive(Clone, Debug)]
pub struct ObservedPacket {
    /// What happened.
    pub record: PacketRecord,
    /// What decided that it is in the sample. Not of a Reject that is kept in any case.
    pub key: SampleKey,
    /// The prefix of the route that a forwarded or received packet took; empty: the default route.
    pub prefix: Option<Box<str>>,
    /// The balance of the account that the packet was sent to, when the record was made, if it was sent to one.
    /// Positive: that peer owes us.
    pub balance_after: Option<i128>,
    /// `triggeredBy` of a Reject: the address of the node that made it, as the next hop says if it passed one back.
    pub triggered_by: Option<Box<str>>,
    /// The first bytes of a Reject's message. A stranger may have written them.
    pub message: Option<Box<[u8]>>,
}

/// What is set while packets are watched or logged: one pointer, so that the packet path checks one.
#[derive(Clone, Debug, Default)]
pub(super) struct PacketObservers {
    pub(super) log: Option<Arc<PacketLog>>,
    pub(super) tap: Option<Arc<PacketTap>>,
    /// Of the export of spans. Its sample has nothing to do with that of people who watch.
    pub(super) export: Option<Arc<PacketTap>>,
}

impl PacketObservers {
    /// Whether a packet with this condition may make a record: decided in its caller, before anything is put together.
    #[inline]
    pub(super) fn may_want(&self, condition: &Condition) -> bool {
        let may_have = |tap: &Option<Arc<PacketTap>>| {
            tap.as_deref().is_some_and(|tap| tap.may_have(condition))
        };
        self.log.is_some() || may_have(&self.tap) || may_have(&self.export)
    }

    /// The tap, if the packet is in its sample. Call it once for each record.
    pub(super) fn tap_for(&self, sighting: Sighting<'_>) -> Option<(&PacketTap, SampleKey)> {
        sampled(self.tap.as_deref()?, sighting)
    }

    /// The same of the export.
    pub(super) fn export_for(&self, sighting: Sighting<'_>) -> Option<(&PacketTap, SampleKey)> {
        sampled(self.export.as_deref()?, sighting)
    }
}

fn sampled<'t>(tap: &'t PacketTap, sighting: Sighting<'_>) -> Option<(&'t PacketTap, SampleKey)> {
    Some((tap, tap.sampled_key(sighting)?))
}

impl Connector {
    /// Starts, replaces or (`None`) stops the packet log.
    pub fn set_packet_log(&self, log: Option<Arc<PacketLog>>) {
        self.change_observers(|observers| observers.log.clone_from(&log));
    }

    /// Sets, replaces or (`None`) removes the tap.
    pub fn set_packet_tap(&self, tap: Option<Arc<PacketTap>>) {
        self.change_observers(|observers| observers.tap.clone_from(&tap));
    }

    /// Sets, replaces or (`None`) removes the tap of the export of spans.
    pub fn set_export_tap(&self, tap: Option<Arc<PacketTap>>) {
        self.change_observers(|observers| observers.export.clone_from(&tap));
    }

    /// The Rejects that this node made or passed back.
    pub fn rejects(&self) -> &RejectLane {
        &self.rejects
    }

    fn change_observers(&self, change: impl Fn(&mut PacketObservers)) {
        self.observers.rcu(|old| {
            let mut observers = old.as_deref().cloned().unwrap_or_default();
            change(&mut observers);
            let PacketObservers { log, tap, export } = &observers;
            let is_set = log.is_some() || tap.is_some() || export.is_some();
            is_set.then(|| Arc::new(observers))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::packet_sample::Sample;

    #[test]
    fn packets_beyond_each_sample_make_no_record() {
        let tap = |threshold| Some(PacketTap::new(Sample { seed: 0, threshold }));
        let (nothing, all) = (tap(0), tap(u64::MAX));
        let condition = Condition([7; 32]);
        let none = PacketObservers { tap: nothing.clone(), export: nothing.clone(), log: None };
        assert!(!none.may_want(&condition));
        assert!(none.may_want(&Condition::PING), "its key is that of more than its condition");
        for (tap, export) in [(&all, &nothing), (&nothing, &all), (&all, &None), (&None, &all)] {
            let one = PacketObservers { tap: tap.clone(), export: export.clone(), log: None };
            assert!(one.may_want(&condition), "{one:?}");
        }
    }
}
