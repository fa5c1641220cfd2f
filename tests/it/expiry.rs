//! Expiries to the millisecond, although clocks run on: the node's packet log tells at which millisecond it looked at a
//! packet, so what it did can be held against the vectors exactly. Checklist rows 43 to 46.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ilp_connector::wire::Timestamp;
use ilp_connector::wire::ilp::Prepare;
use serde_json::Value;

use crate::peer::{Daemon, Peer, ask, fulfill, preimage, vectors};
use crate::support::eventually;

const PATIENCE: Duration = Duration::from_secs(40);
const WINDOW_MS: u64 = 1000;
const HOLD_MS: u64 = 30_000;

struct Probe {
    node: Daemon,
    alice: Peer,
    bob: Peer,
    count: u32,
    /// Lines of the log that were looked at.
    read: usize,
}

impl Probe {
    /// Sends a packet with about so much time left; how much it was when the node looked, exactly.
    fn send(&mut self, about_ms: i64) -> i64 {
        self.count += 1;
        let fulfillment = preimage(self.count);
        let condition = fulfillment.condition();
        let asked = ask("test.bob").within(about_ms).condition(condition);
        self.alice.ask(self.count, &asked);
        let looked_at = self.looked_at(&hex::encode(condition.0));
        let millis = |time: Timestamp| i64::try_from(time.as_millis()).unwrap();
        let left = millis(asked.expires_at) - looked_at;
        if left < i64::try_from(2 * WINDOW_MS).unwrap() {
            assert_eq!(
                self.alice.next(),
                format!("RESPONSE {} Reject R02", self.count),
                "{left} ms left"
            );
            assert_eq!(self.bob.fence(), [""; 0], "{left} ms left: nothing was sent on");
            return left;
        }
        let (id, packet) = self.bob.prepare();
        let outgoing = millis(Prepare::parse(&packet).unwrap().expires_at) - looked_at;
        let expected =
            (left - i64::try_from(WINDOW_MS).unwrap()).min(i64::try_from(HOLD_MS).unwrap());
        assert_eq!(outgoing, expected, "{left} ms left");
        self.bob.answer(id, &fulfill(&fulfillment));
        assert_eq!(self.alice.next(), format!("RESPONSE {} Fulfill", self.count), "{left} ms left");
        left
    }

    /// The millisecond of the log's first line about the packet.
    fn looked_at(&mut self, packet: &str) -> i64 {
        let found = eventually("a line of the packet log", PATIENCE, || {
            let lines = self.node.running.lines();
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
fn every_vector_to_the_millisecond_rows_43_to_46() {
    let node = Daemon::with_peers(&["alice", "bob"], "packetLog: true\n");
    let (alice, bob) = (node.peer("alice"), node.peer("bob"));
    let mut probe = Probe { node, alice, bob, count: 0, read: 0 };
    for case in vectors("forwarding")["expiry"].as_array().unwrap() {
        let wanted = case["source_expires_in_ms"].as_i64().unwrap();
        let forwarded = case["outgoing_expires_in_ms"].as_i64();
        // The rule that a probe is held against is the vector's.
        let by_rule = (wanted >= 2000).then(|| (wanted - 1000).min(30_000));
        assert_eq!(forwarded, by_rule, "{case}");
        // A packet takes a moment to the node; which, the next tries learn from the last.
        let (mut late_ms, mut seen) = (0, BTreeSet::new());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = probe.send(wanted + late_ms);
            if left == wanted {
                break;
            }
            seen.insert(left);
            assert!(Instant::now() < deadline, "{wanted} ms: only {seen:?}");
            late_ms = (late_ms + wanted - left).clamp(0, 5);
        }
    }
}
