//! STREAM packets. Whatever parses is written again, reads the same and is then a fixed point; what is encrypted comes
//! back as it was, and one changed bit is noticed.
#![no_main]

use ilp_connector::stream::{EnvelopeError, Iv, Keys, MAX_PLAINTEXT, OVERHEAD, SharedSecret};
use ilp_connector::wire::stream::StreamPacket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match StreamPacket::parse(input) {
        Ok(packet) => packet_round_trips(&packet, input.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    envelope_round_trips(input);
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
