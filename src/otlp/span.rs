//! One packet at one node as a span.

use serde_json::{Value, json};

use crate::connector::{ObservedPacket, PacketEvent};
use crate::net::mask_words_of_strangers;
use crate::observe::{PacketBody, PacketDescriber, PacketLane};
use crate::time::MonoTime;

/// `SPAN_KIND_SERVER`: a packet of another node.
const SERVER: u8 = 2;
/// `SPAN_KIND_CLIENT`: a packet of this node.
const CLIENT: u8 = 3;
/// `STATUS_CODE_OK`.
const OK: u8 = 1;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// No trace has this id.
const INVALID_TRACE: [u8; 16] = [0; 16];

/// The same moment on both clocks: the packet path knows times since boot, a collector wants times of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAnchor {
    /// Nanoseconds since 1970.
    pub wall_ns: u64,
    /// The time since boot.
    pub mono: MonoTime,
}

impl ClockAnchor {
    /// A moment in nanoseconds since 1970.
    fn wall_ns_of(self, at: MonoTime) -> u64 {
        self.wall_ns
            .saturating_add(at.0.saturating_sub(self.mono.0))
            .saturating_sub(self.mono.0.saturating_sub(at.0))
    }
}

/// Makes spans of the records of one node.
#[derive(Debug)]
pub struct SpanMaker {
    node: String,
    describer: PacketDescriber,
}

/// What happened to a packet at a node, from its Prepare to its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    trace_id: String,
    span_id: String,
    start_ns: u64,
    end_ns: u64,
    kind: u8,
    /// The code and the words of a Reject.
    failure: Option<String>,
    attributes: Vec<(&'static str, String)>,
}

impl SpanMaker {
    /// Of this node.
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned(), describer: PacketDescriber::default() }
    }

    /// The span of a packet whose answer is recorded. `None`: this is the record of its Prepare. Pass the records in
    /// the order of their times. `asset_of` names the asset of an account.
    pub fn span(
        &mut self,
        packet: &ObservedPacket,
        clock: ClockAnchor,
        asset_of: impl Fn(&str) -> Option<String>,
    ) -> Option<Span> {
        let body = self.describer.describe(&self.node, PacketLane::Sample, packet);
        let end = packet.record.at.mono;
        let start = match packet.record.event {
            PacketEvent::Forwarded { .. } => return None,
            PacketEvent::Received { .. } => end,
            PacketEvent::Fulfilled { sent_at, .. } | PacketEvent::Rejected { sent_at, .. } => {
                sent_at
            }
        };
        let (trace_id, span_id) = ids(packet, &body);
        Some(Span {
            trace_id,
            span_id,
            start_ns: clock.wall_ns_of(start),
            end_ns: clock.wall_ns_of(end),
            kind: if body.from.is_some() { SERVER } else { CLIENT },
            failure: failure(&body),
            attributes: attributes(body, asset_of),
        })
    }
}

/// The ids of the trace and of the span. A trace has the first half of the condition, which is the same at each hop and
/// belongs to this packet alone; many packets may have the condition of a ping, but not its destination and data. An id
/// of zeros is invalid in OTLP, and a sender may choose a condition that begins so: then the trace has a digest of all
/// of it. A node may be on the way twice, so the account and its request id are a part of the span.
fn ids(packet: &ObservedPacket, body: &PacketBody) -> (String, String) {
    let hashed = |part: &[u8]| hex::encode(digest(&[part]).first_chunk().unwrap_or(&[1; 16]));
    let condition = &packet.record.condition.0;
    let trace = match (&body.sample_key, condition.first_chunk()) {
        (Some(_), _) => hashed(&packet.key.0.to_be_bytes()),
        (None, None | Some(&INVALID_TRACE)) => hashed(condition),
        (None, Some(half)) => hex::encode(half),
    };
    let from = body.from.as_deref().unwrap_or_default();
    let id =
        [body.request_id, body.outgoing_request_id].map(|id| id.unwrap_or_default().to_be_bytes());
    let to = body.to.as_deref().unwrap_or_default();
    let parts =
        [trace.as_bytes(), body.node.as_bytes(), from.as_bytes(), &id[0], to.as_bytes(), &id[1]];
    let span = digest(&parts);
    (trace, hex::encode(span.first_chunk::<8>().unwrap_or(&[1; 8])))
}

/// SHA-256 of these parts, each with its length.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    *digest.finish().as_ref().first_chunk().expect("a SHA-256 has 32 bytes")
}

fn failure(body: &PacketBody) -> Option<String> {
    let code = body.code.as_ref()?;
    let words = match &body.reason {
        Some(reason) => Some(&reason.text),
        None => body.message.as_ref(),
    };
    // A stranger may have written them.
    let words = words.map(|words| mask_words_of_strangers(words)).unwrap_or_default();
    Some(format!("{code} {words}").trim_end().to_owned())
}

/// Tokens in addresses of receivers look random, and are masked.
fn attributes(
    body: PacketBody,
    asset_of: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let (asset, outgoing_asset) =
        (body.from.as_deref().and_then(&asset_of), body.to.as_deref().and_then(&asset_of));
    let phase = body.phase.as_str().to_owned();
    let masked = |address: String| mask_words_of_strangers(&address);
    let all = [
        ("ilp.node", Some(body.node)),
        ("ilp.outcome", Some(phase)),
        ("ilp.from", body.from),
        ("ilp.to", body.to),
        ("ilp.destination", body.destination.map(masked)),
        ("ilp.prefix", body.prefix),
        ("ilp.amount", body.amount),
        ("ilp.asset", asset),
        ("ilp.outgoing_amount", body.outgoing_amount),
        ("ilp.outgoing_asset", outgoing_asset),
        ("ilp.condition", Some(body.condition)),
        ("ilp.expires_at", body.expires_at),
        ("ilp.latency_us", body.latency_us.map(|time| time.to_string())),
        ("ilp.code", body.code),
        ("ilp.reason", body.reason.map(|reason| reason.kind)),
        ("ilp.triggered_by", body.triggered_by.map(masked)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

impl Span {
    /// As OTLP's JSON: ids in hexadecimal, 64-bit integers as texts, enums as numbers. It has no parent: a node does
    /// not know whether the hop before exports spans, and viewers warn of a parent that is missing.
    pub fn to_json(&self) -> Value {
        let attributes = self.attributes.iter().map(|(key, value)| match *key {
            "ilp.latency_us" => json!({ "key": key, "value": { "intValue": value } }),
            key => json!({ "key": key, "value": { "stringValue": value } }),
        });
        let status = match &self.failure {
            None => json!({ "code": OK }),
            Some(failure) => json!({ "code": ERROR, "message": failure }),
        };
        json!({
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "name": "ILP packet",
            "kind": self.kind,
            "startTimeUnixNano": self.start_ns.to_string(),
            "endTimeUnixNano": self.end_ns.to_string(),
            "attributes": attributes.collect::<Vec<_>>(),
            "status": status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{PacketRecord, SampleKey};
    use crate::time::Now;
    use crate::wire::btp::RequestId;
    use crate::wire::ilp::ErrorCode;
    use crate::wire::{Amount, Condition, Timestamp};

    const CLOCK: ClockAnchor =
        ClockAnchor { wall_ns: 1_700_000_000_000_000_000, mono: MonoTime(5_000_000) };

    fn observed(at_ns: u64, condition: Condition, event: PacketEvent) -> ObservedPacket {
        let record = PacketRecord {
            at: Now { wall: Timestamp::from_millis(0), mono: MonoTime(at_ns) },
            condition,
            from: Some("a".parse().unwrap()),
            request_id: Some(RequestId(7)),
            to: Some("c".parse().unwrap()),
            event,
        };
        ObservedPacket {
            record,
            key: SampleKey(9),
            prefix: Some("test.c".into()),
            balance_after: None,
            triggered_by: Some("test.c.Qz7xKv2RtW9LmB4nYd8HsJ6g".into()),
            message: Some((*b"no \x1broute").into()),
        }
    }

    fn forwarded(at_ns: u64) -> ObservedPacket {
        let event = PacketEvent::Forwarded {
            destination: "test.c.shop.Qz7xKv2RtW9LmB4nYd8HsJ6g".into(),
            incoming_amount: Amount(10),
            outgoing_amount: Amount(9),
            outgoing_request_id: RequestId(8),
            expires_at: Timestamp::from_millis(0),
        };
        observed(at_ns, Condition([0xab; 32]), event)
    }

    fn rejected(at_ns: u64, condition: Condition) -> ObservedPacket {
        let event = PacketEvent::Rejected {
            code: ErrorCode::F02,
            reason: None,
            destination: None,
            incoming_amount: Some(Amount(10)),
            outgoing_amount: Some(Amount(u64::MAX)),
            outgoing_request_id: Some(RequestId(8)),
            sent_at: MonoTime(3_000_000),
        };
        observed(at_ns, condition, event)
    }

    #[test]
    fn a_span_has_both_ends_of_a_packet_and_no_token() {
        let mut maker = SpanMaker::new("b");
        let asset = |account: &str| (account == "a").then(|| "USD/9".to_owned());
        assert_eq!(maker.span(&forwarded(3_000_000), CLOCK, asset), None);
        let span = maker.span(&rejected(7_000_000, Condition([0xab; 32])), CLOCK, asset).unwrap();
        let json = span.to_json();
        assert_eq!(json["traceId"], "ab".repeat(16));
        assert_eq!(json["spanId"].as_str().unwrap().len(), 16);
        assert_eq!(json["startTimeUnixNano"], "1699999999998000000");
        assert_eq!(json["endTimeUnixNano"], "1700000000002000000");
        assert_eq!((&json["kind"], &json["status"]["code"]), (&json!(SERVER), &json!(ERROR)));
        assert_eq!(json["status"]["message"], "F02 no \\u{1b}route");
        let shown = json.to_string();
        for (key, value) in [
            ("ilp.destination", "test.c.shop.***"),
            ("ilp.triggered_by", "test.c.***"),
            ("ilp.outgoing_amount", "18446744073709551615"),
            ("ilp.asset", "USD/9"),
        ] {
            let expected = json!({ "key": key, "value": { "stringValue": value } });
            assert!(shown.contains(&expected.to_string()), "{expected} in {shown}");
        }
        assert!(
            shown.contains(r#"{"key":"ilp.latency_us","value":{"intValue":"4000"}}"#),
            "{shown}"
        );
        assert!(!shown.contains("Qz7x") && !shown.contains("outgoing_asset"), "{shown}");
    }

    #[test]
    fn packets_of_one_condition_have_traces_of_their_own_if_many_have_it() {
        let trace = |key: u64, condition: Condition| {
            let packet = ObservedPacket { key: SampleKey(key), ..rejected(7_000_000, condition) };
            let span = SpanMaker::new("b").span(&packet, CLOCK, |_| None).unwrap();
            span.trace_id
        };
        let zeros = Condition([0; 32]);
        assert!(zeros.is_shared());
        assert_ne!(trace(1, zeros), trace(2, zeros));
        assert_eq!(trace(1, zeros), trace(1, zeros));
        assert_ne!(trace(1, zeros), "00".repeat(16), "no valid id");
        assert_eq!(trace(1, Condition([5; 32])), trace(2, Condition([5; 32])));
        // A sender may choose a condition whose first half is no valid id.
        let half = |end: u8| Condition(std::array::from_fn(|at| if at < 16 { 0 } else { end }));
        assert!(!half(1).is_shared());
        assert_ne!(trace(0, half(1)), "00".repeat(16), "no valid id");
        assert_eq!(trace(0, half(1)), trace(0, half(1)), "the same at each hop");
        assert_ne!(trace(0, half(1)), trace(0, half(2)));
    }

    #[test]
    fn each_passage_has_a_span_of_its_own() {
        let span = |node: &str, id: u32| {
            let mut packet = rejected(7_000_000, Condition([5; 32]));
            packet.record.request_id = Some(RequestId(id));
            SpanMaker::new(node).span(&packet, CLOCK, |_| None).unwrap().span_id
        };
        assert_eq!(span("b", 1), span("b", 1));
        assert_ne!(span("b", 1), span("b", 2));
        assert_ne!(span("b", 1), span("c", 1));
    }
}
