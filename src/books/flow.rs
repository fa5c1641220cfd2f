//! What was paid from one account to another, by the hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::{Asset, Rate, Spread};
use crate::link::CutNumber;
use crate::wire::Timestamp;

const HOUR_MS: u64 = 3_600_000;
/// Flows are in a cut of every second, because rows cost more than packets.
const FLOWS_EVERY_MS: u64 = 1_000;

/// One end of a flow: an account, by its name in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowEnd {
    /// The account's name.
    pub name: Arc<str>,
    /// Its asset and scale.
    pub asset: Asset,
}

/// Fulfilled packets and their amounts: what they brought in units of the one account, and took in units of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSums {
    /// Number of packets.
    pub packets: u64,
    /// The sum of their incoming amounts.
    pub amount_in: i128,
    /// The sum of their outgoing amounts.
    pub amount_out: i128,
    /// What the incoming amounts are worth at the mid rates of their time, in units of the account that was paid.
    pub amount_at_mid: i128,
    /// The part of that which the spreads keep.
    pub spread: i128,
}

impl FlowSums {
    /// Packets whose incoming and outgoing amounts are the same.
    pub fn at_par(packets: u64, amount: i128) -> Self {
        Self { packets, amount_in: amount, amount_out: amount, amount_at_mid: amount, spread: 0 }
    }

    /// The same with its value at a mid rate, of which a spread keeps a part.
    #[must_use]
    pub fn at_rate(self, mid: Rate, spread: Spread) -> Self {
        let amount_at_mid = mid.of_sum(self.amount_in);
        let priced = mid.less(spread).map_or(0, |rate| rate.of_sum(self.amount_in));
        Self { amount_at_mid, spread: amount_at_mid.saturating_sub(priced), ..self }
    }

    /// What was rounded off, in units of the account that was paid.
    pub fn rounding(&self) -> i128 {
        self.amount_at_mid.saturating_sub(self.spread).saturating_sub(self.amount_out)
    }

    /// Adds other packets.
    pub fn add(&mut self, more: Self) {
        self.packets = self.packets.saturating_add(more.packets);
        self.amount_in = self.amount_in.saturating_add(more.amount_in);
        self.amount_out = self.amount_out.saturating_add(more.amount_out);
        self.amount_at_mid = self.amount_at_mid.saturating_add(more.amount_at_mid);
        self.spread = self.spread.saturating_add(more.spread);
    }
}

/// All fulfilled packets of one hour from one account to another. An own account stands for the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// The beginning of the hour, in UTC.
    pub hour: Timestamp,
    /// The account that the packets came from.
    pub from: FlowEnd,
    /// The account that they went to.
    pub to: FlowEnd,
    /// The packets.
    pub sums: FlowSums,
}

/// The rows of the present hour, and those that the store may lack. Rows are absolute, so that a cut can be repeated.
#[derive(Debug, Default)]
pub struct FlowBook {
    /// The present hour. It never goes back, even if the clock does, because the rows of earlier hours are forgotten:
    /// new ones would replace theirs.
    hour: Timestamp,
    /// Packets since the last cut.
    since_cut: BTreeMap<(FlowEnd, FlowEnd), FlowSums>,
    rows: BTreeMap<FlowKey, BookedFlow>,
    /// The time of the last cut with flows.
    taken_at: Timestamp,
    /// The next cut has all rows.
    has_lost_cut: bool,
    /// There are rows of earlier hours.
    has_earlier: bool,
}

type FlowKey = (Timestamp, FlowEnd, FlowEnd);

#[derive(Debug)]
struct BookedFlow {
    sums: FlowSums,
    /// The newest cut that has it.
    cut: CutNumber,
}

impl FlowBook {
    /// Goes on with the rows of the newest hour in the store.
    pub fn new(saved: Vec<FlowRow>) -> Self {
        let mut book = Self::default();
        for FlowRow { hour, from, to, sums } in saved {
            book.hour = book.hour.max(hour);
            book.rows.insert((hour, from, to), BookedFlow { sums, cut: CutNumber::NONE });
        }
        book
    }

    /// Adds packets that were fulfilled since the last call.
    pub fn add(&mut self, from: FlowEnd, to: FlowEnd, sums: FlowSums) {
        self.since_cut.entry((from, to)).or_default().add(sums);
    }

    /// Whether a cut at this time has flows.
    pub fn is_due(&self, at: Timestamp) -> bool {
        let is_early = at >= self.taken_at && at.millis_since(self.taken_at) < FLOWS_EVERY_MS;
        self.has_lost_cut || !is_early
    }

    /// Whether there are packets since the last cut with flows.
    pub fn has_new(&self) -> bool {
        !self.since_cut.is_empty()
    }

    /// Books the packets since the last cut in the hour of this one. Returns the rows that have changed.
    pub fn take_changed(&mut self, at: Timestamp, cut: CutNumber) -> Vec<FlowRow> {
        let hour = Timestamp::from_millis(at.as_millis() - at.as_millis() % HOUR_MS);
        self.taken_at = at;
        if hour > self.hour {
            self.hour = hour;
            self.has_earlier = !self.rows.is_empty();
        }
        let mut changed = Vec::new();
        for ((from, to), sums) in std::mem::take(&mut self.since_cut) {
            let key = (self.hour, from, to);
            let new = || BookedFlow { sums: FlowSums::default(), cut };
            let flow = self.rows.entry(key.clone()).or_insert_with(new);
            flow.sums.add(sums);
            flow.cut = cut;
            changed.push(row(&key, flow));
        }
        if std::mem::take(&mut self.has_lost_cut) {
            self.rows.values_mut().for_each(|flow| flow.cut = cut);
            changed = self.rows.iter().map(|(key, flow)| row(key, flow)).collect();
        }
        changed
    }

    /// The next cut has all rows again, because it is not known what the store holds after an error.
    pub fn note_all(&mut self) {
        self.has_lost_cut = true;
    }

    /// Forgets the rows of earlier hours that are in cuts up to this one.
    pub fn forget_saved(&mut self, durable: CutNumber) {
        if self.has_earlier && !self.has_lost_cut {
            let present = self.hour;
            self.rows.retain(|(hour, ..), flow| *hour == present || flow.cut > durable);
            self.has_earlier = self.rows.keys().any(|(hour, ..)| *hour != present);
        }
    }
}

fn row((hour, from, to): &FlowKey, flow: &BookedFlow) -> FlowRow {
    FlowRow { hour: *hour, from: from.clone(), to: to.clone(), sums: flow.sums }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(name: &str) -> FlowEnd {
        FlowEnd { name: name.into(), asset: Asset::default() }
    }

    fn add(book: &mut FlowBook, amount: i128) {
        let sums = FlowSums::at_par(1, amount);
        book.add(end("a"), end("c"), sums);
    }

    /// Hour and incoming sum of the rows of a cut, the oldest first.
    fn cut(book: &mut FlowBook, millis: u64, number: u64) -> Vec<(u64, i128)> {
        let rows = book.take_changed(Timestamp::from_millis(millis), CutNumber(number));
        let mut rows: Vec<_> =
            rows.iter().map(|row| (row.hour.as_millis() / HOUR_MS, row.sums.amount_in)).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn rows_are_sums_of_an_hour() {
        let mut book = FlowBook::default();
        add(&mut book, 1);
        add(&mut book, 2);
        assert_eq!(cut(&mut book, HOUR_MS, 1), [(1, 3)]);
        assert_eq!(cut(&mut book, HOUR_MS, 2), []);
        add(&mut book, 4);
        assert_eq!(cut(&mut book, 2 * HOUR_MS - 1, 3), [(1, 7)]);
        add(&mut book, 8);
        assert_eq!(cut(&mut book, 2 * HOUR_MS, 4), [(2, 8)]);
    }

    #[test]
    fn a_failed_cut_is_repeated_beyond_the_end_of_the_hour() {
        let mut book = FlowBook::default();
        add(&mut book, 1);
        cut(&mut book, HOUR_MS, 1);
        add(&mut book, 2);
        book.forget_saved(CutNumber(0));
        book.note_all();
        assert_eq!(cut(&mut book, 2 * HOUR_MS, 2), [(1, 1), (2, 2)]);
        book.forget_saved(CutNumber(2));
        book.note_all();
        assert_eq!(cut(&mut book, 2 * HOUR_MS, 3), [(2, 2)]);
    }

    #[test]
    fn a_restart_goes_on_in_the_same_hour() {
        let mut book = FlowBook::default();
        add(&mut book, 1);
        let saved = book.take_changed(Timestamp::from_millis(HOUR_MS), CutNumber(1));
        let mut book = FlowBook::new(saved);
        assert_eq!(cut(&mut book, HOUR_MS, 2), []);
        add(&mut book, 2);
        assert_eq!(cut(&mut book, HOUR_MS + 1, 3), [(1, 3)]);
    }

    #[test]
    fn a_clock_that_goes_back_stays_in_the_newest_hour() {
        let mut book = FlowBook::default();
        add(&mut book, 1);
        cut(&mut book, 2 * HOUR_MS, 1);
        add(&mut book, 2);
        assert_eq!(cut(&mut book, HOUR_MS, 2), [(2, 3)]);
    }

    #[test]
    fn spread_and_rounding_are_parts_of_the_value_at_the_mid_rate() {
        let (rate, spread) = (Rate::from_quote("0.92").unwrap(), "0.01".parse().unwrap());
        let sums = FlowSums { amount_out: 905, ..FlowSums::at_par(2, 1_000) }.at_rate(rate, spread);
        // 910.8 are left by the spread, and 905 of them were paid.
        let expected = FlowSums {
            packets: 2,
            amount_in: 1_000,
            amount_out: 905,
            amount_at_mid: 920,
            spread: 10,
        };
        assert_eq!((sums, sums.rounding()), (expected, 5));
        assert_eq!(FlowSums::at_par(2, 1_000).rounding(), 0);
    }

    #[test]
    fn flows_are_due_every_second_after_a_lost_cut_and_if_the_clock_goes_back() {
        let at = Timestamp::from_millis;
        let mut book = FlowBook::default();
        assert_eq!([999, 1_000].map(|ms| book.is_due(at(ms))), [false, true]);
        book.take_changed(at(5_000), CutNumber(1));
        let due = [4_999, 5_000, 5_999, 6_000].map(|ms| book.is_due(at(ms)));
        assert_eq!(due, [true, false, false, true]);
        book.note_all();
        assert!(book.is_due(at(5_000)));
    }

    #[test]
    fn packets_are_new_until_a_cut_has_them() {
        let mut book = FlowBook::default();
        assert!(!book.has_new());
        add(&mut book, 1);
        assert!(book.has_new());
        cut(&mut book, 0, 1);
        assert!(!book.has_new());
    }

    #[test]
    fn rows_of_earlier_hours_are_kept_until_a_durable_cut_has_them() {
        let mut book = FlowBook::default();
        add(&mut book, 1);
        cut(&mut book, HOUR_MS, 1);
        add(&mut book, 2);
        cut(&mut book, 2 * HOUR_MS, 2);
        // After an error, no cut is known to be in the store.
        book.note_all();
        book.forget_saved(CutNumber(2));
        assert_eq!(cut(&mut book, 2 * HOUR_MS, 3), [(1, 1), (2, 2)]);
        assert_eq!(cut(&mut book, 3 * HOUR_MS, 4), []);
        book.forget_saved(CutNumber(2));
        book.note_all();
        assert_eq!(cut(&mut book, 3 * HOUR_MS, 5), [(1, 1), (2, 2)], "in cut 3 only");
        book.forget_saved(CutNumber(5));
        book.note_all();
        assert_eq!(cut(&mut book, 3 * HOUR_MS, 6), []);
    }
}
