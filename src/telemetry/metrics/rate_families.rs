//! The metrics of the sources of exchange rates.

use std::fmt;

use prometheus_client::registry::Unit;

use super::family_encoder::FamilyEncoder;
use crate::rates::SourceState;

/// Nothing without a source.
pub(super) fn encode(sources: &[SourceState], families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    if sources.is_empty() {
        return Ok(());
    }
    let label = |source: &SourceState| [("source", source.name.to_string())];
    let ages = sources
        .iter()
        .filter_map(|source| source.age.map(|age| (label(source), age.as_secs_f64())));
    families.gauges(
        "ilp_rate_age",
        "Age of the figures of a source of exchange rates; left out before its first ones",
        Some(&Unit::Seconds),
        ages,
    )?;
    let fresh = sources.iter().map(|source| (label(source), i64::from(source.is_fresh)));
    let help = "1 while the figures of the source are used, 0 while they are too old or missing";
    families.gauges("ilp_rate_source_fresh", help, None, fresh)?;
    let jumped = sources.iter().map(|source| {
        let jumped = i64::try_from(source.jumped.len()).unwrap_or(i64::MAX);
        (label(source), jumped)
    });
    let help = "Assets of the source that are not used because their quote jumped";
    families.gauges("ilp_rate_jumped_assets", help, None, jumped)
}
