//! Counts and latencies of packets, by result.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::stream::PacketFailure;
use crate::wire::ilp::ErrorCode;

/// The most error codes with a line of their own. Nodes may invent more; those share one line.
const CODES_MAX: usize = 64;

/// The results of all packets.
#[derive(Debug, Default)]
pub(in crate::tools) struct Tally {
    sent: u64,
    answered: u64,
    results: BTreeMap<ResultKind, ResultStats>,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tools) enum ResultKind {
    Fulfilled,
    Rejected(ErrorCode),
    /// Codes beyond [`CODES_MAX`].
    Other,
}

#[derive(Debug)]
pub(in crate::tools) struct ResultStats {
    pub(in crate::tools) packets: u64,
    /// In microseconds.
    latency: Histogram<u64>,
    /// The first of these answers.
    pub(in crate::tools) example: Option<PacketFailure>,
}

impl Tally {
    pub(in crate::tools) fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets in flight.
    pub(in crate::tools) fn unanswered(&self) -> u64 {
        self.sent - self.answered
    }

    pub(in crate::tools) fn fulfilled(&self) -> u64 {
        self.results.get(&ResultKind::Fulfilled).map_or(0, |line| line.packets)
    }

    /// Fulfilled packets first, then by code.
    pub(in crate::tools) fn results(&self) -> impl Iterator<Item = (ResultKind, &ResultStats)> {
        self.results.iter().map(|(kind, line)| (*kind, line))
    }

    /// The latency of all answers at this quantile.
    pub(in crate::tools) fn latency(&self, quantile: f64) -> Option<Duration> {
        let mut all = histogram();
        for line in self.results.values() {
            // Fails only for a histogram that cannot grow.
            let _ = all.add(&line.latency);
        }
        (!all.is_empty()).then(|| Duration::from_micros(all.value_at_quantile(quantile)))
    }

    pub(in crate::tools) fn add_sent(&mut self) {
        self.sent += 1;
    }

    pub(in crate::tools) fn add_answer(
        &mut self,
        result: Result<(), PacketFailure>,
        after: Duration,
    ) {
        self.answered += 1;
        let example = result.err();
        let mut kind = match &example {
            None => ResultKind::Fulfilled,
            Some(failure) => ResultKind::Rejected(failure.code),
        };
        if self.results.len() >= CODES_MAX && !self.results.contains_key(&kind) {
            kind = ResultKind::Other;
        }
        let line = self.results.entry(kind).or_insert_with(|| ResultStats {
            packets: 0,
            latency: histogram(),
            example,
        });
        line.packets += 1;
        // Fails only for a histogram that cannot grow.
        let _ = line.latency.record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX).max(1));
    }
}

impl ResultStats {
    /// The latency at this quantile.
    pub(in crate::tools) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(quantile))
    }
}

/// A histogram of microseconds with three digits, which grows as needed.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: [u8; 3], by: &str) -> Result<(), PacketFailure> {
        Err(PacketFailure { code: ErrorCode(code), by: by.to_owned(), message: "why".to_owned() })
    }

    #[test]
    fn results_are_counted_by_code() {
        let mut tally = Tally::default();
        (0..5).for_each(|_| tally.add_sent());
        tally.add_answer(rejected(*b"F02", "test.a"), Duration::from_millis(3));
        tally.add_answer(rejected(*b"F02", "test.b"), Duration::from_millis(1));
        tally.add_answer(Ok(()), Duration::from_millis(2));
        assert_eq!((tally.sent(), tally.unanswered(), tally.fulfilled()), (5, 2, 1));
        let lines: Vec<_> = tally.results().map(|(kind, line)| (kind, line.packets)).collect();
        assert_eq!(lines, [(ResultKind::Fulfilled, 1), (ResultKind::Rejected(ErrorCode::F02), 2)]);
        let (_, line) = tally.results().last().unwrap();
        assert_eq!(line.example, rejected(*b"F02", "test.a").err());
        assert_eq!(line.latency(0.5).as_micros(), 1_000);
        assert_eq!(line.latency(1.0).as_millis(), 3);
        assert_eq!(tally.latency(0.5).unwrap().as_millis(), 2);
        assert_eq!(Tally::default().latency(0.5), None);
    }

    #[test]
    fn invented_codes_cannot_fill_the_memory() {
        let mut tally = Tally::default();
        for n in 0..100_u8 {
            tally.add_sent();
            tally.add_answer(rejected([b'X', b'0' + n / 10, b'0' + n % 10], ""), Duration::ZERO);
        }
        assert_eq!(tally.results().count(), CODES_MAX + 1);
        let (kind, line) = tally.results().last().unwrap();
        assert_eq!((kind, line.packets), (ResultKind::Other, 36));
    }
}
