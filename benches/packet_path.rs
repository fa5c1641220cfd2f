//! Micro-benchmarks of each step of the packet path, and of all steps together.
//!
//! `cargo bench --bench packet_path`. Nanoseconds depend on the machine and its load. For a figure that
//! repeats, `benches/instructions.sh` counts instructions.
#![allow(clippy::indexing_slicing, reason = "benches handle their own bytes")]

#[path = "in_memory/mod.rs"]
mod in_memory;

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use ilp_connector::internals::account::{Asset, Conversion, Ledger, Rate, RateLimiter};
use ilp_connector::internals::connector::{PacketEvent, PacketRecord};
use ilp_connector::internals::link::{
    CutNumber, Framing, Outbox, Pending, PendingTable, PermitRequest, RequestedBy, SessionId, Slot,
};
use ilp_connector::internals::routing::{RouteCandidate, RouteOrigin, RouteTable};
use ilp_connector::internals::telemetry::{
    LogOutput, LogTo, PacketLogTotals, PacketWriter, ProcessPacketLog,
};
use ilp_connector::wire::btp::{BtpFrame, RequestId};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{Address, Amount, Condition, Fulfillment};
use in_memory::{Durability, Node, SEED, destination, fulfill_frame, now, prefix, prepare_frame};

fn main() {
    divan::main();
}

/// Destinations or packets of a bench; several, so that branches cannot be predicted.
const VARIETY: u32 = 1_024;

/// From a BTP frame to a checked Prepare.
#[divan::bench]
fn parse_prepare_frame(bencher: Bencher<'_, '_>) {
    let bytes = prepare_frame(42);
    bencher.bench_local(|| {
        let frame = BtpFrame::parse(black_box(&bytes)).expect("a valid frame");
        black_box(Prepare::parse(frame.ilp().expect("a packet")).expect("a valid Prepare"));
    });
}

/// From a BTP frame to a checked Fulfill.
#[divan::bench]
fn parse_fulfill_frame(bencher: Bencher<'_, '_>) {
    let bytes = fulfill_frame();
    bencher.bench_local(|| {
        let frame = BtpFrame::parse(black_box(&bytes)).expect("a valid frame");
        black_box(Packet::parse(frame.ilp().expect("a packet")).expect("a valid Fulfill"));
    });
}

/// The longest prefix of a destination, by the number of routes.
#[divan::bench(args = [10, 10_000, 1_000_000])]
fn route_lookup(bencher: Bencher<'_, '_>, routes: u32) {
    let candidate = |number| {
        let candidate =
            RouteCandidate { next_hop: Slot(0), priority: 0, origin: RouteOrigin::Configured };
        (prefix(number).parse().expect("a valid prefix"), candidate)
    };
    let table = RouteTable::new((0..routes).map(candidate), SEED);
    // Odd and far from the number of routes: neighbouring lookups are far apart in the table.
    let destinations: Vec<Address> = (0..VARIETY * 16)
        .map(|number| destination(number.wrapping_mul(2_654_435_761) % routes))
        .map(|text| text.parse().expect("a valid address"))
        .collect();
    let mut next = destinations.iter().cycle();
    bencher.bench_local(|| {
        let destination = next.next().expect("it never ends").view();
        black_box(table.lookup(black_box(destination)).expect("there is a route"));
    });
}

/// Converting an amount: same asset, other scale, other asset.
#[divan::bench(args = ["same", "scale", "rate"])]
fn price(bencher: Bencher<'_, '_>, kind: &str) {
    let from = Asset::new("USD", 9);
    let to = Asset::new("USD", if kind == "same" { 9 } else { 6 });
    let rate = if kind == "rate" { "0.9215".parse().expect("a rate") } else { Rate::ONE };
    let conversion = Conversion::new(&from, &to, rate).expect("these can be converted");
    bencher.bench_local(|| black_box(conversion.convert(black_box(Amount(123_456_789)))));
}

/// Holding and committing an amount on both accounts, with limits.
#[divan::bench]
fn reserve_and_commit(bencher: Bencher<'_, '_>) {
    let (mut incoming, mut outgoing) = (Ledger::default(), Ledger::default());
    let (most, least) = (Some(i128::MAX / 2), Some(i128::MIN / 2));
    bencher.bench_local(|| {
        let amount = black_box(Amount(1_000));
        incoming.hold_in(amount, most).expect("below the limit");
        outgoing.hold_out(amount, least).expect("above the limit");
        outgoing.commit_out(amount);
        incoming.commit_in(amount);
    });
}

/// The limiter of packets per second.
#[divan::bench]
fn rate_limit(bencher: Bencher<'_, '_>) {
    let rate = std::num::NonZeroU32::MAX;
    let mut limiter = RateLimiter::default();
    bencher.bench_local(|| limiter.try_take(black_box(now().mono), 1, rate));
}

/// Inserting a Prepare into the pending table and removing it, by the number in flight.
#[divan::bench(args = [1, 256, 4_096])]
fn pending_insert_and_take(bencher: Bencher<'_, '_>, in_flight: u32) {
    let condition = Fulfillment([7; 32]).condition();
    let pending = || Pending {
        requested_by: RequestedBy::Peer {
            account: Slot(0),
            session: SessionId(0),
            request_id: RequestId(7),
            weight: 1,
            share: Slot(0),
        },
        incoming_amount: Amount(1_000),
        outgoing_amount: Amount(1_000),
        condition,
        deadline: now().mono,
        sent_at: now().mono,
    };
    let mut table = PendingTable::new(RequestId(0));
    let mut ids: std::collections::VecDeque<_> =
        (0..in_flight).map(|_| table.insert(pending())).collect();
    bencher.counter(ItemsCount::new(VARIETY)).bench_local(|| {
        for _ in 0..VARIETY {
            ids.push_back(table.insert(black_box(pending())));
            black_box(ids.pop_front().map(|id| table.take(id)));
        }
    });
}

fn put_prepare(outbox: &Outbox, id: u32, prepare: &Prepare<'_>) {
    let request = PermitRequest { requester: None, requesters: 1, prepare };
    if let Ok(permit) = outbox.request_permit(&request) {
        permit.put_prepare(RequestId(id), prepare, CutNumber::NONE);
    }
}

/// Appending a Prepare to an outbox, masked as a client must and unmasked as a server.
#[divan::bench(args = [false, true])]
fn append_prepare(bencher: Bencher<'_, '_>, masked: bool) {
    let bytes = prepare_frame(42);
    let frame = BtpFrame::parse(&bytes).expect("a valid frame");
    let prepare = Prepare::parse(frame.ilp().expect("a packet")).expect("a valid Prepare");
    let framing = if masked { Framing::Client([3; 32]) } else { Framing::Server };
    let outbox = Outbox::new(framing, usize::MAX);
    bencher.counter(ItemsCount::new(VARIETY)).bench_local(|| {
        for id in 0..VARIETY {
            put_prepare(&outbox, id, &prepare);
        }
        let write = |bytes: &[u8]| std::task::Poll::Ready(Ok(black_box(bytes).len()));
        outbox.write_to(write, &mut 0)
    });
}

/// Appending a Prepare to the outbox of an HTTP link, and taking the packet out for a request.
#[divan::bench]
fn append_and_take_prepare(bencher: Bencher<'_, '_>) {
    let bytes = prepare_frame(42);
    let frame = BtpFrame::parse(&bytes).expect("a valid frame");
    let prepare = Prepare::parse(frame.ilp().expect("a packet")).expect("a valid Prepare");
    let outbox = Outbox::new(Framing::None, usize::MAX);
    bencher.counter(ItemsCount::new(VARIETY)).bench_local(|| {
        for id in 0..VARIETY {
            put_prepare(&outbox, id, &prepare);
        }
        while let Some(taken) = outbox.take_packet() {
            black_box(taken);
        }
    });
}

/// SHA-256 of a fulfillment: the one check that cannot be made cheaper.
#[divan::bench]
fn fulfillment_to_condition(bencher: Bencher<'_, '_>) {
    let fulfillment = Fulfillment([7; 32]);
    bencher.bench_local(|| black_box(&fulfillment).condition());
}

/// Packets as lines of the log: half of them forwarded, half of them fulfilled, one record each, from the ring to the
/// file.
#[divan::bench]
fn packet_log_lines(bencher: Bencher<'_, '_>) {
    let at = now();
    let record = |event| PacketRecord {
        at,
        condition: Condition([7; 32]),
        from: Some("alice".parse().expect("an id")),
        request_id: Some(RequestId(4_000_000_000)),
        to: Some("bob".parse().expect("an id")),
        event,
    };
    let forwarded = record(PacketEvent::Forwarded {
        destination: "test.bob.wallet.7dQv".into(),
        incoming_amount: Amount(u64::MAX),
        outgoing_amount: Amount(1_000),
        outgoing_request_id: RequestId(7),
        expires_at: at.wall.saturating_add_millis(29_000),
    });
    let fulfilled = record(PacketEvent::Fulfilled {
        destination: None,
        incoming_amount: Amount(u64::MAX),
        outgoing_amount: Some(Amount(1_000)),
        outgoing_request_id: Some(RequestId(7)),
        sent_at: at.mono,
    });
    let (nowhere, log) =
        LogOutput::open(&LogTo::File("/dev/null".into())).expect("it is always there");
    std::thread::spawn(move || log.run());
    let stream = ProcessPacketLog::new(nowhere);
    let full = || {
        let totals = Arc::<PacketLogTotals>::default();
        let (log, writer) = stream.switch_on("hub", totals, at.mono);
        for _ in 0..VARIETY / 2 {
            log.push(forwarded.clone());
            log.push(fulfilled.clone());
        }
        // Writes the records of the ring, and returns.
        stream.switch_off("hub");
        writer.expect("the former writer has ended")
    };
    bencher
        .counter(ItemsCount::new(VARIETY))
        .with_inputs(full)
        .bench_local_values(PacketWriter::run);
}

/// A whole Prepare and its Fulfill through the connector, in batches, by the number of routes.
#[divan::bench(args = [10, 10_000, 1_000_000])]
fn prepare_and_fulfill(bencher: Bencher<'_, '_>, routes: u32) {
    let mut node = Node::new(routes, Durability::NoStore);
    bencher.counter(ItemsCount::new(VARIETY)).bench_local(|| node.round_trips(VARIETY, 16));
}
