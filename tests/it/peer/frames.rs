//! Frames and packets of a scripted peer, and short descriptions of those of a node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ilp_connector::wire::btp::{
    FrameBody, FrameKind, ProtocolEntry, RequestId, put_auth, put_empty_response, put_frame,
};
use ilp_connector::wire::ilp::{ErrorCode, Fulfill, Packet, Prepare, Reject};
use ilp_connector::wire::{AddressRef, Amount, Condition, Fulfillment, Timestamp};
use serde_json::Value;

use super::ReceivedFrame;

/// The preimage of the condition in [`prepare_to`].
pub(crate) const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

/// A Prepare that a test builds.
#[derive(Clone, Debug)]
pub(crate) struct TestPrepare {
    pub(crate) destination: String,
    pub(crate) amount: u64,
    pub(crate) expires_at: Timestamp,
    pub(crate) condition: Condition,
    pub(crate) data: Vec<u8>,
}

/// A Prepare of 100 units that expires in ten seconds.
pub(crate) fn prepare_to(destination: &str) -> TestPrepare {
    TestPrepare {
        destination: destination.to_owned(),
        amount: 100,
        expires_at: now().saturating_add(Duration::from_secs(10)),
        condition: PREIMAGE.condition(),
        data: Vec::new(),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since)
}

impl TestPrepare {
    pub(crate) fn amount(self, amount: u64) -> Self {
        Self { amount, ..self }
    }

    /// Sets the expiry, in milliseconds from now; negative values are in the past.
    pub(crate) fn expires_in_ms(self, millis: i64) -> Self {
        let by = Duration::from_millis(millis.unsigned_abs());
        let expires_at =
            if millis < 0 { now().saturating_sub(by) } else { now().saturating_add(by) };
        Self { expires_at, ..self }
    }

    pub(crate) fn data(self, data: &[u8]) -> Self {
        Self { data: data.to_vec(), ..self }
    }

    pub(crate) fn condition(self, condition: Condition) -> Self {
        Self { condition, ..self }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let destination = AddressRef::new(&self.destination)
            .unwrap_or_else(|error| panic!("{}: {error}", self.destination));
        let prepare = Prepare {
            amount: Amount(self.amount),
            expires_at: self.expires_at,
            condition: self.condition,
            destination,
            data: &self.data,
        };
        let mut packet = Vec::new();
        prepare.encode(&mut packet);
        packet
    }
}

/// A different preimage for each number.
pub(crate) fn preimage(number: u32) -> Fulfillment {
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Fulfillment(bytes)
}

pub(crate) fn fulfill(fulfillment: &Fulfillment) -> Vec<u8> {
    fulfill_with(fulfillment, &[])
}

pub(crate) fn fulfill_with(fulfillment: &Fulfillment, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    Fulfill { fulfillment: *fulfillment, data }.encode(&mut packet);
    packet
}

pub(crate) fn reject(code: &[u8; 3]) -> Vec<u8> {
    let triggered_by = AddressRef::new("test.far.away").ok();
    let mut packet = Vec::new();
    let code = ErrorCode(*code);
    Reject { code, triggered_by, message: b"no", data: b"because" }.encode(&mut packet);
    packet
}

pub(crate) fn frame(id: u32, body: &FrameBody<'_>, entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame(RequestId(id), body, entries, &mut frame);
    frame
}

pub(crate) fn message(id: u32, entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    frame(id, &FrameBody::Message, entries)
}

pub(crate) fn response(id: u32, packet: Option<&[u8]>) -> Vec<u8> {
    if let Some(packet) = packet {
        return frame(id, &FrameBody::Response, &[ProtocolEntry::octets("ilp", packet)]);
    }
    let mut frame = Vec::new();
    put_empty_response(RequestId(id), &mut frame);
    frame
}

pub(crate) fn auth_frame(id: u32, user: Option<&str>, token: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    put_auth(RequestId(id), user, token, &mut frame);
    frame
}

/// Describes a frame, such as `RESPONSE 7 Reject F02`, `RESPONSE 7 Fulfill`, `RESPONSE 7`, `ERROR 7 F00`, `MESSAGE 7
/// Prepare`.
pub(crate) fn describe_frame(got: &ReceivedFrame) -> String {
    let (kind, id) = (got.kind, got.id);
    let kind = match kind {
        FrameKind::Response => "RESPONSE",
        FrameKind::Error => return format!("ERROR {id} {}", got.code.as_deref().unwrap_or("?")),
        FrameKind::Message => "MESSAGE",
        FrameKind::Transfer => "TRANSFER",
    };
    match &got.ilp {
        None => format!("{kind} {id}"),
        Some(packet) => format!("{kind} {id} {}", describe_packet(packet)),
    }
}

/// `Prepare`, `Fulfill`, or `Reject` and its code.
pub(crate) fn describe_packet(packet: &[u8]) -> String {
    match Packet::parse(packet) {
        Ok(Packet::Prepare(_)) => "Prepare".to_owned(),
        Ok(Packet::Fulfill(_)) => "Fulfill".to_owned(),
        Ok(Packet::Reject(reject)) => format!("Reject {}", reject.code),
        Err(error) => panic!("the node sent {}: {error}", hex::encode(packet)),
    }
}

/// Reads a file of `tests/vectors`.
pub(crate) fn read_vectors(name: &str) -> Value {
    let file = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A list of a vector file as (name, expectation, bytes).
pub(crate) fn hex_vectors(file: &str, list: &str) -> Vec<(String, String, Vec<u8>)> {
    let file = read_vectors(file);
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let items = file[list].as_array().unwrap().iter();
    items
        .map(|item| {
            let bytes = match item["hex_prefix"].as_str() {
                None => hex::decode(text(item, "hex")).unwrap(),
                Some(prefix) => {
                    let fill = hex::decode(text(item, "fill_byte")).unwrap()[0];
                    let count = usize::try_from(item["fill_count"].as_u64().unwrap()).unwrap();
                    let mut bytes = hex::decode(prefix).unwrap();
                    bytes.extend(std::iter::repeat_n(fill, count));
                    bytes.extend(hex::decode(text(item, "hex_suffix")).unwrap());
                    bytes
                }
            };
            (text(item, "name"), text(item, "expect"), bytes)
        })
        .collect()
}
