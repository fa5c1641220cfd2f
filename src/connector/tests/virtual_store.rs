//! A store in memory that has only what was acknowledged, and checks each cut.

use std::collections::BTreeMap;

use super::*;
use crate::account::Totals;
use crate::books::{
    AccountKind, AccountRow, Adjustment, Cut, FlowEnd, FlowRow, PaymentKey, ReceivedPayment,
    ReconciliationRow, RecoveredAccount, SavedBooks, Settlement, SettlementDirection, StoredRow,
    recover_account,
};
use crate::link::CutNumber;

/// The name and asset of an account.
pub(super) type Key = (Arc<str>, Asset);

/// The rows that would be found after a crash.
#[derive(Default)]
pub(super) struct VirtualStore {
    pub(super) rows: BTreeMap<String, AccountRow>,
    pub(super) newest: CutNumber,
    received: BTreeMap<String, ReceivedPayment>,
    flows: HashMap<(Timestamp, FlowEnd, FlowEnd), FlowRow>,
    /// In the order in which they were first saved.
    pub(super) settlements: Vec<Settlement>,
    adjustments: BTreeMap<String, Adjustment>,
    reconciliations: BTreeMap<String, ReconciliationRow>,
}

impl VirtualStore {
    pub(super) fn write(&mut self, cut: &Cut) {
        for row in &cut.accounts {
            assert!(row.held_out >= 0 && row.uncertain >= 0, "{row:?}");
            let before = self.rows.insert(format!("{} {}", row.name, row.asset), row.clone());
            if let Some(Totals { fulfilled_in, fulfilled_out, .. }) = before.map(|row| row.totals) {
                let now = &row.totals;
                assert!(now.fulfilled_in >= fulfilled_in && now.fulfilled_out >= fulfilled_out);
            }
        }
        let name = |key: &PaymentKey| format!("{} {} {}", key.receiver, key.asset, key.connection);
        for key in &cut.summed_up {
            self.received.remove(&name(key));
        }
        for payment in &cut.payments {
            let before = self.received.insert(name(&payment.key), payment.clone());
            assert!(before.is_none_or(|before| before.packets <= payment.packets));
        }
        for row in &cut.flows {
            self.flows.insert((row.hour, row.from.clone(), row.to.clone()), row.clone());
        }
        for settlement in &cut.records().settlements {
            match self.settlements.iter_mut().find(|saved| saved.id() == settlement.id()) {
                Some(saved) => {
                    assert_eq!(
                        (saved.units, &saved.quantity),
                        (settlement.units, &settlement.quantity)
                    );
                    assert!(saved.state <= settlement.state, "{saved:?} and then {settlement:?}");
                    saved.clone_from(settlement);
                }
                None => self.settlements.push(settlement.clone()),
            }
        }
        for made in &cut.records().adjustments {
            self.adjustments.insert(made.id.to_string(), made.clone());
        }
        for row in &cut.records().reconciliations {
            let name = format!("{} {}", row.account, row.asset);
            self.reconciliations.insert(name, row.clone());
        }
        self.newest = cut.number;
        self.check_settlements();
        self.check_sums();
        self.check_received();
        self.check_flows();
    }

    /// In each cut, the payments to a receiver are what it has got.
    fn check_received(&self) {
        for row in self.rows.values().filter(|row| row.kind == AccountKind::Receiver) {
            let payments = self.received.values();
            let payments = payments.filter(|payment| {
                payment.key.receiver == row.name && payment.key.asset == row.asset
            });
            let sum: i128 = payments.map(|payment| payment.amount).sum();
            assert_eq!(sum, row.totals.fulfilled_out, "{row:?} and {:#?}", self.received);
        }
    }

    /// The flows of an account are no more than what its packets moved.
    fn check_flows(&self) {
        let mut sums = HashMap::<&FlowEnd, (i128, i128)>::new();
        for FlowRow { from, to, sums: packets, .. } in self.flows.values() {
            sums.entry(from).or_default().0 += packets.amount_in;
            sums.entry(to).or_default().1 += packets.amount_out;
        }
        for row in self.rows.values().filter(|row| row.kind != AccountKind::Own) {
            let end = FlowEnd { name: Arc::clone(&row.name), asset: row.asset.clone() };
            let sums = sums.get(&end).copied().unwrap_or_default();
            let Totals { fulfilled_in, fulfilled_out, .. } = row.totals;
            assert!(sums.0 <= fulfilled_in && sums.1 <= fulfilled_out, "{sums:?} of {row:?}");
        }
    }

    /// In each cut, what was settled with an account is what its settlements say.
    fn check_settlements(&self) {
        for row in self.rows.values() {
            let of_row = self.settlements.iter().filter(|one| one.account == row.name);
            let sum = |direction| {
                let units = of_row.clone().filter(|one| one.direction == direction);
                units.map(|one| i128::try_from(one.units).unwrap()).sum::<i128>()
            };
            let (paid, received) =
                (sum(SettlementDirection::Outgoing), sum(SettlementDirection::Incoming));
            assert_eq!(
                (row.totals.settled_out, row.totals.settled_in),
                (paid, received),
                "{row:?}"
            );
        }
    }

    /// What operators changed aside, the balances of each asset add up to zero.
    fn check_sums(&self) {
        let mut sums = HashMap::<&Asset, i128>::new();
        for row in self.rows.values() {
            *sums.entry(&row.asset).or_default() +=
                row.totals.balance() - row.totals.settled() - row.totals.adjusted;
        }
        assert!(sums.values().all(|sum| *sum == 0), "{sums:?} in {:#?}", self.rows);
    }

    pub(super) fn state(&self, (name, asset): &Key) -> (Totals, i128) {
        let row = self.rows.get(&format!("{name} {asset}"));
        row.map_or_else(Default::default, |row| (row.totals, row.held_out + row.uncertain))
    }

    /// The books that a node starts with after a crash, or after a clean stop.
    pub(super) fn books(&self, was_clean: bool) -> SavedBooks {
        let (books_id, cut) = ("books".to_owned(), self.newest);
        let (accounts, payments) = (self.recover(), self.received.values().cloned().collect());
        let hour = self.flows.keys().map(|(hour, ..)| *hour).max();
        let flows = self.flows.values().filter(|row| Some(row.hour) == hour).cloned().collect();
        let settlements = self.settlements.clone();
        let reconciliations = self.reconciliations.values().cloned().collect();
        SavedBooks {
            books_id,
            cut,
            was_clean,
            accounts,
            payments,
            flows,
            settlements,
            reconciliations,
        }
    }

    pub(super) fn recover(&self) -> Vec<RecoveredAccount> {
        let stored = self.rows.values().map(|row| {
            let (row, balance) = (row.clone(), row.totals.balance());
            StoredRow { row, balance }
        });
        let recovered = stored.map(|stored| recover_account(stored, Timestamp::EPOCH).unwrap());
        let with_corrections = recovered.map(|mut account| {
            let row = &account.row;
            let made = self.adjustments.values();
            let made = made.filter(|made| made.account == row.name && made.asset == row.asset);
            made.for_each(|made| made.change.add_to(&mut account.corrected));
            account
        });
        with_corrections.collect()
    }
}
