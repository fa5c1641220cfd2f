//! `trace`: finds the connectors on the path to an address, with their limits.
//!
//! Nothing in ILP lists the hops of a path. But a hop that gets a packet with too little time, or a packet that is too
//! large, rejects it with its own address. So `walk` sends packets with more and more time, `amounts` finds the largest
//! packet, and this file sends the probes.

mod amounts;
mod probe;
mod report;
#[cfg(test)]
mod tests;
mod walk;

use std::io::Write;
use std::time::Duration;

use tokio::time::sleep;

use self::amounts::AmountProbes;
use self::probe::{Probe, ProbeAnswer, ProbeOutcome};
use self::report::TraceReport;
use self::walk::{TraceEnd, TraceLimits, walk_path};
use super::args::TraceArguments;
use super::interrupt::Interrupt;
use super::login::EntryLogin;
use super::session::{run_session, send_options};
use super::wait_notes::{SILENCE_MAX, note_if_slow};
use crate::client::Client;
use crate::config::Environment;
use crate::console::{Failure, exit_result, format_duration};
use crate::link::{self, Cause, Rejection};
use crate::time::{Backoff, Now};
use crate::wire::ilp::{ErrorCode, Prepare};
use crate::wire::{Address, Amount, Condition, Fulfillment};

/// How long the tool waits for an answer after the packet's expiry: a late answer still names the hop.
const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// An R00 that takes longer than this and twice the longest round trip means that a later hop did not answer.
const DOWNSTREAM_TIMEOUT_MIN: Duration = Duration::from_millis(300);
/// How often a probe is sent again if a hop was too busy.
const RETRIES_MAX: u32 = 5;
/// The delay before the first retry; each further delay is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Random bytes in every probe: the JavaScript connector answers a packet that it has received before from its cache.
const NONCE_BYTES: usize = 16;

/// Walks the path until its end or an interrupt.
pub async fn run(
    arguments: &TraceArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let login = EntryLogin::find(&arguments.login, environment)?;
    let reached = run_session(&login, send_options(1), async |client| {
        let mut interrupt = Interrupt::listen(client)?;
        let mut report = TraceReport::new(arguments.address.clone(), arguments.json, out);
        report.write_header(&login, arguments)?;
        let mut prober = Prober::new(client, &arguments.address);
        let mut amounts = AmountProbes::new(arguments.amount.0);
        let limits = TraceLimits {
            hops: arguments.hops,
            left_ms: i64::try_from(arguments.timeout.as_millis()).unwrap_or(i64::MAX),
            probes: arguments.probes,
        };
        let mut probe = async |probe| prober.send(probe).await;
        let mut report_line = |line| report.write_line(line);
        let end: Option<TraceEnd> = tokio::select! {
            () = interrupt.wait() => None,
            end = walk_path(limits, &mut amounts, &mut probe, &mut report_line) => Some(end?),
        };
        let largest = (arguments.amount.0 > 0).then(|| amounts.largest_amount());
        report.write_end(end.as_ref(), largest.filter(|largest| *largest < arguments.amount.0))
    })
    .await?;
    exit_result(reached)
}

struct Prober<'a> {
    client: &'a Client,
    destination: &'a Address,
    rtt_max: Duration,
    is_silence_noted: bool,
}

impl<'a> Prober<'a> {
    fn new(client: &'a Client, destination: &'a Address) -> Self {
        Prober { client, destination, rtt_max: Duration::ZERO, is_silence_noted: false }
    }

    /// Sends a probe and waits for its answer; again if a hop is busy.
    async fn send(&mut self, probe: Probe) -> ProbeAnswer {
        let mut backoff = Backoff::new(RETRY_FIRST, Duration::MAX);
        for _ in 0..RETRIES_MAX {
            let answer = self.send_once(probe).await;
            match answer.outcome {
                ProbeOutcome::Rejected {
                    code: ErrorCode::T02 | ErrorCode::T03 | ErrorCode::T05,
                    ..
                } => sleep(backoff.next_delay()).await,
                _ => return answer,
            }
        }
        self.send_once(probe).await
    }

    async fn send_once(&mut self, probe: Probe) -> ProbeAnswer {
        let now = self.client.now();
        let left_ms = probe.left_ms.unsigned_abs();
        let expires_at = if probe.left_ms < 0 {
            now.wall.saturating_sub_millis(left_ms)
        } else {
            now.wall.saturating_add_millis(left_ms)
        };
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let condition = match probe.amount {
            0 => Condition::PING,
            _ => Fulfillment(rand::random()).condition(),
        };
        let prepare = Prepare {
            amount: Amount(probe.amount),
            expires_at,
            condition,
            destination: self.destination.view(),
            data: &nonce,
        };
        // The tool's own deadline is later than the packet's.
        let waits = Duration::from_millis(u64::try_from(probe.left_ms).unwrap_or(0)) + ANSWER_GRACE;
        let waits_ms = u64::try_from(waits.as_millis()).unwrap_or(u64::MAX);
        let began = Now { wall: expires_at.saturating_sub_millis(waits_ms), mono: now.mono };
        let answered = self.client.send_at(&prepare, began);
        let outcome = if self.is_silence_noted {
            // One note for all probes that a hop does not answer.
            answered.await
        } else {
            let waits = format_duration(waits);
            let message = || format!("no answer yet: this packet waits for one up to {waits}");
            note_if_slow(answered, message).await
        };
        let after = self.client.now().mono.since(now.mono);
        self.is_silence_noted = after > SILENCE_MAX;
        self.read_outcome(outcome, after)
    }

    fn read_outcome(&mut self, outcome: link::Outcome, after: Duration) -> ProbeAnswer {
        let (by, outcome) = match outcome {
            link::Outcome::Fulfilled { .. } => {
                (Some(self.destination.to_string()), ProbeOutcome::Fulfilled)
            }
            link::Outcome::Rejected(Rejection { code, by, message, data }) => {
                (Some(by), ProbeOutcome::Rejected { code, message, data })
            }
            link::Outcome::NotSent(Cause { code, message })
            | link::Outcome::NoAnswer(Cause { code, message }) => {
                (None, ProbeOutcome::Rejected { code, message, data: Vec::new() })
            }
        };
        let timed_out = matches!(outcome, ProbeOutcome::Rejected { code: ErrorCode::R00, .. });
        let is_downstream_timeout = timed_out && after > DOWNSTREAM_TIMEOUT_MIN + 2 * self.rtt_max;
        if !is_downstream_timeout {
            self.rtt_max = self.rtt_max.max(after);
        }
        ProbeAnswer { by, outcome, after, is_downstream_timeout }
    }
}
