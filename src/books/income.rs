//! What the node earned: what its packets brought in each asset, less what they took.
//!
//! A packet within one asset and scale earns nothing. One between two scales earns what its conversion rounds off, and
//! one between two asset codes is a gain in the one and a loss in the other. What accounts paid to the node itself is a
//! gain, and what the node paid is a loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::flow::{FlowEnd, FlowSums};
use super::history::BooksHistory;
use super::journal::Period;
use super::row::{AccountKind, own_account_name};
use crate::account::Asset;

/// The income of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Income {
    /// What was paid between two accounts, sorted by name.
    pub flows: Vec<(FlowEnd, FlowEnd, FlowSums)>,
    /// What was earned with the flows of each account. A flow counts for both of its accounts.
    pub by_account: Vec<(Arc<str>, Earned)>,
    /// What was earned with all flows.
    pub total: Vec<Earned>,
    /// What was earned since the books began with packets that are in no flow.
    pub unattributed: Vec<Earned>,
}

/// An amount that was earned, or, below zero, lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned {
    /// The asset, and the scale of the amount: the largest one of the asset code.
    pub asset: Asset,
    /// The amount.
    pub amount: i128,
}

/// By asset code and scale.
type Gains = BTreeMap<(Arc<str>, u8), i128>;

impl Income {
    /// The income of a period. Its flows are those of the hours that begin in it.
    pub fn new(history: &BooksHistory, period: Period) -> Self {
        let key = |end: &FlowEnd| (Arc::clone(&end.name), end.asset.to_string());
        let mut flows: BTreeMap<_, (FlowEnd, FlowEnd, FlowSums)> = BTreeMap::new();
        let (mut ever, mut total) = (Gains::new(), Gains::new());
        let mut by_account: BTreeMap<Arc<str>, Gains> = BTreeMap::new();
        for flow in &history.flows {
            let (from, to) = (&flow.from, &flow.to);
            add_gain(&mut ever, from, to, flow.sums);
            let is_after = period.to.is_some_and(|to| flow.hour >= to);
            if is_after || Some(flow.hour) < period.from {
                continue;
            }
            add_gain(&mut total, from, to, flow.sums);
            for end in [from, to].into_iter().filter(|end| !is_own(end)) {
                let gains = by_account.entry(Arc::clone(&end.name)).or_default();
                add_gain(gains, from, to, flow.sums);
            }
            let new = || (from.clone(), to.clone(), FlowSums::default());
            flows.entry((key(from), key(to))).or_insert_with(new).2.add(flow.sums);
        }
        let mut unattributed = Gains::new();
        let rows = history.books.accounts.iter().map(|account| &account.row);
        for row in rows.filter(|row| row.kind == AccountKind::Own) {
            add(&mut unattributed, &row.asset, row.totals.fulfilled_out);
            add(&mut unattributed, &row.asset, row.totals.fulfilled_in.saturating_neg());
        }
        for ((code, scale), amount) in ever {
            add(&mut unattributed, &Asset { code, scale }, amount.saturating_neg());
        }
        let earned = |(name, gains): (Arc<str>, Gains)| {
            earned(gains).into_iter().map(move |earned| (Arc::clone(&name), earned))
        };
        Self {
            flows: flows.into_values().collect(),
            by_account: by_account.into_iter().flat_map(earned).collect(),
            total: self::earned(total),
            unattributed: self::earned(unattributed),
        }
    }
}

/// Whether it is the node itself.
fn is_own(end: &FlowEnd) -> bool {
    end.name == own_account_name(&end.asset)
}

/// What one account paid comes in, and what the other was paid goes out; what the node itself pays or receives does
/// not.
fn add_gain(gains: &mut Gains, from: &FlowEnd, to: &FlowEnd, sums: FlowSums) {
    if !is_own(from) {
        add(gains, &from.asset, sums.amount_in);
    }
    if !is_own(to) {
        add(gains, &to.asset, sums.amount_out.saturating_neg());
    }
}

fn add(gains: &mut Gains, asset: &Asset, amount: i128) {
    let gain = gains.entry((Arc::clone(&asset.code), asset.scale)).or_default();
    *gain = gain.saturating_add(amount);
}

/// One amount for each asset code, without those that are zero. If it is too large for the largest scale of its asset
/// code, each scale has its own.
fn earned(gains: Gains) -> Vec<Earned> {
    let mut codes: BTreeMap<Arc<str>, Vec<(u8, i128)>> = BTreeMap::new();
    for ((code, scale), amount) in gains {
        codes.entry(code).or_default().push((scale, amount));
    }
    let mut all = Vec::new();
    for (code, amounts) in codes {
        let amounts = match sum_at_largest_scale(&amounts) {
            Some(sum) => vec![sum],
            None => amounts,
        };
        let nonzero = amounts.into_iter().filter(|(_, amount)| *amount != 0);
        all.extend(nonzero.map(|(scale, amount)| {
            let code = Arc::clone(&code);
            Earned { asset: Asset { code, scale }, amount }
        }));
    }
    all
}

fn sum_at_largest_scale(amounts: &[(u8, i128)]) -> Option<(u8, i128)> {
    let largest = amounts.iter().map(|(scale, _)| *scale).max()?;
    let mut sum = 0_i128;
    for (scale, amount) in amounts {
        let factor = 10_i128.checked_pow(u32::from(largest.abs_diff(*scale)))?;
        sum = sum.checked_add(amount.checked_mul(factor)?)?;
    }
    Some((largest, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Totals;
    use crate::books::journal::tests::{flow, history, period};
    use crate::books::{AccountRow, FlowRow, RecoveredAccount};

    fn end(name: &str, code: &str, scale: u8) -> FlowEnd {
        FlowEnd { name: name.into(), asset: Asset::new(code, scale) }
    }

    fn gain(code: &str, scale: u8, amount: i128) -> Earned {
        Earned { asset: Asset::new(code, scale), amount }
    }

    fn between(
        hour: u64,
        from: FlowEnd,
        to: FlowEnd,
        amount_in: i128,
        amount_out: i128,
    ) -> FlowRow {
        let sums = FlowSums { packets: 1, amount_in, amount_out };
        FlowRow { from, to, sums, ..flow(hour, "", "", 0) }
    }

    #[test]
    fn a_period_has_the_hours_that_begin_in_it() {
        let mut history = history();
        history.flows =
            [23, 24, 47, 48].map(|hour| flow(hour, "a", "c", i128::from(hour))).to_vec();
        let income = Income::new(&history, period(Some(1), Some(2)));
        let sums = income.flows.iter().map(|(.., sums)| sums.amount_in);
        assert_eq!(sums.collect::<Vec<_>>(), [24 + 47]);
        assert_eq!((income.by_account.len(), income.total.len()), (0, 0), "one asset and scale");
    }

    #[test]
    fn each_flow_counts_for_both_of_its_accounts() {
        let mut history = history();
        let (a, c, e) = (end("a", "USD", 9), end("c", "USD", 6), end("e", "EUR", 2));
        let own = end("own:USD/9", "USD", 9);
        history.flows = vec![
            between(0, a.clone(), c, 1_999, 1),
            between(0, a.clone(), e, 5_000, 7),
            between(0, a.clone(), own.clone(), 30, 30),
            between(0, own.clone(), a, 10, 10),
        ];
        let row = AccountRow {
            name: own.name,
            kind: AccountKind::Own,
            asset: own.asset,
            // 100 units more than the flows have.
            totals: Totals {
                fulfilled_in: 10,
                fulfilled_out: 1_999 + 5_000 + 30 + 100,
                adjusted: 7,
                ..Totals::default()
            },
            held_out: 0,
            uncertain: 0,
            uncertain_since: None,
        };
        let (newly_uncertain, is_changed) = (0, false);
        history.books.accounts.push(RecoveredAccount { row, newly_uncertain, is_changed });
        let income = Income::new(&history, Period::default());
        let dollars = 999 + 5_000 + 30 - 10;
        assert_eq!(income.total, [gain("EUR", 2, -7), gain("USD", 9, dollars)]);
        let by_account = [
            ("a".into(), gain("EUR", 2, -7)),
            ("a".into(), gain("USD", 9, dollars)),
            ("c".into(), gain("USD", 9, 999)),
            ("e".into(), gain("EUR", 2, -7)),
            ("e".into(), gain("USD", 9, 5_000)),
        ];
        assert_eq!(income.by_account, by_account);
        // The own accounts of the other two are missing.
        let unattributed = [gain("EUR", 2, 7), gain("USD", 9, 100 + 1_000)];
        assert_eq!(income.unattributed, unattributed);
    }

    #[test]
    fn amounts_that_no_common_scale_can_hold_stay_apart() {
        let gains = Gains::from([(("X".into(), 0), i128::MAX), (("X".into(), 9), -1)]);
        assert_eq!(earned(gains), [gain("X", 0, i128::MAX), gain("X", 9, -1)]);
    }
}
