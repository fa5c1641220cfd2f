//! Formats one packet record as one line. There may be hundreds of thousands a second: nothing is allocated, and the
//! parts that all packets of a node share are formatted once. The line of an answer has the destination of its Prepare.

use tracing::Level;

use super::destinations::{DestinationKey, PendingDestinations};
use crate::connector::{PacketEvent, PacketRecord};
use crate::telemetry::format::{
    LineFields, LineFormat, LineHead, LineTime, end_line, put_head, put_time, rfc3339,
    rfc3339_micros,
};
use crate::telemetry::levels::PACKETS;
use crate::time::{MonoTime, Now};
use crate::wire::ilp::ErrorCode;
use crate::wire::{Amount, Condition, Timestamp};

/// Formats the packet lines of one node.
#[derive(Debug)]
pub(super) struct PacketLine {
    format: LineFormat,
    // What follows the time in a line of each event, up to the fields that differ.
    forwarded: Vec<u8>,
    received: Vec<u8>,
    fulfilled: Vec<u8>,
    rejected: Vec<u8>,
    /// Records of one batch have one time.
    time: (Now, LineTime),
    /// The time of day minus the monotonic clock, in microseconds.
    clock_offset_us: i64,
    destinations: PendingDestinations,
}

impl PacketLine {
    /// `clock_offset_us`: the time of day minus the node's monotonic clock.
    pub(super) fn new(node_id: &str, format: LineFormat, clock_offset_us: i64) -> Self {
        let never = Now { wall: Timestamp::EPOCH, mono: MonoTime(0) };
        Self {
            format,
            forwarded: after_time(node_id, format, "forwarded"),
            received: after_time(node_id, format, "received"),
            fulfilled: after_time(node_id, format, "fulfilled"),
            rejected: after_time(node_id, format, "rejected"),
            time: (never, rfc3339_micros(never.wall, 0)),
            clock_offset_us,
            destinations: PendingDestinations::default(),
        }
    }

    /// Appends the line of one record.
    pub(super) fn write(&mut self, record: PacketRecord, out: &mut Vec<u8>) {
        if self.time.0 != record.at {
            let micros = self.micros(record.at);
            self.time = (record.at, rfc3339_micros(record.at.wall, micros));
        }
        put_time(out, self.format, &self.time.1);
        out.extend_from_slice(match &record.event {
            PacketEvent::Forwarded { .. } => &self.forwarded,
            PacketEvent::Received { .. } => &self.received,
            PacketEvent::Fulfilled { .. } => &self.fulfilled,
            PacketEvent::Rejected { .. } => &self.rejected,
        });
        let mut fields = LineFields { out, format: self.format };
        // Zeros: the packet could not be read, and has no key.
        if record.condition != Condition([0; 32]) {
            fields.put_plain("packet", &hex(&record.condition));
        }
        if let Some(from) = &record.from {
            fields.put_plain("from", from.as_str().as_bytes());
        }
        if let Some(id) = record.request_id {
            fields.put_integer("requestId", id.0);
        }
        if let Some(to) = &record.to {
            fields.put_plain("to", to.as_str().as_bytes());
        }
        self.write_event(record, out);
        end_line(out, self.format);
    }

    fn write_event(&mut self, record: PacketRecord, out: &mut Vec<u8>) {
        let mut fields = LineFields { out, format: self.format };
        let at = record.at.mono;
        match &record.event {
            PacketEvent::Forwarded {
                destination,
                incoming_amount,
                outgoing_amount,
                outgoing_request_id,
                expires_at,
            } => {
                fields.put_integer("outgoingRequestId", outgoing_request_id.0);
                fields.put_text("destination", destination);
                write_amount("amount", *incoming_amount, &mut fields);
                write_amount("outgoingAmount", *outgoing_amount, &mut fields);
                fields.put_plain("expiresAt", &rfc3339(*expires_at));
            }
            PacketEvent::Received { destination, incoming_amount, received_amount } => {
                fields.put_text("destination", destination);
                write_amount("amount", *incoming_amount, &mut fields);
                write_amount("receivedAmount", *received_amount, &mut fields);
            }
            PacketEvent::Fulfilled {
                destination,
                incoming_amount,
                outgoing_amount,
                sent_at,
                ..
            } => {
                self.write_destination(destination.as_deref(), &record, *sent_at, &mut fields);
                write_amount("amount", *incoming_amount, &mut fields);
                if let Some(outgoing_amount) = outgoing_amount {
                    write_amount("outgoingAmount", *outgoing_amount, &mut fields);
                }
                fields.put_integer("latencyUs", at.micros_since(*sent_at));
            }
            PacketEvent::Rejected {
                code, reason, destination, incoming_amount, sent_at, ..
            } => {
                self.write_destination(destination.as_deref(), &record, *sent_at, &mut fields);
                if let Some(incoming_amount) = incoming_amount {
                    write_amount("amount", *incoming_amount, &mut fields);
                }
                write_code(*code, &mut fields);
                if let Some(refusal) = reason {
                    match refusal.figures() {
                        Some(figures) => {
                            fields.put_formatted("reason", format_args!("{refusal}: {figures}"));
                        }
                        None => fields.put_formatted("reason", format_args!("{refusal}")),
                    }
                }
                fields.put_integer("latencyUs", at.micros_since(*sent_at));
            }
        }
        let key = DestinationKey::new(&record, at);
        if let PacketEvent::Forwarded { destination, .. } = record.event {
            self.destinations.insert(key, destination);
        }
    }

    /// Appends the record's own destination, or else that of the forwarded Prepare.
    fn write_destination(
        &mut self,
        own: Option<&str>,
        record: &PacketRecord,
        sent_at: MonoTime,
        fields: &mut LineFields<'_>,
    ) {
        if let Some(destination) = own {
            fields.put_text("destination", destination);
        } else if let Some(destination) =
            self.destinations.remove(DestinationKey::new(record, sent_at))
        {
            fields.put_text("destination", &destination);
        }
    }

    /// The microseconds within the millisecond of `at`, by the monotonic clock. If the clocks disagree, the offset
    /// moves as far as necessary.
    fn micros(&mut self, at: Now) -> u64 {
        let micros = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let wall = micros(at.wall.as_millis().saturating_mul(1000));
        let found = micros(at.mono.0 / 1000).saturating_add(self.clock_offset_us);
        let possible = found.clamp(wall, wall.saturating_add(999));
        self.clock_offset_us = self.clock_offset_us.saturating_add(possible.saturating_sub(found));
        possible.saturating_sub(wall).unsigned_abs()
    }
}

fn write_amount(key: &str, amount: Amount, fields: &mut LineFields<'_>) {
    fields.put_plain(key, itoa::Buffer::new().format(amount.0).as_bytes());
}

/// A code may be any three bytes from a peer.
fn write_code(code: ErrorCode, fields: &mut LineFields<'_>) {
    if code.0.iter().all(u8::is_ascii_alphanumeric) {
        fields.put_plain("code", &code.0);
    } else {
        fields.put_formatted("code", format_args!("{code}"));
    }
}

fn after_time(node_id: &str, format: LineFormat, event: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let head = LineHead { level: Level::DEBUG, node: Some(node_id), target: PACKETS };
    put_head(&mut out, format, head, format!("packet {event}").as_bytes());
    LineFields { out: &mut out, format }.put_plain("event", event.as_bytes());
    out
}

fn hex(condition: &Condition) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(condition.0) {
        *pair = HEX.get(usize::from(byte)).copied().unwrap_or_default();
    }
    text
}

/// The two digits of every byte.
const HEX: [[u8; 2]; 256] = hex_table();

const fn hex_table() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, reason = "at compile time: a wrong index does not compile")]
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connector::Refusal;
    use crate::wire::btp::RequestId;

    /// The wall clock is 47 us into its millisecond, see [`OFFSET_US`].
    const AT: Now =
        Now { wall: Timestamp::from_millis(1_514_132_072_279), mono: MonoTime(5_000_000_000) };
    const OFFSET_US: i64 = 1_514_132_072_279_047 - 5_000_000;

    /// One record of each kind; those of receivers are below.
    pub(in crate::telemetry::packet_log) fn records() -> [PacketRecord; 3] {
        let condition = Condition(std::array::from_fn(|index| u8::try_from(index * 8).unwrap()));
        let forwarded = PacketRecord {
            at: AT,
            condition,
            from: Some("alice".parse().unwrap()),
            request_id: Some(RequestId(4_000_000_000)),
            to: Some("bob".parse().unwrap()),
            event: PacketEvent::Forwarded {
                destination: "test.bob.wallet.7dQv".into(),
                incoming_amount: Amount(u64::MAX),
                outgoing_amount: Amount(1_000),
                outgoing_request_id: RequestId(7),
                expires_at: Timestamp::from_millis(1_514_132_101_279),
            },
        };
        let fulfilled = PacketRecord {
            to: None,
            at: Now { mono: AT.mono.after(Duration::from_micros(900)), ..AT },
            event: PacketEvent::Fulfilled {
                destination: None,
                incoming_amount: Amount(u64::MAX),
                outgoing_amount: Some(Amount(1_000)),
                outgoing_request_id: Some(RequestId(7)),
                sent_at: AT.mono,
            },
            ..forwarded.clone()
        };
        let rejected = PacketRecord {
            condition: Condition([0; 32]),
            event: PacketEvent::Rejected {
                code: ErrorCode(*b"\"\n\xff"),
                reason: Some(Refusal::NoRate {
                    from: "a \"code\"\n\u{1b}[2J".to_owned(),
                    to: "XRP/9".to_owned(),
                }),
                destination: Some("test.carol".into()),
                incoming_amount: None,
                outgoing_amount: None,
                outgoing_request_id: None,
                sent_at: AT.mono,
            },
            at: AT,
            ..fulfilled.clone()
        };
        [forwarded, fulfilled, rejected]
    }

    fn line(record: &PacketRecord, format: LineFormat) -> String {
        let mut out = Vec::new();
        PacketLine::new("hub", format, OFFSET_US).write(record.clone(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn check(record: &PacketRecord, expected: serde_json::Value) {
        check_line(&line(record, LineFormat::Json), expected);
    }

    fn check_line(line: &str, expected: serde_json::Value) {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with("}\n") && !line.contains('\u{1b}'), "{line}");
        let mut parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys = parsed.as_object_mut().unwrap();
        let time = keys.shift_remove("timestamp").unwrap();
        assert!(
            ["2017-12-24T16:14:32.279047Z", "2017-12-24T16:14:32.279947Z"]
                .contains(&time.as_str().unwrap()),
            "{time}"
        );
        for (key, common) in [("level", "DEBUG"), ("node", "hub"), ("target", "packets")] {
            assert_eq!(keys.shift_remove(key).unwrap(), common, "{key}");
        }
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_line_for_every_event() {
        let key = "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8";
        let [forwarded, fulfilled, rejected] = records();
        check(
            &forwarded,
            serde_json::json!({
                "message": "packet forwarded", "event": "forwarded", "packet": key,
                "from": "alice", "requestId": 4_000_000_000_u64, "to": "bob", "outgoingRequestId": 7,
                "destination": "test.bob.wallet.7dQv", "amount": "18446744073709551615",
                "outgoingAmount": "1000", "expiresAt": "2017-12-24T16:15:01.279Z",
            }),
        );
        check(
            &fulfilled,
            serde_json::json!({
                "message": "packet fulfilled", "event": "fulfilled", "packet": key,
                "from": "alice", "requestId": 4_000_000_000_u64,
                "amount": "18446744073709551615", "outgoingAmount": "1000", "latencyUs": 900,
            }),
        );
        check(
            &rejected,
            serde_json::json!({
                "message": "packet rejected", "event": "rejected",
                "from": "alice", "requestId": 4_000_000_000_u64, "destination": "test.carol",
                "code": "\\\"\\n\\xff", "latencyUs": 0,
                "reason": "no exchange rate from a \"code\"\n\u{1b}[2J to XRP/9",
            }),
        );
    }

    #[test]
    fn the_line_of_an_answer_has_the_destination_of_the_prepare() {
        let [forwarded, fulfilled, _] = records();
        let rejected = PacketRecord {
            event: PacketEvent::Rejected {
                code: ErrorCode::T00,
                reason: None,
                destination: None,
                incoming_amount: Some(Amount(7)),
                outgoing_amount: None,
                outgoing_request_id: None,
                sent_at: AT.mono,
            },
            ..fulfilled.clone()
        };
        for answer in [fulfilled, rejected] {
            let mut lines = PacketLine::new("hub", LineFormat::Json, OFFSET_US);
            let mut written = Vec::new();
            for record in [&forwarded, &answer, &answer] {
                lines.write(record.clone(), &mut written);
            }
            let text = String::from_utf8(written).unwrap();
            let destinations: Vec<_> = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .map(|line| line["destination"].as_str().map(str::to_owned))
                .collect();
            let there = Some("test.bob.wallet.7dQv".to_owned());
            assert_eq!(destinations, [there.clone(), there, None], "{text}");
        }
    }

    #[test]
    fn microseconds_follow_the_monotonic_clock_within_their_millisecond() {
        let mut lines = PacketLine::new("hub", LineFormat::Json, OFFSET_US);
        let mut check = |wall_ms: u64, mono_us: u64, expected: u64| {
            let mono = AT.mono.after(Duration::from_micros(mono_us));
            let at = Now { wall: AT.wall.saturating_add_millis(wall_ms), mono };
            assert_eq!(lines.micros(at), expected, "{wall_ms} ms, {mono_us} us");
        };
        check(0, 0, 47);
        check(0, 900, 947);
        check(1, 1_000, 47);
        // The time of day stepped back by a second: the result stays within the millisecond.
        check(1, 1_001_000, 999);
        check(1, 1_001_000, 999);
        check(2, 1_001_100, 99);
    }

    #[test]
    fn the_line_of_a_received_packet() {
        let [forwarded, ..] = records();
        let event = PacketEvent::Received {
            destination: "test.hub.wallet.7dQv".into(),
            incoming_amount: Amount(1_000),
            received_amount: Amount(1),
        };
        let key = "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8";
        check(
            &PacketRecord { event, to: Some("wallet".parse().unwrap()), ..forwarded },
            serde_json::json!({
                "message": "packet received", "event": "received", "packet": key,
                "from": "alice", "requestId": 4_000_000_000_u64, "to": "wallet",
                "destination": "test.hub.wallet.7dQv", "amount": "1000", "receivedAmount": "1",
            }),
        );
    }

    #[test]
    fn a_terminal_gets_the_same_pairs() {
        let [_, fulfilled, rejected] = records();
        let human = LineFormat::Human { colour: false };
        assert_eq!(
            line(&fulfilled, human),
            "16:14:32.279947 DEBUG hub packets: packet fulfilled event=fulfilled \
             packet=0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8 \
             from=alice requestId=4000000000 amount=18446744073709551615 outgoingAmount=1000 \
             latencyUs=900\n"
        );
        assert!(line(&rejected, human).contains("from a \\\"code\\\"\\n\\u001b[2J to XRP/9\""));
    }
}
