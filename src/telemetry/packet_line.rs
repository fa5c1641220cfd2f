//! One packet record as one line. By hand, as packets come by the hundred thousand a second: nothing is allocated, and
//! what is the same for all packets of a node is made once.

use tracing::Level;

use super::event::rfc3339;
use super::levels::PACKETS;
use super::line::{self, Head};
use super::text::{Fields, Format};
use crate::connector::{PacketEvent, PacketRecord};
use crate::wire::ilp::ErrorCode;
use crate::wire::{Condition, Timestamp};

/// The parts of a line that never change, by event.
#[derive(Debug)]
pub(super) struct PacketLine {
    format: Format,
    forwarded: Vec<u8>,
    received: Vec<u8>,
    fulfilled: Vec<u8>,
    rejected: Vec<u8>,
    /// Records of one batch have one time.
    time: (Timestamp, [u8; 24]),
}

impl PacketLine {
    /// Lines of this node.
    pub(super) fn new(node_id: &str, format: Format) -> Self {
        PacketLine {
            format,
            forwarded: after_time(node_id, format, "forwarded"),
            received: after_time(node_id, format, "received"),
            fulfilled: after_time(node_id, format, "fulfilled"),
            rejected: after_time(node_id, format, "rejected"),
            time: (Timestamp::EPOCH, rfc3339(Timestamp::EPOCH)),
        }
    }

    /// Appends the line of one record.
    pub(super) fn write(&mut self, record: &PacketRecord, out: &mut Vec<u8>) {
        if self.time.0 != record.at {
            self.time = (record.at, rfc3339(record.at));
        }
        line::put_time(out, self.format, &self.time.1);
        out.extend_from_slice(match &record.event {
            PacketEvent::Forwarded { .. } => &self.forwarded,
            PacketEvent::Received { .. } => &self.received,
            PacketEvent::Fulfilled { .. } => &self.fulfilled,
            PacketEvent::Rejected { .. } => &self.rejected,
        });
        let mut fields = Fields { out, format: self.format };
        // All zero: the packet could not be read, and there is no key to find it by.
        if record.condition != Condition([0; 32]) {
            fields.plain("packet", &hex(&record.condition));
        }
        let mut number = itoa::Buffer::new();
        if let Some(from) = &record.from {
            fields.plain("from", from.as_str().as_bytes());
        }
        if let Some(id) = record.request_id {
            fields.bare("requestId", number.format(id.0));
        }
        if let Some(to) = &record.to {
            fields.plain("to", to.as_str().as_bytes());
        }
        write_event(&record.event, &mut fields);
        line::end(out, self.format);
    }
}

fn write_event(event: &PacketEvent, fields: &mut Fields<'_>) {
    let mut number = itoa::Buffer::new();
    match event {
        PacketEvent::Forwarded {
            destination,
            incoming_amount,
            outgoing_amount,
            outgoing_request_id,
            expires_at,
        } => {
            fields.bare("outgoingRequestId", number.format(outgoing_request_id.0));
            fields.text("destination", destination);
            fields.plain("amount", number.format(incoming_amount.0).as_bytes());
            fields.plain("outgoingAmount", number.format(outgoing_amount.0).as_bytes());
            fields.plain("expiresAt", &rfc3339(*expires_at));
        }
        PacketEvent::Received { destination, incoming_amount, received_amount } => {
            fields.text("destination", destination);
            fields.plain("amount", number.format(incoming_amount.0).as_bytes());
            fields.plain("receivedAmount", number.format(received_amount.0).as_bytes());
        }
        PacketEvent::Fulfilled { latency } => {
            fields.bare("latencyUs", number.format(latency.as_micros()));
        }
        PacketEvent::Rejected { code, reason, destination, latency } => {
            if let Some(destination) = destination {
                fields.text("destination", destination);
            }
            write_code(*code, fields);
            if let Some(reason) = reason {
                fields.text("reason", reason);
            }
            fields.bare("latencyUs", number.format(latency.as_micros()));
        }
    }
}

/// A code may be any three bytes that a peer sent.
fn write_code(code: ErrorCode, fields: &mut Fields<'_>) {
    if code.0.iter().all(u8::is_ascii_alphanumeric) {
        fields.plain("code", &code.0);
    } else {
        fields.formatted("code", format_args!("{code}"));
    }
}

/// What follows the time in a line of `event`, up to the fields that differ.
fn after_time(node_id: &str, format: Format, event: &str) -> Vec<u8> {
    let mut out = Vec::new();
    line::put_head(
        &mut out,
        format,
        Head { level: Level::DEBUG, node: Some(node_id), target: PACKETS },
    );
    out.extend_from_slice(format!("packet {event}").as_bytes());
    line::end_message(&mut out, format);
    Fields { out: &mut out, format }.plain("event", event.as_bytes());
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
    use crate::wire::Amount;
    use crate::wire::btp::RequestId;

    /// One record of each kind; those of receivers are below.
    pub(crate) fn records() -> [PacketRecord; 3] {
        let condition = Condition(std::array::from_fn(|index| u8::try_from(index * 8).unwrap()));
        let forwarded = PacketRecord {
            at: Timestamp::from_millis(1_514_132_072_279),
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
            event: PacketEvent::Fulfilled { latency: Duration::from_micros(1_234) },
            ..forwarded.clone()
        };
        let rejected = PacketRecord {
            condition: Condition([0; 32]),
            event: PacketEvent::Rejected {
                code: ErrorCode(*b"\"\n\xff"),
                reason: Some("a \"reason\"\n\u{1b}[2J".into()),
                destination: Some("test.carol".into()),
                latency: Duration::ZERO,
            },
            ..fulfilled.clone()
        };
        [forwarded, fulfilled, rejected]
    }

    fn line(record: &PacketRecord, format: Format) -> String {
        let mut out = Vec::new();
        PacketLine::new("hub", format).write(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn check(record: &PacketRecord, expected: serde_json::Value) {
        let line = line(record, Format::Json);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with("}\n") && !line.contains('\u{1b}'), "{line}");
        let mut parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        let keys = parsed.as_object_mut().unwrap();
        for (key, common) in [
            ("timestamp", "2017-12-24T16:14:32.279Z"),
            ("level", "DEBUG"),
            ("node", "hub"),
            ("target", "packets"),
        ] {
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
                "from": "alice", "requestId": 4_000_000_000_u64, "latencyUs": 1234,
            }),
        );
        check(
            &rejected,
            serde_json::json!({
                "message": "packet rejected", "event": "rejected",
                "from": "alice", "requestId": 4_000_000_000_u64, "destination": "test.carol",
                "code": "\\\"\\n\\xff", "reason": "a \"reason\"\n\u{1b}[2J", "latencyUs": 0,
            }),
        );
    }

    #[test]
    fn what_a_receiver_took() {
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
    fn eyes_get_the_same_pairs() {
        let [_, fulfilled, rejected] = records();
        let human = Format::Human { colour: false };
        assert_eq!(
            line(&fulfilled, human),
            "16:14:32.279 DEBUG hub packets: packet fulfilled event=fulfilled \
             packet=0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8 \
             from=alice requestId=4000000000 latencyUs=1234\n"
        );
        assert!(line(&rejected, human).contains("reason=\"a \\\"reason\\\"\\n\\u001b[2J\""));
    }
}
