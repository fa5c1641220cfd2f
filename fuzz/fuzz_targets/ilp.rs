//! ILP packets and their data. An input that parses is encoded in canonical form, and that form parses
//! to the same packet and encodes to the same bytes. A truncated packet does not parse.
#![no_main]

use ilp_connector::wire::ilp::{AmountTooLarge, MAX_PACKET, Packet, Prepare};
use ilp_connector::wire::ping::EchoRequest;
use ilp_connector::wire::reconcile::PeerBooks;
use ilp_connector::wire::timestamp::GeneralizedTime;
use ilp_connector::wire::{Address, AddressRef, Prefix, Timestamp, ildcp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match Packet::parse(input) {
        Ok(packet) => packet_round_trips(&packet, input.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    texts(input);
    carried(input);
});

fn packet_round_trips(packet: &Packet<'_>, input_len: usize) {
    let mut out = Vec::new();
    packet.encode(&mut out);
    assert_eq!(out.len(), packet.encoded_len());
    assert!(out.len() <= input_len && out.len() <= MAX_PACKET);
    assert_eq!(Packet::parse(&out).as_ref(), Ok(packet));
    // Each byte counts: one fewer is refused.
    assert!(Packet::parse(&out[..out.len() - 1]).is_err());
    match packet {
        Packet::Prepare(prepare) => {
            forwarded(prepare);
            carried(prepare.data);
        }
        Packet::Fulfill(fulfill) => {
            carried(fulfill.data);
            assert_ne!(fulfill.fulfillment.condition().0, fulfill.fulfillment.0);
        }
        Packet::Reject(reject) => {
            carried(reject.data);
            assert!(!reject.code.to_string().is_empty());
            let _ = (reject.code.class(), reject.code.name(), reject.message_text());
        }
    }
}

/// Forwarding changes only amount and expiry.
fn forwarded(incoming: &Prepare<'_>) {
    let outgoing = Prepare {
        amount: ilp_connector::wire::Amount(incoming.amount.0 / 2),
        expires_at: incoming.expires_at.saturating_sub_millis(1000),
        ..*incoming
    };
    let mut out = Vec::new();
    outgoing.encode(&mut out);
    assert_eq!(out.len(), incoming.encoded_len());
    assert_eq!(Prepare::parse(&out), Ok(outgoing));
}

/// Addresses, prefixes and dates.
fn texts(input: &[u8]) {
    if let Some((first, _)) = input.split_first_chunk::<17>()
        && let Ok(timestamp) = Timestamp::read17(first)
        && timestamp != Timestamp::EPOCH
    {
        assert_eq!(&timestamp.to_17(), first);
    }
    if let Ok(time) = GeneralizedTime::parse(input) {
        let again = Timestamp::read_generalized(&time.timestamp().to_generalized());
        assert!(again.expect("our own form").millis_since(time.timestamp()) <= 1);
    }
    match (AddressRef::parse(input), std::str::from_utf8(input)) {
        (Ok(address), Ok(text)) => {
            assert_eq!(address.as_str(), text);
            assert_eq!(text.parse::<Address>().expect("an address").view(), address);
            assert!(text.parse::<Prefix>().expect("a prefix too").matches(address));
            let scheme: Prefix = address.scheme().name().parse().expect("a scheme is a prefix");
            assert!(scheme.matches(address));
        }
        (Ok(_), Err(_)) => panic!("an address that is no text"),
        (Err(error), text) => {
            assert!(!error.to_string().is_empty());
            if let Ok(Ok(prefix)) = text.map(str::parse::<Prefix>) {
                assert_eq!(prefix.as_str().parse::<Prefix>(), Ok(prefix));
            }
        }
    }
}

/// Formats in the data of packets.
fn carried(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(Some(request)) = EchoRequest::parse(data) {
        request.encode(&mut out);
        assert!(data.starts_with(&out));
    }
    if let Ok(response) = ildcp::IldcpResponse::parse(data) {
        out.clear();
        response.encode(&mut out);
        assert!(data.starts_with(&out));
    }
    if let Ok(books) = PeerBooks::parse(data) {
        out.clear();
        books.encode(&mut out);
        // Unknown flags are not repeated.
        assert_eq!(PeerBooks::parse(&out), Ok(books));
        assert!(data.get(2..).is_some_and(|rest| rest.starts_with(&out[2..])));
        assert!(PeerBooks::parse(&out[..out.len() - 1]).is_err());
    }
    if let Ok(amounts) = AmountTooLarge::parse(data) {
        assert!(data.starts_with(&amounts.to_bytes()));
    }
}
