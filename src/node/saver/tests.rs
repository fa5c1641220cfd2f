//! A store that fails is reported once, and so is its recovery.

use rusqlite::Connection;
use tokio::task::LocalSet;

use super::*;
use crate::books::BalanceChange;
use crate::node::tests::StoredNode;
use crate::testing::{Log, change_request, until};

const SLOW: &str = "has not answered";

#[tokio::test]
async fn a_slow_store_that_then_fails_is_reported_once_and_so_is_its_recovery() {
    let log = Log::of_this_thread();
    let StoredNode { directory: _directory, file, worker, store, context, status } =
        StoredNode::new();
    let pace = Pace { durability: Durability::Strict, interval: Duration::ZERO };
    let (_pace, changes) = watch::channel(pace);
    let mut saving = Saving {
        store,
        context: Arc::clone(&context),
        status: Arc::clone(&status),
        pace: changes,
        last_cut_at: MonoTime::default(),
        last_took: Duration::ZERO,
        last_ended: Instant::now(),
    };
    let failure = || status.watch_store_failure().borrow().clone();
    let request = change_request("c", BalanceChange::Adjust(1));
    context.connector.change_balance(&request, context.clock.now().wall).unwrap();

    let tasks = LocalSet::new();
    let saved = tasks.spawn_local(async move { saving.wait_and_save().await });
    let test = async {
        until("the cut is slow", || failure().is_some_and(|failure| failure.contains(SLOW))).await;
        // The worker begins only now, so that the cut is slow, and then fails.
        let other = Connection::open(&file).unwrap();
        other
            .execute_batch(
                "CREATE TRIGGER broken BEFORE INSERT ON account BEGIN SELECT RAISE(FAIL, 'broken'); END",
            )
            .unwrap();
        std::thread::spawn(|| worker.run());
        until("the cut fails", || failure().is_some_and(|failure| failure.contains("broken")))
            .await;
        // The next attempt waits for this transaction, is slow, and then works.
        other.execute_batch("BEGIN IMMEDIATE; DROP TRIGGER broken").unwrap();
        until("an attempt is slow", || failure().is_some_and(|failure| failure.contains(SLOW)))
            .await;
        other.execute_batch("COMMIT").unwrap();
        saved.await.unwrap();
    };
    tasks.run_until(test).await;
    assert_eq!(failure(), None);
    let log = log.text();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert_eq!(log.matches("INFO").count(), 1, "{log}");
}
