//! A node that gets its address from its parent (IL-DCP, RFC 31), with a scripted parent. Checklist rows 33 and 96 to 99.

use std::time::Duration;

use ilp_connector::wire::btp::{Entry, ILP};
use ilp_connector::wire::ilp::Prepare;
use ilp_connector::wire::{Address, Fulfillment, ildcp};
use serde_json::Value;

use crate::peer::{
    Daemon, PREIMAGE, Peer, ask, fulfill, fulfill_with, json, listener, message, now, reject,
    respond, vectors,
};
use crate::running::{Running, folder, path, write};

/// What a parent tells.
fn told(address: &str, scale: u8, code: &str) -> Vec<u8> {
    let address: Address = address.parse().unwrap();
    let response =
        ildcp::Response { client_address: address.view(), asset_scale: scale, asset_code: code };
    let mut data = Vec::new();
    response.encode(&mut data);
    data
}

#[test]
fn a_child_asks_checks_and_adopts_rows_96_97_99_138() {
    let (listener, port) = listener();
    let node = Daemon::start(&format!(
        "nodeId: kid\npeers:\n  - {{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}\n  \
           - {{ id: alice, authToken: alice-token }}\n"
    ));
    let mut alice = node.peer("alice");
    let mut up = Peer::accept_silently(&listener);
    let login = up.frame();
    up.send(&respond(login.id, None));
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
        let (id, packet) = up.prepare();
        let request = Prepare::parse(&packet).unwrap();
        assert_eq!(request.destination.as_str(), "peer.config", "row 96: {what}");
        assert_eq!((request.amount.0, request.data), (0, &b""[..]), "row 96: {what}");
        assert_eq!(request.condition, Fulfillment::ZERO.condition(), "row 96: {what}");
        assert_eq!(json(node.health, "/health")["status"], "starting", "row 138: {what}");
        assert_eq!(alice.asked(1, &ask("test.somebody")), "RESPONSE 1 Reject T00", "{what}");
        up.answer(id, &answer);
        if good {
            node.until("the address is known", "up", |_| {
                json(node.health, "/peers")["ilpAddress"] == "test.up.kid"
            });
        }
    }
    node.until("row 138: healthy", "up", |_| json(node.health, "/health")["status"] == "healthy");
    let up_account = node.account("up");
    assert_eq!((&up_account["assetCode"], &up_account["assetScale"]), (&"EUR".into(), &6.into()));
    // Everything unknown goes to the parent.
    alice.ask(2, &ask("test.somebody"));
    let (id, _) = up.prepare();
    up.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
    // Another address at the next link-up is adopted.
    up.cut();
    let mut up = Peer::accept_silently(&listener);
    let login = up.frame();
    up.send(&respond(login.id, None));
    let (id, _) = up.prepare();
    up.answer(id, &fulfill_with(&Fulfillment::ZERO, &told("test.other.kid", 6, "EUR")));
    node.until("the new address is known", "up", |_| {
        json(node.health, "/peers")["ilpAddress"] == "test.other.kid"
    });
}

/// Every request of the vectors to a parent, and every answer of the vectors to a child.
#[test]
fn all_vectors_rows_93_95_97_99() {
    let parent = Daemon::start(
        "nodeId: n\nilpAddress: test.n\npeers: [{ id: kid, relation: child, authToken: kid-token }]\n",
    );
    let mut kid = parent.peer("kid");
    for vector in vectors("ildcp")["packets"].as_array().unwrap() {
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
        kid.send(&message(1, &[Entry::octets(ILP, &packet)]));
        let expected = match name {
            "request" => "Fulfill",
            "request-expired" => "Reject R02",
            _ => "Reject F01",
        };
        assert_eq!(vector["expect"] == "accept", expected == "Fulfill", "{name}");
        assert_eq!(kid.next(), format!("RESPONSE 1 {expected}"), "{name}");
    }
}

/// A child that hears `packet` from its parent adopts what it says, or goes on without an address.
fn answered(vector: &Value, packet: &[u8]) {
    let (listener, port) = listener();
    let node = Daemon::start(&format!(
        "nodeId: kid\npeers: [{{ id: up, relation: parent, url: 'ws://127.0.0.1:{port}', authToken: up-token }}]\n"
    ));
    let mut up = Peer::accept_silently(&listener);
    let login = up.frame();
    up.send(&respond(login.id, None));
    let (id, _) = up.prepare();
    up.answer(id, packet);
    let adopted = || json(node.health, "/peers")["ilpAddress"].clone();
    let fields = &vector["fields"];
    if fields.is_null() {
        // It asks again, and has no address.
        up.prepare();
        assert_eq!(adopted(), Value::Null, "{vector}");
    } else {
        node.until("the address", "up", |_| adopted() == fields["clientAddress"]);
        let account = node.account("up");
        assert_eq!(account["assetScale"], fields["assetScale"], "{vector}");
        assert_eq!(account["assetCode"], fields["assetCode"], "{vector}");
    }
}

#[test]
fn files_that_mix_networks_or_have_two_parents_are_refused_rows_33_98() {
    let folder = folder();
    let check = |yaml: &str, expected: &str| {
        let file = write(&folder, "node.yaml", yaml);
        let (status, lines) = Running::start(&["run", "--config", path(&file)], []).ended();
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
