//! `ping`: measures round trips to a node through another one, with the output of the `ping` of IP.

mod report;

use std::io::Write;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::report::PingReport;
use super::args::PingArguments;
use super::interrupt::Interrupt;
use super::login::EntryLogin;
use super::session::{fetch_address, run_session, send_options};
use super::wait_notes::{SILENCE_MAX, print_note};
use crate::client::Client;
use crate::config::Environment;
use crate::console::{Failure, exit_result, format_duration};
use crate::link::Outcome;
use crate::wire::ilp::Prepare;
use crate::wire::ping::EchoRequest;
use crate::wire::{Address, Condition, Fulfillment};

/// The most pings without an answer. With the shortest interval and the longest timeout, further pings wait.
const WINDOW: usize = 16_384;
/// Random bytes in the data of each ping.
const NONCE_BYTES: usize = 16;

/// Pings until the count is reached or an interrupt.
pub async fn run(
    arguments: &PingArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let login = EntryLogin::find(&arguments.login, environment)?;
    let work = async |client: &Client| {
        let mut interrupt = Interrupt::listen(client)?;
        let return_address = match arguments.echo {
            true => Some(fetch_address(client).await?.address),
            false => None,
        };
        let pinger = Pinger { arguments, client, return_address };
        let mut report = PingReport::new(arguments.address.clone(), out);
        report.write_header(
            &login,
            pinger.return_address.as_ref(),
            arguments.amount,
            arguments.timeout,
        )?;
        pinger.send_pings(&mut report, &mut interrupt).await?;
        report.write_summary()
    };
    let is_fulfilled = run_session(&login, send_options(WINDOW), work).await?;
    exit_result(is_fulfilled)
}

/// The answer to a ping.
struct PingAnswer {
    sequence: u64,
    after: Duration,
    condition: Condition,
    outcome: Outcome,
}

struct Pinger<'a> {
    arguments: &'a PingArguments,
    client: &'a Client,
    /// Where pongs go, with `--echo`.
    return_address: Option<Address>,
}

impl Pinger<'_> {
    async fn send_pings(
        &self,
        report: &mut PingReport<'_>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let count = self.arguments.count.unwrap_or(u64::MAX);
        let mut due = interval(self.arguments.interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut sent, mut answered) = (0, 0);
        let (answers, mut answered_pings) = mpsc::channel::<PingAnswer>(WINDOW);
        let mut arrived = Vec::new();
        // When the oldest unanswered ping was sent; `None`: there is none, or the note was printed.
        let mut silent_since: Option<Instant> = None;
        while answered < count {
            let unanswered = usize::try_from(sent - answered).unwrap_or(usize::MAX);
            let note_at = silent_since.map(|since| since + SILENCE_MAX);
            tokio::select! {
                () = interrupt.wait() => return Ok(()),
                _ = answered_pings.recv_many(&mut arrived, WINDOW) => {
                    silent_since = None;
                    for answer in arrived.drain(..) {
                        answered += 1;
                        self.client.connector().forget_pong(&answer.condition);
                        report.write_answer(answer.sequence, answer.after, &answer.outcome)?;
                    }
                }
                _ = due.tick(), if sent < count && unanswered < WINDOW => {
                    sent += 1;
                    report.count_sent();
                    if unanswered == 0 {
                        silent_since = Some(Instant::now());
                    }
                    self.send_ping(sent, &answers);
                }
                () = sleep_until(note_at.unwrap_or_else(Instant::now)), if note_at.is_some() => {
                    silent_since = None;
                    let each = format_duration(self.arguments.timeout);
                    print_note(format_args!("no answer yet: each ping waits for one up to {each}"));
                }
            }
        }
        Ok(())
    }

    fn send_ping(&self, sequence: u64, answers: &mpsc::Sender<PingAnswer>) {
        let now = self.client.now();
        let mut data = Vec::new();
        let condition = match &self.return_address {
            Some(return_address) => {
                EchoRequest { return_address: return_address.view() }.encode(&mut data);
                let fulfillment = Fulfillment(rand::random());
                // There is room, because the window is smaller.
                self.client.connector().expect_pong(fulfillment);
                fulfillment.condition()
            }
            None => {
                // All pings have one condition: without it, observers could not tell them apart.
                data.extend(rand::random::<[u8; NONCE_BYTES]>());
                Condition::PING
            }
        };
        let prepare = Prepare {
            amount: self.arguments.amount,
            expires_at: now.wall.saturating_add(self.arguments.timeout),
            condition,
            destination: self.arguments.address.view(),
            data: &data,
        };
        let (answers, clock) = (answers.clone(), self.client.clock());
        self.client.send_with_callback(&prepare, now, move |outcome| {
            let after = clock.mono().since(now.mono);
            // There is room for the window; the receiver is gone when the command ends.
            let _ = answers.try_send(PingAnswer { sequence, after, condition, outcome });
        });
    }
}
