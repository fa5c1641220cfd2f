//! Drives a payment: passes packets from the STREAM sender to the client, and the answers back.

use std::io::Write;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::progress_bar::{ProgressBar, REDRAW_INTERVAL};
use crate::client::Client;
use crate::console::Failure;
use crate::link::{Cause, Outcome, Rejection};
use crate::stream::{PaymentEnd, PaymentProgress, Sender, SenderAnswer, SenderPacket};
use crate::time::{MonoTime, Now};
use crate::tools::interrupt::Interrupt;
use crate::wire::Address;
use crate::wire::ilp::Prepare;

/// How long the tool waits for an answer after the packet's expiry. If the node sends none until then, it is unknown
/// whether the packet was paid.
const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// A payment that has ended.
pub(super) struct PaymentResult {
    pub(super) progress: PaymentProgress,
    pub(super) end: PaymentEnd,
    pub(super) took: Duration,
}

pub(super) struct PaymentDriver<'a> {
    client: &'a Client,
    sender: Sender,
    destination: &'a Address,
    window: usize,
}

impl<'a> PaymentDriver<'a> {
    /// `window`: the most packets that `sender` keeps in flight.
    pub(super) fn new(
        client: &'a Client,
        sender: Sender,
        destination: &'a Address,
        window: usize,
    ) -> Self {
        PaymentDriver { client, sender, destination, window }
    }

    /// Pays until the end. The first interrupt stops sending and waits for the packets in flight, the second one does
    /// not wait.
    pub(super) async fn run(
        mut self,
        interrupt: &mut Interrupt,
        mut bar: ProgressBar,
        out: &mut dyn Write,
    ) -> Result<PaymentResult, Failure> {
        let began = Instant::now();
        let mut tick = interval(REDRAW_INTERVAL);
        let (answers, mut answered) = mpsc::channel(self.window);
        let mut arrived = Vec::new();
        let mut interrupted = false;
        let end = loop {
            let now = self.client.now();
            // Bounded by the window.
            while let Some(packet) = self.sender.next_packet(now) {
                self.send(&packet, now, &answers);
            }
            if let Some(end) = self.sender.end() {
                break end.clone();
            }
            let wakes_at = instant_of(now.mono, self.sender.wakes_at());
            tokio::select! {
                _ = answered.recv_many(&mut arrived, self.window) => {
                    let now = self.client.now().mono;
                    for (sequence, outcome) in arrived.drain(..) {
                        self.sender.record_answer(sequence, sender_answer(&outcome), now);
                    }
                }
                () = interrupt.wait() => {
                    if interrupted {
                        break PaymentEnd::Stopped;
                    }
                    interrupted = true;
                    self.sender.stop();
                }
                () = sleep_until(wakes_at.unwrap_or(began)), if wakes_at.is_some() => {}
                _ = tick.tick() => bar.show(&self.sender.progress(), began.elapsed(), out)?,
            }
        };
        bar.clear(out)?;
        Ok(PaymentResult { progress: self.sender.progress(), end, took: began.elapsed() })
    }

    fn send(&self, packet: &SenderPacket, now: Now, answers: &mpsc::Sender<(u64, Outcome)>) {
        let prepare = Prepare {
            amount: packet.amount,
            expires_at: packet.expires_at,
            condition: packet.condition,
            destination: self.destination.view(),
            data: &packet.data,
        };
        // The tool's own deadline is later than the packet's.
        let began = Now { wall: now.wall.saturating_sub(ANSWER_GRACE), mono: now.mono };
        let (answers, sequence) = (answers.clone(), packet.sequence);
        self.client.send_with_callback(&prepare, began, move |outcome| {
            // There is room for the window; the receiver is gone when the payment has ended.
            let _ = answers.try_send((sequence, outcome));
        });
    }
}

/// A time of our clock as a time of tokio's.
fn instant_of(now: MonoTime, at: Option<MonoTime>) -> Option<Instant> {
    // tokio cannot represent every later time, and no payment lasts as long.
    const LATEST: Duration = Duration::from_secs(24 * 3600);
    at.map(|at| Instant::now() + at.since(now).min(LATEST))
}

/// The outcome as an answer for the sender.
fn sender_answer(outcome: &Outcome) -> SenderAnswer<'_> {
    match outcome {
        Outcome::Fulfilled { data, .. } => SenderAnswer::Fulfilled { data },
        Outcome::Rejected(Rejection { code, by, message, data }) => {
            SenderAnswer::Rejected { code: *code, by, message, data }
        }
        Outcome::NotSent(Cause { code, message }) => SenderAnswer::NotSent { code: *code, message },
        Outcome::NoAnswer(Cause { code, message }) => {
            SenderAnswer::NoAnswer { code: *code, message }
        }
    }
}
