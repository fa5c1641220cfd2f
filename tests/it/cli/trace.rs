//! `trace` over real nodes: paths with different assets and limits, and a hop that never answers.

use serde_json::Value;

use super::{Ended, Line, check_ended, command, ended, via};
use crate::peer::{Peer, TestNode, bind_listener};

/// The exit code and all output.
fn trace(through: &TestNode, arguments: &[&str]) -> Ended {
    let (code, said) = ended(&command(&[&["trace", "--via", &via(through)], arguments].concat()));
    assert!(!said.contains("cli-token"), "a secret: {said}");
    (code, said)
}

/// The words of each line of the table.
fn hops(said: &str) -> Vec<Vec<&str>> {
    let rows = said.lines().skip(2).filter(|line| line.starts_with(' '));
    rows.map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn three_hops_with_their_limits_and_rates() {
    // From a to b amounts are in scale 9, from b to c in scale 6.
    let line =
        Line::start(", assetScale: 6", ", maxPacketAmount: 5000", ", maxPacketAmount: 8000000000");
    let (code, said) = trace(&line.a, &["test.c"]);
    assert_eq!(code, Some(0), "{said}");
    let table = hops(&said);
    assert_eq!(table.len(), 3, "{said}");
    // Number, address, two times, what it needs, largest packet and rate, the answer.
    let shown = |row: usize| (table[row][0], table[row][1], table[row][5], table[row][6]);
    assert_eq!(shown(0), ("1", "test.a", "-", "-"), "{said}");
    assert_eq!(shown(1), ("2", "test.b", "8,000,000,000", "1"), "{said}");
    assert_eq!(shown(2), ("3", "test.c", "5,000", "0.001"), "{said}");
    assert_eq!(table[1][4].split('.').next(), Some("2"), "{said}");
    assert_eq!(table[2][4].split('.').next(), Some("3"), "{said}");
    assert!(table[1][7..].join(" ").contains("R02 Insufficient Timeout"), "{said}");
    assert_eq!(table[2][7..], ["fulfilled"], "{said}");
    assert!(
        said.ends_with(
            "test.c fulfilled the ping; the largest packet that passes is 5,000,000 units here\n"
        ),
        "{said}"
    );
    // No money has moved.
    let (_, peers) =
        crate::network::get_json(u16::try_from(line.a.health_port).unwrap(), "/peers").unwrap();
    for peer in peers["peers"].as_array().unwrap() {
        assert_eq!(
            (&peer["balance"], &peer["held"]["received"]),
            (&"0".into(), &"0".into()),
            "{peers}"
        );
    }

    let (code, said) = trace(&line.a, &["test.c", "--json", "--probes", "1"]);
    let report: Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(
        (code, &report["reached"], &report["largestPacket"]),
        (Some(0), &true.into(), &"5000000".into())
    );
    let nodes: Vec<_> = report["hops"].as_array().unwrap().iter().map(|hop| &hop["node"]).collect();
    assert_eq!(nodes, ["test.a", "test.b", "test.c"]);
    assert_eq!(report["hops"][2]["largestPacket"], "5000", "{report}");
    assert!(report["hops"][2]["minMs"].as_f64().is_some_and(|ms| ms > 0.0), "{report}");

    let check = |arguments: &[&str], code: i32, rows: usize, end: &str| {
        let said = check_ended(trace(&line.a, arguments), code, &[end]);
        assert_eq!(hops(&said).len(), rows, "{said}");
    };
    check(&["test.a"], 0, 1, "test.a fulfilled the ping\n");
    check(&["test.c", "--amount", "0"], 0, 3, "test.c fulfilled the ping\n");
    check(
        &["test.b.nobody"],
        1,
        2,
        "not reached: F02 Unreachable (no route to the destination) from test.b\n",
    );
    check(&["test.c", "--hops", "2"], 1, 2, "not reached within 2 hops; allow more with --hops\n");
    check(
        &["test.c", "--timeout", "2.5"],
        1,
        2,
        "hop 2 needs more time; allow more with --timeout\n",
    );
}

#[test]
fn a_hop_that_never_answers() {
    let (mute, port) = bind_listener();
    let node = TestNode::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: cli, relation: child, authToken: cli-token }}\n  \
           - {{ id: mute, url: 'ws://127.0.0.1:{port}', authToken: m, required: false }}\n  - {{ id: gone, authToken: g }}\n\
         routes:\n  - {{ prefix: test.mute, nextHop: mute }}\n  - {{ prefix: test.gone, nextHop: gone }}\n"
    ));
    let mut peer = Peer::accept(&mute);
    let login = peer.receive();
    peer.send(&crate::peer::response(login.id, None));
    let expected = [
        "no answer; test.a reports R00 Transfer Timed Out (next hop mute did not answer in time)",
        "test.mute is not reached: hop 2 does not answer\n",
        "no answer yet: this packet waits for one up to 4.6 s",
    ];
    let said = check_ended(trace(&node, &["test.mute", "--timeout", "2.6"]), 1, &expected);
    let table = hops(&said);
    assert_eq!((table.len(), table[0][1], table[1][1]), (2, "test.a", "*"), "{said}");
    let end = "not reached: T01 Peer Unreachable (next hop gone is not connected) from test.a\n";
    let said = check_ended(trace(&node, &["test.gone"]), 1, &[end]);
    assert!(said.ends_with(end), "{said}");
}
