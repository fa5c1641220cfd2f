//! Micro-benchmarks beside the packet path: the exchange of routes (CCP), and both ends of a payment (STREAM).
//!
//! `cargo bench --bench beside_the_path`. Nanoseconds depend on the machine and its load.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use ilp_connector::internals::account::{Relation, RoutePolicy};
use ilp_connector::internals::link::Slot;
use ilp_connector::internals::routing::ccp::{Ccp, CcpPeer, CcpSettings};
use ilp_connector::internals::routing::{HashSeed, RouteCandidate, RouteOrigin, RouteTable};
use ilp_connector::internals::stream::{
    CONNECTION_ID_BYTES, Iv, Keys, ReceivedPacket, Receiver, SharedSecret, encode_connection_id,
};
use ilp_connector::internals::time::MonoTime;
use ilp_connector::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, TableId, UpdateWriter,
    put_hop,
};
use ilp_connector::wire::ilp::PacketType;
use ilp_connector::wire::stream::{Frames, StreamFrame, StreamId, StreamPacket};
use ilp_connector::wire::{Address, AddressRef, Amount, Prefix};

fn main() {
    divan::main();
}

const SEED: HashSeed = HashSeed::Fixed(1);
/// The peer that sends routes, and the one that receives them.
const ADVERTISER: Slot = Slot(0);
const LISTENER: Slot = Slot(1);
/// As many routes as ilp-connector puts into one update.
const ROUTES_PER_UPDATE: u32 = 50;
/// More than any bench advertises.
const ROUTES_MAX: usize = 1_000_000;

fn address(text: &str) -> Address {
    text.parse().expect("a valid address")
}

fn prefix(number: u32) -> String {
    format!("test.far.away.r{number:07}")
}

/// An update that advertises routes over three hops, from this number on.
fn update(first: u32) -> Vec<u8> {
    let advertiser = address("test.advertiser");
    let mut path = Vec::new();
    for hop in [advertiser.view(), address("test.middle").view(), address("test.far").view()] {
        put_hop(hop, &mut path);
    }
    let mut writer = UpdateWriter::default();
    for number in first..first + ROUTES_PER_UPDATE {
        let prefix = prefix(number);
        writer.advertise(prefix.as_bytes(), 3, [&*path], &[7; 32], std::iter::empty());
    }
    let to = first + ROUTES_PER_UPDATE;
    writer.finish(
        TableId([1; 16]),
        Epochs { current: to, from: first, to },
        45_000,
        advertiser.view(),
    )
}

fn updates(routes: u32) -> Vec<Vec<u8>> {
    (0..routes).step_by(ROUTES_PER_UPDATE as usize).map(update).collect()
}

/// A node with two peers, one of which has requested routes.
fn exchange() -> Ccp {
    let policy =
        RoutePolicy { send: true, receive: true, routes_max: ROUTES_MAX, ..RoutePolicy::default() };
    let ccp_peer = |slot, id: &str| CcpPeer {
        slot,
        id: id.parse().expect("a valid account id"),
        relation: Relation::Peer,
        policy: policy.clone(),
    };
    let settings = CcpSettings {
        own_address: Some(address("test.bench")),
        peers: vec![ccp_peer(ADVERTISER, "advertiser"), ccp_peer(LISTENER, "listener")],
        ..CcpSettings::default()
    };
    let mut exchange = Ccp::new(SEED.hash_state());
    exchange.apply_settings(settings, MonoTime(0));
    exchange.set_connected(ADVERTISER, true, MonoTime(0));
    exchange.set_connected(LISTENER, true, MonoTime(0));
    let control = RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0);
    exchange
        .handle_request(LISTENER, &RouteRequest::Control(control), MonoTime(0))
        .expect("it may ask");
    exchange
}

fn apply_updates(exchange: &mut Ccp, updates: &[Vec<u8>]) {
    for update in updates {
        let update = RouteUpdate::parse(update).expect("a valid update");
        exchange
            .handle_request(ADVERTISER, &RouteRequest::Update(update), MonoTime(0))
            .expect("the peer may advertise routes");
    }
}

/// Reading through an update of 50 routes.
#[divan::bench]
fn ccp_read_update(bencher: Bencher<'_, '_>) {
    let bytes = update(0);
    bencher.counter(ItemsCount::new(ROUTES_PER_UPDATE)).bench_local(|| {
        let update = RouteUpdate::parse(black_box(&bytes)).expect("a valid update");
        black_box(update.new_routes.len())
    });
}

/// Parsing, checking, ranking and recording new routes.
#[divan::bench(args = [50, 10_000])]
fn ccp_import_routes(bencher: Bencher<'_, '_>, routes: u32) {
    let updates = updates(routes);
    bencher.counter(ItemsCount::new(routes)).with_inputs(exchange).bench_local_values(
        |mut exchange| {
            apply_updates(&mut exchange, &updates);
            exchange
        },
    );
}

/// Sending them to the other peer until it has all.
#[divan::bench(args = [50, 10_000])]
fn ccp_send_routes(bencher: Bencher<'_, '_>, routes: u32) {
    let updates = updates(routes);
    let full = || {
        let mut exchange = exchange();
        apply_updates(&mut exchange, &updates);
        exchange
    };
    bencher.counter(ItemsCount::new(routes)).with_inputs(full).bench_local_values(
        |mut exchange| {
            let (mut done, mut now) = (0, MonoTime(0));
            while done < routes {
                now = now.after_ms(10);
                for sent in exchange.poll(now).to_send {
                    done += advertised(&sent.payload);
                    exchange.record_answer(sent.ticket, true, now);
                }
            }
            exchange
        },
    );
}

/// How many routes a payload advertises; none when it is a control.
fn advertised(payload: &[u8]) -> u32 {
    let count = RouteUpdate::parse(payload).map_or(0, |update| update.new_routes.len());
    u32::try_from(count).unwrap_or_default()
}

/// Losing a peer, and with it all its routes.
#[divan::bench(args = [10_000])]
fn ccp_lose_routes(bencher: Bencher<'_, '_>, routes: u32) {
    let updates = updates(routes);
    let full = || {
        let mut exchange = exchange();
        apply_updates(&mut exchange, &updates);
        exchange
    };
    bencher.counter(ItemsCount::new(routes)).with_inputs(full).bench_local_values(
        |mut exchange| {
            exchange.set_connected(ADVERTISER, false, MonoTime(1));
            exchange
        },
    );
}

/// The routing table that follows from learned routes; it is built beside the packet path and swapped whole.
#[divan::bench(args = [10_000])]
fn learned_table(bencher: Bencher<'_, '_>, routes: u32) {
    let candidate =
        RouteCandidate { next_hop: ADVERTISER, priority: 0, origin: RouteOrigin::Learned };
    let prefixes: Vec<Prefix> =
        (0..routes).map(|number| prefix(number).parse().expect("a valid prefix")).collect();
    bencher.counter(ItemsCount::new(routes)).bench_local(|| {
        RouteTable::new(prefixes.iter().map(|prefix| (prefix.clone(), candidate)), SEED)
    });
}

/// The packet in clear of a Prepare that pays.
fn stream_packet(out: &mut Vec<u8>) {
    let source = AddressRef::new("test.bench.payer").expect("a valid address");
    let frames = [
        StreamFrame::StreamMoney { stream: StreamId(1), shares: 1 },
        StreamFrame::NewAddress { source: source.as_bytes() },
    ];
    StreamPacket {
        packet_type: PacketType::Prepare,
        sequence: 1_000,
        amount: Amount(1_000_000),
        frames: Frames::from_frames(&frames),
    }
    .encode(out);
}

/// The keys of a connection.
#[divan::bench]
fn stream_keys(bencher: Bencher<'_, '_>) {
    let secret = SharedSecret([7; 32]);
    bencher.bench_local(|| Keys::new(black_box(&secret)));
}

/// Writing and encrypting a packet.
#[divan::bench]
fn stream_seal(bencher: Bencher<'_, '_>) {
    let keys = Keys::new(&SharedSecret([7; 32]));
    bencher.bench_local(|| {
        let mut packet = Vec::new();
        stream_packet(&mut packet);
        keys.seal(Iv([9; 12]), black_box(&packet))
    });
}

/// Decrypting and reading a packet.
#[divan::bench]
fn stream_open(bencher: Bencher<'_, '_>) {
    let keys = Keys::new(&SharedSecret([7; 32]));
    let mut packet = Vec::new();
    stream_packet(&mut packet);
    let data = keys.seal(Iv([9; 12]), &packet).expect("it fits");
    bencher.bench_local(|| {
        let packet = keys.open(black_box(&data)).expect("it is authentic");
        let packet = StreamPacket::parse(&packet).expect("a valid packet");
        black_box(packet.frames.iter().count())
    });
}

/// All that a receiver does for a packet that pays: the secret, the keys, reading, deciding, the reply, the
/// fulfillment.
#[divan::bench]
fn stream_receive(bencher: Bencher<'_, '_>) {
    let receiver = Receiver::new(&[5; 32], "wallet");
    let id = encode_connection_id([3; CONNECTION_ID_BYTES]);
    let keys = Keys::new(&receiver.secret(&id));
    let mut packet = Vec::new();
    stream_packet(&mut packet);
    let data = keys.seal(Iv([9; 12]), &packet).expect("it fits");
    let incoming = ReceivedPacket {
        connection_id: &id,
        amount: Amount(1_000_000),
        condition: keys.fulfillment(&data).condition(),
        data: &data,
        asset_code: "USD",
        asset_scale: 9,
    };
    bencher.bench_local(|| receiver.receive(black_box(&incoming)).expect("it pays enough"));
}
