//! Engines are asked when the debit is on the disk, and an engine that hangs or fails concerns its own account only.

use std::path::PathBuf;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::account::{SettlementMode, SettlementRules};
use crate::books::BalanceChange;
use crate::node::tests::{StoredNode, save_cuts};
use crate::testing::{change_request, connector_settings, until};

/// A node with the peers c and d, whose cuts are saved as they come.
struct Fixture {
    _directory: TempDir,
    file: PathBuf,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    _saver: AbortOnDrop,
}

/// What an engine was asked, by account and key.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

impl Fixture {
    fn new() -> Self {
        let StoredNode { directory, file, worker, store, context, status } = StoredNode::new();
        std::thread::spawn(|| worker.run());
        let mut settings = connector_settings("b", &["c", "d"]);
        for account in &mut settings.accounts {
            account.settlement = SettlementRules {
                mode: SettlementMode::Engine,
                threshold: Some(-100),
                ..SettlementRules::default()
            };
        }
        context.connector.apply_settings(settings).unwrap();
        let saver = save_cuts(store, &context);
        Self { _directory: directory, file, context, status, _saver: saver }
    }

    fn owe(&self, account: &str, amount: i128) {
        let mut request = change_request(account, BalanceChange::Adjust(-amount));
        request.id = format!("{account}-{amount}").parse().unwrap();
        let at = self.context.clock.now().wall;
        self.context.connector.change_balance(&request, at).unwrap();
    }

    fn balance(&self, account: &str) -> i128 {
        self.context.connector.settlement_view(&account.parse().unwrap()).unwrap().balance
    }
}

/// Units and state of a settlement in the file.
fn saved(file: &PathBuf, key: &str) -> Option<(String, String)> {
    let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let select = "SELECT units, state FROM settlement WHERE key = ?1";
    file.query_row(select, [key], |row| Ok((row.get(0)?, row.get(1)?))).ok()
}

#[tokio::test]
async fn an_engine_is_asked_when_the_debit_is_saved_and_again_until_it_accepts_rows_132_134() {
    let fixture = Fixture::new();
    let (requests, file) = (Requests::default(), fixture.file.clone());
    let (asked, context) = (Arc::clone(&requests), Arc::clone(&fixture.context));
    let _task =
        start(Arc::clone(&fixture.context), Arc::clone(&fixture.status), move |settlement| {
            let key = settlement.key.to_string();
            let debit = saved(&file, &key);
            assert_eq!(debit, Some(("100".to_owned(), "pending".to_owned())), "it is durable");
            let account = settlement.account.parse().unwrap();
            let view = context.connector.settlement_view(&account).unwrap();
            assert_eq!(view.balance, 0, "it is debited, also after a failure");
            let mut asked = asked.lock();
            asked.push((account.to_string(), key));
            let fails = asked.len() == 1;
            std::future::ready(if fails {
                Err("the engine answers 500".to_owned())
            } else {
                Ok(())
            })
        });
    // Above the threshold: if this were due, it would begin no later than that of d.
    fixture.owe("c", 99);
    fixture.owe("d", 100);
    until("the second request", || requests.lock().len() == 2).await;
    let requests = requests.lock().clone();
    assert_eq!(requests[0], requests[1], "the same key");
    assert_eq!((requests[0].0.as_str(), fixture.balance("d")), ("d", 0));
    assert_eq!(fixture.balance("c"), -99);
    let done = Some(("100".to_owned(), "done".to_owned()));
    until("the end in the file", || saved(&fixture.file, &requests[0].1) == done).await;
}

#[tokio::test]
async fn an_engine_that_hangs_delays_no_other_account_row_64() {
    let fixture = Fixture::new();
    let (requests, hangs) = (Requests::default(), Arc::new(Notify::new()));
    let (asked, released) = (Arc::clone(&requests), Arc::clone(&hangs));
    let _task =
        start(Arc::clone(&fixture.context), Arc::clone(&fixture.status), move |settlement| {
            asked.lock().push((settlement.account.to_string(), settlement.key.to_string()));
            let released = Arc::clone(&released);
            async move {
                if &*settlement.account == "c" {
                    released.notified().await;
                }
                Ok(())
            }
        });
    fixture.owe("c", 150);
    until("the request", || requests.lock().len() == 1).await;
    for (amount, expected) in [(200, 2), (300, 3)] {
        fixture.owe("d", amount);
        until("the request", || requests.lock().len() == expected).await;
        assert_eq!(requests.lock().last().unwrap().0, "d");
        until("the balance", || fixture.balance("d") == 0).await;
    }
    // No second one of c begins before the first one ends.
    fixture.owe("c", 400);
    let c = "c".parse().unwrap();
    let pending = fixture.context.connector.settlement_under_way(&c).unwrap();
    assert_eq!((fixture.balance("c"), pending.units), (-400, 150));
    hangs.notify_one();
    until("the balance", || fixture.balance("c") == 0).await;
    until("the request", || requests.lock().len() == 4).await;
}
