//! Classifies the BTP frames of an authenticated session. Pure: bytes in, a borrowed value out.
//!
//! By RFC 23 ("Flow", "Sub-protocols"), a request gets a RESPONSE or an ERROR; a response or an unreadable frame gets
//! no answer, so that two confused peers do not exchange errors for ever. The `ilp` entry may be in any position and
//! have any content type, as in all implementations. [rows 78 79 82 84]
//!
//! interledger-rs sends Prepares in RESPONSE frames and their answers in MESSAGE frames, and goes by the ILP packet
//! when it receives. A *lenient* reader does the same (`lenientBtpTypes`). We always send frames by RFC 23, which
//! interledger-rs accepts. The request ids of the two directions stay separate: the packet decides whose id it is.

use crate::connector::PeerAnswer;
use crate::wire;
use crate::wire::btp::{AUTH, AUTH_TOKEN, BtpFrame, FrameKind, RequestId};
use crate::wire::ilp::{PacketType, packet_type};

/// What a received frame requests or answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum FrameMeaning<'a> {
    /// A request with an ILP packet of any kind, which the connector answers.
    Prepare { request_id: RequestId, packet: &'a [u8] },
    /// A RESPONSE or an ERROR to a request of ours.
    Answer { request_id: RequestId, answer: PeerAnswer<'a> },
    /// A RESPONSE with a Prepare, as interledger-rs sends them, from a peer without `lenientBtpTypes`. By RFC 23 it is
    /// an answer, with the wrong packet.
    PrepareInResponse { request_id: RequestId, packet: &'a [u8] },
    /// A MESSAGE with an answer, from a peer without `lenientBtpTypes`: gets an ERROR.
    AnswerInMessage { request_id: RequestId },
    /// A MESSAGE without any entry: gets an empty RESPONSE.
    Nothing { request_id: RequestId },
    /// Another `auth`, with this token if it has one: gets an empty RESPONSE or an ERROR, and changes nothing.
    Login { request_id: RequestId, token: Option<&'a [u8]> },
    /// A request that cannot be served: gets an ERROR with this text.
    Refused { request_id: RequestId, why: &'static str },
    /// A RESPONSE or an ERROR to a request of ours, of which only the type and the id can be read. Without such a
    /// request in flight it is [`Self::Unreadable`].
    UnreadableAnswer { request_id: RequestId, answer: PeerAnswer<'a>, error: wire::Error },
    /// Not a BTP frame.
    Unreadable(wire::Error),
}

/// Classifies one frame. `is_lenient` is called only if the types of the frame and of its packet contradict each other.
pub(super) fn classify(frame: &[u8], is_lenient: impl Fn() -> bool) -> FrameMeaning<'_> {
    let frame = match BtpFrame::parse(frame) {
        Ok(frame) => frame,
        Err(error) => return unreadable(frame, error),
    };
    let request_id = frame.request_id;
    let entries = frame.protocol_data;
    let ambiguous = entries.len() > 1 && entries.has_duplicate_names();
    let packet = frame.ilp();
    let carries = packet.and_then(packet_type);
    let kind = match (frame.body.kind(), carries) {
        (FrameKind::Message, Some(PacketType::Fulfill | PacketType::Reject)) if is_lenient() => {
            FrameKind::Response
        }
        (FrameKind::Response, Some(PacketType::Prepare)) if is_lenient() => FrameKind::Message,
        (kind, _) => kind,
    };
    match kind {
        FrameKind::Message if ambiguous => {
            FrameMeaning::Refused { request_id, why: "two sub-protocols have the same name" }
        }
        FrameKind::Message => match (packet, carries) {
            // RFC 23 "Flow": a MESSAGE that cannot be processed gets an ERROR. [row 83] ilp-plugin-ethereum takes an
            // empty RESPONSE for accepted money.
            (None, _) if entries.primary().is_none() => FrameMeaning::Nothing { request_id },
            (None, _) if entries.primary().is_some_and(|primary| primary.name == AUTH) => {
                let token = entries.get(AUTH_TOKEN).map(|entry| entry.data);
                FrameMeaning::Login { request_id, token }
            }
            (None, _) => {
                FrameMeaning::Refused { request_id, why: "the MESSAGE has no sub-protocol `ilp`" }
            }
            (Some(_), Some(PacketType::Fulfill | PacketType::Reject)) => {
                FrameMeaning::AnswerInMessage { request_id }
            }
            (Some(packet), _) => FrameMeaning::Prepare { request_id, packet },
        },
        // RFC 23 "Flow": a TRANSFER that does not change the balance gets an ERROR. [row 85]
        FrameKind::Transfer => {
            FrameMeaning::Refused { request_id, why: "TRANSFER is not supported on this link" }
        }
        FrameKind::Response => {
            // Of two packets, neither is the answer.
            let packet = if ambiguous { None } else { packet };
            match (packet, carries) {
                (Some(packet), Some(PacketType::Prepare)) => {
                    FrameMeaning::PrepareInResponse { request_id, packet }
                }
                (Some(packet), _) => {
                    FrameMeaning::Answer { request_id, answer: PeerAnswer::Packet(packet) }
                }
                (None, _) => FrameMeaning::Answer { request_id, answer: PeerAnswer::Empty },
            }
        }
        // An ERROR fails its request, whatever its code and name are. [row 87]
        FrameKind::Error => FrameMeaning::Answer { request_id, answer: PeerAnswer::Error },
    }
}

/// Off the way of good frames. An unreadable MESSAGE of a peer with `lenientBtpTypes` may be an answer as well, but
/// then only its packet says so.
#[cold]
fn unreadable(frame: &[u8], error: wire::Error) -> FrameMeaning<'_> {
    match BtpFrame::answered_request(frame) {
        Some((FrameKind::Error, request_id)) => {
            FrameMeaning::UnreadableAnswer { request_id, answer: PeerAnswer::Error, error }
        }
        Some((_, request_id)) => {
            FrameMeaning::UnreadableAnswer { request_id, answer: PeerAnswer::Empty, error }
        }
        None => FrameMeaning::Unreadable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::btp::{FrameBody, ProtocolEntry, put_frame};

    /// What a frame means to a strict and to a lenient reader, as one word.
    fn check(body: &FrameBody<'_>, entries: &[ProtocolEntry<'_>], strict: &str, lenient: &str) {
        let mut frame = Vec::new();
        put_frame(RequestId(7), body, entries, &mut frame);
        for (is_lenient, expected) in [(false, strict), (true, lenient)] {
            let found = match classify(&frame, || is_lenient) {
                FrameMeaning::Prepare { request_id: RequestId(7), .. } => "prepare",
                FrameMeaning::Answer { request_id: RequestId(7), answer } => match answer {
                    PeerAnswer::Packet(_) => "answer",
                    PeerAnswer::Empty => "empty answer",
                    PeerAnswer::Error => "error",
                    other => panic!("{other:?}"),
                },
                FrameMeaning::Nothing { request_id: RequestId(7) } => "nothing",
                FrameMeaning::Login { request_id: RequestId(7), token: None } => "login",
                FrameMeaning::Login { request_id: RequestId(7), .. } => "login with a token",
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
    fn a_lenient_reader_goes_by_the_packet_and_a_strict_one_by_the_frame() {
        let ilp = |bytes: &'static [u8]| ProtocolEntry::octets("ilp", bytes);
        let other = ProtocolEntry::octets("balance", b"{}");
        let (prepare, fulfill, reject) = (ilp(&[12, 0]), ilp(&[13, 0]), ilp(&[14, 0]));
        let (message, response) = (FrameBody::Message, FrameBody::Response);
        check(&message, &[prepare], "prepare", "prepare");
        check(&response, &[fulfill], "answer", "answer");
        check(&response, &[reject], "answer", "answer");
        check(&response, &[prepare], "swapped prepare", "prepare");
        check(&message, &[fulfill], "swapped answer", "answer");
        check(&message, &[other, reject], "swapped answer", "answer");
        // Without a packet, the frame decides.
        check(&message, &[ilp(&[])], "prepare", "prepare");
        check(&message, &[ilp(&[11])], "prepare", "prepare");
        check(&response, &[ilp(&[])], "answer", "answer");
        // Only a MESSAGE that requests nothing is acknowledged.
        let auth = ProtocolEntry::octets("auth", b"");
        let token = ProtocolEntry::octets("auth_token", b"t");
        check(&message, &[], "nothing", "nothing");
        check(&message, &[auth, other], "login", "login");
        check(&message, &[auth, token], "login with a token", "login with a token");
        check(&message, &[other, auth], "refused", "refused");
        check(&message, &[other], "refused", "refused");
        check(&response, &[], "empty answer", "empty answer");
        // Two packets: the type of the frame still decides whose request id it is.
        check(&message, &[prepare, prepare], "refused", "refused");
        check(&response, &[prepare, prepare], "empty answer", "refused");
        check(&message, &[fulfill, fulfill], "refused", "empty answer");
        let transfer = FrameBody::Transfer { amount: crate::wire::Amount(1) };
        check(&transfer, &[fulfill], "refused", "refused");
    }

    #[test]
    fn the_setting_is_not_read_for_frames_of_the_right_type() {
        let entries: [&[ProtocolEntry<'_>]; 3] =
            [&[ProtocolEntry::octets("ilp", &[12])], &[ProtocolEntry::octets("balance", b"")], &[]];
        for entries in entries {
            let mut frame = Vec::new();
            put_frame(RequestId(7), &FrameBody::Message, entries, &mut frame);
            classify(&frame, || panic!("the setting is read for {entries:?}"));
        }
    }
}
