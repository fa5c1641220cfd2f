//! Metrics of the clocks.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::net::ClockReport;

pub(super) fn encode(report: &ClockReport, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Jumps of the system clock by more than half of minMessageWindowMs";
    encoder
        .encode_descriptor("ilp_clock_jumps", help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, u64, f64>(&report.jumps, None)?;
    let suspended = report.suspended.as_secs_f64();
    let (help, unit) = ("Time that the machine was suspended", Some(&Unit::Seconds));
    encoder
        .encode_descriptor("ilp_suspended", help, unit, MetricType::Counter)?
        .encode_counter::<NoLabelSet, f64, f64>(&suspended, None)
}
