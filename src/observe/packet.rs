//! Records of packets as objects of the API.

use std::collections::HashMap;

use ahash::RandomState;

use super::model::{PacketBody, PacketLane, PacketPhase, ReasonBody};
use crate::account::AccountId;
use crate::connector::{ObservedPacket, PacketEvent, PacketRecord, Refusal, SampleKey};
use crate::net::sanitize_bytes;
use crate::wire::Condition;
use crate::wire::btp::RequestId;

/// Prepares in each of two generations. One whose answer has no record is dropped with its generation.
const PREPARES_GENERATION_MAX: usize = 16_384;

/// Describes the records of an observer's nodes. An answer gets what only the record of its Prepare has, if that is
/// among the last ones.
#[derive(Debug, Default)]
pub struct PacketDescriber {
    recent: HashMap<PrepareKey, SentPrepare, RandomState>,
    older: HashMap<PrepareKey, SentPrepare, RandomState>,
}

/// Which Prepare an answer belongs to.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PrepareKey {
    node: Box<str>,
    to: AccountId,
    outgoing_request_id: RequestId,
    /// Ids are used again.
    condition: Condition,
}

/// What the record of an answer does not have.
#[derive(Debug)]
struct SentPrepare {
    destination: String,
    prefix: Option<String>,
    expires_at: String,
}

impl PacketDescriber {
    /// The object of a record of `node`, without an id. Pass the records of a node in the order of their times.
    pub fn describe(
        &mut self,
        node: &str,
        lane: PacketLane,
        packet: &ObservedPacket,
    ) -> PacketBody {
        let mut body = packet_body(node, lane, packet);
        let key = |id| {
            let (node, to) = (node.into(), packet.record.to.clone()?);
            let condition = packet.record.condition;
            Some(PrepareKey { node, to, outgoing_request_id: id, condition })
        };
        match &packet.record.event {
            PacketEvent::Forwarded { outgoing_request_id, .. } => {
                if let Some(key) = key(*outgoing_request_id) {
                    self.insert(key, &body);
                }
            }
            PacketEvent::Fulfilled { outgoing_request_id: Some(id), .. }
            | PacketEvent::Rejected { outgoing_request_id: Some(id), .. } => {
                let key = key(*id);
                let remove = |key| self.recent.remove(&key).or_else(|| self.older.remove(&key));
                if let Some(prepare) = key.and_then(remove) {
                    body.destination = Some(prepare.destination);
                    body.prefix = prepare.prefix;
                    body.expires_at = Some(prepare.expires_at);
                }
            }
            _ => {}
        }
        body
    }

    fn insert(&mut self, key: PrepareKey, body: &PacketBody) {
        let (Some(destination), Some(expires_at)) = (&body.destination, &body.expires_at) else {
            return;
        };
        if self.recent.len() >= PREPARES_GENERATION_MAX {
            std::mem::swap(&mut self.recent, &mut self.older);
            self.recent.clear();
        }
        let (destination, expires_at) = (destination.clone(), expires_at.clone());
        let prepare = SentPrepare { destination, prefix: body.prefix.clone(), expires_at };
        self.recent.insert(key, prepare);
    }
}

/// Why this node rejects packets that come from `from`.
pub fn reason_body(refusal: &Refusal, from: Option<&AccountId>) -> ReasonBody {
    ReasonBody {
        kind: refusal.kind().to_owned(),
        text: refusal.to_string(),
        figures: refusal.figures(),
        peer: refusal.peer().map(ToString::to_string),
        key: refusal.key(from),
        advice: Some(refusal.advice().to_owned()),
    }
}

fn packet_body(node: &str, lane: PacketLane, packet: &ObservedPacket) -> PacketBody {
    let PacketRecord { at, condition, from, request_id, to, event } = &packet.record;
    let body = PacketBody {
        id: String::new(),
        at: at.wall.to_string(),
        node: node.to_owned(),
        phase: phase(event),
        lane,
        condition: hex(condition),
        sample_key: (packet.key != SampleKey::NONE && condition.is_shared())
            .then(|| format!("{:016x}", packet.key.0)),
        from: from.as_ref().map(ToString::to_string),
        request_id: request_id.map(|id| id.0),
        to: to.as_ref().map(ToString::to_string),
        outgoing_request_id: None,
        destination: None,
        prefix: packet.prefix.as_deref().map(str::to_owned),
        amount: None,
        outgoing_amount: None,
        expires_at: None,
        balance_after: packet.balance_after.map(|balance| balance.to_string()),
        latency_us: None,
        code: None,
        decided_here: false,
        reason: None,
        triggered_by: packet.triggered_by.as_deref().map(str::to_owned),
        message: packet.message.as_deref().map(sanitize_bytes),
    };
    match event {
        PacketEvent::Forwarded {
            destination,
            incoming_amount,
            outgoing_amount,
            outgoing_request_id,
            expires_at,
        } => PacketBody {
            outgoing_request_id: Some(outgoing_request_id.0),
            destination: Some(destination.to_string()),
            amount: Some(incoming_amount.to_string()),
            outgoing_amount: Some(outgoing_amount.to_string()),
            expires_at: Some(expires_at.to_string()),
            ..body
        },
        PacketEvent::Received { destination, incoming_amount, received_amount } => PacketBody {
            destination: Some(destination.to_string()),
            amount: Some(incoming_amount.to_string()),
            outgoing_amount: Some(received_amount.to_string()),
            latency_us: Some(0),
            decided_here: true,
            ..body
        },
        PacketEvent::Fulfilled {
            destination,
            incoming_amount,
            outgoing_amount,
            outgoing_request_id,
            sent_at,
        } => PacketBody {
            outgoing_request_id: outgoing_request_id.map(|id| id.0),
            destination: destination.as_deref().map(str::to_owned),
            amount: Some(incoming_amount.to_string()),
            outgoing_amount: outgoing_amount.map(|amount| amount.to_string()),
            latency_us: Some(at.mono.micros_since(*sent_at)),
            decided_here: outgoing_request_id.is_none(),
            ..body
        },
        PacketEvent::Rejected {
            code,
            reason,
            destination,
            incoming_amount,
            outgoing_amount,
            outgoing_request_id,
            sent_at,
        } => PacketBody {
            outgoing_request_id: outgoing_request_id.map(|id| id.0),
            destination: destination.as_deref().map(str::to_owned),
            amount: incoming_amount.map(|amount| amount.to_string()),
            outgoing_amount: outgoing_amount.map(|amount| amount.to_string()),
            latency_us: Some(at.mono.micros_since(*sent_at)),
            code: Some(code.to_string()),
            decided_here: reason.is_some(),
            reason: reason.as_ref().map(|refusal| reason_body(refusal, from.as_ref())),
            ..body
        },
    }
}

fn phase(event: &PacketEvent) -> PacketPhase {
    match event {
        PacketEvent::Forwarded { .. } => PacketPhase::Forwarded,
        PacketEvent::Received { .. } => PacketPhase::Received,
        PacketEvent::Fulfilled { .. } => PacketPhase::Fulfilled,
        PacketEvent::Rejected { .. } => PacketPhase::Rejected,
    }
}

pub(super) fn hex(condition: &Condition) -> String {
    condition.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::connector::{NextHopFailure, SampleKey};
    use crate::time::{MonoTime, Now};
    use crate::wire::ilp::ErrorCode;
    use crate::wire::{Amount, Timestamp};

    const CONDITION: Condition = Condition([0xab; 32]);

    fn observed(at_us: u64, event: PacketEvent) -> ObservedPacket {
        let wall = Timestamp::from_millis(1_767_225_600_000 + at_us / 1_000);
        let record = PacketRecord {
            at: Now { wall, mono: MonoTime(at_us * 1_000) },
            condition: CONDITION,
            from: Some("alice".parse().unwrap()),
            request_id: Some(RequestId(4_000_000_000)),
            to: Some("bob".parse().unwrap()),
            event,
        };
        let key = SampleKey::of_condition(&CONDITION);
        let (prefix, triggered_by, message, balance_after) = (None, None, None, Some(-(1 << 70)));
        ObservedPacket { record, key, prefix, balance_after, triggered_by, message }
    }

    fn forwarded() -> ObservedPacket {
        let event = PacketEvent::Forwarded {
            destination: "test.bob.wallet".into(),
            incoming_amount: Amount(u64::MAX),
            outgoing_amount: Amount(7),
            outgoing_request_id: RequestId(9),
            expires_at: Timestamp::from_millis(1_767_225_629_000),
        };
        ObservedPacket { prefix: Some("test.bob".into()), ..observed(0, event) }
    }

    fn rejected(reason: Option<Refusal>, outgoing_request_id: Option<u32>) -> ObservedPacket {
        let event = PacketEvent::Rejected {
            code: ErrorCode::R00,
            reason,
            destination: None,
            incoming_amount: Some(Amount(u64::MAX)),
            outgoing_amount: Some(Amount(7)),
            outgoing_request_id: outgoing_request_id.map(RequestId),
            sent_at: MonoTime(0),
        };
        let message = Some(b"\x1b[2J\"\xff".as_slice().into());
        let triggered_by = Some("test.far".into());
        ObservedPacket { triggered_by, message, ..observed(1_500, event) }
    }

    /// The fields that the contract names and this record has.
    fn json(body: &PacketBody) -> Value {
        let mut value = serde_json::to_value(body).unwrap();
        assert_eq!(serde_json::from_value::<PacketBody>(value.clone()).unwrap(), *body);
        let fields = value.as_object_mut().unwrap();
        assert_eq!(fields.len(), 22, "{fields:?}");
        assert_eq!(fields.shift_remove("condition").unwrap(), "ab".repeat(32));
        fields.retain(|_, value| !value.is_null());
        value
    }

    #[test]
    fn an_answer_has_what_only_its_prepare_knew() {
        let mut describer = PacketDescriber::default();
        let sent = describer.describe("a", PacketLane::Sample, &forwarded());
        assert_eq!(
            json(&sent),
            json!({
                "id": "", "at": "2026-01-01T00:00:00.000Z", "node": "a", "phase": "forwarded",
                "lane": "sample", "from": "alice", "requestId": 4_000_000_000_u32, "to": "bob",
                "outgoingRequestId": 9, "destination": "test.bob.wallet", "prefix": "test.bob",
                "amount": "18446744073709551615", "outgoingAmount": "7",
                "balanceAfter": "-1180591620717411303424",
                "expiresAt": "2026-01-01T00:00:29.000Z", "decidedHere": false,
            })
        );
        let failure = NextHopFailure::TimedOut;
        let refusal = Refusal::NextHop { next_hop: "bob".parse().unwrap(), failure };
        let answer = rejected(Some(refusal), Some(9));
        let body = describer.describe("a", PacketLane::Reject, &answer);
        assert_eq!(
            json(&body),
            json!({
                "id": "", "at": "2026-01-01T00:00:00.001Z", "node": "a", "phase": "rejected",
                "lane": "reject", "from": "alice", "requestId": 4_000_000_000_u32, "to": "bob",
                "outgoingRequestId": 9, "destination": "test.bob.wallet", "prefix": "test.bob",
                "amount": "18446744073709551615", "outgoingAmount": "7",
                "balanceAfter": "-1180591620717411303424",
                "expiresAt": "2026-01-01T00:00:29.000Z", "latencyUs": 1_500, "code": "R00",
                "decidedHere": true, "triggeredBy": "test.far", "message": "\\u{1b}[2J\\\"\\xff",
                "reason": {
                    "kind": "nextHopTimedOut", "text": "next hop bob did not answer in time",
                    "figures": null, "peer": "bob", "key": null,
                    "advice": "Ask the operator of the next hop why it does not answer, or choose a \
                               later expiry.",
                },
            })
        );
        let again = describer.describe("a", PacketLane::Reject, &answer);
        assert_eq!(again.destination, None, "one answer to each Prepare");
    }

    #[test]
    fn only_its_own_prepare_belongs_to_an_answer() {
        let mut describer = PacketDescriber::default();
        describer.describe("a", PacketLane::Sample, &forwarded());
        let mut check = |node: &str, answer: ObservedPacket| {
            describer.describe(node, PacketLane::Reject, &answer).destination
        };
        let passed_back = || rejected(None, Some(9));
        assert_eq!(check("b", passed_back()), None, "another node");
        assert_eq!(check("a", rejected(None, Some(10))), None, "another request");
        let mut other = passed_back();
        other.record.condition = Condition([1; 32]);
        assert_eq!(check("a", other), None, "another packet");
        let mut other = passed_back();
        other.record.to = Some("carol".parse().unwrap());
        assert_eq!(check("a", other), None, "another next hop");
        assert!(check("a", passed_back()).is_some());
    }

    #[test]
    fn prepares_without_an_answer_are_dropped_in_the_end() {
        let mut describer = PacketDescriber::default();
        let mut packet = forwarded();
        for id in 0..5 * u32::try_from(PREPARES_GENERATION_MAX).unwrap() {
            let PacketEvent::Forwarded { outgoing_request_id, .. } = &mut packet.record.event
            else {
                unreachable!()
            };
            *outgoing_request_id = RequestId(id);
            describer.describe("a", PacketLane::Sample, &packet);
            let kept = describer.recent.len() + describer.older.len();
            assert!(kept <= 2 * PREPARES_GENERATION_MAX);
        }
    }

    #[test]
    fn the_key_names_the_peer_whose_setting_decided() {
        let alice = "alice".parse().unwrap();
        let reason = reason_body(&Refusal::RateLimited { per_second: 5 }, Some(&alice));
        assert_eq!(reason.key.as_deref(), Some("peers.alice.packetsPerSecond"));
        assert_eq!(reason.figures.as_deref(), Some("the limit is 5 packets per second"));
        assert_eq!(reason_body(&Refusal::Suspended, None).key, None);
    }
}
