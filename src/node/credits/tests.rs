//! A key is one credit, however often and however it comes, and no other answer follows a credit than success.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::account::AccountId;
use crate::books::{Quantity, SettlementError};
use crate::node::tests::{StoredNode, save_cuts};
use crate::testing::connector_settings;

/// The credits of a node whose cuts are saved as they come.
struct Fixture {
    _directory: TempDir,
    file: PathBuf,
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    _task: AbortOnDrop,
    _saver: AbortOnDrop,
}

impl Fixture {
    fn new() -> Self {
        let StoredNode { directory, file, worker, store, context, status } = StoredNode::new();
        std::thread::spawn(|| worker.run());
        give_engine(&context, SettlementMode::Engine);
        let task = start(store.clone(), &context, Arc::clone(&status));
        let saver = save_cuts(store, &context);
        Self { _directory: directory, file, context, status, _task: task, _saver: saver }
    }

    async fn credit(
        &self,
        account: &str,
        key: &str,
        amount: &str,
        scale: u8,
    ) -> Result<(), CreditRefusal> {
        let account: AccountId = account.parse().unwrap();
        let quantity = Quantity::new(amount, scale).unwrap();
        let (reply, answer) = oneshot::channel();
        let order = CreditOrder { account, key: key.parse().unwrap(), quantity, reply };
        self.context.credits.get().unwrap().send(order).await.unwrap();
        answer.await.unwrap()
    }

    fn balance(&self) -> i128 {
        let report = self.context.connector.report();
        report.accounts.iter().find(|account| account.settings.id.as_str() == "c").unwrap().balance
    }
}

/// Changes how the node settles with c.
fn give_engine(context: &NodeContext, mode: SettlementMode) {
    let mut settings = connector_settings("b", &["c"]);
    settings.accounts[0].settlement.mode = mode;
    context.connector.apply_settings(settings).unwrap();
}

#[tokio::test]
async fn only_a_peer_with_an_engine_is_credited_and_what_was_credited_is_confirmed() {
    let fixture = Fixture::new();
    fixture.credit("c", "k", "1", 9).await.unwrap();
    for mode in [SettlementMode::Manual, SettlementMode::None] {
        give_engine(&fixture.context, mode);
        fixture.credit("c", "k", "1", 9).await.unwrap();
        let refusal = fixture.credit("c", "l", "1", 9).await.unwrap_err();
        assert_eq!(refusal, CreditRefusal::NoEngine("c".parse().unwrap()));
    }
    assert_eq!(fixture.balance(), -1);
}

#[tokio::test]
async fn a_key_is_one_credit_however_often_it_comes_rows_133_135() {
    let fixture = Fixture::new();
    let all = (0..10_000).map(|_| fixture.credit("c", "k", "905", 11));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(fixture.balance(), -9);
    fixture.credit("c", "k", "905", 11).await.unwrap();
    let other = fixture.credit("c", "k", "906", 11).await.unwrap_err();
    let is_other = matches!(other, CreditRefusal::Settlement(SettlementError::OtherSettlement(_)));
    assert!(is_other, "{other}");
    fixture.credit("c", "l", "95", 11).await.unwrap();
    assert_eq!(fixture.balance(), -10, "what was left over makes a unit");
}

#[tokio::test]
async fn nothing_is_credited_to_accounts_that_are_not_there_or_beyond_what_books_hold() {
    let fixture = Fixture::new();
    let refusal = fixture.credit("d", "k", "1", 9).await.unwrap_err().to_string();
    assert_eq!(refusal, "there is no peer d");
    let refusal = fixture.credit("c", "k", &"9".repeat(50), 9).await.unwrap_err().to_string();
    assert!(refusal.contains("larger than the books can hold"), "{refusal}");
    let refusal = fixture.credit("c", "k", &i128::MAX.to_string(), 9).await.unwrap_err();
    assert!(refusal.to_string().contains("would add up to more than"), "{refusal}");
    assert_eq!(fixture.balance(), 0);
    fixture.credit("c", "k", "0", 9).await.unwrap();
}

#[tokio::test]
async fn a_credit_that_was_made_is_confirmed_while_the_store_fails() {
    let fixture = Fixture::new();
    fixture.credit("c", "k", "1", 9).await.unwrap();
    fixture.status.set_store_failure(Some("broken".to_owned()));
    fixture.credit("c", "k", "1", 9).await.unwrap();
    let refusal = fixture.credit("c", "l", "1", 9).await.unwrap_err();
    assert!(matches!(refusal, CreditRefusal::StoreFails(_)), "{refusal}");
    let file = Connection::open(&fixture.file).unwrap();
    file.execute_batch("DROP TABLE settlement").unwrap();
    let refusal = fixture.credit("c", "k", "1", 9).await.unwrap_err();
    assert!(matches!(refusal, CreditRefusal::StoreFails(_)), "{refusal}");
    assert_eq!(fixture.balance(), -1);
}
