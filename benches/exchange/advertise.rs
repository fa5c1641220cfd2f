//! A node forwards packets at a steady rate while a peer advertises many routes to it: the time until the last route is
//! usable, and the latency of the packets. Latency is counted from the scheduled time of a packet, not from when it was
//! sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use clap::Args;
use hdrhistogram::Histogram;
use ilp_connector::wire::ccp::{Epochs, MAX_PAYLOAD, TableId, UpdateWriter, put_hop};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{AddressRef, Amount, Condition, Fulfillment, Timestamp};

use crate::node::{Node, WAIT_TIMEOUT, figures, free_port, json, until};
use crate::peer::{Reader, Writer, login};

#[derive(Args)]
pub(crate) struct Settings {
    /// Routes that are advertised.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) routes: u32,
    /// How often.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: usize,
    /// Forwarded packets per second.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) rate: u32,
    /// Seconds of each half of a round: without advertisement, and with it.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { routes: 10_000, rounds: 10, rate: 2_000, seconds: 1.0 }
    }
}

const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("node.yaml");
    let (btp, health) = (free_port()?, free_port()?);
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\nbtpServerHost: 127.0.0.1\nbtpServerPort: {btp}\n\
         healthCheckHost: 127.0.0.1\nhealthCheckPort: {health}\npeers:\n\
         \x20 - {{ id: from, authToken: from-token }}\n  - {{ id: to, authToken: to-token }}\n\
         \x20 - {{ id: probe, authToken: probe-token }}\n\
         \x20 - {{ id: advertiser, authToken: advertiser-token, receiveRoutes: true }}\n\
         routes: [{{ prefix: test.to, nextHop: to }}]\n"
    );
    std::fs::write(&file, yaml)?;
    let _node = Node::start(&file, "n")?;
    until("the node is up", || Ok(json(health, "/health")?["status"] == "healthy"))?;

    let (mut receiver, mut answers) = login(btp, "to")?;
    thread::spawn(move || -> io::Result<()> {
        loop {
            let got = receiver.next()?;
            answers.fulfill(got.id, PREIMAGE)?;
        }
    });
    let load = Load::start(btp, settings.rate)?;
    let mut advertiser = Advertiser::new(btp)?;
    let mut probe = login(btp, "probe")?;
    let half = Duration::from_secs_f64(settings.seconds);
    let mut usable = Vec::new();
    // Warm up: the first packets and the first table cost more.
    load.during(|| thread::park_timeout(half))?;
    advertiser.advertise(settings.routes)?;
    let (mut quiet, mut busy, mut taking) = (histogram()?, histogram()?, histogram()?);
    for _ in 0..settings.rounds {
        advertiser.withdraw_all()?;
        quiet.add(load.during(|| thread::park_timeout(half))?).map_err(io::Error::other)?;
        let began = Instant::now();
        let last = settings.routes - 1;
        let latencies = load.during(|| -> io::Result<()> {
            advertiser.advertise(settings.routes)?;
            until_usable(&mut probe, last)
        });
        usable.push(began.elapsed());
        let latencies = latencies?;
        taking.add(&latencies).map_err(io::Error::other)?;
        busy.add(latencies).map_err(io::Error::other)?;
        let rest = half.saturating_sub(began.elapsed());
        busy.add(load.during(|| thread::park_timeout(rest))?).map_err(io::Error::other)?;
    }
    println!(
        "{} routes advertised to a node that forwards {} packets/s, {} rounds",
        settings.routes, settings.rate, settings.rounds
    );
    println!("  all of them usable after           {}", figures(&mut usable));
    for (name, times) in [
        ("latency without advertisement", &quiet),
        ("latency in seconds with one", &busy),
        ("latency only while they are taken in", &taking),
    ] {
        println!(
            "  {name:<36} p50 {} us, p99 {} us, max {} us ({} packets)",
            times.value_at_quantile(0.5),
            times.value_at_quantile(0.99),
            times.max(),
            times.len()
        );
    }
    Ok(())
}

fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_max(60_000_000, 3).map_err(io::Error::other)
}

fn prepare<'a>(destination: &'a str, data: &'a [u8]) -> io::Result<Prepare<'a>> {
    Ok(Prepare {
        amount: Amount(1),
        expires_at: in_ms(20_000),
        condition: PREIMAGE.condition(),
        destination: AddressRef::new(destination).map_err(io::Error::other)?,
        data,
    })
}

fn in_ms(milliseconds: u64) -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since).saturating_add_millis(milliseconds)
}

/// Packets at a steady rate.
struct Load {
    /// The scheduled times of packets in flight.
    sent: Arc<Mutex<HashMap<u32, Instant>>>,
    times: Arc<Mutex<Histogram<u64>>>,
    failed: Arc<AtomicBool>,
}

impl Load {
    fn start(port: u16, rate: u32) -> io::Result<Self> {
        let (mut reader, mut writer) = login(port, "from")?;
        let load = Self {
            sent: Arc::default(),
            times: Arc::new(Mutex::new(histogram()?)),
            failed: Arc::default(),
        };
        let (sent, failed) = (Arc::clone(&load.sent), Arc::clone(&load.failed));
        thread::spawn(move || {
            let began = Instant::now();
            for id in 2.. {
                let due = began + Duration::from_secs(1) / rate * (id - 2);
                while Instant::now() < due {
                    thread::park_timeout(due.saturating_duration_since(Instant::now()));
                }
                sent.lock().unwrap_or_else(PoisonError::into_inner).insert(id, due);
                let mut packet = Vec::new();
                let number = id.to_be_bytes();
                let asked = prepare("test.to.x", &number).and_then(|prepare| {
                    prepare.encode(&mut packet);
                    writer.ask(id, &packet)
                });
                if asked.is_err() {
                    failed.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        let (sent, times) = (Arc::clone(&load.sent), Arc::clone(&load.times));
        let failed = Arc::clone(&load.failed);
        thread::spawn(move || {
            while let Ok(got) = reader.next() {
                let due = sent.lock().unwrap_or_else(PoisonError::into_inner).remove(&got.id);
                let fulfilled = matches!(Packet::parse(&got.ilp), Ok(Packet::Fulfill(_)));
                if let Some(due) = due.filter(|_| fulfilled) {
                    let us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                    times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(us);
                } else {
                    break;
                }
            }
            failed.store(true, Ordering::Relaxed);
        });
        Ok(load)
    }

    /// The latencies of packets that are answered during an activity.
    fn during<T: Outcome>(&self, work: impl FnOnce() -> T) -> io::Result<Histogram<u64>> {
        let take = || {
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = times.clone();
            times.reset();
            taken
        };
        take();
        work().outcome()?;
        if self.failed.load(Ordering::Relaxed) {
            return Err(io::Error::other("a packet was not fulfilled"));
        }
        Ok(take())
    }
}

/// An activity beside the packets.
trait Outcome {
    fn outcome(self) -> io::Result<()>;
}

impl Outcome for () {
    fn outcome(self) -> io::Result<()> {
        Ok(())
    }
}

impl Outcome for io::Result<()> {
    fn outcome(self) -> io::Result<()> {
        self
    }
}

/// The peer that advertises. A thread answers the node's requests.
struct Advertiser {
    answers: Receiver<(u32, bool)>,
    writer: Arc<Mutex<Writer>>,
    table: u8,
    epoch: u32,
    id: u32,
}

impl Advertiser {
    fn new(port: u16) -> io::Result<Self> {
        let (mut reader, writer) = login(port, "advertiser")?;
        let writer = Arc::new(Mutex::new(writer));
        let (sender, answers) = sync_channel(1);
        let replies = Arc::clone(&writer);
        thread::spawn(move || -> io::Result<()> {
            loop {
                let got = reader.next()?;
                match Packet::parse(&got.ilp) {
                    Ok(Packet::Prepare(prepare)) => {
                        let fulfillment = match prepare.condition {
                            Condition::PEER_PROTOCOL => Fulfillment::ZERO,
                            _ => PREIMAGE,
                        };
                        let mut writer = replies.lock().unwrap_or_else(PoisonError::into_inner);
                        writer.fulfill(got.id, fulfillment)?;
                    }
                    answer => {
                        let fulfilled = matches!(answer, Ok(Packet::Fulfill(_)));
                        sender.send((got.id, fulfilled)).map_err(io::Error::other)?;
                    }
                }
            }
        });
        Ok(Self { answers, writer, table: 0, epoch: 0, id: 1 })
    }

    /// One update after the other, each when the one before is acknowledged.
    fn advertise(&mut self, routes: u32) -> io::Result<()> {
        let speaker = AddressRef::new("test.advertiser").map_err(io::Error::other)?;
        let mut path = Vec::new();
        for hop in ["test.advertiser", "test.far"] {
            put_hop(AddressRef::new(hop).map_err(io::Error::other)?, &mut path);
        }
        let mut next = 0;
        while next < routes {
            let mut update = UpdateWriter::default();
            let from = self.epoch;
            while next < routes && update.len(speaker) + 100 < MAX_PAYLOAD {
                let prefix = destination(next);
                let no_props = std::iter::empty();
                update.advertise(prefix.as_bytes(), 2, [&*path], &[0; 32], no_props);
                next += 1;
                self.epoch += 1;
            }
            self.send_update(update, from)?;
        }
        Ok(())
    }

    /// An empty table with another id.
    fn withdraw_all(&mut self) -> io::Result<()> {
        self.table += 1;
        self.epoch = 0;
        self.send_update(UpdateWriter::default(), 0)
    }

    fn send_update(&mut self, update: UpdateWriter, from: u32) -> io::Result<()> {
        let speaker = AddressRef::new("test.advertiser").map_err(io::Error::other)?;
        let epochs = Epochs { current: self.epoch, from, to: self.epoch };
        let payload = update.finish(TableId([self.table; 16]), epochs, 600_000, speaker);
        let mut packet = Vec::new();
        let expires_at = in_ms(20_000);
        Prepare::peer_request(AddressRef::PEER_ROUTE_UPDATE, &payload, expires_at)
            .encode(&mut packet);
        self.id += 1;
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).ask(self.id, &packet)?;
        match self.answers.recv_timeout(WAIT_TIMEOUT).map_err(io::Error::other)? {
            (id, true) if id == self.id => Ok(()),
            other => Err(io::Error::other(format!("an update was refused: {other:?}"))),
        }
    }
}

fn destination(number: u32) -> String {
    format!("test.far.r{number:07}")
}

/// Sends packets to a route until one is fulfilled; before, there is no route.
fn until_usable((reader, writer): &mut (Reader, Writer), number: u32) -> io::Result<()> {
    let destination = destination(number);
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mut packet = Vec::new();
    prepare(&destination, &[])?.encode(&mut packet);
    while Instant::now() < deadline {
        writer.ask(2, &packet)?;
        if matches!(Packet::parse(&reader.next()?.ilp), Ok(Packet::Fulfill(_))) {
            return Ok(());
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    Err(io::Error::other("the last route did not become usable"))
}
