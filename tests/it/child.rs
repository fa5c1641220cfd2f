//! A node that gets its address from its parent (IL-DCP, RFC 31), with a scripted parent. Checklist rows 33 and 96 to
//! 99.

use std::net::TcpListener;
use std::time::Duration;

use ilp_connector::wire::btp::{ILP, ProtocolEntry};
use ilp_connector::wire::ilp::Prepare;
use ilp_connector::wire::{Address, Fulfillment, ildcp};
use serde_json::Value;

use crate::peer::{
    PREIMAGE, Peer, TestNode, bind_listener, fulfill, fulfill_with, get_json, message, now,
    prepare_to, read_vectors, reject, response,
};
use crate::process::{Process, path_text, temp_folder, write_file};

/// The data of a parent's answer.
fn parent_info(address: &str, scale: u8, code: &str) -> Vec<u8> {
    let address: Address = address.parse().unwrap();
    let response = ildcp::IldcpResponse {
        client_address: address.view(),
        asset_scale: scale,
        asset_code: code,
    };
    let mut data = Vec::new();
    response.encode(&mut data);
    data
}

#[test]
fn a_child_asks_checks_and_adopts_rows_96_97_99_138() {
    let (listener, port) = bind_listener();
    let node = start_child("nodeId: kid\n", port, "  - { id: alice, authToken: alice-token }\n");
    let mut alice = node.connect_peer("alice");
    let mut up = accept_login(&listener);
    // Only the last answer is usable: the child repeats the request, and has no address until then.
    let mut with_surplus = parent_info("test.up.kid", 6, "EUR");
    with_surplus.extend(b"of a later version");
    let mut no_address = parent_info("test.up.kid", 6, "EUR");
    no_address[1..5].copy_from_slice(b"nope");
    for (what, answer, is_usable) in [
        ("a Reject", reject(b"F00"), false),
        ("row 97: the wrong fulfillment", fulfill_with(&PREIMAGE, &with_surplus), false),
        ("row 97: no address", fulfill_with(&Fulfillment::ZERO, &no_address), false),
        ("row 99: more than is known", fulfill_with(&Fulfillment::ZERO, &with_surplus), true),
    ] {
        let (id, packet) = up.receive_prepare();
        let request = Prepare::parse(&packet).unwrap();
        assert_eq!(request.destination.as_str(), "peer.config", "row 96: {what}");
        assert_eq!((request.amount.0, request.data), (0, &b""[..]), "row 96: {what}");
        assert_eq!(request.condition, Fulfillment::ZERO.condition(), "row 96: {what}");
        assert_eq!(get_json(node.health_port, "/health")["status"], "starting", "row 138: {what}");
        assert_eq!(alice.request(1, &prepare_to("test.shop")), "RESPONSE 1 Reject T00", "{what}");
        up.answer(id, &answer);
        if is_usable {
            node.wait_for_account("the address is known", "up", |_| {
                get_json(node.health_port, "/peers")["ilpAddress"] == "test.up.kid"
            });
        }
    }
    node.wait_for_account("row 138: healthy", "up", |_| {
        get_json(node.health_port, "/health")["status"] == "healthy"
    });
    let up_account = node.account("up");
    assert_eq!((&up_account["assetCode"], &up_account["assetScale"]), (&"EUR".into(), &6.into()));
    // Everything unknown goes to the parent.
    alice.send_prepare(2, &prepare_to("test.shop"));
    let (id, _) = up.receive_prepare();
    up.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
}

/// A node with a parent `up` on this port, and the peers of `rest`.
fn start_child(settings: &str, port: u16, rest: &str) -> TestNode {
    TestNode::start(&format!(
        "{settings}peers:\n  - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n{rest}"
    ))
}

/// The peer that accepts the node's next dial and login.
fn accept_login(listener: &TcpListener) -> Peer {
    let mut up = Peer::accept(listener);
    let login = up.receive();
    up.send(&response(login.id, None));
    up
}

/// A parent that has received the node's request for address and asset.
struct Parent {
    session: Peer,
    request_id: u32,
}

impl Parent {
    fn accept(listener: &TcpListener) -> Self {
        let mut session = accept_login(listener);
        let (request_id, packet) = session.receive_prepare();
        assert_eq!(Prepare::parse(&packet).unwrap().destination.as_str(), "peer.config");
        Self { session, request_id }
    }

    fn answer(&mut self, address: &str, scale: u8, code: &str) {
        let data = parent_info(address, scale, code);
        self.session.answer(self.request_id, &fulfill_with(&Fulfillment::ZERO, &data));
    }

    /// Fulfills a packet that `kid` sends through the node.
    fn fulfill_packet_of(&mut self, kid: &mut Peer) {
        kid.send_prepare(1, &prepare_to("test.shop"));
        let (id, _) = self.session.receive_prepare();
        self.session.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(kid.receive_described(), "RESPONSE 1 Fulfill");
    }
}

/// Level and error of each line with this message.
fn log_lines(node: &TestNode, message: &str) -> Vec<(String, String)> {
    let lines = node.process.output_lines();
    let values = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = values.filter(|line| line["message"] == message);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| (text(&line["level"]), text(&line["error"]))).collect()
}

const KID: &str = "  - { id: kid, relation: child, authToken: kid-token }\n";

const REFUSED: &str = "address or asset from the parent cannot be used; its link is suspended until the configuration fits";

/// Address, asset and scale of the node, whether packets go to the parent, and how often its values were refused.
fn parent_state(node: &TestNode) -> (String, bool, usize) {
    let up = node.account("up");
    let address = &get_json(node.health_port, "/peers")["ilpAddress"];
    let values = format!("{address} {} {}", up["assetCode"], up["assetScale"]);
    (values.replace('"', ""), up["enabled"] == true, log_lines(node, REFUSED).len())
}

#[test]
fn adopted_values_stay_and_a_parent_that_gives_others_is_suspended() {
    let (listener, port) = bind_listener();
    let node = start_child("nodeId: n\n", port, KID);
    let wait_for_state = |what: &str, expected: (&str, bool, usize)| {
        let expected = (expected.0.to_owned(), expected.1, expected.2);
        node.wait_for_account(what, "up", |_| parent_state(&node) == expected);
    };
    let adopted = "test.up.n EUR 6";
    let mut up = Parent::accept(&listener);
    up.answer("test.up.n", 6, "EUR");
    wait_for_state("the first answer is adopted", (adopted, true, 0));
    let mut kid = node.connect_peer("kid");
    let mut refused = 0;
    for (address, scale, code) in [("test.up.n", 2, "EUR"), ("test.other.n", 6, "EUR")] {
        up.session.disconnect();
        up = Parent::accept(&listener);
        up.answer(address, scale, code);
        refused += 1;
        wait_for_state("a different answer is refused", (adopted, false, refused));
        // The child's session goes on with its asset, and none of its packets reaches the parent.
        assert_eq!(
            kid.request(1, &prepare_to("test.shop")),
            "RESPONSE 1 Reject T01",
            "{address} {scale}"
        );
        assert!(up.session.drain_frames().is_empty());
        up.session.disconnect();
        up = Parent::accept(&listener);
        up.answer("test.up.n", 6, "EUR");
        wait_for_state("the adopted one is accepted again", (adopted, true, refused));
        up.fulfill_packet_of(&mut kid);
    }
    for (level, error) in log_lines(&node, REFUSED) {
        assert_eq!(level, "ERROR");
        assert!(error.contains("test.up.n and EUR/6 before"), "{error}");
    }
}

#[test]
fn values_from_a_parent_must_follow_the_rules_of_the_file() {
    let (listener, port) = bind_listener();
    let bob =
        "  - { id: bob, authToken: bob-token }\nroutes: [{ prefix: test.bob, nextHop: bob }]\n";
    let node = start_child("nodeId: n\n", port, bob);
    // Rules of the answer alone: the request is repeated. (`account::asset` tests all rules of assets.)
    let (long, mut up) = ("X".repeat(33), Parent::accept(&listener));
    for (address, code, why) in
        [("peer.up.n", "EUR", "below peer."), ("test.up.n", &long, "the asset code is too long")]
    {
        up.answer(address, 6, code);
        (up.request_id, _) = up.session.receive_prepare();
        node.wait_for_account(why, "up", |_| {
            let last = log_lines(&node, "the parent gave no address").pop();
            last.is_some_and(|(level, error)| level == "WARN" && error.contains(why))
        });
        assert_eq!(get_json(node.health_port, "/peers")["ilpAddress"], Value::Null, "{why}");
    }
    // Rules of answer and file: the link is suspended. (`config::own_address` tests all rules of addresses.)
    up.answer("g.up.n", 6, "EUR");
    // The log has a thread of its own: the page may change before the line is written.
    node.wait_for_account("refused", "up", |up| {
        up["enabled"] == false && !log_lines(&node, REFUSED).is_empty()
    });
    let (level, error) = log_lines(&node, REFUSED).pop().unwrap();
    assert!(level == "ERROR" && error.contains("belongs to another network"), "{error}");
    assert_eq!(get_json(node.health_port, "/peers")["ilpAddress"], Value::Null);
    up.session.disconnect();
    up = Parent::accept(&listener);
    up.answer("test.up.n", 6, "EUR");
    node.wait_for_account("a usable answer", "up", |_| {
        parent_state(&node) == ("test.up.n EUR 6".into(), true, 1)
    });
}

#[test]
fn an_asset_that_is_not_set_comes_from_the_parent_even_if_the_address_is_set() {
    let (listener, port) = bind_listener();
    let start =
        |asset: &str| start_child(&format!("nodeId: n\nilpAddress: test.up.n\n{asset}"), port, KID);
    let node = start("");
    let mut up = Parent::accept(&listener);
    let mut kid = node.connect_peer("kid");
    assert_eq!(parent_state(&node), ("test.up.n USD 9".into(), true, 0));
    up.answer("test.up.another", 6, "EUR");
    node.wait_for_account("the asset is adopted", "up", |_| {
        parent_state(&node) == ("test.up.n EUR 6".into(), true, 0)
    });
    // The child requests its asset again when it reconnects.
    kid.wait_closed();
    let mut kid = node.connect_peer("kid");
    up.fulfill_packet_of(&mut kid);
    drop(node);
    // An account with a balance keeps its asset.
    let node = start("");
    let mut up = Parent::accept(&listener);
    let mut kid = node.connect_peer("kid");
    up.fulfill_packet_of(&mut kid);
    up.answer("test.up.n", 6, "EUR");
    node.wait_for_account("refused", "up", |_| {
        parent_state(&node) == ("test.up.n USD 9".into(), false, 1)
    });
    drop(node);
    // A parent without IL-DCP gets no second request, and the log warns.
    let node = start("");
    let mut up = Parent::accept(&listener);
    up.session.answer(up.request_id, &reject(b"F00"));
    node.wait_for_account("the node is warned", "up", |_| {
        let warning = "the parent gave no asset; set assetCode and assetScale, because the defaults may differ from its own";
        log_lines(&node, warning).len() == 1
    });
    kid = node.connect_peer("kid");
    up.fulfill_packet_of(&mut kid);
    drop(node);
    // Address and asset are set: there is no request.
    let node = start("assetCode: EUR\nassetScale: 6\n");
    let mut up = accept_login(&listener);
    node.wait_connected("up");
    assert!(up.drain_frames().is_empty());
    assert_eq!(parent_state(&node), ("test.up.n EUR 6".into(), true, 0));
}

/// Every request of the vectors to a parent, and every answer of the vectors to a child.
#[test]
fn all_vectors_rows_93_95_97_99() {
    let parent = TestNode::start(
        "nodeId: n\nilpAddress: test.n\npeers: [{ id: kid, relation: child, authToken: kid-token }]\n",
    );
    let mut kid = parent.connect_peer("kid");
    for vector in read_vectors("ildcp")["packets"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let mut packet = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
        if vector["kind"] != "request" {
            check_answer(vector, &packet);
            continue;
        }
        if name != "request-expired" {
            // The vectors expired in 2015.
            let fresh = now().saturating_add(Duration::from_secs(30));
            packet[2 + 8..2 + 25].copy_from_slice(&fresh.to_17());
        }
        kid.send(&message(1, &[ProtocolEntry::octets(ILP, &packet)]));
        let expected = match name {
            "request" => "Fulfill",
            "request-expired" => "Reject R02",
            _ => "Reject F01",
        };
        assert_eq!(vector["expect"] == "accept", expected == "Fulfill", "{name}");
        assert_eq!(kid.receive_described(), format!("RESPONSE 1 {expected}"), "{name}");
    }
}

/// A child whose parent answers with `packet` adopts its values, or goes on without an address.
fn check_answer(vector: &Value, packet: &[u8]) {
    let (listener, port) = bind_listener();
    let node = start_child("nodeId: kid\n", port, "");
    let mut up = accept_login(&listener);
    let (id, _) = up.receive_prepare();
    up.answer(id, packet);
    let adopted = || get_json(node.health_port, "/peers")["ilpAddress"].clone();
    let fields = &vector["fields"];
    if fields.is_null() || fields["assetScale"] == 255 {
        // It repeats the request, and has no address. (Scale 255 and code `€` can be read, but no account may have
        // them.)
        up.receive_prepare();
        assert_eq!(adopted(), Value::Null, "{vector}");
    } else {
        node.wait_for_account("the address", "up", |_| adopted() == fields["clientAddress"]);
        let account = node.account("up");
        assert_eq!(account["assetScale"], fields["assetScale"], "{vector}");
        assert_eq!(account["assetCode"], fields["assetCode"], "{vector}");
    }
}

#[test]
fn files_that_mix_networks_or_have_two_parents_are_refused_rows_33_98() {
    let folder = temp_folder();
    let check = |yaml: &str, expected: &str| {
        let file = write_file(&folder, "node.yaml", yaml);
        let (status, lines) =
            Process::start(&["run", "--config", path_text(&file)], []).wait_exit();
        let output = lines.join("\n");
        assert_eq!(status.code(), Some(64), "{output}");
        assert!(output.contains(expected), "{expected:?} is not in {output}");
        assert!(!output.contains("listening"), "nothing listens yet: {output}");
    };
    check(
        "nodeId: n\nilpAddress: g.n\npeers: [{ id: a, authToken: abcd }]\nroutes: [{ prefix: test.a, nextHop: a }]\n",
        "test",
    );
    check(
        "nodeId: n\npeers:\n  - { id: a, relation: parent, authToken: abcd }\n  - { id: b, relation: parent, authToken: efgh }\n",
        "parent",
    );
}
