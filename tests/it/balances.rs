//! The accounts of two nodes with each other, and the unit of an account. Checklist rows 61 and 63.

use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::peer::{PREIMAGE, Peer, TestNode, fulfill, prepare_to, reject};
use crate::process::{free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, run};

/// Random traffic in both directions between two nodes; their accounts with each other must agree.
#[test]
fn the_balances_of_two_nodes_mirror_each_other_row_61() {
    let port = free_port();
    let file = |id: &str, other: &str, url: &str| {
        format!(
            "nodeId: {id}\nilpAddress: test.{id}\npeers:\n  - {{ id: {other}, authToken: both{url} }}\n  \
               - {{ id: stub, authToken: stub-token }}\n\
             routes: [{{ prefix: test.{other}, nextHop: {other} }}, {{ prefix: test.{id}.stub, nextHop: stub }}]\n"
        )
    };
    let left = TestNode::start_on(&file("left", "right", ""), port);
    let right = TestNode::start(&file("right", "left", &format!(", url: 'ws://127.0.0.1:{port}'")));
    left.wait_connected("right");
    right.wait_connected("left");
    let seed = 61;
    let mut random = StdRng::seed_from_u64(seed);
    let (mut a, mut b) = (left.connect_peer("stub"), right.connect_peer("stub"));
    let mut expected: i128 = 0;
    for id in 0..200 {
        let (amount, fulfills) =
            (random.next_u64() % 1_000_000, !random.next_u32().is_multiple_of(3));
        let from_left = random.next_u32().is_multiple_of(2);
        let (from, to, destination): (&mut Peer, &mut Peer, _) = if from_left {
            (&mut a, &mut b, "test.right.stub")
        } else {
            (&mut b, &mut a, "test.left.stub")
        };
        from.send_prepare(id, &prepare_to(destination).amount(amount));
        let (theirs, _) = to.receive_prepare();
        to.answer(theirs, &if fulfills { fulfill(&PREIMAGE) } else { reject(b"F99") });
        let answer = from.receive_described();
        assert_eq!(answer.ends_with("Fulfill"), fulfills, "seed {seed}: {answer}");
        if fulfills {
            expected += if from_left { -i128::from(amount) } else { i128::from(amount) };
        }
    }
    assert_ne!(expected, 0);
    assert_eq!(left.balance("right"), [expected.to_string().as_str(), "0", "0"]);
    assert_eq!(right.balance("left"), [(-expected).to_string().as_str(), "0", "0"]);
    // The balances within each node add up to zero.
    for (node, other) in [(&left, "right"), (&right, "left")] {
        let sum: i128 =
            [other, "stub"].iter().map(|id| node.balance(id)[0].parse::<i128>().unwrap()).sum();
        assert_eq!(sum, 0);
    }
}

/// D13: an account without an asset or scale has the node's, and the node's default is USD with scale 9.
#[test]
fn an_account_has_one_peer_one_asset_and_one_scale_row_63() {
    let yaml = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: plain, authToken: s1 }\n  \
                  - { id: coarse, assetScale: 2, authToken: s2 }\n  - { id: euro, assetCode: EUR, authToken: s3 }\n";
    let node = TestNode::start(yaml);
    let asset = |id: &str| {
        let account = node.account(id);
        (account["assetCode"].as_str().unwrap().to_owned(), account["assetScale"].as_u64().unwrap())
    };
    assert_eq!(asset("plain"), ("USD".to_owned(), 9));
    assert_eq!(asset("coarse"), ("USD".to_owned(), 2));
    assert_eq!(asset("euro"), ("EUR".to_owned(), 9));
    let folder = temp_folder();
    for (what, from, to) in [
        ("a second account of a peer", "id: coarse", "id: plain"),
        ("no asset", "assetCode: EUR", "assetCode: ''"),
        ("two assets", "assetCode: EUR", "assetCode: [EUR, USD]"),
        ("two scales", "assetScale: 2", "assetScale: [2, 9]"),
        ("half a scale", "assetScale: 2", "assetScale: 2.5"),
        ("a scale beyond all", "assetScale: 2", "assetScale: 256"),
    ] {
        let file = write_file(&folder, "node.yaml", &yaml.replace(from, to));
        let output = run(Command::new(PROGRAM).args(["check", path_text(&file)]).env_clear());
        assert_eq!(output.status.code(), Some(64), "{what}: {}", combined_output(&output));
    }
}
