//! The vectors of other implementations, every cut of them, and packets made up here.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::wire::vectors::{self, Expect, written};

/// The frame in the form of `stream-packets.json`.
fn frame_of(fields: &Value) -> String {
    let number = |key: &str| vectors::number(fields, key);
    let text = |key: &str| vectors::text(fields, key).as_bytes().to_vec();
    let byte = |key: &str| u8::try_from(fields[key].as_u64().unwrap()).unwrap();
    let stream = || StreamId(number("streamId"));
    let (message, data, receipt, code, source);
    let frame = match vectors::text(fields, "name") {
        "ConnectionClose" => {
            message = text("errorMessage");
            StreamFrame::ConnectionClose { code: CloseCode(byte("errorCode")), message: &message }
        }
        "ConnectionNewAddress" => {
            source = text("sourceAccount");
            StreamFrame::NewAddress { source: &source }
        }
        "ConnectionAssetDetails" => {
            code = text("sourceAssetCode");
            StreamFrame::AssetDetails { code: &code, scale: byte("sourceAssetScale") }
        }
        "ConnectionMaxData" => StreamFrame::MaxData { offset: number("maxOffset") },
        "ConnectionDataBlocked" => StreamFrame::DataBlocked { offset: number("maxOffset") },
        "ConnectionMaxStreamId" => {
            StreamFrame::MaxStreamId { stream: StreamId(number("maxStreamId")) }
        }
        "ConnectionStreamIdBlocked" => {
            StreamFrame::StreamIdBlocked { stream: StreamId(number("maxStreamId")) }
        }
        "StreamClose" => {
            message = text("errorMessage");
            let code = CloseCode(byte("errorCode"));
            StreamFrame::StreamClose { stream: stream(), code, message: &message }
        }
        "StreamMoney" => StreamFrame::StreamMoney { stream: stream(), shares: number("shares") },
        "StreamMaxMoney" => StreamFrame::StreamMaxMoney {
            stream: stream(),
            receive_max: Amount(number("receiveMax")),
            total_received: Amount(number("totalReceived")),
        },
        "StreamMoneyBlocked" => StreamFrame::StreamMoneyBlocked {
            stream: stream(),
            send_max: Amount(number("sendMax")),
            total_sent: Amount(number("totalSent")),
        },
        "StreamData" => {
            data = vectors::base64(fields, "data");
            StreamFrame::StreamData { stream: stream(), offset: number("offset"), data: &data }
        }
        "StreamMaxData" => {
            StreamFrame::StreamMaxData { stream: stream(), offset: number("maxOffset") }
        }
        "StreamDataBlocked" => {
            StreamFrame::StreamDataBlocked { stream: stream(), offset: number("maxOffset") }
        }
        "StreamReceipt" => {
            receipt = vectors::base64(fields, "receipt");
            StreamFrame::StreamReceipt { stream: stream(), receipt: &receipt }
        }
        other => panic!("unknown frame {other}"),
    };
    let bytes = written(|out| frame.encode(out));
    assert_eq!(fields["type"].as_u64().unwrap(), u64::from(bytes[0]), "{fields}");
    hex::encode(bytes)
}

fn frames_of(packet: &StreamPacket<'_>) -> Vec<String> {
    packet.frames.iter().map(|frame| hex::encode(written(|out| frame.encode(out)))).collect()
}

fn encoded(packet: &StreamPacket<'_>) -> Vec<u8> {
    written(|out| packet.encode(out))
}

#[test]
fn vectors_of_ilp_protocol_stream() {
    let file = vectors::load("stream-packets");
    let cases = file.as_object().unwrap();
    assert_eq!(cases.len(), 53);
    for (name, case) in cases {
        let bytes = vectors::base64(case, "buffer");
        let packet = StreamPacket::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fields = &case["packet"];
        assert_eq!(packet.packet_type as u64, fields["packetType"].as_u64().unwrap(), "{name}");
        assert_eq!(packet.sequence, vectors::number(fields, "sequence"), "{name}");
        assert_eq!(packet.amount.0, vectors::number(fields, "amount"), "{name}");
        let expected: Vec<String> =
            fields["frames"].as_array().unwrap().iter().map(frame_of).collect();
        assert_eq!(frames_of(&packet), expected, "{name}");
        if name.ends_with(":too_big") {
            assert_ne!(encoded(&packet), bytes, "{name}");
        } else {
            assert_eq!(encoded(&packet), bytes, "{name}");
        }
        vectors::refuse_truncations(&bytes, |cut| StreamPacket::parse(cut).is_ok());
    }
}

#[test]
fn vectors_of_shapes_and_mistakes() {
    for entry in vectors::list(&vectors::load("stream-extra"), "packets") {
        let bytes = vectors::bytes(entry, "hex");
        let packet = StreamPacket::parse(&bytes);
        assert_eq!(packet.is_ok(), vectors::expect(entry) == Expect::Accept, "{entry}");
        let Ok(packet) = packet else { continue };
        let again = encoded(&packet);
        assert_eq!(StreamPacket::parse(&again), Ok(packet), "{entry}");
        match vectors::text(entry, "name") {
            "all-frame-types" => {
                assert_eq!(packet.frames.iter().count(), 14);
                assert_eq!(again, bytes);
            }
            "unknown-frame" => assert_eq!(packet.frames, Frames::NONE),
            "junk-after-frames" => assert!(bytes.starts_with(&again) && again.len() < bytes.len()),
            "unknown-error-code" => {
                let close = StreamFrame::ConnectionClose { code: CloseCode(0x59), message: b"" };
                assert_eq!(packet.frames, Frames::from_frames(&[close]));
            }
            "receive-max-over-u64" => {
                let max = StreamFrame::StreamMaxMoney {
                    stream: StreamId(123),
                    receive_max: Amount::MAX,
                    total_received: Amount(123),
                };
                assert_eq!(packet.frames, Frames::from_frames(&[max]));
            }
            other => panic!("{other} is accepted and not looked at"),
        }
    }
}

#[test]
fn errors_name_the_field() {
    let check = |hex: &str, message: &str| {
        let bytes = hex::decode(hex).unwrap();
        assert_eq!(StreamPacket::parse(&bytes).unwrap_err().to_string(), message, "{hex}");
    };
    check("", "STREAM version needs 1 bytes, 0 left");
    check("020c", "STREAM version is 2, expected 1");
    check("010b", "STREAM packet type is 11, expected 12 (Prepare), 13 (Fulfill) or 14 (Reject)");
    check("010c00", "STREAM sequence is an integer of zero bytes (zero is 01 00)");
    check(
        "010c01000200ff",
        "STREAM amount is an integer with a leading zero byte, which is not canonical",
    );
    check(
        "010c09ffffffffffffffffff",
        "STREAM sequence is an integer of 9 bytes, at most 8 are allowed",
    );
    // Two frames cannot be in three bytes, nor 2^64-1 in any.
    check("010c010001000102030101", "STREAM frames: count claims 4 bytes, 3 left");
    check(
        "010c0100010008ffffffffffffffff",
        "STREAM frames: count claims 18446744073709551615 bytes, 0 left",
    );
    check(
        "010c010001000101030100",
        "STREAM frame content is an integer of zero bytes (zero is 01 00)",
    );
    // Only the limits of money may be wider than 64 bits, and they must be canonical too.
    check("010c0100010001010309ffff", "STREAM frame claims 9 bytes, 2 left");
    check(
        "010c010001000101120f017b090001020304050607080201c8",
        "STREAM frame content is an integer with a leading zero byte, which is not canonical",
    );
    check(
        "010c010001000101120e017b0100090102030405060708 09".replace(' ', "").as_str(),
        "STREAM frame content is an integer of 9 bytes, at most 8 are allowed",
    );
    let long = vec![0; MAX_PACKET + 1];
    assert_eq!(
        StreamPacket::parse(&long).unwrap_err().to_string(),
        "STREAM packet has 32740 bytes, at most 32739 are allowed"
    );
}

#[test]
fn logs_show_no_data() {
    let frames = [StreamFrame::StreamData { stream: StreamId(1), offset: 0, data: b"private" }];
    let packet = StreamPacket {
        packet_type: PacketType::Prepare,
        sequence: 7,
        amount: Amount(1),
        frames: Frames::from_frames(&frames),
    };
    let text = format!("{packet:?}");
    assert!(text.contains("sequence: 7") && text.contains("frame 14 (12 bytes)"), "{text}");
}

fn frame() -> impl Strategy<Value = StreamFrame<'static>> {
    let text = prop::sample::select(vec![&b""[..], b"x", b"test.alice", &[0xff; 200]]);
    let number = prop_oneof![0..300u64, any::<u64>()];
    let stream = number.clone().prop_map(StreamId);
    let amount = number.clone().prop_map(Amount);
    let code = any::<u8>().prop_map(CloseCode);
    let of_connection = (0..7, number.clone(), text.clone(), code.clone(), any::<u8>());
    let of_connection = of_connection.prop_map(|(kind, offset, source, code, scale)| match kind {
        0 => StreamFrame::ConnectionClose { code, message: source },
        1 => StreamFrame::NewAddress { source },
        2 => StreamFrame::MaxData { offset },
        3 => StreamFrame::DataBlocked { offset },
        4 => StreamFrame::MaxStreamId { stream: StreamId(offset) },
        5 => StreamFrame::StreamIdBlocked { stream: StreamId(offset) },
        _ => StreamFrame::AssetDetails { code: source, scale },
    });
    let of_stream = (0..8, stream, number, (amount.clone(), amount), text, code);
    let of_stream =
        of_stream.prop_map(|(kind, stream, offset, (limit, total), data, code)| match kind {
            0 => StreamFrame::StreamClose { stream, code, message: data },
            1 => StreamFrame::StreamMoney { stream, shares: offset },
            2 => StreamFrame::StreamMaxMoney { stream, receive_max: limit, total_received: total },
            3 => StreamFrame::StreamMoneyBlocked { stream, send_max: limit, total_sent: total },
            4 => StreamFrame::StreamData { stream, offset, data },
            5 => StreamFrame::StreamMaxData { stream, offset },
            6 => StreamFrame::StreamDataBlocked { stream, offset },
            _ => StreamFrame::StreamReceipt { stream, receipt: data },
        });
    prop_oneof![of_connection, of_stream]
}

proptest! {
    #[test]
    fn what_is_made_is_read(
        sequence in any::<u64>(),
        amount in any::<u64>(),
        kind in prop::sample::select(vec![PacketType::Prepare, PacketType::Fulfill, PacketType::Reject]),
        frames in prop::collection::vec(frame(), 0..40),
        unknown in any::<u8>().prop_filter("unknown", |kind| !matches!(kind, 1..=7 | 0x10..=0x17)),
        junk in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let frames_made = Frames::from_frames(&frames);
        let packet = StreamPacket { packet_type: kind, sequence, amount: Amount(amount), frames: frames_made };
        let mut bytes = encoded(&packet);
        prop_assert_eq!(StreamPacket::parse(&bytes), Ok(packet));
        bytes.extend_from_slice(&junk);
        prop_assert_eq!(StreamPacket::parse(&bytes), Ok(packet));
        // An unknown frame before all others.
        let mut with_unknown = encoded(&StreamPacket { frames: Frames::NONE, ..packet });
        with_unknown.truncate(with_unknown.len() - 2);
        put_var_uint(frames.len() as u64 + 1, &mut with_unknown);
        put_u8(unknown, &mut with_unknown);
        oer_codec::put_var_octet_string(&junk, &mut with_unknown);
        frames.iter().for_each(|frame| frame.encode(&mut with_unknown));
        prop_assert_eq!(StreamPacket::parse(&with_unknown), Ok(packet));
    }
}
