//! Payments to and from the node itself are booked on its own accounts, so that the balances of each asset add up to
//! zero.

use super::virtual_store::VirtualStore;
use super::*;
use crate::books::{BalanceChange, ChangeError};
use crate::testing::change_request;

/// alice and carl in USD/9, bob in USD/6, eve in EUR/9.
fn traders() -> TestNode {
    let accounts = vec![
        peer("alice"),
        peer("carl"),
        with_asset(peer("bob"), "USD", 6),
        with_asset(peer("eve"), "EUR", 9),
    ];
    let routes = [("test.carl", "carl"), ("test.bob", "bob"), ("test.eve", "eve")];
    let mut settings = settings(accounts, &routes);
    settings.rates = vec![pair_rate("USD", "EUR", "0.9")];
    node(settings)
}

/// The own accounts as `asset balance`.
fn own(node: &TestNode) -> Vec<String> {
    let own = node.connector.report().own_accounts;
    own.iter().map(|account| format!("{} {}", account.id(), account.balance)).collect()
}

#[test]
fn pings_are_paid_to_the_own_account() {
    let node = traders();
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.send(&alice, 1, &ping(0));
    node.read(&alice);
    assert!(own(&node).is_empty(), "a ping without an amount books nothing");
    for id in 2..12 {
        node.send(&alice, id, &ping(100));
    }
    node.send(&bob, 1, &ping(7));
    assert_eq!((node.balance("alice"), node.balance("bob")), (1000, 7));
    assert_eq!(own(&node), ["own:USD/6 -7", "own:USD/9 -1000"]);
    node.assert_balanced();
    // A rejected packet books nothing.
    node.send(&alice, 20, &payment("test.node", 5));
    node.assert_balanced();
    assert_eq!(own(&node), ["own:USD/6 -7", "own:USD/9 -1000"]);
}

#[test]
fn echoes_leave_the_own_account_unchanged_and_pongs_pay_it() {
    let node = traders();
    let (alice, carl) = (node.connect("alice"), node.connect("carl"));
    // An echo request pays the peer that gets the pong; the node keeps nothing.
    node.send(&alice, 1, &echo("test.carl.x", 30, 10_000));
    node.fulfill_one(&carl);
    assert_eq!((node.balance("alice"), node.balance("carl")), (30, -30));
    assert!(own(&node).is_empty());
    node.assert_balanced();
    // An expected pong pays the node.
    node.connector.expect_pong(PREIMAGE);
    node.send(&carl, 1, &pong(PREIMAGE, 9, 10_000));
    assert_eq!(own(&node), ["own:USD/9 -9"]);
    node.assert_balanced();
}

#[test]
fn the_nodes_own_payments_are_booked() {
    let node = traders();
    let eve = node.connect("eve");
    let send = |amount| {
        node.originate("eve", &payment("test.eve", amount), |_| {});
        node.prepare_id(&eve)
    };
    let id = send(40);
    node.answer(&eve, id, &fulfill(PREIMAGE, b""));
    let id = send(2);
    node.answer(&eve, id, &reject(ErrorCode::F99, None, "", b""));
    assert_eq!((node.balance("eve"), own(&node)), (-40, vec!["own:EUR/9 40".to_owned()]));
    node.assert_balanced();
}

#[test]
fn conversions_buy_one_asset_for_another() {
    let node = traders();
    let (alice, bob, eve) = (node.connect("alice"), node.connect("bob"), node.connect("eve"));
    node.send(&alice, 1, &payment("test.bob", 5_999));
    node.fulfill_one(&bob);
    assert_eq!(own(&node), ["own:USD/6 5", "own:USD/9 -5999"]);
    node.send(&alice, 2, &payment("test.eve", 100));
    node.fulfill_one(&eve);
    assert_eq!(own(&node), ["own:EUR/9 90", "own:USD/6 5", "own:USD/9 -6099"]);
    node.send(&alice, 3, &payment("test.carl", 50));
    node.assert_balanced();
    // A peer that a reload removed keeps its balance, and its asset.
    let mut settings = settings(vec![peer("alice"), with_asset(peer("bob"), "USD", 6)], &[]);
    settings.address = Some("test.node".parse().unwrap());
    node.apply(settings);
    assert_eq!(node.balance("eve"), -90);
    node.assert_balanced();
}

/// Alice and bob, with a store.
fn with_books(books: SavedBooks) -> TestNode {
    node_with_books(connector_settings("node", &["alice", "bob"]), books)
}

#[test]
fn an_own_account_is_saved_changed_by_operators_and_goes_on_after_a_restart() {
    // A cut has flows once a second.
    let second = Duration::from_secs(1);
    let mut node = with_books(SavedBooks::default());
    let take = |node: &TestNode| node.connector.take_cut(node.now.wall).unwrap();
    let alice = node.connect("alice");
    node.send(&alice, 1, &ping(0));
    let cut = take(&node);
    assert_eq!((names(&cut), cut.flows.len()), (vec![], 0), "no money, no row");
    node.advance(second);
    node.send(&alice, 2, &ping(100));
    let mut store = VirtualStore::default();
    let cut = take(&node);
    assert_eq!(names(&cut), ["alice", "own:USD/9"]);
    let [flow] = &*cut.flows else { panic!("{:?}", cut.flows) };
    assert_eq!((&*flow.from.name, &*flow.to.name), ("alice", "own:USD/9"));
    assert_eq!((flow.sums.packets, flow.sums.amount_out), (1, 100));
    store.write(&cut);
    assert_eq!(names(&take(&node)), [""; 0]);
    let mut request = change_request("own:USD/9", BalanceChange::Adjust(30));
    let (_, made) = node.connector.change_balance(&request, node.now.wall).unwrap();
    assert_eq!((made.balance, own(&node)), (-70, vec!["own:USD/9 -70".to_owned()]));
    let cut = take(&node);
    assert_eq!(names(&cut), ["own:USD/9"]);
    store.write(&cut);
    request.account = "own:EUR/2".to_owned();
    let unknown = Err(ChangeError::UnknownAccount(request.account.clone()));
    assert_eq!(node.connector.change_balance(&request, node.now.wall), unknown);
    node = with_books(store.books(true));
    assert_eq!((own(&node), node.balance("alice")), (vec!["own:USD/9 -70".to_owned()], 100));
    assert_eq!(names(&take(&node)), [""; 0]);
    node.advance(second);
    let alice = node.connect("alice");
    node.send(&alice, 3, &ping(1));
    let cut = take(&node);
    assert_eq!((own(&node), cut.flows[0].sums.packets), (vec!["own:USD/9 -71".to_owned()], 2));
}
