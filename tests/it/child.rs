//! A node that gets its address from its parent (IL-DCP, RFC 31), with a scripted parent. Checklist rows 33 and 96 to 99.

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

/// What a parent tells.
fn told(address: &str, scale: u8, code: &str) -> Vec<u8> {
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
    let node = TestNode::start(&format!(
        "nodeId: kid\npeers:\n  - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n  \
           - {{ id: alice, authToken: alice-token }}\n"
    ));
    let mut alice = node.connect_peer("alice");
    let mut up = Peer::accept(&listener);
    let login = up.receive();
    up.send(&response(login.id, None));
    // Each answer is no use but the last: the child asks again, and has no address meanwhile.
    let mut surplus = told("test.up.kid", 6, "EUR");
    surplus.extend(b"of a later version");
    let mut no_address = told("test.up.kid", 6, "EUR");
    no_address[1..5].copy_from_slice(b"nope");
    for (what, answer, good) in [
        ("a Reject", reject(b"F00"), false),
        ("row 97: the wrong fulfillment", fulfill_with(&PREIMAGE, &surplus), false),
        ("row 97: no address", fulfill_with(&Fulfillment::ZERO, &no_address), false),
        ("row 99: more than is known", fulfill_with(&Fulfillment::ZERO, &surplus), true),
    ] {
        let (id, packet) = up.receive_prepare();
        let request = Prepare::parse(&packet).unwrap();
        assert_eq!(request.destination.as_str(), "peer.config", "row 96: {what}");
        assert_eq!((request.amount.0, request.data), (0, &b""[..]), "row 96: {what}");
        assert_eq!(request.condition, Fulfillment::ZERO.condition(), "row 96: {what}");
        assert_eq!(get_json(node.health_port, "/health")["status"], "starting", "row 138: {what}");
        assert_eq!(
            alice.request(1, &prepare_to("test.somebody")),
            "RESPONSE 1 Reject T00",
            "{what}"
        );
        up.answer(id, &answer);
        if good {
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
    alice.send_prepare(2, &prepare_to("test.somebody"));
    let (id, _) = up.receive_prepare();
    up.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
}

/// A parent that has taken the login of the node and is asked for address and asset.
struct Parent(Peer, u32);

impl Parent {
    fn asked(listener: &TcpListener) -> Self {
        let mut up = Peer::accept(listener);
        let login = up.receive();
        up.send(&response(login.id, None));
        let (id, packet) = up.receive_prepare();
        assert_eq!(Prepare::parse(&packet).unwrap().destination.as_str(), "peer.config");
        Parent(up, id)
    }

    fn says(&mut self, address: &str, scale: u8, code: &str) {
        self.0.answer(self.1, &fulfill_with(&Fulfillment::ZERO, &told(address, scale, code)));
    }
}

/// Levels and errors of the lines of a message.
fn lines(node: &TestNode, message: &str) -> Vec<(String, String)> {
    let lines = node.process.output_lines();
    let values = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = values.filter(|line| line["message"] == message);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| (text(&line["level"]), text(&line["error"]))).collect()
}

const REFUSED: &str = "address or asset from the parent cannot be used; its link is suspended until the configuration fits";

/// Address, asset and scale of the node, whether packets go to the parent, and how often it was refused.
fn standing(node: &TestNode) -> (String, bool, usize) {
    let up = node.account("up");
    let address = &get_json(node.health_port, "/peers")["ilpAddress"];
    let unit = format!("{address} {} {}", up["assetCode"], up["assetScale"]);
    (unit.replace('"', ""), up["enabled"] == true, lines(node, REFUSED).len())
}

#[test]
fn what_was_adopted_stays_and_a_parent_that_says_something_else_is_suspended() {
    let (listener, port) = bind_listener();
    let node = TestNode::start(&format!(
        "nodeId: n\npeers:\n  - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n  \
           - {{ id: kid, relation: child, authToken: kid-token }}\n"
    ));
    let until = |what: &str, expected: (&str, bool, usize)| {
        let expected = (expected.0.to_owned(), expected.1, expected.2);
        node.wait_for_account(what, "up", |_| standing(&node) == expected);
    };
    let adopted = "test.up.n EUR 6";
    let mut up = Parent::asked(&listener);
    up.says("test.up.n", 6, "EUR");
    until("the first answer is adopted", (adopted, true, 0));
    let mut kid = node.connect_peer("kid");
    let mut refused = 0;
    for (address, scale, code) in [("test.up.n", 2, "EUR"), ("test.other.n", 6, "EUR")] {
        up.0.disconnect();
        up = Parent::asked(&listener);
        up.says(address, scale, code);
        refused += 1;
        until("another one is refused", (adopted, false, refused));
        // The session of the child goes on, in its unit, and none of its packets gets to the parent.
        assert_eq!(
            kid.request(1, &prepare_to("test.shop")),
            "RESPONSE 1 Reject T01",
            "{address} {scale}"
        );
        assert!(up.0.drain_frames().is_empty());
        up.0.disconnect();
        up = Parent::asked(&listener);
        up.says("test.up.n", 6, "EUR");
        until("the first one is taken again", (adopted, true, refused));
        kid.send_prepare(2, &prepare_to("test.shop"));
        let (id, _) = up.0.receive_prepare();
        up.0.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(kid.receive_described(), "RESPONSE 2 Fulfill");
    }
    for (level, error) in lines(&node, REFUSED) {
        assert_eq!(level, "ERROR");
        assert!(error.contains("test.up.n and EUR/6 before"), "{error}");
    }
}

#[test]
fn what_a_parent_tells_is_held_to_the_rules_of_the_file() {
    let (listener, port) = bind_listener();
    let node = TestNode::start(&format!(
        "nodeId: n\npeers:\n  - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n  \
           - {{ id: bob, authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    ));
    // Of the answer alone: it is asked again. (`account::asset` has all rules of assets.)
    let (long, mut up) = ("X".repeat(33), Parent::asked(&listener));
    for (address, code, why) in
        [("peer.up.n", "EUR", "below peer."), ("test.up.n", &long, "the asset code is too long")]
    {
        up.says(address, 6, code);
        (up.1, _) = up.0.receive_prepare();
        node.wait_for_account(why, "up", |_| {
            let last = lines(&node, "the parent gave no address").pop();
            last.is_some_and(|(level, error)| level == "WARN" && error.contains(why))
        });
        assert_eq!(get_json(node.health_port, "/peers")["ilpAddress"], Value::Null, "{why}");
    }
    // Of the answer and the file: the link is suspended. (`config::own_address` has all rules of addresses.)
    up.says("g.up.n", 6, "EUR");
    // The log has a thread of its own: its line may come after the page.
    node.wait_for_account("refused", "up", |up| {
        up["enabled"] == false && !lines(&node, REFUSED).is_empty()
    });
    let (level, error) = lines(&node, REFUSED).pop().unwrap();
    assert!(level == "ERROR" && error.contains("belongs to another network"), "{error}");
    assert_eq!(get_json(node.health_port, "/peers")["ilpAddress"], Value::Null);
    up.0.disconnect();
    up = Parent::asked(&listener);
    up.says("test.up.n", 6, "EUR");
    node.wait_for_account("a good one", "up", |_| {
        standing(&node) == ("test.up.n EUR 6".into(), true, 1)
    });
}

#[test]
fn an_asset_that_nobody_set_is_the_parents_also_where_the_address_is_set() {
    let (listener, port) = bind_listener();
    let start = |asset: &str| {
        TestNode::start(&format!(
            "nodeId: n\nilpAddress: test.up.n\n{asset}peers:\n  \
               - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n  \
               - {{ id: kid, relation: child, authToken: kid-token }}\n"
        ))
    };
    let node = start("");
    let mut up = Parent::asked(&listener);
    let mut kid = node.connect_peer("kid");
    assert_eq!(standing(&node), ("test.up.n USD 9".into(), true, 0));
    up.says("test.up.another", 6, "EUR");
    node.wait_for_account("the asset is adopted", "up", |_| {
        standing(&node) == ("test.up.n EUR 6".into(), true, 0)
    });
    // The child may have asked before, and asks again when it connects.
    kid.wait_closed();
    let mut kid = node.connect_peer("kid");
    kid.send_prepare(2, &prepare_to("test.shop"));
    let (id, _) = up.0.receive_prepare();
    up.0.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(kid.receive_described(), "RESPONSE 2 Fulfill");
    drop(node);
    // A balance keeps its unit: another one is refused.
    let node = start("");
    let mut up = Parent::asked(&listener);
    let mut kid = node.connect_peer("kid");
    kid.send_prepare(1, &prepare_to("test.shop"));
    let (id, _) = up.0.receive_prepare();
    up.0.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(kid.receive_described(), "RESPONSE 1 Fulfill");
    up.says("test.up.n", 6, "EUR");
    node.wait_for_account("refused", "up", |_| {
        standing(&node) == ("test.up.n USD 9".into(), false, 1)
    });
    drop(node);
    // A parent that knows no IL-DCP is told of, and not asked again.
    let node = start("");
    let mut up = Parent::asked(&listener);
    up.0.answer(up.1, &reject(b"F00"));
    node.wait_for_account("the node is warned", "up", |_| {
        let told = "the parent gave no asset; set assetCode and assetScale, because the defaults may differ from its own";
        lines(&node, told).len() == 1
    });
    kid = node.connect_peer("kid");
    kid.send_prepare(1, &prepare_to("test.shop"));
    let (id, _) = up.0.receive_prepare();
    up.0.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(kid.receive_described(), "RESPONSE 1 Fulfill");
    drop(node);
    // Nothing is left open: nothing is asked.
    let node = start("assetCode: EUR\nassetScale: 6\n");
    let mut up = Peer::accept(&listener);
    let login = up.receive();
    up.send(&response(login.id, None));
    node.wait_connected("up");
    assert!(up.drain_frames().is_empty());
    assert_eq!(standing(&node), ("test.up.n EUR 6".into(), true, 0));
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
            answered(vector, &packet);
            continue;
        }
        if name != "request-expired" {
            // They are of 2015.
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

/// A child that hears `packet` from its parent adopts what it says, or goes on without an address.
fn answered(vector: &Value, packet: &[u8]) {
    let (listener, port) = bind_listener();
    let node = TestNode::start(&format!(
        "nodeId: kid\npeers: [{{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}]\n"
    ));
    let mut up = Peer::accept(&listener);
    let login = up.receive();
    up.send(&response(login.id, None));
    let (id, _) = up.receive_prepare();
    up.answer(id, packet);
    let adopted = || get_json(node.health_port, "/peers")["ilpAddress"].clone();
    let fields = &vector["fields"];
    if fields.is_null() || fields["assetScale"] == 255 {
        // It asks again, and has no address. (Scale 255 and code `€` can be read, but no account is counted in them.)
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
        let said = lines.join("\n");
        assert_eq!(status.code(), Some(64), "{said}");
        assert!(said.contains(expected), "{expected:?} is not in {said}");
        assert!(!said.contains("listening"), "nothing listens yet: {said}");
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
