//! Encodes one metric family per call, so that each family is a name, a help text and its samples.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A family's name, its help text, and the value for a `T`.
pub(super) type FamilySource<T, V> = (&'static str, &'static str, fn(&T) -> V);

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
