//! What one BTP frame on an authenticated session asks for, or answers. Pure: bytes in, a borrowed value out.
//!
//! The rules are RFC 23's ("Flow", "Sub-protocols"): a request gets a RESPONSE or an ERROR, an answer and an unreadable
//! frame get nothing, so that two confused peers do not throw errors at each other for ever. The `ilp` entry is taken
//! from any position, as all implementations do, and its content type is not looked at.
//!
//! interledger-rs sends Prepares in RESPONSE frames and their answers in MESSAGE frames, and reads either type as what
//! the ILP packet in it says. A *lenient* reader does the same (`lenientBtpTypes`); what we send is RFC 23 to everybody,
//! for that it takes. The ids of the two directions stay apart: only the packet decides whose id it is.

use crate::connector::PeerAnswer;
use crate::wire;
use crate::wire::btp::{AUTH, Frame, FrameKind, RequestId};
use crate::wire::ilp::{PacketType, packet_type};

/// What a frame is to us.
#[derive(Debug, Clone, Copy)]
pub(super) enum FrameMeaning<'a> {
    /// A request with an ILP packet, which the connector answers whatever it is.
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
        answer: PeerAnswer<'a>,
    },
    /// A RESPONSE with a Prepare, as interledger-rs sends them, from a peer that is not read leniently. An answer, as
    /// RFC 23 has it, and none that fits anything.
    PrepareInResponse {
        /// Our id of what it answers.
        request_id: RequestId,
        /// The `ilp` entry.
        packet: &'a [u8],
    },
    /// A MESSAGE with an answer, from a peer that is not read leniently: answered by an ERROR.
    AnswerInMessage {
        /// The peer's id for it.
        request_id: RequestId,
    },
    /// A MESSAGE without any entry, or another `auth`: acknowledged by an empty RESPONSE.
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

/// Reads one frame. `lenient` is asked only where the type of the frame and the packet in it contradict each other.
pub(super) fn read(frame: &[u8], lenient: impl Fn() -> bool) -> FrameMeaning<'_> {
    let frame = match Frame::parse(frame) {
        Ok(frame) => frame,
        Err(error) => return FrameMeaning::Unreadable(error),
    };
    let request_id = frame.request_id;
    let entries = frame.protocol_data;
    let ambiguous = entries.len() > 1 && entries.has_duplicate_names();
    let packet = frame.ilp();
    let carries = packet.and_then(packet_type);
    let kind = match (frame.body.kind(), carries) {
        (FrameKind::Message, Some(PacketType::Fulfill | PacketType::Reject)) if lenient() => {
            FrameKind::Response
        }
        (FrameKind::Response, Some(PacketType::Prepare)) if lenient() => FrameKind::Message,
        (kind, _) => kind,
    };
    match kind {
        FrameKind::Message if ambiguous => {
            FrameMeaning::Refused { request_id, why: "two sub-protocols have the same name" }
        }
        FrameKind::Message => match (packet, carries) {
            // RFC 23: a MESSAGE that cannot be processed is answered by an ERROR. An empty RESPONSE would say that
            // it was: ilp-plugin-ethereum takes it for accepted money.
            (None, _) if entries.primary().is_none_or(|primary| primary.name == AUTH) => {
                FrameMeaning::Nothing { request_id }
            }
            (None, _) => {
                FrameMeaning::Refused { request_id, why: "the MESSAGE has no sub-protocol `ilp`" }
            }
            (Some(_), Some(PacketType::Fulfill | PacketType::Reject)) => {
                FrameMeaning::AnswerInMessage { request_id }
            }
            (Some(packet), _) => FrameMeaning::Prepare { request_id, packet },
        },
        FrameKind::Transfer => {
            FrameMeaning::Refused { request_id, why: "TRANSFER is not supported on this link" }
        }
        FrameKind::Response => {
            // Which of two packets is meant cannot be told, so there is none.
            let packet = if ambiguous { None } else { packet };
            match (packet, carries) {
                (Some(packet), Some(PacketType::Prepare)) => {
                    FrameMeaning::PrepareInResponse { request_id, packet }
                }
                (Some(packet), _) => {
                    FrameMeaning::Answer { request_id, answer: PeerAnswer::Packet(packet) }
                }
                (None, _) => FrameMeaning::Answer { request_id, answer: PeerAnswer::Nothing },
            }
        }
        FrameKind::Error => FrameMeaning::Answer { request_id, answer: PeerAnswer::Error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::btp::{Entry, FrameBody, put_frame};

    /// In short what a strict and a lenient reader make of a frame.
    fn check(body: &FrameBody<'_>, entries: &[Entry<'_>], strict: &str, lenient: &str) {
        let mut frame = Vec::new();
        put_frame(RequestId(7), body, entries, &mut frame);
        for (is_lenient, expected) in [(false, strict), (true, lenient)] {
            let found = match read(&frame, || is_lenient) {
                FrameMeaning::Prepare { request_id: RequestId(7), .. } => "prepare",
                FrameMeaning::Answer { request_id: RequestId(7), answer } => match answer {
                    PeerAnswer::Packet(_) => "answer",
                    PeerAnswer::Nothing => "empty answer",
                    PeerAnswer::Error => "error",
                    other => panic!("{other:?}"),
                },
                FrameMeaning::Nothing { request_id: RequestId(7) } => "nothing",
                FrameMeaning::Refused { request_id: RequestId(7), .. } => "refused",
                FrameMeaning::PrepareInResponse { request_id: RequestId(7), .. } => {
                    "swapped prepare"
                }
                FrameMeaning::AnswerInMessage { request_id: RequestId(7) } => "swapped answer",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{entries:?}, lenient: {is_lenient}");
        }
    }

    #[test]
    fn the_packet_decides_for_a_lenient_reader_and_the_frame_for_a_strict_one() {
        let ilp = |bytes: &'static [u8]| Entry::octets("ilp", bytes);
        let other = Entry::octets("balance", b"{}");
        let (prepare, fulfill, reject) = (ilp(&[12, 0]), ilp(&[13, 0]), ilp(&[14, 0]));
        let (message, response) = (FrameBody::Message, FrameBody::Response);
        check(&message, &[prepare], "prepare", "prepare");
        check(&response, &[fulfill], "answer", "answer");
        check(&response, &[reject], "answer", "answer");
        check(&response, &[prepare], "swapped prepare", "prepare");
        check(&message, &[fulfill], "swapped answer", "answer");
        check(&message, &[other, reject], "swapped answer", "answer");
        // What is no packet at all is what the frame says.
        check(&message, &[ilp(&[])], "prepare", "prepare");
        check(&message, &[ilp(&[11])], "prepare", "prepare");
        check(&response, &[ilp(&[])], "answer", "answer");
        // Only what is not a request at all is acknowledged.
        let auth = Entry::octets("auth", b"");
        check(&message, &[], "nothing", "nothing");
        check(&message, &[auth, other], "nothing", "nothing");
        check(&message, &[other, auth], "refused", "refused");
        check(&message, &[other], "refused", "refused");
        check(&response, &[], "empty answer", "empty answer");
        // Two packets: still a request or an answer, so that no id of the other direction is taken for it.
        check(&message, &[prepare, prepare], "refused", "refused");
        check(&response, &[prepare, prepare], "empty answer", "refused");
        check(&message, &[fulfill, fulfill], "refused", "empty answer");
        let transfer = FrameBody::Transfer { amount: crate::wire::Amount(1) };
        check(&transfer, &[fulfill], "refused", "refused");
    }

    #[test]
    fn nobody_is_asked_about_frames_as_they_should_be() {
        let entries: [&[Entry<'_>]; 3] =
            [&[Entry::octets("ilp", &[12])], &[Entry::octets("balance", b"")], &[]];
        for entries in entries {
            let mut frame = Vec::new();
            put_frame(RequestId(7), &FrameBody::Message, entries, &mut frame);
            read(&frame, || panic!("asked about {entries:?}"));
        }
    }
}
