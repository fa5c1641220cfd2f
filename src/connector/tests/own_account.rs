//! What the node receives and sends itself is in accounts of its own, so that the balances of each asset add up to zero.

use super::*;
use crate::account::Rate;
use crate::wire::ping::{ECHO_RESPONSE, EchoRequest};

/// alice and carl in USD/9, bob in USD/6, eve in EUR/9.
fn traders() -> Net {
    let accounts = vec![
        peer("alice"),
        peer("carl"),
        with_asset(peer("bob"), "USD", 6),
        with_asset(peer("eve"), "EUR", 9),
    ];
    let routes = [("test.carl", "carl"), ("test.bob", "bob"), ("test.eve", "eve")];
    let mut settings = settings(accounts, &routes);
    let rate: Rate = "0.9".parse().unwrap();
    settings.rates = vec![("USD".into(), "EUR".into(), rate)];
    net(settings)
}

/// The own accounts as `asset balance`.
fn own(net: &Net) -> Vec<String> {
    let own = net.connector.report().own_accounts;
    own.iter().map(|account| format!("{} {}", account.id(), account.balance)).collect()
}

fn fulfilled(net: &Net, to: &Peer) {
    let id = net.prepare_id(to);
    net.answer(to, id, &fulfill(PREIMAGE, b""));
}

#[test]
fn pings_pay_the_node() {
    let net = traders();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment_with("test.node", 0, 10_000, b"", Condition::PING));
    net.read(&alice);
    assert!(own(&net).is_empty(), "no money, no account");
    for id in 2..12 {
        net.ask(&alice, id, &payment_with("test.node", 100, 10_000, b"", Condition::PING));
    }
    net.ask(&bob, 1, &payment_with("test.node", 7, 10_000, b"", Condition::PING));
    assert_eq!((net.balance("alice"), net.balance("bob")), (1000, 7));
    assert_eq!(own(&net), ["own:USD/6 -7", "own:USD/9 -1000"]);
    net.adds_up();
    // What is not fulfilled pays nobody.
    net.ask(&alice, 20, &payment("test.node", 5));
    net.adds_up();
    assert_eq!(own(&net), ["own:USD/6 -7", "own:USD/9 -1000"]);
}

#[test]
fn echoes_and_pongs() {
    let net = traders();
    let (alice, carl) = (net.connect("alice"), net.connect("carl"));
    // An echo is paid by its asker to whoever gets the pong: the node keeps nothing.
    let mut data = Vec::new();
    let return_address: Address = "test.carl.x".parse().unwrap();
    EchoRequest { return_address: return_address.view() }.encode(&mut data);
    net.ask(&alice, 1, &payment_with("test.node", 30, 10_000, &data, PREIMAGE.condition()));
    fulfilled(&net, &carl);
    assert_eq!((net.balance("alice"), net.balance("carl")), (30, -30));
    assert!(own(&net).is_empty());
    net.adds_up();
    // A pong to the node, which it asked for, pays the node.
    net.connector.expect_pong(PREIMAGE);
    let pong = payment_with("test.node", 9, 10_000, ECHO_RESPONSE, PREIMAGE.condition());
    net.ask(&carl, 1, &pong);
    assert_eq!(own(&net), ["own:USD/9 -9"]);
    net.adds_up();
}

#[test]
fn what_the_node_sends_itself() {
    let net = traders();
    let eve = net.connect("eve");
    let send = |amount| {
        let packet = payment("test.eve", amount);
        let prepare = Prepare::parse(&packet).unwrap();
        net.connector.originate_prepare(&"eve".parse().unwrap(), &prepare, net.now, |_| {});
        net.prepare_id(&eve)
    };
    let id = send(40);
    net.answer(&eve, id, &fulfill(PREIMAGE, b""));
    let id = send(2);
    net.answer(&eve, id, &reject(ErrorCode::F99, None, "", b""));
    assert_eq!((net.balance("eve"), own(&net)), (-40, vec!["own:EUR/9 40".to_owned()]));
    net.adds_up();
}

#[test]
fn conversions_buy_one_asset_for_another() {
    let net = traders();
    let (alice, bob, eve) = (net.connect("alice"), net.connect("bob"), net.connect("eve"));
    net.ask(&alice, 1, &payment("test.bob", 5_999));
    fulfilled(&net, &bob);
    assert_eq!(own(&net), ["own:USD/6 5", "own:USD/9 -5999"]);
    net.ask(&alice, 2, &payment("test.eve", 100));
    fulfilled(&net, &eve);
    assert_eq!(own(&net), ["own:EUR/9 90", "own:USD/6 5", "own:USD/9 -6099"]);
    net.ask(&alice, 3, &payment("test.carl", 50));
    net.adds_up();
    // A peer that a reload removed keeps its balance, and its asset.
    let mut settings = settings(vec![peer("alice"), with_asset(peer("bob"), "USD", 6)], &[]);
    settings.address = Some("test.node".parse().unwrap());
    net.connector.apply_settings(settings).unwrap();
    assert_eq!(net.balance("eve"), -90);
    net.adds_up();
}
