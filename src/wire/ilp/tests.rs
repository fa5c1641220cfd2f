//! The vectors of `ilp.json`, truncation, limits, messages, and properties.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::wire::vectors::{self, Expect};
use crate::wire::{AddressRef, Amount, Condition, Fulfillment, Timestamp};

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(&mut out);
    assert_eq!(out.len(), packet.encoded_len());
    out
}

/// Compares each field of the vector with the packet.
fn compare(packet: &Packet<'_>, fields: &Value, entry: &Value) {
    let data = match packet {
        Packet::Prepare(prepare) => {
            assert_eq!(fields["type"], 12, "{entry}");
            assert_eq!(prepare.amount.0, vectors::number(fields, "amount"), "{entry}");
            assert_eq!(prepare.expires_at.to_string(), vectors::text(fields, "expiresAt"));
            let condition = Condition(vectors::array(fields, "executionCondition"));
            assert_eq!(prepare.condition, condition, "{entry}");
            assert_eq!(prepare.destination.as_str(), vectors::text(fields, "destination"));
            prepare.data
        }
        Packet::Fulfill(fulfill) => {
            assert_eq!(fields["type"], 13, "{entry}");
            assert_eq!(fulfill.fulfillment, Fulfillment(vectors::array(fields, "fulfillment")));
            fulfill.data
        }
        Packet::Reject(reject) => {
            assert_eq!(fields["type"], 14, "{entry}");
            assert_eq!(reject.code.0, vectors::text(fields, "code").as_bytes(), "{entry}");
            let triggered_by = reject.triggered_by.map_or("", AddressRef::as_str);
            assert_eq!(triggered_by, vectors::text(fields, "triggeredBy"), "{entry}");
            assert_eq!(reject.message, vectors::bytes(fields, "message_hex"), "{entry}");
            reject.data
        }
    };
    assert_eq!(data, vectors::bytes(fields, "data"), "{entry}");
}

#[test]
fn vectors_of_packets() {
    for entry in vectors::list(&vectors::load("ilp"), "packets") {
        let bytes = vectors::bytes(entry, "hex");
        match (Packet::parse(&bytes), vectors::expect(entry)) {
            (Ok(packet), Expect::Accept) => {
                compare(&packet, &entry["fields"], entry);
                let canonical = vectors::canonical(entry, &bytes);
                assert_eq!(encode(&packet), canonical, "{entry}");
                assert_eq!(Packet::parse(&canonical), Ok(packet), "{entry}");
                vectors::refuse_truncations(&canonical, |cut| Packet::parse(cut).is_ok());
            }
            (Err(_), Expect::Reject) => {}
            (result, expect) => panic!("{result:?}, expected {expect:?}: {entry}"),
        }
    }
}

#[test]
fn vectors_of_large_packets() {
    for entry in vectors::list(&vectors::load("ilp"), "large") {
        let mut bytes = vectors::bytes(entry, "hex_prefix");
        let [fill] = vectors::array(entry, "fill_byte");
        let count = entry["fill_count"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap();
        bytes.resize(bytes.len() + count, fill);
        bytes.extend(vectors::bytes(entry, "hex_suffix"));
        let name = vectors::text(entry, "name");
        assert_eq!(Some(bytes.len() as u64), entry["total_bytes"].as_u64(), "{name}");
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        assert_eq!(hex::encode(digest), vectors::text(entry, "sha256"), "{name}");

        let result = Packet::parse(&bytes);
        match vectors::expect(entry) {
            Expect::Reject => assert!(matches!(result, Err(Error::TooLong { .. })), "{name}"),
            // If both are allowed, this node accepts.
            Expect::Accept | Expect::Either => {
                let packet = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(encode(&packet), bytes, "{name}");
                assert!(bytes.len() <= MAX_PACKET);
                for end in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
                    assert!(Packet::parse(&bytes[..end]).is_err(), "{name} cut to {end}");
                }
            }
        }
    }
}

/// The timestamps of `oer.json` are also given inside a Prepare.
#[test]
fn vectors_of_timestamps_in_a_prepare() {
    let mut timestamps = 0;
    for entry in vectors::list(&vectors::load("oer"), "timestamp_fixed17") {
        if entry["in_prepare_hex"].is_string() {
            timestamps += 1;
            let result = Prepare::parse(&vectors::bytes(entry, "in_prepare_hex"))
                .map(|prepare| prepare.expires_at.to_string());
            match vectors::expect(entry) {
                Expect::Accept => {
                    assert_eq!(result.as_deref(), Ok(vectors::text(entry, "iso")), "{entry}");
                }
                _ => assert!(matches!(result, Err(Error::Timestamp { .. })), "{entry} {result:?}"),
            }
        }
    }
    assert!(timestamps > 20, "only {timestamps} in a Prepare");
}

#[test]
fn vectors_of_error_codes() {
    let file = vectors::load("ilp");
    let entries = vectors::list(&file, "error_codes");
    assert_eq!(entries.len(), ErrorCode::ALL.len());
    for (entry, code) in entries.iter().zip(ErrorCode::ALL) {
        assert_eq!(code.to_string(), vectors::text(entry, "code"));
        assert_eq!(code.known(), Some(vectors::text(entry, "code")));
        let name = code.name().expect("a name");
        assert!(vectors::text(entry, "name").starts_with(name), "{entry}");
    }
    assert_eq!(ErrorCode::T04.class(), Some(ErrorClass::Temporary));
    assert_eq!(ErrorCode::R02.class(), Some(ErrorClass::Relative));
    let unknown = ErrorCode(*b"F42");
    assert_eq!((unknown.name(), unknown.class()), (None, Some(ErrorClass::Final)));
    assert_eq!(
        (ErrorCode(*b"x\n\0").class(), ErrorCode(*b"x\n\0").to_string()),
        (None, "x\\n\\x00".into())
    );
}

#[test]
fn errors_say_what_and_where() {
    let good = Prepare {
        amount: Amount(107),
        expires_at: Timestamp::from_millis(1_500_000_000_000),
        condition: Condition::PING,
        destination: AddressRef::new("example.alice").unwrap(),
        data: b"",
    };
    let bytes = encode(&Packet::Prepare(good));
    let check = |change: &dyn Fn(&mut Vec<u8>), message: &str| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        assert_eq!(Prepare::parse(&bytes).unwrap_err().to_string(), message);
    };
    check(&|b| *b.last_mut().unwrap() = 5, "Prepare: data claims 5 bytes, 0 left");
    check(&|b| b[0] = 13, "packet type is 13, expected 12 (Prepare)");
    check(&|b| b.clear(), "packet type needs 1 bytes, 0 left");
    check(&|b| b[1] = 99, "Prepare: content claims 99 bytes, 72 left");
    check(&|b| b[14] = b'9', "Prepare: expiresAt has month 97, months are 01 to 12");
    check(
        &|b| b[60] = b'!',
        "Prepare: destination has '!' as character 1, only A-Z a-z 0-9 _ ~ - and dots are allowed",
    );
    assert_eq!(
        Packet::parse(b"\x05\x00").unwrap_err().to_string(),
        "packet type is 5, expected 12 (Prepare), 13 (Fulfill) or 14 (Reject)"
    );
    let message = vec![b'x'; MAX_MESSAGE + 1];
    let long = Reject { code: ErrorCode::F00, triggered_by: None, message: &message, data: b"" };
    assert_eq!(
        Reject::parse(&encode(&Packet::Reject(long))).unwrap_err().to_string(),
        "Reject: message has 8193 bytes, at most 8192 are allowed"
    );
}

#[test]
fn amount_too_large() {
    let file = vectors::load("ilp");
    let bytes = vectors::bytes(vectors::named(&file, "packets", "reject-f08"), "hex");
    let reject = Reject::parse(&bytes).unwrap();
    let amounts = AmountTooLarge::parse(reject.data).unwrap();
    assert_eq!((amounts.received, amounts.maximum), (Amount(0x30201), Amount(0x60504)));
    assert_eq!(amounts.to_bytes(), reject.data);
    assert_eq!(
        AmountTooLarge::parse(&reject.data[..15]).unwrap_err().to_string(),
        "F08 data: maximumAmount needs 8 bytes, 7 left"
    );
}

#[test]
fn messages_are_cut_between_characters() {
    assert_eq!(clip_message("short"), b"short");
    let text = "é".repeat(MAX_MESSAGE_EMITTED);
    let clipped = clip_message(&text);
    assert_eq!(clipped.len(), MAX_MESSAGE_EMITTED - 1);
    assert!(std::str::from_utf8(clipped).is_ok());
}

#[test]
fn encoding_appends() {
    let fulfill = Fulfill { fulfillment: Fulfillment::PING, data: b"x" };
    let mut out = b"before".to_vec();
    fulfill.encode(&mut out);
    assert_eq!(&out[..6], b"before");
    assert_eq!(Fulfill::parse(&out[6..]), Ok(fulfill));
    assert_eq!(packet_type(&out[6..]), Some(PacketType::Fulfill));
    assert_eq!(packet_type(b"\x0b"), None);
}

fn addresses() -> impl Strategy<Value = String> {
    "(g|test[1-3]?|private|peer|local|self|example)(\\.[A-Za-z0-9_~-]{1,20}){1,6}"
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..400)
}

proptest! {
    #[test]
    fn prepares_round_trip(
        amount: u64,
        millis in 0..=Timestamp::MAX.as_millis(),
        condition: [u8; 32],
        destination in addresses(),
        data in data(),
    ) {
        let prepare = Prepare {
            amount: Amount(amount),
            expires_at: Timestamp::from_millis(millis),
            condition: Condition(condition),
            destination: AddressRef::new(&destination).unwrap(),
            data: &data,
        };
        let bytes = encode(&Packet::Prepare(prepare));
        prop_assert_eq!(Packet::parse(&bytes), Ok(Packet::Prepare(prepare)));
        vectors::refuse_truncations(&bytes, |cut| Packet::parse(cut).is_ok());
    }

    #[test]
    fn answers_round_trip(
        fulfillment: [u8; 32],
        code in "[ -~]{3}",
        triggered_by in proptest::option::of(addresses()),
        message in data(),
        data in data(),
    ) {
        let code = ErrorCode(code.as_bytes().try_into().unwrap());
        let triggered_by = triggered_by.as_deref().map(|text| AddressRef::new(text).unwrap());
        let packets = [
            Packet::Fulfill(Fulfill { fulfillment: Fulfillment(fulfillment), data: &data }),
            Packet::Reject(Reject { code, triggered_by, message: &message, data: &data }),
        ];
        for packet in packets {
            let bytes = encode(&packet);
            prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
            vectors::refuse_truncations(&bytes, |cut| Packet::parse(cut).is_ok());
        }
    }

    /// An accepted packet can be written, and parses to the same.
    #[test]
    fn what_is_read_can_be_written(mut bytes in data(), kind in 12u8..=14) {
        if let [first, second, ..] = bytes.as_mut_slice() {
            *first = kind;
            *second = 60;
        }
        if let Ok(packet) = Packet::parse(&bytes) {
            let again = encode(&packet);
            prop_assert_eq!(Packet::parse(&again), Ok(packet));
        }
    }
}
