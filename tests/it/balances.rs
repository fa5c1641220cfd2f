//! Accounts between two nodes, and what an account counts in. Checklist rows 61 and 63.

use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::peer::{Daemon, PREIMAGE, Peer, ask, fulfill, reject};
use crate::running::{folder, free_port, path, write};
use crate::support::{PROGRAM, both, run};

/// Random traffic both ways between two nodes; each looks at its account of the other.
#[test]
fn what_one_node_is_owed_the_other_owes_row_61() {
    let port = free_port();
    let file = |id: &str, other: &str, url: &str| {
        format!(
            "nodeId: {id}\nilpAddress: test.{id}\npeers:\n  - {{ id: {other}, authToken: both{url} }}\n  \
               - {{ id: stub, authToken: stub-token }}\n\
             routes: [{{ prefix: test.{other}, nextHop: {other} }}, {{ prefix: test.{id}.stub, nextHop: stub }}]\n"
        )
    };
    let left = Daemon::start_on(&file("left", "right", ""), port);
    let right = Daemon::start(&file("right", "left", &format!(", url: 'ws://127.0.0.1:{port}'")));
    left.until_connected("right");
    right.until_connected("left");
    let seed = 61;
    let mut random = StdRng::seed_from_u64(seed);
    let (mut a, mut b) = (left.peer("stub"), right.peer("stub"));
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
        from.ask(id, &ask(destination).amount(amount));
        let (theirs, _) = to.prepare();
        to.answer(theirs, &if fulfills { fulfill(&PREIMAGE) } else { reject(b"F99") });
        let answer = from.next();
        assert_eq!(answer.ends_with("Fulfill"), fulfills, "seed {seed}: {answer}");
        if fulfills {
            expected += if from_left { -i128::from(amount) } else { i128::from(amount) };
        }
    }
    assert_ne!(expected, 0);
    assert_eq!(left.balance("right"), [expected.to_string().as_str(), "0", "0"]);
    assert_eq!(right.balance("left"), [(-expected).to_string().as_str(), "0", "0"]);
    // And within each node nothing was made or lost.
    for (node, other) in [(&left, "right"), (&right, "left")] {
        let sum: i128 =
            [other, "stub"].iter().map(|id| node.balance(id)[0].parse::<i128>().unwrap()).sum();
        assert_eq!(sum, 0);
    }
}

/// D13: what is not set is the node's, and what the node does not set is USD with scale 9; there is always one of each.
#[test]
fn an_account_has_one_peer_one_asset_and_one_scale_row_63() {
    let yaml = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: plain, authToken: s1 }\n  \
                  - { id: coarse, assetScale: 2, authToken: s2 }\n  - { id: euro, assetCode: EUR, authToken: s3 }\n";
    let node = Daemon::start(yaml);
    let asset = |id: &str| {
        let account = node.account(id);
        (account["assetCode"].as_str().unwrap().to_owned(), account["assetScale"].as_u64().unwrap())
    };
    assert_eq!(asset("plain"), ("USD".to_owned(), 9));
    assert_eq!(asset("coarse"), ("USD".to_owned(), 2));
    assert_eq!(asset("euro"), ("EUR".to_owned(), 9));
    let folder = folder();
    for (what, from, to) in [
        ("a second account of a peer", "id: coarse", "id: plain"),
        ("no asset", "assetCode: EUR", "assetCode: ''"),
        ("two assets", "assetCode: EUR", "assetCode: [EUR, USD]"),
        ("two scales", "assetScale: 2", "assetScale: [2, 9]"),
        ("half a scale", "assetScale: 2", "assetScale: 2.5"),
        ("a scale beyond all", "assetScale: 2", "assetScale: 256"),
    ] {
        let file = write(&folder, "node.yaml", &yaml.replace(from, to));
        let output = run(Command::new(PROGRAM).args(["check", path(&file)]).env_clear());
        assert_eq!(output.status.code(), Some(64), "{what}: {}", both(&output));
    }
}
