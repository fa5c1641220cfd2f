//! What the node earned: what its packets brought in each asset, less what they took; and where that comes from.
//!
//! - *Spread*: what the spreads keep of the amounts, at the mid rates of their time.
//! - *Rounding*: what each packet's conversion rounds off, and what the rate has moved while packets were in flight.
//! - *Exchange*: a packet between two asset codes is a gain in the one and an equal loss, at the mid rate, in the
//!   other. What it is worth later is the risk that the node takes.
//! - *Own*: what accounts paid to the node itself, less what the node paid.
//!
//! Beside them, *losses*: what was conceded or written off. An adjustment is none: only its operator knows what it
//! means.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adjustment::BalanceChange;
use super::flow::{FlowEnd, FlowSums};
use super::history::BooksHistory;
use super::journal::Period;
use super::row::{AccountKind, own_account_name};
use crate::account::{Asset, Rate};

/// The income of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Income {
    /// What was paid between two accounts, sorted by name.
    pub flows: Vec<(FlowEnd, FlowEnd, FlowSums)>,
    /// What was earned with the flows of each account. A flow counts for both of its accounts.
    pub by_account: Vec<(Arc<str>, Earned)>,
    /// What was earned with all flows.
    pub total: Vec<Earned>,
    /// What was conceded to each account, or written off.
    pub losses: Vec<(Arc<str>, Earned)>,
    /// What was earned since the books began with packets that are in no flow.
    pub unattributed: Vec<Earned>,
}

/// An amount that was earned, or, below zero, lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned {
    /// The asset, and the scale of the amount: the largest one of the asset code.
    pub asset: Asset,
    /// The amount: the sum of its parts.
    pub amount: i128,
    /// What it comes from.
    pub parts: IncomeParts,
}

/// Where an amount comes from. The first lines of this file say what the parts mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncomeParts {
    /// The spreads.
    pub spread: i128,
    /// The rounding.
    pub rounding: i128,
    /// What was bought, less what was sold, of the asset.
    pub exchange: i128,
    /// Packets of the node itself, and whatever has no known part.
    pub own: i128,
}

impl IncomeParts {
    fn sum(self) -> i128 {
        let Self { spread, rounding, exchange, own } = self;
        [rounding, exchange, own].into_iter().fold(spread, i128::saturating_add)
    }

    /// Each part changed in the same way. `None`: one does not fit.
    fn map(self, change: impl Fn(i128) -> Option<i128>) -> Option<Self> {
        Some(Self {
            spread: change(self.spread)?,
            rounding: change(self.rounding)?,
            exchange: change(self.exchange)?,
            own: change(self.own)?,
        })
    }

    fn checked_add(self, more: Self) -> Option<Self> {
        Some(Self {
            spread: self.spread.checked_add(more.spread)?,
            rounding: self.rounding.checked_add(more.rounding)?,
            exchange: self.exchange.checked_add(more.exchange)?,
            own: self.own.checked_add(more.own)?,
        })
    }

    fn saturating_add(self, more: Self) -> Self {
        Self {
            spread: self.spread.saturating_add(more.spread),
            rounding: self.rounding.saturating_add(more.rounding),
            exchange: self.exchange.saturating_add(more.exchange),
            own: self.own.saturating_add(more.own),
        }
    }
}

/// By asset code and scale.
type Gains = BTreeMap<(Arc<str>, u8), IncomeParts>;

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
            if !period.has(flow.hour) {
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
        let mut losses: BTreeMap<Arc<str>, Gains> = BTreeMap::new();
        for made in history.adjustments.iter().filter(|made| period.has(made.at)) {
            if !matches!(made.change, BalanceChange::Adjust(_)) {
                let gains = losses.entry(Arc::clone(&made.account)).or_default();
                add(gains, &made.asset, own(made.change.amount()));
            }
        }
        let mut unattributed = Gains::new();
        let rows = history.books.accounts.iter().map(|account| &account.row);
        for row in rows.filter(|row| row.kind == AccountKind::Own) {
            add(&mut unattributed, &row.asset, own(row.totals.fulfilled_out));
            add(&mut unattributed, &row.asset, own(row.totals.fulfilled_in.saturating_neg()));
        }
        for ((code, scale), parts) in ever {
            add(&mut unattributed, &Asset { code, scale }, own(parts.sum().saturating_neg()));
        }
        Self {
            flows: flows.into_values().collect(),
            by_account: by_account.into_iter().flat_map(earned_by).collect(),
            total: earned(total),
            losses: losses.into_iter().flat_map(earned_by).collect(),
            unattributed: earned(unattributed),
        }
    }
}

/// The mid rate of a flow: units of the one asset for one unit of the other, on average. `None`: no amount came in, or
/// none that is known to be worth anything.
pub fn mid_rate(from: &Asset, to: &Asset, sums: FlowSums) -> Option<Rate> {
    let amount = |amount: i128| u128::try_from(amount).ok();
    let rate = Rate::ratio(amount(sums.amount_at_mid)?, amount(sums.amount_in)?)?;
    // From units to whole assets: the other way around.
    rate.between_scales(to.scale, from.scale)
}

/// Whether it is the node itself.
fn is_own(end: &FlowEnd) -> bool {
    end.name == own_account_name(&end.asset)
}

/// What one account paid comes in, and what the other was paid goes out; what the node itself pays or receives does
/// not.
fn add_gain(gains: &mut Gains, from: &FlowEnd, to: &FlowEnd, sums: FlowSums) {
    let (came, went) = (sums.amount_in, sums.amount_out.saturating_neg());
    if is_own(from) || is_own(to) {
        if !is_own(from) {
            add(gains, &from.asset, own(came));
        }
        if !is_own(to) {
            add(gains, &to.asset, own(went));
        }
        return;
    }
    let spread = sums.spread;
    if from.asset.code == to.asset.code {
        // In the scale of both, because a unit of the one may be a part of a unit of the other.
        let rounding = |rounding| IncomeParts { rounding, ..IncomeParts::default() };
        add(gains, &from.asset, rounding(came));
        let left = went.saturating_sub(spread);
        add(gains, &to.asset, IncomeParts { spread, ..rounding(left) });
        return;
    }
    add(gains, &from.asset, IncomeParts { exchange: came, ..IncomeParts::default() });
    let exchange = sums.amount_at_mid.saturating_neg();
    let rounding = sums.rounding();
    add(gains, &to.asset, IncomeParts { spread, rounding, exchange, own: 0 });
}

fn own(own: i128) -> IncomeParts {
    IncomeParts { own, ..IncomeParts::default() }
}

fn add(gains: &mut Gains, asset: &Asset, parts: IncomeParts) {
    let gain = gains.entry((Arc::clone(&asset.code), asset.scale)).or_default();
    *gain = gain.saturating_add(parts);
}

fn earned_by((name, gains): (Arc<str>, Gains)) -> impl Iterator<Item = (Arc<str>, Earned)> {
    earned(gains).into_iter().map(move |earned| (Arc::clone(&name), earned))
}

/// One amount for each asset code, without those of which all parts are zero. If it is too large for the largest scale
/// of its asset code, each scale has its own.
fn earned(gains: Gains) -> Vec<Earned> {
    let mut codes: BTreeMap<Arc<str>, Vec<(u8, IncomeParts)>> = BTreeMap::new();
    for ((code, scale), parts) in gains {
        codes.entry(code).or_default().push((scale, parts));
    }
    let mut all = Vec::new();
    for (code, amounts) in codes {
        let amounts = match sum_at_largest_scale(&amounts) {
            Some(sum) => vec![sum],
            None => amounts,
        };
        let nonzero = amounts.into_iter().filter(|(_, parts)| *parts != IncomeParts::default());
        all.extend(nonzero.map(|(scale, parts)| {
            let code = Arc::clone(&code);
            Earned { asset: Asset { code, scale }, amount: parts.sum(), parts }
        }));
    }
    all
}

fn sum_at_largest_scale(amounts: &[(u8, IncomeParts)]) -> Option<(u8, IncomeParts)> {
    let largest = amounts.iter().map(|(scale, _)| *scale).max()?;
    let mut sum = IncomeParts::default();
    for (scale, parts) in amounts {
        let factor = 10_i128.checked_pow(u32::from(largest.abs_diff(*scale)))?;
        sum = sum.checked_add(parts.map(|part| part.checked_mul(factor))?)?;
    }
    Some((largest, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Totals;
    use crate::books::journal::tests::{adjustment, flow, history, period};
    use crate::books::{AccountRow, Adjustment, FlowRow, StoredRow, recover_account};
    use crate::wire::Timestamp;

    fn end(name: &str, code: &str, scale: u8) -> FlowEnd {
        FlowEnd { name: name.into(), asset: Asset::new(code, scale) }
    }

    /// The amount, and its parts: spread, rounding, exchange, own.
    fn shown(all: &[Earned]) -> Vec<String> {
        let shown = |Earned { asset, amount, parts }: &Earned| {
            let IncomeParts { spread, rounding, exchange, own } = parts;
            format!("{asset} {amount}: {spread} {rounding} {exchange} {own}")
        };
        all.iter().map(shown).collect()
    }

    fn shown_by(all: &[(Arc<str>, Earned)]) -> Vec<String> {
        let shown = |(name, one): &(Arc<str>, Earned)| {
            format!("{name} {}", shown(std::slice::from_ref(one)).concat())
        };
        all.iter().map(shown).collect()
    }

    fn between(
        hour: u64,
        from: FlowEnd,
        to: FlowEnd,
        amounts: (i128, i128),
        (amount_at_mid, spread): (i128, i128),
    ) -> FlowRow {
        let (amount_in, amount_out) = amounts;
        let sums = FlowSums { packets: 1, amount_in, amount_out, amount_at_mid, spread };
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
            between(0, a.clone(), c, (1_999, 1), (1, 0)),
            between(0, a.clone(), e, (5_000, 7), (10, 2)),
            between(0, a.clone(), own.clone(), (30, 30), (30, 0)),
            between(0, own.clone(), a, (10, 10), (10, 0)),
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
        let stored = StoredRow { balance: row.totals.balance(), row };
        history.books.accounts.push(recover_account(stored, Timestamp::EPOCH).unwrap());
        let income = Income::new(&history, Period::default());
        let (euros, dollars) = ("EUR/2 -7: 2 1 -10 0", "USD/9 6019: 0 999 5000 20");
        assert_eq!(shown(&income.total), [euros, dollars]);
        let by_account = [
            format!("a {euros}"),
            format!("a {dollars}"),
            "c USD/9 999: 0 999 0 0".to_owned(),
            format!("e {euros}"),
            "e USD/9 5000: 0 0 5000 0".to_owned(),
        ];
        assert_eq!(shown_by(&income.by_account), by_account);
        // The own accounts of the other two are missing.
        assert_eq!(shown(&income.unattributed), ["EUR/2 7: 0 0 0 7", "USD/9 1100: 0 0 0 1100"]);
    }

    #[test]
    fn a_spread_in_one_asset_is_no_rounding() {
        let mut history = history();
        let (a, c) = (end("a", "USD", 9), end("c", "USD", 6));
        // A hundredth of 1.999999 at six places, and what the packets rounded off.
        history.flows = vec![between(0, a, c, (1_999_999_999, 1_979_998), (1_999_999, 20_000))];
        let income = Income::new(&history, Period::default());
        assert_eq!(shown(&income.total), ["USD/9 20001999: 20000000 1999 0 0"]);
    }

    #[test]
    fn losses_are_what_was_conceded_or_written_off_in_the_period() {
        let mut history = history();
        let made = |hour: u64, change| Adjustment {
            at: Timestamp::from_millis(hour * 3_600_000),
            ..adjustment(hour, change)
        };
        history.adjustments = vec![
            made(24, BalanceChange::Resolve { conceded: 5 }),
            made(25, BalanceChange::Adjust(-1_000)),
            made(26, BalanceChange::Concede(30)),
            made(27, BalanceChange::WriteOff(200)),
            made(28, BalanceChange::WriteOff(-100)),
            made(48, BalanceChange::Concede(1)),
        ];
        let losses = |from, to| shown_by(&Income::new(&history, period(from, to)).losses);
        assert_eq!(losses(Some(1), Some(2)), ["c USD/9 -135: 0 0 0 -135"]);
        assert!(losses(Some(3), None).is_empty());
    }

    #[test]
    fn the_mid_rate_is_between_whole_assets() {
        let sums = FlowSums { amount_in: 2_000_000_000, amount_at_mid: 184, ..FlowSums::default() };
        let (usd, eur) = (Asset::new("USD", 9), Asset::new("EUR", 2));
        assert_eq!(mid_rate(&usd, &eur, sums).unwrap().to_string(), "0.92");
        for (amount_in, amount_at_mid) in [(0, 0), (0, 184), (184, 0), (-5, 184), (184, -5)] {
            let sums = FlowSums { amount_in, amount_at_mid, ..FlowSums::default() };
            assert_eq!(mid_rate(&usd, &eur, sums), None, "{amount_in} at {amount_at_mid}");
        }
    }

    #[test]
    fn amounts_that_no_common_scale_can_hold_stay_apart() {
        let gains = Gains::from([(("X".into(), 0), own(i128::MAX)), (("X".into(), 9), own(-1))]);
        let largest = i128::MAX;
        let expected = [format!("X/0 {largest}: 0 0 0 {largest}"), "X/9 -1: 0 0 0 -1".to_owned()];
        assert_eq!(shown(&earned(gains)), expected);
    }
}
