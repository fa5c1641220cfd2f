//! The metrics of the store.

use std::fmt;

use prometheus_client::registry::Unit;

use super::family_encoder::{FamilyEncoder, seconds};
use crate::peers::StoreReport;

/// Nothing without a store.
pub(super) fn encode(
    report: Option<&StoreReport>,
    families: &mut FamilyEncoder<'_, '_>,
) -> fmt::Result {
    let Some(report) = report else { return Ok(()) };
    families.histogram(
        "ilp_store_cut",
        "Time that the store needed to save a cut of the ledger",
        Some(&Unit::Seconds),
        &report.cut_micros,
        seconds,
    )?;
    let help = "Rows of a cut: accounts and other records that had changed";
    families.histogram("ilp_store_cut_rows", help, None, &report.cut_rows, number)?;
    let help = "Age of the oldest change of a balance that is not saved; 0 if all are";
    let unsaved = report.unsaved.as_secs_f64();
    families.gauge("ilp_store_unsaved", help, Some(&Unit::Seconds), unsaved)?;
    let help = "1 while new packets are rejected because the store does not save, else 0";
    families.gauge("ilp_store_failing", help, None, i64::from(report.is_failing))?;
    let help = "Attempts to save that failed, or took too long";
    families.counter("ilp_store_failures", help, report.failures)
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn number(rows: u64) -> f64 {
    rows as f64
}
