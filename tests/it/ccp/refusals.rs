//! Refused CCP requests and routes; the link stays up.

use ilp_connector::wire::Condition;
use ilp_connector::wire::ilp::Prepare;

use super::neighbour::{Neighbour, ccp_prepare, payload_of_vector, update};
use super::{node, wait_for_next_hop};
use crate::peer::{TestNode, describe_frame, describe_packet, now};

#[test]
fn requests_of_peers_that_exchange_no_routes_are_refused_row_116() {
    let exchanging = node(&["child kid", "peer bob , sendRoutes: false, receiveRoutes: false"], "");
    let quiet = TestNode::with_peers(&["bob"], "");
    for (node, id) in [(&exchanging, "kid"), (&exchanging, "bob"), (&quiet, "bob")] {
        let mut peer = Neighbour::connect(node, id);
        let update = update(1, (1, 0, 1), "test.bob", &[("test.far", &[])], &[]);
        assert_eq!(peer.request(&ccp_prepare("peer.route.update", &update)), "Reject F00", "{id}");
        let control = payload_of_vector("control-first-contact");
        assert_eq!(
            peer.request(&ccp_prepare("peer.route.control", &control)),
            "Reject F00",
            "{id}"
        );
        assert_eq!(super::next_hop(node, "test.far"), Err("F02".to_owned()));
        assert_eq!(node.balance(id), ["0", "0", "0"]);
        assert_eq!(peer.received, [], "{id} is sent no CCP request");
    }
}

#[test]
fn malformed_requests_are_refused_and_the_link_stays_up_row_117() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    let file = crate::peer::read_vectors("ccp");
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
        let mut request =
            ccp_prepare(prepare.destination.as_str(), prepare.data).condition(prepare.condition);
        request.expires_at = prepare.expires_at;
        let code = if expired { "Reject R02" } else { "Reject F01" };
        assert_eq!(bob.request(&request), code, "{name}");
        bad += 1;
    }
    assert!(bad > 15, "{bad}");
    let good = payload_of_vector("update-heartbeat");
    // A valid payload cut at every byte, a wrong condition, and an amount that is not zero.
    for end in 0..good.len() {
        assert_eq!(
            bob.request(&ccp_prepare("peer.route.update", &good[..end])),
            "Reject F01",
            "{end}"
        );
    }
    let wrong = ccp_prepare("peer.route.update", &good).condition(Condition::PING);
    assert_eq!(bob.request(&wrong), "Reject F01");
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &good).amount(1)), "Reject F01");
    bob.advertise(&[("test.a", &[])], &[]);
    wait_for_next_hop(&node, "test.a", Ok("bob"));
    assert_eq!(node.balance("bob"), ["0", "0", "0"]);
}

/// No advertisement causes a panic, and routes above the limits are left out.
#[test]
fn the_routes_of_one_peer_are_bounded_rows_107_117() {
    let node = node(&["peer bob , maxRoutes: 3, acceptPrefixes: [test.ok, test.also]"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    let names: Vec<String> = (0..9).map(|number| format!("test.ok.{number}")).collect();
    let mut routes: Vec<(&str, &[&str])> =
        names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let path = ["test.x"; 40];
    let deep = format!("test.also{}", ".a".repeat(40));
    routes.push((&deep, &[]));
    routes.extend([("test.okay", &[][..]), ("nonsense", &[][..]), ("test.also.long", &path[..])]);
    bob.advertise(&routes, &["nonsense", ""]);
    wait_for_next_hop(&node, "test.ok.2", Ok("bob"));
    for address in ["test.ok.3", "test.okay", "test.also.long"] {
        assert_eq!(super::next_hop(&node, address), Err("F02".to_owned()), "{address}");
    }
    for (reason, count) in [
        ("too_many", 6),
        ("not_accepted", 1),
        ("bad_address", 1),
        ("long_path", 1),
        ("deep_prefix", 1),
    ] {
        assert_eq!(super::refused_routes(&node, "bob", reason), count, "{reason}");
    }
    let is_logged = || node.log().contains("a peer advertises more routes than this node keeps");
    crate::support::eventually("it is logged", crate::peer::TIMEOUT, || {
        if is_logged() { Ok(()) } else { Err(node.log()) }
    });
}

#[test]
fn a_route_control_is_acknowledged_with_a_zero_fulfillment_rows_100_101() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    // The node's first frame: it knows no table.
    let (id, packet) = bob.peer.receive_prepare();
    let prepare = Prepare::parse(&packet).unwrap();
    assert_eq!(prepare.destination.as_str(), "peer.route.control");
    assert_eq!((prepare.amount.0, prepare.condition), (0, Condition::PEER_PROTOCOL));
    assert_eq!(prepare.data, payload_of_vector("control-first-contact"));
    let mut payload = Vec::new();
    super::neighbour::first_control().encode(&mut payload);
    assert_eq!(prepare.data, payload);
    // ilp-connector refuses like this while it is not ready; the node asks again soon.
    bob.peer.answer(id, &crate::peer::reject(b"F00"));
    bob.wait_for_control([0; 16], 0);
    let got =
        bob.request_frame(&ccp_prepare("peer.route.control", &payload_of_vector("control-sync")));
    let expected = crate::peer::read_vectors("ccp")["response_hex"].as_str().unwrap().to_owned();
    assert_eq!(hex::encode(got.ilp.as_deref().unwrap()), expected);
    assert_eq!(describe_packet(got.ilp.as_deref().unwrap()), "Fulfill", "{}", describe_frame(&got));
}
