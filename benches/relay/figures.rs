//! The figures of one run, and statistics of several.

use serde::{Deserialize, Serialize};

/// The figures of one run of the load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Prepares that were fulfilled while measuring.
    pub(crate) packets: u64,
    /// How long was measured.
    pub(crate) seconds: f64,
    /// CPU time that the relay or connector used in this time.
    pub(crate) cpu_seconds: f64,
    /// Median time from Prepare to Fulfill.
    pub(crate) p50_us: f64,
    /// 99th percentile of the same.
    pub(crate) p99_us: f64,
    /// Resident memory of the relay or connector at the end.
    pub(crate) resident_kib: u64,
    /// The part of the packet log's records that were dropped, where packets are logged.
    pub(crate) log_records_dropped: Option<f64>,
}

impl Figures {
    /// Round trips per second.
    pub(crate) fn packets_per_second(&self) -> f64 {
        self.packets as f64 / self.seconds
    }

    /// CPU seconds of the relay or connector per million round trips.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.packets as f64
    }
}

/// Least, middle and greatest of some values.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { min, median, max })
    }
}
