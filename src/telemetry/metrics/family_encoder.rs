//! Encodes one metric family per call, so that each family is a name, a help text and its samples.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::account::AccountId;
use crate::peers::BucketCounts;

/// A family's name, its help text, and the value for a `T`.
pub(super) type FamilySource<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// The label of a peer's samples.
pub(super) fn peer_label(peer: &AccountId) -> [(&'static str, &str); 1] {
    [("peer", peer.as_str())]
}

/// A sample of what was received from a peer, and one of what was sent to it.
pub(super) fn by_direction<T>(
    peer: &AccountId,
    received: T,
    sent: T,
) -> [([(&'static str, &str); 2], T); 2] {
    [("received", received), ("sent", sent)]
        .map(|(direction, value)| ([("peer", peer.as_str()), ("direction", direction)], value))
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Appends families to an exposition.
pub(super) struct FamilyEncoder<'a, 'b>(pub(super) &'a mut DescriptorEncoder<'b>);

impl FamilyEncoder<'_, '_> {
    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.counter_in(name, help, None, count)
    }

    /// A counter without labels, in a unit that its name will end with.
    pub(super) fn counter_in(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        count: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&count, None)
    }

    /// A counter with a sample for each set of labels.
    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, count)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)
        })
    }

    /// Counters with a sample for each peer.
    pub(super) fn counters_by_peer<'p, T: 'p>(
        &mut self,
        sources: &[FamilySource<T, u64>],
        peers: impl Iterator<Item = (&'p AccountId, &'p T)> + Clone,
    ) -> fmt::Result {
        sources.iter().try_for_each(|(name, help, count)| {
            let samples = peers.clone().map(|(peer, source)| (peer_label(peer), count(source)));
            self.counters(name, help, samples)
        })
    }

    /// A histogram without labels.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        numbers: &BucketCounts,
        scale: impl Fn(u64) -> f64,
    ) -> fmt::Result {
        let bounds = numbers.bounds.iter().map(|bound| scale(*bound)).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(numbers.counts.iter().copied()).collect();
        let (sum, count) = (scale(numbers.sum), numbers.counts.iter().sum());
        self.0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// A gauge without labels.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge with a sample for each set of labels.
    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = (L, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        samples
            .into_iter()
            .try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }
}
