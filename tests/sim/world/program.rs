//! A program at a node: it pays, and is paid, by raw BTP over a WebSocket of another library.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ilp_connector::internals::machine::simulated::Machine;
use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, FrameKind, ProtocolEntry, RequestId, put_frame,
};
use ilp_connector::wire::ilp::{ErrorCode, Fulfill, Packet, Prepare, Reject};
use ilp_connector::wire::{AddressRef, Amount, Fulfillment, Timestamp};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::btp::{Socket, frame_of, log_in};
use super::machine::Process;
use super::node::WorldNode;
use super::tally::{Outcome, Tallies};
use crate::plan::{PaymentPlan, Reaction};
use crate::story::Story;

/// The account of the program at each node.
pub const PROGRAM: &str = "program";
/// Its token.
pub const TOKEN: &str = "token-of-the-program";

const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// What each node takes of the time of a packet, in milliseconds, so that the answer has time to pass back.
const TIME_OF_HOP_MS: u64 = 1_000;
/// After so much silence it pings the node, and after as much again it connects anew.
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub struct Program {
    pub number: usize,
    pub process: Arc<Process>,
    pub node: SocketAddr,
    /// All payments of the run.
    pub payments: Arc<Vec<PaymentPlan>>,
    /// Which of them are made.
    pub paid: Arc<Vec<bool>>,
    pub tallies: Arc<Tallies>,
    pub story: Story,
    pub began: Instant,
    /// Set when there is peace: now the last payments are made.
    pub peace: broadcast::Receiver<()>,
    /// Its node, if that has a proof on its disk before the program has it.
    pub strict_node: Option<Arc<WorldNode>>,
}

/// What a program remembers.
#[derive(Default)]
struct Session {
    next_id: u32,
    /// Our packets without an answer. It may come on a later session.
    sent: BTreeMap<u32, usize>,
    /// Answers that are due.
    answers: Vec<(Instant, Vec<u8>)>,
}

/// The fulfillment of a payment.
fn fulfillment_of(payment: usize) -> Fulfillment {
    let mut preimage = [7; 32];
    preimage[..8].copy_from_slice(&(payment as u64).to_be_bytes());
    Fulfillment(preimage)
}

fn reject(id: u32, code: ErrorCode, message: &[u8]) -> Vec<u8> {
    let packet = Packet::Reject(Reject { code, triggered_by: None, message, data: &[] });
    frame_of(id, &FrameBody::Response, &packet)
}

impl Program {
    /// Runs for ever.
    pub async fn run(mut self) {
        let payments = Arc::clone(&self.payments);
        let own = |(at, payment): (usize, &PaymentPlan)| {
            (payment.from == self.number && self.paid[at]).then_some((at, *payment))
        };
        let (probes, mut due): (Vec<_>, Vec<_>) =
            payments.iter().enumerate().filter_map(own).partition(|(_, one)| one.at_ms == u64::MAX);
        due.reverse();
        let mut session = Session { next_id: 2, ..Session::default() };
        loop {
            if let Some(socket) = log_in(&self.process, self.node, PROGRAM, TOKEN).await {
                self.tell(|| "is logged in".to_owned());
                self.run_session(socket, &mut session, &mut due, &probes).await;
                self.tell(|| "loses its session".to_owned());
                for payment in session.sent.values() {
                    self.tallies.change(*payment, |tally| tally.outcome = Outcome::Lost);
                }
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        self.story.tell(|| format!("program {} {}", self.number, text()));
    }

    async fn run_session(
        &mut self,
        mut socket: Socket,
        session: &mut Session,
        due: &mut Vec<(usize, PaymentPlan)>,
        probes: &[(usize, PaymentPlan)],
    ) {
        let (mut heard_at, mut is_pinged) = (Instant::now(), false);
        loop {
            let silent_at = heard_at + SILENCE_MAX * if is_pinged { 2 } else { 1 };
            let next_payment = due.last().map(|(_, payment)| self.at(payment.at_ms));
            let next_answer = session.answers.first().map(|(at, _)| *at);
            let next = [next_payment, next_answer].into_iter().flatten().min();
            let timer = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep_until(silent_at) => {
                    if is_pinged || socket.send(Message::Ping(Bytes::new())).await.is_err() {
                        return;
                    }
                    is_pinged = true;
                }
                message = socket.next() => match message.inspect(|_| {
                    (heard_at, is_pinged) = (Instant::now(), false);
                }) {
                    Some(Ok(Message::Binary(frame))) => {
                        for answer in self.handle(&frame, session) {
                            if socket.send(Message::binary(answer)).await.is_err() {
                                return;
                            }
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                },
                Ok(()) = self.peace.recv() => {
                    for (payment, plan) in probes {
                        let frame = self.prepare(session, *payment, plan);
                        if socket.send(Message::binary(frame)).await.is_err() {
                            return;
                        }
                    }
                }
                () = timer => {
                    let frames = self.take_due(session, due);
                    for frame in frames {
                        if socket.send(Message::binary(frame)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.began + Duration::from_millis(ms)
    }

    /// The frames whose time has come.
    fn take_due(&self, session: &mut Session, due: &mut Vec<(usize, PaymentPlan)>) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let mut frames = Vec::new();
        let answered = session.answers.partition_point(|(at, _)| *at <= now);
        frames.extend(session.answers.drain(..answered).map(|(_, frame)| frame));
        while let Some((payment, plan)) = due.pop_if(|(_, plan)| self.at(plan.at_ms) <= now) {
            // Payments from before the session are not made.
            if self.at(plan.at_ms) + RECONNECT_PAUSE < now {
                continue;
            }
            frames.push(self.prepare(session, payment, &plan));
        }
        frames
    }

    fn now(&self) -> Timestamp {
        let now = self.process.time_of_day().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::EPOCH.saturating_add(now)
    }

    fn prepare(&self, session: &mut Session, payment: usize, plan: &PaymentPlan) -> Vec<u8> {
        let id = session.next_id;
        session.next_id += 1;
        session.sent.insert(id, payment);
        self.tell(|| format!("pays {} to program {} (payment {payment})", plan.amount, plan.to));
        let expires_at = self.now().saturating_add_millis(plan.expires_in_ms);
        self.tallies.change(payment, |tally| {
            (tally.outcome, tally.expires_at) = (Outcome::Open, expires_at);
        });
        let destination = format!("test.n{}.{PROGRAM}", plan.to);
        let prepare = Prepare {
            amount: Amount(plan.amount),
            expires_at,
            condition: fulfillment_of(payment).condition(),
            destination: AddressRef::new(&destination).unwrap(),
            data: &(payment as u64).to_be_bytes(),
        };
        frame_of(id, &FrameBody::Message, &Packet::Prepare(prepare))
    }

    /// Handles a frame. Returns what is answered at once.
    fn handle(&self, frame: &[u8], session: &mut Session) -> Vec<Vec<u8>> {
        let frame = BtpFrame::parse(frame).expect("a node sends what can be read");
        let id = frame.request_id.0;
        let packet = frame.ilp().map(|ilp| Packet::parse(ilp).expect("a node sends whole packets"));
        match (frame.body.kind(), packet) {
            (FrameKind::Message, Some(Packet::Prepare(prepare))) => {
                self.receive(id, &prepare, session)
            }
            (FrameKind::Message | FrameKind::Transfer, _) => panic!("a request without a packet"),
            (FrameKind::Response, Some(packet)) => {
                let payment = session.sent.get(&id).copied();
                self.note_answer(id, outcome_of(&packet, payment), session);
                Vec::new()
            }
            (FrameKind::Response | FrameKind::Error, _) => {
                self.note_answer(id, Outcome::Refused, session);
                Vec::new()
            }
        }
    }

    fn note_answer(&self, id: u32, outcome: Outcome, session: &mut Session) {
        let Some(payment) = session.sent.remove(&id) else {
            panic!("program {}: an answer to request {id}, which has none pending", self.number);
        };
        let now = self.now();
        self.tallies.change(payment, |tally| (tally.outcome, tally.answered_at) = (outcome, now));
        self.check_durable(outcome);
        self.tell(|| match outcome {
            Outcome::Rejected(code) => {
                format!("gets {} for payment {payment}", String::from_utf8_lossy(&code))
            }
            outcome => format!("gets {outcome:?} for payment {payment}"),
        });
    }

    /// With `durability: strict`, no proof leaves a node before its books have it.
    fn check_durable(&self, outcome: Outcome) {
        let Some(node) = self.strict_node.as_ref().filter(|_| outcome == Outcome::Fulfilled) else {
            return;
        };
        let own = self.payments.iter().zip(self.tallies.all());
        let own =
            own.filter(|(plan, one)| plan.from == self.number && one.outcome == Outcome::Fulfilled);
        let proofs: i128 = own.map(|(plan, _)| i128::from(plan.amount)).sum();
        let saved = node.proofs_on_disk();
        assert!(saved >= proofs, "program {}: {proofs} proven, {saved} saved", self.number);
    }

    fn receive(&self, id: u32, prepare: &Prepare<'_>, session: &mut Session) -> Vec<Vec<u8>> {
        let Ok(number) = <[u8; 8]>::try_from(prepare.data) else {
            // A question for our books: we have none.
            return vec![reject(id, ErrorCode::F02, b"no such service")];
        };
        let payment = u64::from_be_bytes(number) as usize;
        let plan = self.payments[payment];
        self.tell(|| format!("receives payment {payment}"));
        assert_eq!(plan.to, self.number, "payment {payment} is at a wrong place");
        assert_eq!(prepare.condition, fulfillment_of(payment).condition());
        let sent = self.tallies.change(payment, |tally| {
            tally.received += 1;
            tally.amount = prepare.amount.0;
            tally.expires_at
        });
        // The node of its sender and this one are on its way, at least.
        let taken_ms = sent.millis_since(prepare.expires_at);
        assert!(
            taken_ms >= 2 * TIME_OF_HOP_MS,
            "payment {payment}: nodes took {taken_ms} ms of its time"
        );
        let fulfillment = fulfillment_of(match plan.reaction {
            Reaction::FulfillsWrongly => payment + 1,
            _ => payment,
        });
        let fulfill = |id| {
            let packet = Packet::Fulfill(Fulfill { fulfillment, data: &[] });
            frame_of(id, &FrameBody::Response, &packet)
        };
        let answers = match plan.reaction {
            Reaction::DoesNotAnswer => Vec::new(),
            Reaction::Rejects => vec![reject(id, ErrorCode::F99, b"not wanted")],
            Reaction::Fulfills | Reaction::FulfillsWrongly => vec![fulfill(id)],
            Reaction::FulfillsTwice => vec![fulfill(id), fulfill(id)],
            Reaction::AnswersAnother => vec![fulfill(id ^ 1)],
            Reaction::AnswersGarbage => vec![garbage(id)],
        };
        if plan.reaction.is_honest() {
            self.tallies.change(payment, |tally| tally.fulfilled += 1);
        }
        if plan.reacts_after_ms == 0 {
            return answers;
        }
        let at = Instant::now() + Duration::from_millis(plan.reacts_after_ms);
        for answer in answers {
            session.answers.push((at, answer));
        }
        session.answers.sort_by_key(|(at, _)| *at);
        Vec::new()
    }
}

/// A RESPONSE whose packet cannot be read.
fn garbage(id: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    let entry = ProtocolEntry::octets("ilp", &[0xff; 40]);
    put_frame(RequestId(id), &FrameBody::Response, &[entry], &mut frame);
    frame
}

/// The outcome of an answer for this payment.
fn outcome_of(packet: &Packet<'_>, payment: Option<usize>) -> Outcome {
    match packet {
        Packet::Fulfill(fulfill) => {
            let expected = payment.map(fulfillment_of);
            assert_eq!(Some(fulfill.fulfillment), expected, "no proof of payment {payment:?}");
            Outcome::Fulfilled
        }
        Packet::Reject(reject) => Outcome::Rejected(reject.code.0),
        Packet::Prepare(_) => panic!("a Prepare as an answer"),
    }
}
