//! Sends packets, a window of them in flight, and tallies the answers. `send` and `bench` use it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::tally::Tally;
use crate::client::Client;
use crate::stream::PacketFailure;
use crate::tools::session::packet_result;
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Amount, Condition};

/// Random bytes in each packet without data.
const NONCE_BYTES: usize = 16;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Packets to send.
#[derive(Debug, Clone)]
pub(in crate::tools) struct Load {
    pub(in crate::tools) destination: Address,
    pub(in crate::tools) amount: Amount,
    pub(in crate::tools) condition: Condition,
    /// Empty: random bytes, so that observers can tell packets with one condition apart.
    pub(in crate::tools) data: Vec<u8>,
    /// The lifetime of each packet.
    pub(in crate::tools) expiry: Duration,
    /// The most packets in flight.
    pub(in crate::tools) window: usize,
    pub(in crate::tools) per_second: Option<u32>,
}

/// When to stop sending.
#[derive(Debug, Clone, Copy)]
pub(in crate::tools) struct StopCondition {
    pub(in crate::tools) after_packets: Option<u64>,
    pub(in crate::tools) after: Duration,
}

/// The result of a packet, and its latency.
type Answered = (Result<(), PacketFailure>, Duration);

impl Load {
    /// Sends until `stop`, waits for the packets in flight, and returns the results and the time that it took. Once
    /// `interrupted` completes, it waits no longer. Calls `watch` every 250 ms.
    pub(in crate::tools) async fn send(
        &self,
        client: &Client,
        stop: StopCondition,
        interrupted: impl Future<Output = ()>,
        mut watch: impl FnMut(&Tally, Duration),
    ) -> (Tally, Duration) {
        let began = Instant::now();
        let mut progress_due = interval(PROGRESS_INTERVAL);
        progress_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupted = std::pin::pin!(interrupted);
        let (answers, mut answered) = mpsc::channel(self.window);
        let mut tally = Tally::default();
        let mut arrived = Vec::new();
        loop {
            let elapsed = began.elapsed();
            let left =
                stop.after_packets.map_or(u64::MAX, |count| count.saturating_sub(tally.sent()));
            let is_over = left == 0 || elapsed >= stop.after;
            if is_over && tally.unanswered() == 0 {
                break;
            }
            let count = self.sendable_now(&tally, elapsed).min(if is_over { 0 } else { left });
            for _ in 0..count {
                tally.add_sent();
                self.send_one(client, &answers);
            }
            // With a rate, the next packet is due at a known time; otherwise only an answer allows another.
            let rate_waits = !is_over
                && self.per_second.is_some()
                && tally.sent() < stop.after_packets.unwrap_or(u64::MAX);
            let next_by_rate = began + self.due_after(tally.sent());
            tokio::select! {
                () = &mut interrupted => break,
                _ = answered.recv_many(&mut arrived, self.window) => {
                    for (result, after) in arrived.drain(..) {
                        tally.add_answer(result, after);
                    }
                }
                _ = progress_due.tick() => watch(&tally, began.elapsed()),
                () = sleep_until(next_by_rate), if rate_waits && tally.unanswered() < self.window_u64() => {}
            }
        }
        (tally, began.elapsed())
    }

    /// The number of packets that may be sent now.
    fn sendable_now(&self, tally: &Tally, elapsed: Duration) -> u64 {
        let by_window = self.window_u64().saturating_sub(tally.unanswered());
        match self.per_second {
            None => by_window,
            Some(per_second) => {
                let due = elapsed.as_nanos() * u128::from(per_second) / 1_000_000_000 + 1;
                let due = u64::try_from(due).unwrap_or(u64::MAX);
                by_window.min(due.saturating_sub(tally.sent()))
            }
        }
    }

    /// When the packet of this number (from 0) is due.
    fn due_after(&self, number: u64) -> Duration {
        match self.per_second {
            None => Duration::ZERO,
            Some(per_second) => {
                let nanos = u128::from(number) * 1_000_000_000 / u128::from(per_second.max(1));
                // One later rather than one earlier, which would wake the loop for nothing.
                Duration::from_nanos(u64::try_from(nanos + 1).unwrap_or(u64::MAX))
            }
        }
    }

    fn window_u64(&self) -> u64 {
        u64::try_from(self.window).unwrap_or(u64::MAX)
    }

    fn send_one(&self, client: &Client, answers: &mpsc::Sender<Answered>) {
        let now = client.now();
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let prepare = Prepare {
            amount: self.amount,
            expires_at: now.wall.saturating_add(self.expiry),
            condition: self.condition,
            destination: self.destination.view(),
            data: if self.data.is_empty() { &nonce } else { &self.data },
        };
        let (answers, clock) = (answers.clone(), client.clock());
        client.send_with_callback(&prepare, now, move |answer| {
            // There is room for the window; the receiver is gone once the load has ended.
            let _ = answers.try_send((packet_result(answer), clock.mono().since(now.mono)));
        });
    }
}

#[cfg(test)]
impl Load {
    /// Packets of 5 units to `test.c`.
    pub(super) fn example() -> Self {
        Self {
            destination: "test.c".parse().unwrap(),
            amount: Amount(5),
            condition: Condition::PING,
            data: Vec::new(),
            expiry: Duration::from_secs(30),
            window: 16,
            per_second: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_packets_evenly() {
        let mut load = Load { window: 3, per_second: Some(10), ..Load::example() };
        let check = |load: &Load, sent: u64, after_ms: u64, room: u64| {
            let mut tally = Tally::default();
            (0..sent).for_each(|_| tally.add_sent());
            (0..sent).for_each(|_| tally.add_answer(Ok(()), Duration::ZERO));
            assert_eq!(
                load.sendable_now(&tally, Duration::from_millis(after_ms)),
                room,
                "{sent} {after_ms}"
            );
        };
        check(&load, 0, 0, 1);
        check(&load, 1, 0, 0);
        check(&load, 1, 99, 0);
        check(&load, 1, 100, 1);
        // Missed packets are sent later, within the window.
        check(&load, 1, 1000, 3);
        assert_eq!(load.due_after(1).as_millis(), 100);
        assert!(load.sendable_now(&Tally::default(), load.due_after(0)) >= 1);
        load.per_second = None;
        check(&load, 5, 0, 3);
    }
}
