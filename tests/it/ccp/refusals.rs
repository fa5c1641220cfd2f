//! What is refused, and that the link stays up.

use ilp_connector::wire::Condition;
use ilp_connector::wire::ilp::Prepare;

use super::neighbour::{Neighbour, ccp, update, vector};
use super::{becomes, node};
use crate::peer::{Daemon, body_of, describe, now};

#[test]
fn who_is_not_to_exchange_routes_is_refused_row_116() {
    let exchanging = node(&["child kid", "peer bob , sendRoutes: false, receiveRoutes: false"], "");
    let quiet = Daemon::with_peers(&["bob"], "");
    for (node, id) in [(&exchanging, "kid"), (&exchanging, "bob"), (&quiet, "bob")] {
        let mut peer = Neighbour::of(node, id);
        let told = update(1, (1, 0, 1), "test.bob", &[("test.far", &[])], &[]);
        assert_eq!(peer.asked(&ccp("peer.route.update", &told)), "Reject F00", "{id}");
        let control = vector("control-first-contact");
        assert_eq!(peer.asked(&ccp("peer.route.control", &control)), "Reject F00", "{id}");
        assert_eq!(super::way(node, "test.far"), Err("F02".to_owned()));
        assert_eq!(node.balance(id), ["0", "0", "0"]);
        assert_eq!(peer.heard, [], "nothing is asked of {id}, or told");
    }
}

#[test]
fn malformed_requests_are_refused_and_the_link_stays_row_117() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::of(&node, "bob");
    let file = crate::peer::vectors("ccp");
    let mut bad = 0;
    for entry in file["packets"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        if entry["expect"] != "reject" {
            continue;
        }
        let packet = hex::decode(entry["prepare_hex"].as_str().unwrap()).unwrap();
        let mut prepare = Prepare::parse(&packet).unwrap();
        let expired = entry["why"] == "expired";
        if !expired {
            prepare.expires_at = now().saturating_add_millis(10_000);
        }
        let mut ask = ccp(prepare.destination.as_str(), prepare.data).condition(prepare.condition);
        ask.expires_at = prepare.expires_at;
        let code = if expired { "Reject R02" } else { "Reject F01" };
        assert_eq!(bob.asked(&ask), code, "{name}");
        bad += 1;
    }
    assert!(bad > 15, "{bad}");
    let good = vector("update-heartbeat");
    // A good one cut short at every byte, a wrong condition, and money where none belongs.
    for end in 0..good.len() {
        assert_eq!(bob.asked(&ccp("peer.route.update", &good[..end])), "Reject F01", "{end}");
    }
    let wrong = ccp("peer.route.update", &good).condition(Condition::PING);
    assert_eq!(bob.asked(&wrong), "Reject F01");
    assert_eq!(bob.asked(&ccp("peer.route.update", &good).amount(1)), "Reject F01");
    bob.tells(&[("test.a", &[])], &[]);
    becomes(&node, "test.a", Ok("bob"));
    assert_eq!(node.balance("bob"), ["0", "0", "0"]);
}

/// Nothing that is announced becomes a panic, and what is too much is left out.
#[test]
fn a_peer_that_announces_too_much_is_bounded_rows_107_117() {
    let node = node(&["peer bob , maxRoutes: 3, acceptPrefixes: [test.ok, test.also]"], "");
    let mut bob = Neighbour::of(&node, "bob");
    let names: Vec<String> = (0..9).map(|number| format!("test.ok.{number}")).collect();
    let mut routes: Vec<(&str, &[&str])> =
        names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let path = ["test.x"; 40];
    let deep = format!("test.also{}", ".a".repeat(40));
    routes.push((&deep, &[]));
    routes.extend([("test.okay", &[][..]), ("nonsense", &[][..]), ("test.also.long", &path[..])]);
    bob.tells(&routes, &["nonsense", ""]);
    becomes(&node, "test.ok.2", Ok("bob"));
    for address in ["test.ok.3", "test.okay", "test.also.long"] {
        assert_eq!(super::way(&node, address), Err("F02".to_owned()), "{address}");
    }
    for (reason, count) in [
        ("too_many", 6),
        ("not_accepted", 1),
        ("bad_address", 1),
        ("long_path", 1),
        ("deep_prefix", 1),
    ] {
        assert_eq!(super::refused(&node, "bob", reason), count, "{reason}");
    }
    let said = || node.log().contains("a peer announces more routes than are kept");
    crate::support::eventually("it is logged", crate::peer::PATIENCE, || {
        if said() { Ok(()) } else { Err(node.log()) }
    });
}

#[test]
fn a_control_is_acknowledged_with_zeros_rows_100_101() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::of(&node, "bob");
    // The first thing that the node says: it knows nothing.
    let (id, packet) = bob.peer.prepare();
    let prepare = Prepare::parse(&packet).unwrap();
    assert_eq!(prepare.destination.as_str(), "peer.route.control");
    assert_eq!((prepare.amount.0, prepare.condition), (0, Condition::PEER_PROTOCOL));
    assert_eq!(prepare.data, vector("control-first-contact"));
    let mut payload = Vec::new();
    super::neighbour::first_control().encode(&mut payload);
    assert_eq!(prepare.data, payload);
    // Refused as ilp-connector does when it is not ready: it is asked again soon.
    bob.peer.answer(id, &crate::peer::reject(b"F00"));
    bob.hears_control([0; 16], 0);
    let got = bob.asks(&ccp("peer.route.control", &vector("control-sync")));
    let expected = crate::peer::vectors("ccp")["response_hex"].as_str().unwrap().to_owned();
    assert_eq!(hex::encode(got.ilp.as_deref().unwrap()), expected);
    assert_eq!(body_of(got.ilp.as_deref().unwrap()), "Fulfill", "{}", describe(&got));
}
