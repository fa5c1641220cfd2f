//! What a repeated change answers while the store fails.

use rusqlite::Connection;

use super::*;
use crate::books::BalanceChange;
use crate::node::tests::{StoredNode, save_cut};
use crate::testing::change_request;

#[tokio::test]
async fn a_durable_change_is_confirmed_while_the_store_fails() {
    let StoredNode { directory: _directory, file, worker, store, context, status } =
        StoredNode::new();
    std::thread::spawn(|| worker.run());
    let mut changes = BalanceChanges {
        store: store.clone(),
        context: Arc::clone(&context),
        status: Arc::clone(&status),
        unsaved: None,
    };
    let request = change_request("c", BalanceChange::Adjust(7));
    let connector = &context.connector;
    let (made, ()) = tokio::join!(changes.make(&request), save_cut(&store, &context));
    let made = made.unwrap();

    status.set_store_failure(Some("broken".to_owned()));
    assert_eq!(changes.make(&request).await.unwrap(), made);
    let other = ChangeRequest { id: "two".parse().unwrap(), ..request };
    let refusal = changes.make(&other).await.unwrap_err();
    assert!(matches!(refusal, ChangeRefusal::StoreFails(_)), "{refusal}");
    Connection::open(&file).unwrap().execute_batch("DROP TABLE adjustment").unwrap();
    let refusal = changes.make(&other).await.unwrap_err();
    assert!(matches!(refusal, ChangeRefusal::Unknown(_)), "{refusal}");
    let cut = connector.take_cut(context.clock.now().wall).unwrap();
    assert!(cut.accounts.is_empty(), "nothing has changed");
}
