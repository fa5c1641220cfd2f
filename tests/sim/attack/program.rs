//! The attacker at one of its places: logs in, makes its moves, and answers as it likes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ilp_connector::internals::machine::simulated::Machine;
use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, FrameKind, ProtocolEntry, RequestId, put_frame,
};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{AddressRef, Amount, Fulfillment, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::books::data_of_books;
use super::carrier::Carrier;
use super::frames::{data_of, fulfill, fulfillment_of, number_in, reject};
use super::http::Listener;
use super::plan::{Answers, AttackPlace, Lie, Move, MovePlan, Target, address_of, ip_of_attacker};
use super::routes::{RouteRequest, Speaker};
use super::tally::{AttackTallies, SentPacket};
use crate::assets::Asset;
use crate::plan::Plan;
use crate::story::Story;
use crate::world::btp::frame_of;
use crate::world::machine::{Host, Process};
use crate::world::network::Network;
use crate::world::node;
use crate::world::program::PROGRAM;

const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// A node that reads nothing for so long is left.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long before its expiry a packet is fulfilled at the last moment.
const LAST_MOMENT: Duration = Duration::from_millis(400);
/// Frames that may be sent again.
const RECENT_FRAMES: usize = 32;
/// Numbers of packets of one place.
const NUMBERS: u64 = 1_000_000;

/// The end of a session.
pub(super) struct SessionEnd;

/// A request of the attacker without an answer.
#[derive(Debug)]
enum Request {
    Payment { number: u64, amount: u64 },
    Withdrawal { announcements: u64, replay: Option<Vec<u8>> },
    Other,
}

pub struct Attacker {
    pub(super) number: usize,
    pub(super) place: AttackPlace,
    /// Of its account.
    asset: Asset,
    /// Where its packets to itself go.
    accomplice: String,
    nodes: usize,
    /// The last one first.
    moves: Vec<MovePlan>,
    pub(super) process: Arc<Process>,
    pub(super) tallies: Arc<AttackTallies>,
    story: Story,
    began: Instant,
    ends_at: Instant,
    next_id: u32,
    next_packet: u64,
    open: BTreeMap<u32, Request>,
    /// Packets that it has not answered.
    held: BTreeMap<u32, u64>,
    /// Answers that are due at their times.
    due: Vec<(Instant, Vec<u8>)>,
    answers: Answers,
    lie: Lie,
    pub(super) rng: StdRng,
    speaker: Speaker,
    /// Updates with a route to its own address, so far.
    announcements: u64,
    deaf_until: Instant,
    pub(super) recent: VecDeque<Vec<u8>>,
    /// If it is reached over HTTP.
    pub(super) listener: Option<Listener>,
}

/// Starts the attacker of a plan at its places.
pub fn start_attackers(
    plan: &Plan,
    network: &Network,
    folder: &Path,
    (story, began): (&Story, Instant),
) -> Arc<AttackTallies> {
    let tallies = Arc::new(AttackTallies::default());
    let places = plan.attack_places();
    for (number, place) in &places {
        let moves = plan.moves_at(*number);
        if plan.kept.moves.is_empty() {
            continue;
        }
        let ip = ip_of_attacker(place.node);
        let seed = plan.seed.wrapping_mul(43).wrapping_add(*number as u64);
        let process = Process::start(&Host::new(ip, network, folder, seed));
        let address = SocketAddr::new(ip, node::HTTP_PORT);
        let listener = place.is_http.then(|| Listener::from(process.listen(address).unwrap().0));
        let own = (*number, *place);
        let other = places.iter().find(|(other, _)| other != number).unwrap_or(&own);
        let now = Instant::now();
        let attacker = Attacker {
            number: *number,
            place: *place,
            asset: plan.nodes[place.node].asset,
            accomplice: address_of(other.0, &other.1),
            nodes: plan.nodes.len(),
            moves,
            rng: process.generator(),
            process,
            tallies: Arc::clone(&tallies),
            story: story.clone(),
            began,
            ends_at: began + Duration::from_millis(plan.trouble_ms),
            next_id: 2,
            next_packet: NUMBERS * *number as u64,
            open: BTreeMap::new(),
            held: BTreeMap::new(),
            due: Vec::new(),
            answers: Answers::Fulfill,
            lie: Lie::Truth,
            speaker: Speaker::new(address_of(*number, place), place.node),
            announcements: 0,
            deaf_until: now,
            recent: VecDeque::new(),
            listener,
        };
        drop(tokio::spawn(attacker.run()));
    }
    tallies
}

impl Attacker {
    fn tell(&self, text: impl FnOnce() -> String) {
        self.story.tell(|| format!("attacker at node {} {}", self.place.node, text()));
    }

    pub(super) fn node(&self) -> SocketAddr {
        node::address_of(self.place.node)
    }

    /// Runs until the attack ends: it leaves, and answers nothing more.
    async fn run(mut self) {
        let ends_at = self.ends_at;
        while Instant::now() < ends_at {
            if let Some(carrier) = Carrier::new(&self).await {
                self.tell(|| "begins".to_owned());
                let _ = timeout_at(ends_at, self.run_session(carrier)).await;
                self.tell(|| "ends".to_owned());
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn run_session(&mut self, mut carrier: Carrier) {
        loop {
            let next_move =
                self.moves.last().map(|one| self.began + Duration::from_millis(one.at_ms));
            let next_answer = self.due.first().map(|(at, _)| *at);
            let next = [next_move, next_answer].into_iter().flatten().min();
            let timer = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let deaf_until = self.deaf_until;
            let reading = async {
                sleep_until(deaf_until).await;
                carrier.next().await
            };
            let done = tokio::select! {
                biased;
                () = timer => self.act(&mut carrier).await,
                frame = reading => match frame {
                    Ok(frame) => {
                        let answers = self.handle(&frame);
                        self.send(&mut carrier, answers).await
                    }
                    Err(end) => Err(end),
                },
            };
            if done.is_err() {
                return;
            }
        }
    }

    pub(super) async fn send(
        &mut self,
        carrier: &mut Carrier,
        frames: Vec<Vec<u8>>,
    ) -> Result<(), SessionEnd> {
        for frame in &frames {
            if self.recent.len() == RECENT_FRAMES {
                self.recent.pop_front();
            }
            self.recent.push_back(frame.clone());
        }
        carrier.send(frames).await
    }

    /// Does what is due.
    async fn act(&mut self, carrier: &mut Carrier) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let answered = self.due.partition_point(|(at, _)| *at <= now);
        let frames: Vec<_> = self.due.drain(..answered).map(|(_, frame)| frame).collect();
        self.send(carrier, frames).await?;
        let began = self.began;
        let is_due = |one: &mut MovePlan| began + Duration::from_millis(one.at_ms) <= now;
        while let Some(one) = self.moves.pop_if(is_due) {
            self.tell(|| format!("{:?}", one.what));
            self.rng = StdRng::seed_from_u64(one.seed);
            self.make_move(one.what, carrier).await?;
        }
        Ok(())
    }

    async fn make_move(&mut self, what: Move, carrier: &mut Carrier) -> Result<(), SessionEnd> {
        match what {
            Move::Jam { packets, amount, bytes, expires_in_ms, to } => {
                let to = match to {
                    Target::Accomplice => self.accomplice.clone(),
                    Target::Program(node) => format!("test.n{node}.{PROGRAM}"),
                    Target::Nobody => "test.nobody.at.all".to_owned(),
                };
                let expires_in = Duration::from_millis(expires_in_ms);
                let frames = (0..packets).map(|_| self.pay(&to, amount, bytes, expires_in));
                let frames = frames.collect();
                self.send(carrier, frames).await?;
            }
            Move::Answers(how) => self.answers = how,
            Move::Says(lie) => self.lie = lie,
            Move::AsksForBooks => {
                if let Some(data) = self.books() {
                    let frame = self.ask(AddressRef::PEER_RECONCILE, &data, Request::Other);
                    self.send(carrier, vec![frame]).await?;
                }
            }
            Move::Routes(game) => {
                let requests = self.speaker.play(game, self.nodes, &mut self.rng);
                let frames = requests.into_iter().map(|one| self.speak(one)).collect();
                self.send(carrier, frames).await?;
            }
            Move::Noise(noise) => self.make_noise(noise, carrier).await?,
            Move::StopsReading { ms } => {
                self.deaf_until = Instant::now() + Duration::from_millis(ms);
            }
            Move::Leaves => return Err(SessionEnd),
        }
        Ok(())
    }

    pub(super) fn time_of_day(&self) -> Timestamp {
        let now = self.process.time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::EPOCH.saturating_add(now)
    }

    fn next_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// One packet of its own.
    fn pay(&mut self, to: &str, amount: u64, bytes: usize, expires_in: Duration) -> Vec<u8> {
        let (id, number) = (self.next_id(), self.next_packet);
        self.next_packet += 1;
        let packet = SentPacket { place: self.number, amount, times: 1 };
        self.tallies.change(|tally| tally.sent.insert(number, packet));
        self.open.insert(id, Request::Payment { number, amount });
        let data = data_of(number, bytes);
        let prepare = Prepare {
            amount: Amount(amount),
            expires_at: self.time_of_day().saturating_add(expires_in),
            condition: fulfillment_of(number).condition(),
            destination: AddressRef::new(to).unwrap(),
            data: &data,
        };
        frame_of(id, &FrameBody::Message, &Packet::Prepare(prepare))
    }

    /// A frame is sent again.
    pub(super) fn note_again(&mut self, frame: &[u8]) {
        let Ok(frame) = BtpFrame::parse(frame) else { return };
        let Some(Ok(Packet::Prepare(prepare))) = frame.ilp().map(Packet::parse) else { return };
        if let Some(number) = number_in(prepare.data) {
            self.tallies.change(|tally| tally.sent.get_mut(&number).unwrap().times += 1);
        }
        // An update of an earlier session has another table, which replaces the present one like any other.
        if prepare.destination == AddressRef::PEER_ROUTE_UPDATE
            && !self.speaker.is_of_present_table(prepare.data)
        {
            self.note_announcement();
        }
    }

    /// From now on, the node may have a route to the attacker's own address.
    fn note_announcement(&mut self) {
        self.announcements += 1;
        self.tallies.change(|tally| tally.places[self.number].is_withdrawn = false);
    }

    /// A request to the node itself.
    fn ask(&mut self, address: AddressRef<'static>, data: &[u8], request: Request) -> Vec<u8> {
        let id = self.next_id();
        self.open.insert(id, request);
        let expires_at = self.time_of_day().saturating_add(Duration::from_secs(20));
        let prepare = Prepare::peer_request(address, data, expires_at);
        frame_of(id, &FrameBody::Message, &Packet::Prepare(prepare))
    }

    fn speak(&mut self, request: RouteRequest) -> Vec<u8> {
        match request {
            RouteRequest::Control(payload) => {
                self.ask(AddressRef::PEER_ROUTE_CONTROL, &payload, Request::Other)
            }
            RouteRequest::Update { payload, announces } => {
                if announces {
                    self.note_announcement();
                }
                self.ask(AddressRef::PEER_ROUTE_UPDATE, &payload, Request::Other)
            }
            RouteRequest::Withdrawal { payload, replay } => {
                let request = Request::Withdrawal { announcements: self.announcements, replay };
                self.ask(AddressRef::PEER_ROUTE_UPDATE, &payload, request)
            }
        }
    }

    fn books(&mut self) -> Option<Vec<u8>> {
        let sent = self.open.values().map(|request| match request {
            Request::Payment { amount, .. } => i128::from(*amount),
            _ => 0,
        });
        let held = (sent.sum(), self.held.values().map(|amount| i128::from(*amount)).sum());
        data_of_books((self.lie, self.asset), &self.tallies.at(self.number), held, &mut self.rng)
    }

    /// Handles a frame of the node. Returns what is sent at once.
    fn handle(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let frame = BtpFrame::parse(frame).expect("a node sends what can be read");
        let id = frame.request_id.0;
        let packet = frame.ilp().map(|ilp| Packet::parse(ilp).expect("a node sends whole packets"));
        match (frame.body.kind(), packet) {
            (FrameKind::Message, Some(Packet::Prepare(prepare))) => self.receive(id, &prepare),
            (FrameKind::Message | FrameKind::Transfer, _) => panic!("a request without a packet"),
            (FrameKind::Response | FrameKind::Error, packet) => {
                self.note_answer(id, packet.as_ref()).into_iter().collect()
            }
        }
    }

    fn note_answer(&mut self, id: u32, packet: Option<&Packet<'_>>) -> Option<Vec<u8>> {
        let Some(Packet::Fulfill(fulfill)) = packet else {
            self.open.remove(&id);
            return None;
        };
        match self.open.remove(&id)? {
            Request::Payment { number, amount } => {
                assert_eq!(fulfill.fulfillment, fulfillment_of(number), "no proof for an attacker");
                let amount = i128::from(amount);
                self.tallies.change(|tally| tally.places[self.number].proven += amount);
                None
            }
            Request::Withdrawal { announcements, replay } => {
                if announcements != self.announcements {
                    return None;
                }
                self.tallies.change(|tally| tally.places[self.number].is_withdrawn = true);
                let payload = replay?;
                self.tell(|| "sends its first update again".to_owned());
                Some(self.ask(AddressRef::PEER_ROUTE_UPDATE, &payload, Request::Other))
            }
            Request::Other => None,
        }
    }

    fn receive(&mut self, id: u32, prepare: &Prepare<'_>) -> Vec<Vec<u8>> {
        let to = prepare.destination;
        if to == AddressRef::PEER_RECONCILE {
            let books = self.books();
            let answer = |data: Vec<u8>| fulfill(id, Fulfillment::ZERO, &data);
            return vec![books.map_or_else(|| reject(id), answer)];
        }
        if to == AddressRef::PEER_ROUTE_CONTROL {
            let first = self.speaker.begin_table();
            return vec![fulfill(id, Fulfillment::ZERO, &[]), self.speak(first)];
        }
        if to == AddressRef::PEER_ROUTE_UPDATE {
            return vec![fulfill(id, Fulfillment::ZERO, &[])];
        }
        let own = address_of(self.number, &self.place);
        let is_own = to
            .as_str()
            .strip_prefix(&own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if !is_own {
            self.tell(|| format!("gets a packet to {}", to.as_str()));
            let stolen = to.as_str().to_owned();
            self.tallies.change(|tally| tally.places[self.number].stolen = Some(stolen));
        }
        self.answer(id, prepare)
    }

    fn answer(&mut self, id: u32, prepare: &Prepare<'_>) -> Vec<Vec<u8>> {
        let own = number_in(prepare.data)
            .filter(|number| fulfillment_of(*number).condition() == prepare.condition);
        // It has no proof for a packet of others.
        let fulfillment = fulfillment_of(own.unwrap_or_default());
        let left_ms = prepare.expires_at.millis_since(self.time_of_day());
        let expires_at = Instant::now() + Duration::from_millis(left_ms);
        let is_right = matches!(
            self.answers,
            Answers::Fulfill | Answers::LastMoment | Answers::TooLate | Answers::Twice
        );
        if let (Some(number), true) = (own, is_right) {
            self.tallies.change(|tally| {
                tally.places[self.number].fulfilled += i128::from(prepare.amount.0);
                tally.fulfilled.insert(number);
            });
        }
        let right = fulfill(id, fulfillment, b"thanks");
        let (at, frames) = match self.answers {
            Answers::Fulfill => (None, vec![right]),
            Answers::Reject => (None, vec![reject(id)]),
            Answers::Never => {
                self.held.insert(id, prepare.amount.0);
                (None, Vec::new())
            }
            Answers::LastMoment => (expires_at.checked_sub(LAST_MOMENT), vec![right]),
            Answers::TooLate => (Some(expires_at + LAST_MOMENT), vec![right]),
            Answers::Wrongly => (None, vec![fulfill(id, Fulfillment([3; 32]), &[])]),
            Answers::Twice => (None, vec![right.clone(), right]),
            Answers::ToAnother => {
                let other = self.rng.random_range(12..32);
                (None, vec![fulfill(id ^ (1 << other), fulfillment, &[])])
            }
            Answers::Garbage => {
                let mut frame = Vec::new();
                let entry = ProtocolEntry::octets("ilp", &[0xfe; 30]);
                put_frame(RequestId(id), &FrameBody::Response, &[entry], &mut frame);
                (None, vec![frame])
            }
            Answers::Old => {
                let is_answer = |frame: &&Vec<u8>| BtpFrame::answered_request(frame).is_some();
                let old = self.recent.iter().rev().filter(is_answer).take(3).cloned();
                (None, old.collect())
            }
        };
        let Some(at) = at else { return frames };
        self.due.extend(frames.into_iter().map(|frame| (at, frame)));
        self.due.sort_by_key(|(at, _)| *at);
        Vec::new()
    }
}
