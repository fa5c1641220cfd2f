//! What operators and webhooks get of comparisons.

use super::*;
use crate::account::Asset;
use crate::books::{Judgement, Parts};
use crate::link::{Framing, Outbox, SessionKind};
use crate::node::tests::StoredNode;

fn reconciling(node: &StoredNode) -> (Reconciling, mpsc::Receiver<Done>) {
    let (done_sender, done) = mpsc::channel(EXCHANGES_MAX);
    let reconciling = Reconciling {
        context: Arc::clone(&node.context),
        status: Arc::clone(&node.status),
        interval: watch::channel(Duration::from_secs(300)).1,
        has_store: true,
        started_at: Instant::now(),
        peers: BTreeMap::new(),
        running: BTreeSet::new(),
        alarmed: BTreeSet::new(),
        waiting: BTreeMap::new(),
        done_sender,
    };
    (reconciling, done)
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn state(verdict: BooksVerdict, asked: i128) -> ReconcileState {
    let difference = Parts { asked, ..Parts::default() };
    ReconcileState { verdict, difference, ..ReconcileState::default() }
}

fn reconciled(before: &ReconcileState, state: &ReconcileState) -> Reconciled {
    Reconciled {
        before: before.clone(),
        state: state.clone(),
        asset: Asset::default(),
        judgement: Judgement::default(),
        made: Vec::new(),
        other_asset: None,
    }
}

#[test]
fn the_end_of_an_alarm_is_an_event_also_after_a_recovery() {
    let node = StoredNode::new();
    let (mut reconciling, _done) = reconciling(&node);
    let (agrees, differs) = (state(BooksVerdict::Agrees, 0), state(BooksVerdict::Differs, 120));
    let recovering = state(BooksVerdict::Recovering, 0);
    let mut report = |before: &ReconcileState, after: &ReconcileState| {
        reconciling.report(&account("c"), &reconciled(before, after));
        let cut = node.context.connector.take_cut(node.context.clock.now().wall).unwrap();
        node.context.connector.publish_durable(cut.number);
        cut.records().events.iter().map(|event| event.text.clone()).collect::<Vec<_>>()
    };
    let differ = "the books differ: the peer claims 0.00000012 USD (120 units) more than this node accepts for its \
                  packets (agree with the operator of the peer which number is right, and correct the other one, only \
                  there, with `ledger adjust PEER -120`)";
    assert_eq!(report(&agrees, &differs), [differ]);
    assert_eq!(report(&differs, &differs), [""; 0]);
    // The node starts again, and finds out what it lost.
    assert_eq!(report(&differs, &recovering), [""; 0]);
    assert_eq!(report(&recovering, &agrees), ["the books agree again"]);
    assert_eq!(report(&agrees, &agrees), [""; 0]);
}

#[tokio::test]
async fn an_operator_who_finds_no_room_is_answered_later() {
    let node = StoredNode::new();
    let (mut reconciling, mut done) = reconciling(&node);
    let others = (0..EXCHANGES_MAX).map(|n| account(&format!("peer-{n}")));
    reconciling.running = others.collect();
    let (reply, answer) = oneshot::channel();
    reconciling.waiting.insert(account("c"), vec![reply]);
    reconciling.begin(&account("c"));
    assert!(!reconciling.running.contains(&account("c")));
    let unanswered = || Err(NotCompared::Unanswered("no session".to_owned()));
    reconciling.end(account("peer-0"), unanswered());
    let (peer, result) = done.recv().await.unwrap();
    assert_eq!(peer, account("c"));
    reconciling.end(peer, result);
    assert!(matches!(answer.await.unwrap(), Err(NotCompared::Unanswered(_))));
}

#[tokio::test]
async fn while_the_store_fails_no_peer_is_asked() {
    let node = StoredNode::new();
    let (mut reconciling, _done) = reconciling(&node);
    let c = account("c");
    let connector = &node.context.connector;
    let outbox = Outbox::new(Framing::None, 1 << 20);
    let session = (SessionKind::Accepted, None, Arc::clone(&outbox), node.context.clock.now());
    let (kind, token, frames, now) = session;
    connector.attach_session(&connector.account("c").unwrap(), kind, token, frames, now);
    let mut look = || {
        reconciling.begin_due();
        reconciling.peers.get_mut(&c).unwrap().next_at = Some(Instant::now());
        reconciling.begin_due();
        reconciling.running.len()
    };
    node.status.set_store_failure(Some("the disk is full".to_owned()));
    assert_eq!(look(), 0);
    node.status.set_store_failure(None);
    assert_eq!(look(), 1);
    node.status.set_store_failure(Some("the disk is full".to_owned()));
    let (reply, answer) = oneshot::channel();
    reconciling.take_order(c, reply);
    let refused = answer.await.unwrap().unwrap_err().to_string();
    assert_eq!(
        refused,
        "books are not compared while the store fails: the disk is full; try again"
    );
}
