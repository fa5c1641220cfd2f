//! `ping`: round trips to a node through another one, printed like those of the usual ping.

mod report;

use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::report::PingReport;
use super::args::PingArguments;
use super::client::{Client, Role};
use super::failure::Failure;
use super::inbox::Inbox;
use super::login::EntryLogin;
use super::signals::Interrupt;
use super::text::format_duration;
use super::waiting::{SILENCE_MAX, note};
use crate::config::Environment;
use crate::link::Outcome;
use crate::wire::ilp::Prepare;
use crate::wire::ping::EchoRequest;
use crate::wire::{Address, Condition, Fulfillment};

/// Pings that may be unanswered at once. At the shortest interval and the longest timeout more would be, and wait.
const WINDOW: usize = 16_384;

/// Runs the command until its count is reached or somebody interrupts it.
pub(super) async fn run(
    arguments: &PingArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let login = EntryLogin::find(&arguments.login, environment)?;
    let role = Role { window: WINDOW, receives_at: None };
    let work = async |client: &Client| {
        // Not before: a login that hangs is to be interrupted as usual.
        let mut interrupt = Interrupt::listen(client)?;
        let return_address = match arguments.echo {
            true => Some(client.take_address().await?.address),
            false => None,
        };
        let pinger = Pinger { arguments, client, return_address, inbox: Inbox::new() };
        let mut report = PingReport::new(arguments.address.clone(), out);
        report.begin(
            &login,
            pinger.return_address.as_ref(),
            arguments.amount,
            arguments.timeout,
        )?;
        pinger.ping(&mut report, &mut interrupt).await?;
        report.end()
    };
    let answered = Client::session(&login, role, work).await?;
    if answered { Ok(()) } else { Err(Failure::Told) }
}

/// One answer, and how long it took.
struct Answered {
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
    inbox: Inbox<Answered>,
}

impl Pinger<'_> {
    async fn ping(
        &self,
        report: &mut PingReport<'_>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let count = self.arguments.count.unwrap_or(u64::MAX);
        let mut due = interval(self.arguments.interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut sent, mut answered) = (0, 0);
        let mut arrived = Vec::new();
        // When the first of the pings was sent that wait for an answer; `None`: none does, or it was told.
        let mut silent_since: Option<Instant> = None;
        while answered < count {
            let unanswered = usize::try_from(sent - answered).unwrap_or(usize::MAX);
            let told_at = silent_since.map(|since| since + SILENCE_MAX);
            tokio::select! {
                () = interrupt.wait() => return Ok(()),
                () = self.inbox.take(&mut arrived) => {
                    silent_since = None;
                    for one in arrived.drain(..) {
                        answered += 1;
                        self.client.connector().forget_pong(&one.condition);
                        report.answer(one.sequence, one.after, &one.outcome)?;
                    }
                }
                _ = due.tick(), if sent < count && unanswered < WINDOW => {
                    sent += 1;
                    report.sent();
                    if unanswered == 0 {
                        silent_since = Some(Instant::now());
                    }
                    self.send(sent);
                }
                () = sleep_until(told_at.unwrap_or_else(Instant::now)), if told_at.is_some() => {
                    silent_since = None;
                    let each = format_duration(self.arguments.timeout);
                    note(format_args!("no answer yet: each ping waits for one up to {each}"));
                }
            }
        }
        Ok(())
    }

    fn send(&self, sequence: u64) {
        let now = self.client.now();
        let mut data = Vec::new();
        let condition = match &self.return_address {
            Some(return_address) => {
                EchoRequest { return_address: return_address.view() }.encode(&mut data);
                let fulfillment = Fulfillment(rand::random());
                // Never full: it holds more than the window.
                self.client.connector().expect_pong(fulfillment);
                fulfillment.condition()
            }
            None => Condition::PING,
        };
        let prepare = Prepare {
            amount: self.arguments.amount,
            expires_at: now.wall.saturating_add(self.arguments.timeout),
            condition,
            destination: self.arguments.address.view(),
            data: &data,
        };
        let (inbox, clock) = (self.inbox.clone(), self.client.clock());
        self.client.send(&prepare, now, move |outcome| {
            let after = clock.mono().since(now.mono);
            inbox.put(Answered { sequence, after, condition, outcome });
        });
    }
}
