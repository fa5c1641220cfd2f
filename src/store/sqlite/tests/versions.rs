//! A file of each version, before it is brought to this one.

use super::*;
use crate::books::{
    CutRecords, FlowEnd, FlowRow, ReconcileState, ReconciliationRow, SettlementState,
};
use crate::store::Store;
use crate::testing::settlement;

/// A store with one row of each kind.
fn with_a_row_of_each_kind() -> Fixture {
    let fixture = Fixture::new();
    let (mut store, _) = fixture.open();
    let mut row = account("c", 10);
    (row.totals.settled_in, row.totals.settled_out) = (5, 5);
    let asset = Asset::default;
    let key = PaymentKey { receiver: "w".into(), asset: asset(), connection: "x".into() };
    let last_at = Timestamp::EPOCH;
    let [from, to] = ["a", "c"].map(|name| FlowEnd { name: name.into(), asset: asset() });
    let records = CutRecords {
        settlements: vec![settlement("k", SettlementDirection::Incoming, SettlementState::Done, 1)],
        reconciliations: vec![ReconciliationRow {
            account: "c".into(),
            asset: asset(),
            state: ReconcileState::default(),
        }],
        ..CutRecords::default()
    };
    let rows = Cut {
        payments: vec![ReceivedPayment { key, packets: 1, amount: 70, announced: 7, last_at }],
        flows: vec![FlowRow { hour: last_at, from, to, sums: FlowSums::at_par(1, 70) }],
        ..cut(1, vec![row])
    };
    store.write(&rows.with_records(records)).unwrap();
    fixture
}

#[test]
fn a_reader_finds_in_each_version_what_it_has() {
    let fixture = with_a_row_of_each_kind();
    for version in 1..=7 {
        fixture.execute(&format!("PRAGMA user_version = {version}"));
        assert_eq!(Store::tables_version(&fixture.path()).unwrap(), version);
        let history = SqliteStore::read_history(&fixture.path()).unwrap();
        let books = &history.books;
        let counts = [
            (books.payments.len(), 2),
            (books.flows.len(), 3),
            (history.flows.len(), 3),
            (books.settlements.len(), 4),
            (history.settlements.len(), 4),
            (books.reconciliations.len(), 7),
        ];
        for (at, (found, since)) in counts.into_iter().enumerate() {
            assert_eq!(found, usize::from(version >= since), "{at} in version {version}");
        }
        let settled = if version < 4 { 0 } else { 5 };
        assert_eq!(books.accounts[0].row.totals.settled_in, settled, "version {version}");
        // Before version 5, every payment was announced as a whole.
        let announced = if version < 5 { 70 } else { 7 };
        let all_announced = books.payments.iter().all(|payment| payment.announced == announced);
        assert!(all_announced, "version {version}");
    }
}
