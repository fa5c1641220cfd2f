//! Expiries to the millisecond. The packet log has the millisecond at which the node judged a packet, so that its
//! decision can be compared with the vectors exactly. Checklist rows 43 to 46.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ilp_connector::wire::Timestamp;
use ilp_connector::wire::ilp::Prepare;
use serde_json::Value;

use crate::peer::{Peer, TestNode, fulfill, get_json, preimage, prepare_to, read_vectors};
use crate::support::eventually;

const TIMEOUT: Duration = Duration::from_secs(40);
const WINDOW_MS: u64 = 1000;
const HOLD_MS: u64 = 30_000;

struct Probe {
    node: TestNode,
    alice: Peer,
    bob: Peer,
    count: u32,
    /// The number of log lines that were read.
    read: usize,
}

impl Probe {
    /// Sends a packet with about this much time left. Returns the exact time left when the node judged it.
    fn send(&mut self, about_ms: i64) -> i64 {
        self.count += 1;
        let fulfillment = preimage(self.count);
        let condition = fulfillment.condition();
        let packet = prepare_to("test.bob").expires_in_ms(about_ms).condition(condition);
        self.alice.send_prepare(self.count, &packet);
        let looked_at = self.looked_at(&hex::encode(condition.0));
        let millis = |time: Timestamp| i64::try_from(time.as_millis()).unwrap();
        let left = millis(packet.expires_at) - looked_at;
        if left < i64::try_from(2 * WINDOW_MS).unwrap() {
            assert_eq!(
                self.alice.receive_described(),
                format!("RESPONSE {} Reject R02", self.count),
                "{left} ms left"
            );
            assert_eq!(self.bob.drain_frames(), [""; 0], "{left} ms left: nothing was sent on");
            return left;
        }
        let (id, packet) = self.bob.receive_prepare();
        let outgoing = millis(Prepare::parse(&packet).unwrap().expires_at) - looked_at;
        let expected =
            (left - i64::try_from(WINDOW_MS).unwrap()).min(i64::try_from(HOLD_MS).unwrap());
        assert_eq!(outgoing, expected, "{left} ms left");
        self.bob.answer(id, &fulfill(&fulfillment));
        assert_eq!(
            self.alice.receive_described(),
            format!("RESPONSE {} Fulfill", self.count),
            "{left} ms left"
        );
        left
    }

    /// The time of the first log line about the packet, in milliseconds.
    fn looked_at(&mut self, packet: &str) -> i64 {
        let found = eventually("a line of the packet log", TIMEOUT, || {
            let lines = self.node.process.output_lines();
            let found = lines.iter().skip(self.read).position(|line| line.contains(packet));
            let line = found.map(|at| (self.read + at, lines[self.read + at].clone()));
            line.ok_or_else(|| lines.last().cloned().unwrap_or_default())
        });
        let (at, line) = found.0;
        self.read = at + 1;
        let line: Value = serde_json::from_str(&line).unwrap();
        let time: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        time.as_millisecond()
    }
}

#[test]
fn expiries_are_checked_to_the_millisecond_rows_43_to_46() {
    let node = TestNode::with_peers(&["alice", "bob"], "packetLog: true\n");
    let (alice, bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let mut probe = Probe { node, alice, bob, count: 0, read: 0 };
    for case in read_vectors("forwarding")["expiry"].as_array().unwrap() {
        let wanted = case["source_expires_in_ms"].as_i64().unwrap();
        let forwarded = case["outgoing_expires_in_ms"].as_i64();
        // The vector has the rule that decides a probe.
        let by_rule = (wanted >= 2000).then(|| (wanted - 1000).min(30_000));
        assert_eq!(forwarded, by_rule, "{case}");
        // A packet takes a moment to reach the node; each attempt corrects for the delay of the one before.
        let (mut late_ms, mut seen) = (0, BTreeSet::new());
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = probe.send(wanted + late_ms);
            if left == wanted {
                break;
            }
            seen.insert(left);
            assert!(Instant::now() < deadline, "{wanted} ms: only {seen:?}");
            late_ms = (late_ms + wanted - left).clamp(0, 1000);
        }
    }
}

/// As a machine whose clock is two minutes ahead or behind.
#[test]
fn a_peer_whose_packets_have_all_expired_is_named_at_health() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let mut alice = node.connect_peer("alice");
    for id in 1..=12 {
        alice.send_prepare(id, &prepare_to("test.bob").expires_in_ms(-120_000));
        assert_eq!(alice.receive_described(), format!("RESPONSE {id} Reject R02"));
    }
    eventually("the health names the peer", TIMEOUT, || {
        let health = get_json(node.health_port, "/health");
        let reasons = health["reasons"].to_string();
        let is_named = reasons.contains("packets from alice had expired when they arrived here");
        assert_eq!(health["status"], "healthy");
        if is_named && !reasons.contains("bob") { Ok(()) } else { Err(reasons) }
    });
}
