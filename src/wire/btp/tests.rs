//! The vectors of `btp.json`, truncation, builders, many entries, and properties.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::wire::Timestamp;
use crate::wire::vectors::{self, Expect, written};

fn encode(frame: &BtpFrame<'_>) -> Vec<u8> {
    written(|out| frame.encode(out))
}

/// The bytes of the vector with this name.
fn vector(name: &str) -> Vec<u8> {
    vectors::bytes(vectors::named(&vectors::load("btp"), "frames", name), "hex")
}

/// Compares each field of the vector with the frame.
fn compare(frame: &BtpFrame<'_>, fields: &Value, entry: &Value) {
    assert_eq!(fields["type"], frame.body.kind() as u8, "{entry}");
    assert_eq!(fields["requestId"], frame.request_id.0, "{entry}");
    match frame.body {
        FrameBody::Response | FrameBody::Message => {}
        FrameBody::Error { code, name, triggered_at, data } => {
            assert_eq!(code.to_string(), vectors::text(fields, "code"), "{entry}");
            assert_eq!(name, vectors::text(fields, "name"), "{entry}");
            let expected = vectors::text(fields, "triggeredAt");
            assert_eq!(triggered_at.as_bytes(), expected.as_bytes(), "{entry}");
            assert_eq!(data, vectors::bytes(fields, "data_hex"), "{entry}");
        }
        FrameBody::Transfer { amount } => assert_eq!(amount.0, vectors::number(fields, "amount")),
    }
    let expected = fields["protocolData"].as_array().expect("a list");
    assert_eq!(frame.protocol_data.len(), expected.len(), "{entry}");
    assert_eq!(frame.protocol_data.iter().count(), expected.len(), "{entry}");
    for (found, expected) in frame.protocol_data.iter().zip(expected) {
        assert_eq!(found.name, vectors::text(expected, "protocolName"), "{entry}");
        assert_eq!(expected["contentType"], found.content_type.0, "{entry}");
        assert_eq!(found.data, vectors::bytes(expected, "data"), "{entry}");
    }
    assert_eq!(frame.protocol_data.primary(), frame.protocol_data.iter().next(), "{entry}");
}

#[test]
fn vectors_of_frames() {
    for entry in vectors::list(&vectors::load("btp"), "frames") {
        let bytes = vectors::bytes(entry, "hex");
        assert_eq!(BtpFrame::parse(&bytes), BtpFrame::parse_any(&bytes), "{entry}");
        match (BtpFrame::parse(&bytes), vectors::expect(entry)) {
            (Ok(frame), Expect::Accept) => {
                // The frame with 300 entries is the only one whose fields are not spelled out.
                if entry["fields"].is_object() {
                    compare(&frame, &entry["fields"], entry);
                } else {
                    assert_eq!(frame.protocol_data.iter().count(), 300, "{entry}");
                }
                let canonical = vectors::canonical(entry, &bytes);
                assert_eq!(encode(&frame), canonical, "{entry}");
                let entries: Vec<_> = frame.protocol_data.iter().collect();
                let built = written(|out| put_frame(frame.request_id, &frame.body, &entries, out));
                assert_eq!(built, canonical, "{entry}");
                vectors::refuse_truncations(&canonical, |cut| BtpFrame::parse(cut).is_ok());
            }
            (Err(_), Expect::Reject) => {}
            (result, expect) => panic!("{result:?}, expected {expect:?}: {entry}"),
        }
    }
}

#[test]
fn entries_are_found_by_name() {
    let bytes = vector("js-message");
    let frame = BtpFrame::parse(&bytes).unwrap();
    let data = |name| frame.protocol_data.get(name).map(|entry| entry.data);
    assert_eq!(data("ilp"), Some(&b""[..]));
    assert_eq!(data("json"), Some(&b"{}"[..]));
    assert_eq!(data("il"), None);
    assert_eq!(frame.ilp(), Some(&b""[..]));

    let bytes = vector("message-no-entries");
    let frame = BtpFrame::parse(&bytes).unwrap();
    assert_eq!(frame.protocol_data, ProtocolData::EMPTY);
    assert!(frame.protocol_data.is_empty() && frame.protocol_data.primary().is_none());
    assert_eq!((frame.protocol_data.get(""), frame.ilp()), (None, None));
}

#[test]
fn duplicate_names() {
    let file = vectors::load("btp");
    let mut duplicates = Vec::new();
    for entry in vectors::list(&file, "frames") {
        let bytes = vectors::bytes(entry, "hex");
        if BtpFrame::parse(&bytes).is_ok_and(|frame| frame.protocol_data.has_duplicate_names()) {
            duplicates.push(vectors::text(entry, "name").to_owned());
        }
    }
    assert_eq!(duplicates, ["auth-bad-duplicate-names"]);

    // Around the size where the algorithm changes, with and without a duplicate.
    for count in 2..20 {
        let mut names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        for expected in [false, true] {
            let entries: Vec<_> =
                names.iter().map(|name| ProtocolEntry::octets(name, b"")).collect();
            let bytes = message(&entries);
            let frame = BtpFrame::parse(&bytes).unwrap();
            assert_eq!(frame.protocol_data.has_duplicate_names(), expected, "{names:?}");
            names[count - 1] = "0".to_owned();
        }
    }
}

/// More entries than fit a frame of 64 KiB.
#[test]
fn twenty_thousand_entries() {
    let mut names: Vec<String> = (0..20_000).map(|n| format!("{n:x}")).collect();
    for expected in [false, true] {
        let entries: Vec<_> = names.iter().map(|name| ProtocolEntry::octets(name, b"")).collect();
        let bytes = message(&entries);
        let frame = BtpFrame::parse(&bytes).unwrap();
        assert_eq!(frame.protocol_data.len(), 20_000);
        assert_eq!(frame.protocol_data.has_duplicate_names(), expected);
        assert!(frame.protocol_data.get("4e1e").is_some());
        *names.last_mut().unwrap() = "0".to_owned();
    }
}

fn message(entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    written(|out| put_frame(RequestId(1), &FrameBody::Message, entries, out))
}

#[test]
fn the_fast_path_writes_what_the_general_one_does() {
    for ilp_len in [0usize, 1, 72, 113, 114, 119, 120, 127, 128, 245, 255, 256, 32_845, 65_528] {
        for (kind, body) in
            [(FrameKind::Message, FrameBody::Message), (FrameKind::Response, FrameBody::Response)]
        {
            let (id, packet) = (RequestId(0x0102_0304), vec![0x5a; ilp_len]);
            let mut fast = written(|out| put_ilp_header(kind, id, ilp_len, out));
            fast.extend_from_slice(&packet);
            let entry = ProtocolEntry::octets(ILP, &packet);
            let general = written(|out| put_frame(id, &body, &[entry], out));
            assert_eq!(fast, general, "{ilp_len}");
            assert_eq!(fast.len(), ilp_frame_size(ilp_len));
            let parsed = parse_ilp_frame(&fast).expect("the shape of the packet path");
            assert_eq!((parsed.kind, parsed.request_id), (kind, id));
            assert_eq!(parsed.packet, packet);
            assert_eq!(BtpFrame::parse(&fast), BtpFrame::parse_any(&fast));
        }
    }
    // The largest packet of the RFC, and ours, which may be two bytes larger.
    assert_eq!(ilp_frame_size(41_997), 42_015);
    assert_eq!(MAX_ILP_FRAME, 42_017);
}

#[test]
fn frames_of_the_authentication() {
    fn check(name: &str, put: impl Fn(&mut Vec<u8>)) {
        assert_eq!(hex::encode(written(put)), hex::encode(vector(name)), "{name}");
    }
    check("auth-js-client", |out| put_auth(RequestId(7), Some("bob"), "secret", out));
    check("auth-minimal", |out| put_auth(RequestId(0x0102_0304), None, "shh_its_a_secret", out));
    check("auth-empty-token", |out| put_auth(RequestId(8), None, "", out));
    check("auth-ok-response", |out| put_empty_response(RequestId(0x0102_0304), out));
    let at = Timestamp::read_generalized(b"20180927151214.452Z").unwrap();
    check("java-error-invalid-auth-token", |out| {
        let code = BtpErrorCode::NOT_ACCEPTED;
        let name = code.name().unwrap();
        put_error(RequestId(235_012_411), code, name, at, b"invalid auth_token", out);
    });
}

#[test]
fn error_codes_and_their_names() {
    for entry in vectors::list(&vectors::load("btp"), "frames") {
        let name = vectors::text(entry, "name");
        let bytes = vectors::bytes(entry, "hex");
        if let (Some(code), Ok(frame)) = (name.strip_prefix("error-"), BtpFrame::parse(&bytes))
            && let FrameBody::Error { code: found, name, .. } = frame.body
            && code != "canonical-time"
        {
            assert_eq!(found.to_string(), code);
            assert_eq!(found.name(), Some(name));
        }
    }
    assert_eq!(BtpErrorCode(*b"F02").name(), None);
    assert_eq!(BtpErrorCode(*b"L\r3").to_string(), "L\\r3");
}

#[test]
fn the_data_of_an_error_is_bounded() {
    let (id, code, at) = (RequestId(1), BtpErrorCode::UNREACHABLE, Timestamp::EPOCH);
    let long = vec![b'x'; MAX_ERROR_DATA + 1];
    let bytes = written(|out| put_error(id, code, "x", at, &long, out));
    let frame = BtpFrame::parse(&bytes).unwrap();
    let FrameBody::Error { data, triggered_at, .. } = frame.body else { panic!("{frame:?}") };
    assert_eq!(data.len(), MAX_ERROR_DATA);
    assert_eq!(triggered_at.as_bytes(), b"19700101000000.001Z");

    let body = FrameBody::Error { code, name: "x", triggered_at, data: &long };
    let bytes = written(|out| put_frame(id, &body, &[], out));
    assert_eq!(
        BtpFrame::parse(&bytes).unwrap_err().to_string(),
        "BTP ERROR: data has 8193 bytes, at most 8192 are allowed"
    );
}

#[test]
fn errors_say_what_and_where() {
    fn check(hex: &str, message: &str) {
        let bytes = hex::decode(hex).unwrap();
        assert_eq!(BtpFrame::parse(&bytes).unwrap_err().to_string(), message, "{hex}");
    }
    check("", "BTP frame: type needs 1 bytes, 0 left");
    check("0600", "BTP frame: requestId needs 4 bytes, 1 left");
    check("060000000105", "BTP frame: content claims 5 bytes, 0 left");
    let types = "expected 1 (RESPONSE), 2 (ERROR), 6 (MESSAGE) or 7 (TRANSFER)";
    check("0300000001020100", &format!("BTP frame: type is 3, {types}"));
    check("06000000010604ffffffff00", "BTP protocolData: count claims 12884901885 bytes, 1 left");
    check("060000000108010103696cf00000", "BTP protocolData: protocolName has a byte above 127");
    check("07000000010400000001", "BTP TRANSFER: amount needs 8 bytes, 4 left");
    let (id, code, at) = (RequestId(1), BtpErrorCode::UNREACHABLE, Timestamp::EPOCH);
    let mut late = written(|out| put_error(id, code, "x", at, b"", out));
    late[16] = b'9';
    check(&hex::encode(late), "BTP ERROR: triggeredAt has month 91, months are 01 to 12");
}

#[test]
fn no_secret_is_shown() {
    let bytes = written(|out| put_auth(RequestId(7), Some("bob"), "hunter2", out));
    let shown = format!("{:?}", BtpFrame::parse(&bytes).unwrap());
    assert!(shown.contains("\"auth_token\" (type 1, 7 bytes)"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// With any byte changed, both parsers give the same result.
#[test]
fn the_fast_path_reads_what_the_general_one_does() {
    let mut good = written(|out| put_ilp_header(FrameKind::Message, RequestId(7), 200, out));
    good.resize(good.len() + 200, 0x5a);
    let mut fast = 0;
    for at in 0..20 {
        for byte in 0..=u8::MAX {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(BtpFrame::parse(&bytes), BtpFrame::parse_any(&bytes), "byte {byte} at {at}");
            fast += usize::from(parse_ilp_frame(&bytes).is_some());
        }
    }
    // Any request id, any byte of the packet, MESSAGE and RESPONSE.
    assert_eq!(fast, 2 + 4 * 256 + 11 + 4 * 256, "of 20 * 256");
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #[test]
    fn frames_round_trip(
        request_id: u32,
        kind in 0..4,
        amount: u64,
        millis in 0..=Timestamp::MAX.as_millis(),
        code in "[ -~]{3}",
        text in "[ -~]{0,140}",
        data in data(),
        entries in proptest::collection::vec(("[ -~]{0,20}", any::<u8>(), data()), 0..5),
    ) {
        let time = Timestamp::from_millis(millis).to_generalized();
        let body = match kind {
            0 => FrameBody::Response,
            1 => FrameBody::Message,
            2 => FrameBody::Transfer { amount: Amount(amount) },
            _ => FrameBody::Error {
                code: BtpErrorCode(code.as_bytes().try_into().unwrap()),
                name: &text,
                triggered_at: GeneralizedTime::parse(&time).unwrap(),
                data: &data,
            },
        };
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, kind, data)| ProtocolEntry { name, content_type: ContentType(*kind), data })
            .collect();
        let bytes = written(|out| put_frame(RequestId(request_id), &body, &entries, out));
        let frame = BtpFrame::parse(&bytes).unwrap();
        prop_assert_eq!(frame.request_id, RequestId(request_id));
        prop_assert_eq!(frame.body, body);
        prop_assert_eq!(frame.protocol_data.iter().collect::<Vec<_>>(), entries);
        prop_assert_eq!(encode(&frame), &bytes[..]);
        vectors::refuse_truncations(&bytes, |cut| BtpFrame::parse(cut).is_ok());
    }

    /// An accepted frame can be written, and parses to the same.
    #[test]
    fn what_is_read_can_be_written(mut bytes in data(), kind in 0usize..4) {
        if let [first, _, _, _, _, length, ..] = bytes.as_mut_slice() {
            *first = [1, 2, 6, 7][kind];
            *length %= 0x80;
        }
        if let Ok(frame) = BtpFrame::parse(&bytes) {
            let again = encode(&frame);
            prop_assert_eq!(BtpFrame::parse(&again), Ok(frame));
            prop_assert_eq!(BtpFrame::parse_any(&again), Ok(frame));
        }
    }
}
