//! An end of the chain: it pays the other end and is paid by it, and keeps a tally by request id, whatever becomes of
//! its connector.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::Packet;

use super::record::Record;
use crate::peer::{PREIMAGE, Peer, SocketEvent, TIMEOUT, fulfill, message, prepare_to, response};

/// Packets that an end keeps in flight.
const WINDOW: u32 = 8;
/// Packets that an end holds back before it answers the oldest, so that at each moment some are in flight everywhere.
const HELD_BACK: usize = 4;
/// After this time without a frame, rejected packets are sent again.
const IDLE: Duration = Duration::from_millis(3);
/// Longer than the test, so that no packet expires: what has no answer is on record until the end.
const EXPIRY_MS: i64 = 590_000;

/// One end. Its session ends with its connector, and its tally stays.
pub(super) struct End {
    name: &'static str,
    destination: &'static str,
    shared: Arc<Shared>,
    session: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    has_paid: Condvar,
    /// Each new window replaces what is in flight, which a crash may have lost.
    windows: AtomicU32,
    is_stopping: AtomicBool,
}

#[derive(Default)]
struct Tally {
    next_id: u32,
    /// Its own packets without an answer.
    open: HashMap<u32, u64>,
    paid: i128,
    received: i128,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// The id and the amount of the next packet. Amounts differ, so that a packet that is taken for another one shows.
    fn begin_packet(&mut self) -> (u32, u64) {
        self.next_id += 1;
        let amount = u64::from(self.next_id % 97) + 1;
        self.open.insert(self.next_id, amount);
        (self.next_id, amount)
    }
}

impl End {
    pub(super) fn new(name: &'static str, destination: &'static str) -> Self {
        Self { name, destination, shared: Arc::default(), session: None }
    }

    /// Logs in at its connector, and trades until the connection ends.
    pub(super) fn connect(&mut self, port: u16) {
        let peer = Peer::log_in(u64::from(port), self.name, &format!("{}-token", self.name));
        let (shared, destination) = (Arc::clone(&self.shared), self.destination);
        self.session = Some(thread::spawn(move || trade(peer, &shared, destination)));
    }

    /// Waits until its session has ended with its connector: then its tally has everything that arrived.
    pub(super) fn wait_closed(&mut self) {
        if let Some(session) = self.session.take() {
            session.join().unwrap();
        }
    }

    /// Fills its window again.
    pub(super) fn renew_window(&self) {
        self.shared.windows.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends nothing new, and answers everything.
    pub(super) fn stop_paying(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn record(&self) -> Record {
        let tally = self.shared.tally();
        let open = tally.open.values().map(|amount| i128::from(*amount)).sum();
        Record { paid: tally.paid, open, received: tally.received }
    }

    /// Waits until it has a new proof.
    pub(super) fn wait_paid_more_than(&self, paid: i128) {
        let tally = self.shared.tally();
        let wait = self.shared.has_paid.wait_timeout_while(tally, TIMEOUT * 4, |t| t.paid <= paid);
        let (tally, result) = wait.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "{} has no proof after {}", self.name, tally.paid);
    }
}

fn trade(mut peer: Peer, shared: &Shared, destination: &str) {
    let mut answering = Answering { to_answer: VecDeque::new(), fulfill: fulfill(&PREIMAGE) };
    let (mut in_flight, mut rejected, mut window) = (0, 0, None);
    loop {
        let newest_window = Some(shared.windows.load(Ordering::Relaxed));
        if window != newest_window {
            (in_flight, rejected, window) = (0, 0, newest_window);
        }
        let is_stopping = shared.is_stopping.load(Ordering::Relaxed);
        while in_flight < WINDOW && !is_stopping {
            let (id, amount) = shared.tally().begin_packet();
            let packet = prepare_to(destination).amount(amount).expires_in_ms(EXPIRY_MS).encode();
            // After an error, the end of the connection is the next event.
            let _ = peer.writer.try_send(&message(id, &[ProtocolEntry::octets(ILP, &packet)]));
            in_flight += 1;
        }
        let raw = match peer.reader.next_event(Instant::now() + IDLE) {
            Some(SocketEvent::Binary(raw)) => raw,
            Some(SocketEvent::Close(..) | SocketEvent::Closed) => return,
            Some(_) => continue,
            None => {
                in_flight -= rejected;
                rejected = 0;
                if is_stopping {
                    answering.answer_beyond(0, &mut peer, shared);
                }
                continue;
            }
        };
        let frame = BtpFrame::parse(&raw).unwrap();
        let id = frame.request_id.0;
        match (frame.body.kind(), frame.ilp().map(|packet| Packet::parse(packet).unwrap())) {
            (FrameKind::Message, Some(Packet::Prepare(prepare))) => {
                answering.to_answer.push_back((id, prepare.amount.0));
                answering.answer_beyond(HELD_BACK, &mut peer, shared);
            }
            (FrameKind::Response, Some(packet)) => {
                let mut tally = shared.tally();
                let amount = tally.open.remove(&id);
                let amount = amount.unwrap_or_else(|| panic!("a second answer to {id}"));
                match packet {
                    Packet::Fulfill(_) => {
                        tally.paid += i128::from(amount);
                        in_flight = in_flight.saturating_sub(1);
                        shared.has_paid.notify_all();
                    }
                    _ => rejected = (rejected + 1).min(in_flight),
                }
            }
            (kind, packet) => panic!("the node sent {kind:?} {id} with {packet:?}"),
        }
    }
}

/// The Prepares that have arrived.
struct Answering {
    to_answer: VecDeque<(u32, u64)>,
    fulfill: Vec<u8>,
}

impl Answering {
    /// Fulfills the oldest, until so many are left.
    fn answer_beyond(&mut self, left: usize, peer: &mut Peer, shared: &Shared) {
        while self.to_answer.len() > left {
            let Some((id, amount)) = self.to_answer.pop_front() else { return };
            shared.tally().received += i128::from(amount);
            // After an error, the end of the connection is the next event.
            let _ = peer.writer.try_send(&response(id, Some(&self.fulfill)));
        }
    }
}
