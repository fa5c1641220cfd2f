//! STREAM packets. An input that parses is encoded, and that form parses to the same packet and encodes to the same
//! bytes. Decryption reverses encryption, and one changed bit is detected. A receiver accepts exactly the payments that
//! it must accept.
#![no_main]

use ilp_connector::internals::stream::{
    EnvelopeError, Iv, Keys, MAX_PLAINTEXT, OVERHEAD, ReceiptKey, ReceivedPacket, Receiver,
    SharedSecret,
};
use ilp_connector::wire::ilp::{ErrorCode, PacketType};
use ilp_connector::wire::stream::StreamPacket;
use ilp_connector::wire::{Amount, Condition};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match StreamPacket::parse(input) {
        Ok(packet) => packet_round_trips(&packet, input.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    envelope_round_trips(input);
    received(input);
});

fn packet_round_trips(packet: &StreamPacket<'_>, input_len: usize) {
    let mut out = Vec::new();
    packet.encode(&mut out);
    assert!(out.len() <= input_len);
    let again = StreamPacket::parse(&out).expect("our own form");
    assert_eq!(&again, packet);
    let mut fixed = Vec::new();
    again.encode(&mut fixed);
    assert_eq!(fixed, out);
    // Each byte counts: one fewer is refused.
    assert!(StreamPacket::parse(&out[..out.len() - 1]).is_err());
    assert!(!format!("{packet:?}").is_empty());
}

fn envelope_round_trips(input: &[u8]) {
    let keys = Keys::new(&SharedSecret([5; 32]));
    assert!(keys.open(input).is_err(), "nobody guesses a tag of 16 bytes");
    match keys.seal(Iv([3; 12]), input) {
        Ok(mut data) => {
            assert_eq!(data.len(), input.len() + OVERHEAD);
            assert_eq!(keys.open(&data).as_deref(), Ok(input));
            let index = input.iter().map(|&byte| usize::from(byte)).sum::<usize>() % data.len();
            data[index] ^= 1;
            assert_eq!(keys.open(&data), Err(EnvelopeError::NotAuthentic));
        }
        Err(error) => {
            assert_eq!(error, EnvelopeError::TooLong(input.len()));
            assert!(input.len() > MAX_PLAINTEXT);
        }
    }
}

/// A sender that knows the secret sends this, as a request that can be fulfilled and as one that cannot.
fn received(input: &[u8]) {
    let receiver = Receiver::new(b"fuzz", "wallet");
    let key = ReceiptKey { nonce: [8; 16], secret: [9; 32] };
    received_at(input, &receiver, "token");
    received_at(input, &receiver, &receiver.encode_connection_id_with_receipts([6; 18], &key));
    // Ids that senders make up.
    if let Some(made_up) = std::str::from_utf8(input).ok().filter(|id| !id.is_empty()) {
        received_at(input, &receiver, made_up);
    }
}

fn received_at(input: &[u8], receiver: &Receiver, connection_id: &str) {
    let has_receipts = connection_id.len() > 64;
    let keys = Keys::new(&receiver.secret(connection_id));
    let Ok(data) = keys.seal(Iv([7; 12]), input) else { return };
    let request = StreamPacket::parse(input).ok();
    let request = request.filter(|packet| packet.packet_type == PacketType::Prepare);
    let minimum = request.map_or(Amount(3), |request| request.amount);
    let right = keys.fulfillment(&data).condition();
    for (amount, condition) in [
        (minimum, right),
        (Amount(minimum.0.saturating_sub(1)), right),
        (Amount::MAX, right),
        (Amount::MAX, Condition([1; 32])),
    ] {
        let incoming = ReceivedPacket {
            connection_id,
            amount,
            condition,
            data: &data,
            asset_code: "USD",
            asset_scale: 9,
        };
        let wanted = request.is_some() && amount >= minimum && condition == right;
        let reply = match receiver.receive(&incoming) {
            Ok(accepted) => {
                assert!(wanted && accepted.fulfillment.condition() == condition);
                let data = match &accepted.receipts {
                    Some(receipts) => {
                        // No more is shared out than arrived.
                        let shares = &receipts.shares;
                        let shared: u128 =
                            shares.iter().map(|share| u128::from(share.amount.0)).sum();
                        assert!(shared <= u128::from(amount.0));
                        receipts.encrypt_reply(&incoming, shares)
                    }
                    None => accepted.data,
                };
                Some((PacketType::Fulfill, data))
            }
            Err(declined) => {
                assert!(!wanted);
                assert_eq!(declined.reason.code() == ErrorCode::F99, request.is_some());
                assert_eq!(declined.data.is_empty(), request.is_none());
                request.map(|_| (PacketType::Reject, declined.data))
            }
        };
        let Some((packet_type, data)) = reply else { continue };
        assert!(data.len() < 1024 || has_receipts, "a small answer to whatever was asked");
        assert!(data.len() <= 32_767, "a packet carries no more");
        let plaintext = keys.open(&data).expect("the sender can read it");
        let reply = StreamPacket::parse(&plaintext).expect("a packet");
        assert_eq!((reply.packet_type, reply.amount), (packet_type, amount));
        assert_eq!(Some(reply.sequence), request.map(|request| request.sequence));
    }
}
