//! STREAM packets. Whatever parses is written again, reads the same and is then a fixed point; what is encrypted comes
//! back as it was, and one changed bit is noticed. A receiver takes what is a request and pays enough, and its answer is
//! one that the sender can read.
#![no_main]

use ilp_connector::stream::{
    EnvelopeError, Incoming, Iv, Keys, MAX_PLAINTEXT, OVERHEAD, Receiver, SharedSecret,
};
use ilp_connector::wire::Amount;
use ilp_connector::wire::ilp::PacketType;
use ilp_connector::wire::stream::StreamPacket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match StreamPacket::parse(input) {
        Ok(packet) => packet_round_trips(&packet, input.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    envelope_round_trips(input);
    receiver_answers(input);
});

/// Whoever knows the secret of a connection can put anything into a packet.
fn receiver_answers(input: &[u8]) {
    let receiver = Receiver::new(&[1; 32], "wallet");
    let keys = Keys::new(&receiver.secret("token"));
    let Ok(data) = keys.seal(Iv([3; 12]), input) else { return };
    let amount = Amount(1000);
    let condition = keys.fulfillment(&data).condition();
    let (asset_code, asset_scale) = ("USD", 9);
    let incoming =
        Incoming { token: "token", amount, condition, data: &data, asset_code, asset_scale };
    let answer = receiver.receive(&incoming);
    let request = StreamPacket::parse(input).ok();
    let Some(request) = request.filter(|packet| packet.packet_type == PacketType::Prepare) else {
        return assert!(answer.expect_err("no request").data.is_empty());
    };
    assert_eq!(answer.is_ok(), amount >= request.amount);
    let (packet_type, reply) = match answer {
        Ok(accepted) => {
            assert_eq!(accepted.fulfillment.condition(), condition);
            (PacketType::Fulfill, accepted.data)
        }
        Err(declined) => (PacketType::Reject, declined.data),
    };
    assert!(reply.len() < 1024, "a small answer to whatever was asked");
    let reply = keys.open(&reply).expect("made with the keys of the connection");
    let reply = StreamPacket::parse(&reply).expect("our own form");
    assert_eq!(
        (reply.packet_type, reply.sequence, reply.amount),
        (packet_type, request.sequence, amount)
    );
}

fn packet_round_trips(packet: &StreamPacket<'_>, input_len: usize) {
    let mut out = Vec::new();
    packet.encode(&mut out);
    assert!(out.len() <= input_len);
    let again = StreamPacket::parse(&out).expect("our own form");
    assert_eq!(&again, packet);
    let mut fixed = Vec::new();
    again.encode(&mut fixed);
    assert_eq!(fixed, out);
    // All of the bytes count: one fewer is refused.
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
            let place = input.iter().map(|&byte| usize::from(byte)).sum::<usize>() % data.len();
            data[place] ^= 1;
            assert_eq!(keys.open(&data), Err(EnvelopeError::NotAuthentic));
        }
        Err(error) => {
            assert_eq!(error, EnvelopeError::TooLong(input.len()));
            assert!(input.len() > MAX_PLAINTEXT);
        }
    }
}
