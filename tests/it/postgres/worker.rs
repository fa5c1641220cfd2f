//! The thread of a store: requests through its handle, and the lease that it renews without them.

use std::sync::Arc;
use std::thread;

use ilp_connector::internals::account::Asset;
use ilp_connector::internals::books::{
    Adjustment, BalanceChange, Cut, CutRecords, DeliveryState, EventDelivery, EventId, EventKind,
    EventLevel, EventQuery, NewEvent, Quantity, SavedEvent, Settlement, SettlementDirection,
    SettlementState,
};
use ilp_connector::internals::link::CutNumber;
use ilp_connector::internals::store::{
    DeliveryQuery, Lease, Store, StoreHandle, StoreWorker, WriteError,
};
use ilp_connector::internals::time::MonoTime;
use ilp_connector::wire::Timestamp;
use tokio::runtime::Builder;
use tokio::time::{Duration, timeout};

use super::engines::{check, cut, open};
use super::{TestDatabase, try_open};
use crate::process::TIMEOUT;

/// Runs `body` beside the thread of a store, until the thread ends.
fn run_with(store: Store, body: impl AsyncFnOnce(StoreHandle)) {
    let (worker, handle) = StoreWorker::new(store);
    let thread = thread::spawn(|| worker.run());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(TIMEOUT, body(handle)).await.expect("an answer in time") });
    thread.join().unwrap();
}

fn open_database(database: &TestDatabase) -> Store {
    try_open(&database.url().parse().unwrap(), "b").unwrap().0
}

/// Waits until the lease is as wanted.
async fn wait_for(handle: &StoreHandle, wanted: impl Fn(&Lease) -> bool) -> Lease {
    let mut lease = handle.lease().expect("books in a database have a lease");
    let found = timeout(TIMEOUT, lease.wait_for(wanted)).await;
    found.expect("a change in time").expect("the thread runs").clone()
}

/// One record of each kind.
fn records() -> CutRecords {
    let (at, asset) = (Timestamp::from_millis(5), Asset::default);
    let event = NewEvent {
        level: EventLevel::Warn,
        kind: EventKind::PeerDown,
        text: "c is down".to_owned(),
        peer: None,
        fields: Vec::new(),
    };
    let event = SavedEvent::new(EventId::from_random(7), at, &event);
    CutRecords {
        adjustments: vec![Adjustment {
            id: "fee".parse().unwrap(),
            at,
            account: "c".into(),
            asset: asset(),
            change: BalanceChange::Adjust(7),
            balance: 7,
            reason: "a fee".to_owned(),
            by: "ann".to_owned(),
        }],
        settlements: vec![Settlement {
            key: "k".parse().unwrap(),
            account: "c".into(),
            asset: asset(),
            direction: SettlementDirection::Outgoing,
            quantity: Quantity::of_units(10, 9),
            units: 10,
            leftover: Default::default(),
            state: SettlementState::Pending,
            attempts: 0,
            created_at: at,
            updated_at: at,
            reference: String::new(),
            by: "engine".to_owned(),
        }],
        deliveries: vec![EventDelivery::new(event.id.clone(), "ops".into(), at)],
        events: vec![Arc::new(event)],
        ..CutRecords::default()
    }
}

#[test]
fn each_request_is_answered_until_the_last_cut_is_saved() {
    check("a store's thread", |place| {
        run_with(open(place).0, async |handle| {
            let saved = records();
            handle.write(cut(1, Vec::new()).with_records(saved.clone())).await.unwrap();
            let adjustment = handle.find_adjustment("fee".parse().unwrap()).await.unwrap();
            assert_eq!(adjustment.as_ref(), saved.adjustments.first());
            let (direction, key) = (SettlementDirection::Outgoing, "k".parse().unwrap());
            let settlement = handle.find_settlement(direction, "c".into(), key).await.unwrap();
            assert_eq!(settlement.as_ref(), saved.settlements.first());
            assert_eq!(handle.list_settlements(None, 9).await.unwrap(), saved.settlements);
            let (hook, state) = ("ops".into(), DeliveryState::Pending);
            let due_by = Timestamp::from_millis(9);
            let query = DeliveryQuery { hook, state, due_by, max: 9, counts_all: true };
            let found = handle.find_deliveries(query).await.unwrap();
            assert_eq!((found.found.len(), found.counts.pending), (1, 1));
            let query = EventQuery { max: 9, ..EventQuery::default() };
            assert_eq!(handle.find_events(query).await.unwrap().len(), 1);
            handle.reopen().await.unwrap();
            handle.write_last(cut(2, Vec::new())).await.unwrap();
            let late = handle.write(cut(3, Vec::new())).await;
            assert!(matches!(late, Err(WriteError::NoThread)), "{late:?}");
        });
        let (_store, books) = open(place);
        assert_eq!((books.cut, books.was_clean), (CutNumber(2), true));
    });
}

#[test]
fn books_in_a_file_need_no_lease() {
    let folder = crate::process::temp_folder();
    run_with(open(&folder.path().join("b.db").into()).0, async |handle| {
        assert!(handle.lease().is_none());
        let failure = timeout(Duration::ZERO, handle.failure()).await;
        assert!(failure.is_err(), "{failure:?}");
    });
}

#[test]
fn a_lease_is_renewed_without_a_cut_and_given_back_at_the_end() {
    let Some(database) = TestDatabase::create("a renewed lease") else { return };
    let until = || database.query("SELECT lease_until FROM ilp_connector.books");
    run_with(open_database(&database), async |handle| {
        let (taken_until, first) = (until(), wait_for(&handle, |_| true).await);
        let renewed = wait_for(&handle, |lease| lease.valid_until > first.valid_until).await;
        assert!(renewed.failure.is_none() && renewed.lost_to.is_none(), "{renewed:?}");
        assert_ne!(until(), taken_until);
    });
    // No process waits for the end of a lease that was given back.
    open_database(&database);
}

#[test]
fn a_process_learns_without_a_cut_that_another_one_has_its_books() {
    let Some(database) = TestDatabase::create("a taken lease") else { return };
    run_with(open_database(&database), async |handle| {
        database.query(
            "UPDATE ilp_connector.books SET owner = 'other', holder = 'process 7 on x', epoch = epoch + 1",
        );
        let failure = handle.failure().await;
        assert!(failure.starts_with("process 7 on x has taken the books"), "{failure}");
        let lost = wait_for(&handle, |lease| lease.lost_to.is_some()).await;
        assert_eq!(lost.lost_to.as_deref(), Some("process 7 on x"));
        assert!(!lost.is_valid(MonoTime::default()), "never again");
        let error = handle.write(Cut::default()).await;
        assert!(error.is_err() && handle.reopen().await.is_err());
    });
}

#[test]
fn a_lost_connection_is_noticed_at_once_and_may_come_back() {
    let Some(database) = TestDatabase::create("a lost connection") else { return };
    run_with(open_database(&database), async |handle| {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name = 'ilp-connector'";
        database.query(end);
        let failure = handle.failure().await;
        assert!(failure.starts_with("the database failed"), "{failure}");
        let lease = wait_for(&handle, |_| true).await;
        assert!(lease.is_valid(MonoTime::default()), "it may be renewed");
        let error = handle.write(Cut::default()).await;
        assert!(matches!(error, Err(WriteError::Postgres(_))), "{error:?}");
        handle.reopen().await.unwrap();
        assert_eq!(wait_for(&handle, |_| true).await.failure, None);
        handle.write(Cut { number: CutNumber(1), ..Cut::default() }).await.unwrap();
    });
}
