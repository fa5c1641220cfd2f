//! Payments through a hostile entry node: it takes packets and breaks the link, and it rejects in the name of others.
//! Its own tally of what it took must never exceed the payment's amount.

use std::net::TcpListener;
use std::thread;

use ilp_connector::internals::stream::{Keys, SharedSecret};
use ilp_connector::wire::ilp::{ErrorCode, Prepare, Reject};
use ilp_connector::wire::stream::{Frames, StreamPacket};
use ilp_connector::wire::{AddressRef, Amount, Fulfillment, ildcp};
use serde_json::Value;

use super::net::parse_json;
use crate::peer::{Peer, TIMEOUT, bind_listener, fulfill_with, response};
use crate::process::Process;

const SECRET: SharedSecret = SharedSecret([9; 32]);
/// The address that the tool gets from the entry node.
const TOOL: &str = "test.entry.cli";

/// How the entry node treats packets with money.
#[derive(Clone, Copy)]
enum Behaviour {
    /// It takes these packets (counted from 1) and breaks the link instead of answering.
    CutsAt(&'static [u32]),
    /// It rejects every other packet with R00, with this address.
    RejectsAs(&'static str),
}

/// The fulfillable packets that the entry node did not reject.
#[derive(Default)]
struct Tally {
    taken: u64,
    packets: u32,
}

/// Serves the tool until it closes the STREAM connection.
fn serve(listener: &TcpListener, behaviour: Behaviour) -> Tally {
    let mut tally = Tally::default();
    while !session(listener, behaviour, &mut tally) {}
    tally
}

/// One session: a login, then packets. `true`: the tool closed the STREAM connection.
fn session(listener: &TcpListener, behaviour: Behaviour, tally: &mut Tally) -> bool {
    let mut peer = Peer::accept(listener);
    let login = peer.receive();
    peer.send(&response(login.id, None));
    loop {
        let Some(got) = peer.receive_within(TIMEOUT) else { panic!("no frame within {TIMEOUT:?}") };
        let packet = got.ilp.unwrap_or_default();
        let prepare = Prepare::parse(&packet).unwrap();
        if prepare.destination == AddressRef::PEER_CONFIG {
            peer.answer(got.id, &fulfill_with(&Fulfillment::ZERO, &address_of_tool()));
            continue;
        }
        let keys = Keys::new(&SECRET);
        let fulfillment = keys.fulfillment(prepare.data);
        if fulfillment.condition() != prepare.condition {
            let data = reply(&keys, &prepare, false);
            peer.answer(got.id, &reject(ErrorCode::F99, "test.entry.wallet", &data));
            continue;
        }
        if prepare.amount == Amount::ZERO {
            peer.answer(got.id, &fulfill_with(&fulfillment, &reply(&keys, &prepare, true)));
            return true;
        }
        tally.packets += 1;
        match behaviour {
            Behaviour::RejectsAs(by) if tally.packets % 2 == 1 => {
                peer.answer(got.id, &reject(ErrorCode::R00, by, b""));
            }
            Behaviour::CutsAt(packets) if packets.contains(&tally.packets) => {
                tally.taken += prepare.amount.0;
                peer.disconnect();
                return false;
            }
            _ => {
                tally.taken += prepare.amount.0;
                peer.answer(got.id, &fulfill_with(&fulfillment, &reply(&keys, &prepare, true)));
            }
        }
    }
}

fn address_of_tool() -> Vec<u8> {
    let client_address = AddressRef::new(TOOL).unwrap();
    let mut data = Vec::new();
    ildcp::IldcpResponse { client_address, asset_scale: 9, asset_code: "USD" }.encode(&mut data);
    data
}

/// The receiver's encrypted reply that all of it arrived.
fn reply(keys: &Keys, prepare: &Prepare<'_>, fulfilled: bool) -> Vec<u8> {
    use ilp_connector::internals::stream::Iv;
    use ilp_connector::wire::ilp::PacketType;
    let plaintext = keys.open(prepare.data).unwrap();
    let sequence = StreamPacket::parse(&plaintext).unwrap().sequence;
    let packet_type = if fulfilled { PacketType::Fulfill } else { PacketType::Reject };
    let mut iv = [0xee; 12];
    iv[4..].copy_from_slice(&sequence.to_be_bytes());
    let mut reply = Vec::new();
    StreamPacket { packet_type, sequence, amount: prepare.amount, frames: Frames::NONE }
        .encode(&mut reply);
    keys.seal(Iv(iv), &reply).unwrap()
}

fn reject(code: ErrorCode, by: &str, data: &[u8]) -> Vec<u8> {
    let triggered_by = AddressRef::new(by).ok();
    let mut packet = Vec::new();
    Reject { code, triggered_by, message: b"no", data }.encode(&mut packet);
    packet
}

/// Pays 1,000 units in packets of 100. Returns the output of `pay --json` and the entry node's tally.
fn paid(behaviour: Behaviour) -> (Value, Tally) {
    let (listener, port) = bind_listener();
    let entry = thread::spawn(move || serve(&listener, behaviour));
    let secret = hex::encode(SECRET.0);
    let via = format!("btp+ws://cli:token@127.0.0.1:{port}");
    let pay = ["pay", "test.entry.wallet", "1000", "--secret", &secret, "--via", &via, "--json"];
    let small = ["--max-packet-amount", "100", "--window", "4", "--expiry", "2"];
    let (_, lines) = Process::start(&[&pay[..], &small[..]].concat(), []).wait_exit();
    (parse_json(&lines.join("\n")), entry.join().unwrap())
}

fn units(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn packets_without_an_answer_are_never_sent_again() {
    // The first packet that carries money is alone; the fourth has others beside it.
    let (said, tally) = paid(Behaviour::CutsAt(&[1, 4]));
    let [sent, unresolved] = ["sent", "unresolved"].map(|key| units(&said[key]));
    assert!(tally.taken <= 1_000, "{} were taken of 1,000: {said}", tally.taken);
    assert_eq!(sent + unresolved, 1_000, "{said}");
    assert!(unresolved >= 200 && sent > 0, "{said}");
    assert!((sent..=1_000).contains(&tally.taken), "{}: {said}", tally.taken);
    assert_eq!(said["complete"], false, "{said}");
    assert!(said["end"].as_str().unwrap().contains("may have been paid"), "{said}");
}

#[test]
fn a_reject_counts_as_one_whatever_address_is_in_it() {
    for by in [TOOL, "private.ilp-connector-client"] {
        let (said, tally) = paid(Behaviour::RejectsAs(by));
        assert_eq!(tally.taken, 1_000, "{by}: {said}");
        assert_eq!((&said["sent"], &said["unresolved"]), (&"1000".into(), &"0".into()), "{by}");
        assert_eq!(said["packets"]["rejected"]["R00"], 10, "{by}: {said}");
    }
}
