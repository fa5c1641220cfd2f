//! What one BTP frame on an authenticated session asks for, or answers. Pure: bytes in, a borrowed value out.
//!
//! The rules are RFC 23's ("Flow", "Sub-protocols"): a request gets a RESPONSE or an ERROR, an answer and an unreadable
//! frame get nothing, so that two confused peers do not throw errors at each other for ever. The `ilp` entry is taken
//! from any position, as all implementations do, and its content type is not looked at.

use crate::connector::Answer;
use crate::wire;
use crate::wire::btp::{Body, Frame, RequestId};
use crate::wire::ilp::{PacketType, packet_type};

/// What a frame is to us.
#[derive(Debug, Clone, Copy)]
pub(super) enum Incoming<'a> {
    /// A MESSAGE with an ILP packet, which the connector answers whatever it is.
    Prepare {
        /// The peer's id for it.
        request_id: RequestId,
        /// The `ilp` entry.
        packet: &'a [u8],
    },
    /// A RESPONSE or an ERROR.
    Answer {
        /// Our id of what it answers.
        request_id: RequestId,
        /// What it says.
        answer: Answer<'a>,
    },
    /// A MESSAGE that has nothing for us, such as a second `auth`: acknowledged by an empty RESPONSE.
    Nothing {
        /// The peer's id for it.
        request_id: RequestId,
    },
    /// A request that cannot be served: answered by an ERROR.
    Refused {
        /// The peer's id for it.
        request_id: RequestId,
        /// Why, for the ERROR's data.
        why: &'static str,
    },
    /// Not a BTP frame.
    Unreadable(wire::Error),
}

/// Reads one frame.
pub(super) fn read(frame: &[u8]) -> Incoming<'_> {
    let frame = match Frame::parse(frame) {
        Ok(frame) => frame,
        Err(error) => return Incoming::Unreadable(error),
    };
    let request_id = frame.request_id;
    let entries = frame.protocol_data;
    let ambiguous = entries.len() > 1 && entries.has_duplicate_names();
    match frame.body {
        Body::Message if ambiguous => {
            Incoming::Refused { request_id, why: "two sub-protocols have the same name" }
        }
        Body::Message => match frame.ilp() {
            None => Incoming::Nothing { request_id },
            // interledger-rs swaps MESSAGE and RESPONSE; a Fulfill is no request.
            Some(packet) => match packet_type(packet) {
                Some(PacketType::Fulfill | PacketType::Reject) => Incoming::Refused {
                    request_id,
                    why: "a MESSAGE carries a Prepare, not an answer",
                },
                _ => Incoming::Prepare { request_id, packet },
            },
        },
        Body::Transfer { .. } => {
            Incoming::Refused { request_id, why: "TRANSFER is not supported on this link" }
        }
        Body::Response => {
            // Which of two packets is meant cannot be told, so there is none.
            let packet = if ambiguous { None } else { frame.ilp() };
            let answer = packet.map_or(Answer::Nothing, Answer::Packet);
            Incoming::Answer { request_id, answer }
        }
        Body::Error { .. } => Incoming::Answer { request_id, answer: Answer::Error },
    }
}
