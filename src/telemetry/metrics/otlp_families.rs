//! The metrics of the export of spans.

use std::fmt;

use super::family_encoder::FamilyEncoder;
use crate::peers::OtlpCounts;

/// Nothing without a collector.
pub(super) fn encode(
    counts: Option<OtlpCounts>,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let Some(counts) = counts else { return Ok(()) };
    let results = [
        ("exported", counts.exported),
        ("lost", counts.lost),
        ("refused", counts.refused),
        ("unsent", counts.unsent),
    ];
    families.counters(
        "ilp_otlp_spans",
        "Spans of sampled packets, by what became of them, since the start of the node",
        results.map(|(result, count)| ([("result", result)], count)),
    )?;
    families.gauge(
        "ilp_otlp_spans_waiting",
        "Spans that wait for a request to the collector, or for its answer",
        None,
        i64::try_from(counts.waiting).unwrap_or(i64::MAX),
    )
}
