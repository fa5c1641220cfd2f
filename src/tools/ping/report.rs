//! The output of `ping`: a line for every answer, and the summary.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::client::DEFAULT_ADDRESS;
use crate::console::{
    Failure, describe_code, describe_node, format_duration, format_millis, format_percent, sanitize,
};
use crate::link::{Cause, Outcome, Rejection};
use crate::stream::PacketFailure;
use crate::tools::login::EntryLogin;
use crate::tools::rtt_stats::RttStats;
use crate::wire::ilp::ErrorCode;
use crate::wire::{Address, Amount};

/// What to do about a receiver that knows no ping with a known condition.
const TRY_ECHO: &str = "it may know only the echo protocol: try `ping --echo`";

/// The message if the pong went to another program.
const PONG_TAKEN: &str = "another program is logged in with the same account, and the pong went to it; give each `ping --echo` its own account";

pub(super) struct PingReport<'a> {
    address: Address,
    /// Where pongs go, with `--echo`.
    return_address: Option<Address>,
    out: &'a mut dyn Write,
    began: Instant,
    sent: u64,
    fulfilled: u64,
    rejected: u64,
    round_trips: RttStats,
    /// The advice about `--echo` was printed.
    has_hinted: bool,
}

impl<'a> PingReport<'a> {
    pub(super) fn new(address: Address, out: &'a mut dyn Write) -> Self {
        PingReport {
            address,
            return_address: None,
            out,
            began: Instant::now(),
            sent: 0,
            fulfilled: 0,
            rejected: 0,
            round_trips: RttStats::default(),
            has_hinted: false,
        }
    }

    pub(super) fn write_header(
        &mut self,
        login: &EntryLogin,
        return_address: Option<&Address>,
        amount: Amount,
        timeout: Duration,
    ) -> Result<(), Failure> {
        self.return_address = return_address.cloned();
        let how = match return_address {
            Some(own) => format!("echo to {own}"),
            None => "known condition".to_owned(),
        };
        let within = format_duration(timeout);
        let address = &self.address;
        writeln!(
            self.out,
            "PING {address} through {login}: {how}, amount {amount}, within {within}"
        )?;
        Ok(self.out.flush()?)
    }

    pub(super) fn count_sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn write_answer(
        &mut self,
        sequence: u64,
        after: Duration,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let time = format_millis(after);
        match outcome {
            Outcome::Fulfilled { .. } => {
                self.fulfilled += 1;
                self.round_trips.add(after);
                writeln!(self.out, "reply from {}: seq={sequence} time={time} ms", self.address)?;
            }
            Outcome::NoAnswer(Cause { code: ErrorCode::R00, .. }) => {
                writeln!(self.out, "no answer: seq={sequence} after {time} ms")?;
            }
            Outcome::NoAnswer(Cause { message, .. }) => {
                writeln!(self.out, "no answer: seq={sequence} after {time} ms: {message}")?;
            }
            Outcome::NotSent(Cause { code, message }) => {
                self.write_reject(*code, PacketFailure::THIS_PROGRAM, sequence, &time, message)?;
            }
            Outcome::Rejected(Rejection { code, by, message, .. }) => {
                let message = match self.is_from_this_account(by) {
                    true => PONG_TAKEN,
                    false => message,
                };
                self.write_reject(*code, &describe_node(by), sequence, &time, &sanitize(message))?;
                if self.may_know_only_echo(*code, by) {
                    self.has_hinted = true;
                    writeln!(self.out, "  {TRY_ECHO}")?;
                }
            }
        }
        // Line by line, also into a pipe.
        Ok(self.out.flush()?)
    }

    /// Whether the pinged node itself could not read a ping with the known condition. Said once.
    fn may_know_only_echo(&self, code: ErrorCode, by: &str) -> bool {
        !self.has_hinted
            && self.return_address.is_none()
            && matches!(code, ErrorCode::F01 | ErrorCode::F06)
            && by == self.address.as_str()
    }

    /// Whether the return address rejected a pong. This program accepts all pongs that it asked for, so another program
    /// did.
    fn is_from_this_account(&self, by: &str) -> bool {
        self.return_address.as_ref().is_some_and(|own| by == own.as_str() || by == DEFAULT_ADDRESS)
    }

    fn write_reject(
        &mut self,
        code: ErrorCode,
        by: &str,
        sequence: u64,
        time: &str,
        message: &str,
    ) -> Result<(), Failure> {
        self.rejected += 1;
        let code = describe_code(code);
        writeln!(self.out, "{code} from {by}: seq={sequence} time={time} ms: {message}")?;
        Ok(())
    }

    /// `true`: a ping was fulfilled.
    pub(super) fn write_summary(&mut self) -> Result<bool, Failure> {
        let lost = self.sent.saturating_sub(self.fulfilled);
        writeln!(self.out, "\n--- {} ping ---", self.address)?;
        writeln!(
            self.out,
            "{} sent, {} fulfilled, {} rejected, {} loss, {}",
            self.sent,
            self.fulfilled,
            self.rejected,
            format_percent(lost, self.sent),
            format_duration(self.began.elapsed()),
        )?;
        if let Some(rtt) = self.round_trips.summary() {
            let [min, avg, max, mdev] = [rtt.min, rtt.avg, rtt.max, rtt.mdev].map(format_millis);
            writeln!(self.out, "round trip min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        self.out.flush()?;
        Ok(self.fulfilled > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Fulfillment;

    fn rejected(code: ErrorCode, by: &str, message: &str) -> Outcome {
        let (by, message) = (by.to_owned(), message.to_owned());
        Outcome::Rejected(Rejection { code, by, message, data: Vec::new() })
    }

    fn cause(code: ErrorCode, message: &str) -> Cause {
        Cause { code, message: message.to_owned() }
    }

    fn check(outcomes: &[Outcome], lines: &[&str], summary: &str, success: bool) {
        let mut out = Vec::new();
        let mut report = PingReport::new("test.c".parse().unwrap(), &mut out);
        for (index, outcome) in outcomes.iter().enumerate() {
            report.count_sent();
            let sequence = u64::try_from(index).unwrap() + 1;
            report.write_answer(sequence, Duration::from_micros(1_420), outcome).unwrap();
        }
        assert_eq!(report.write_summary().unwrap(), success);
        let text = String::from_utf8(out).unwrap();
        let (answers, end) = text.split_once("\n--- test.c ping ---\n").unwrap();
        assert_eq!(answers.lines().collect::<Vec<_>>(), lines);
        assert!(end.starts_with(summary), "{end}");
        assert_eq!(end.contains("mdev = 1.42/1.42/1.42/0.000 ms"), success, "{end}");
    }

    #[test]
    fn lines_and_summary() {
        check(
            &[
                Outcome::Fulfilled { fulfillment: Fulfillment::PING, data: Vec::new() },
                rejected(ErrorCode::F02, "test.b", "no route\nto the \u{1b}destination"),
                Outcome::NoAnswer(cause(ErrorCode::R00, "next hop via did not answer in time")),
                rejected(ErrorCode::R00, "test.a", "next hop b did not answer in time"),
                Outcome::NotSent(cause(ErrorCode::T01, "next hop via is not connected")),
                Outcome::NoAnswer(cause(
                    ErrorCode::T00,
                    "next hop via could not process the packet",
                )),
                rejected(ErrorCode(*b"X99"), "", ""),
            ],
            &[
                "reply from test.c: seq=1 time=1.42 ms",
                "F02 Unreachable from test.b: seq=2 time=1.42 ms: no route\\nto the \\u{1b}destination",
                "no answer: seq=3 after 1.42 ms",
                "R00 Transfer Timed Out from test.a: seq=4 time=1.42 ms: next hop b did not answer in time",
                "T01 Peer Unreachable from this program: seq=5 time=1.42 ms: next hop via is not connected",
                "no answer: seq=6 after 1.42 ms: next hop via could not process the packet",
                "X99 from a node without an address: seq=7 time=1.42 ms: ",
            ],
            "7 sent, 1 fulfilled, 4 rejected, 85.7 % loss, ",
            true,
        );
        let too_short = || rejected(ErrorCode::F01, "test.c", "packet data too short for echo");
        check(
            &[too_short(), too_short(), rejected(ErrorCode::F01, "test.b", "no")],
            &[
                "F01 Invalid Packet from test.c: seq=1 time=1.42 ms: packet data too short for echo",
                "  it may know only the echo protocol: try `ping --echo`",
                "F01 Invalid Packet from test.c: seq=2 time=1.42 ms: packet data too short for echo",
                "F01 Invalid Packet from test.b: seq=3 time=1.42 ms: no",
            ],
            "3 sent, 0 fulfilled, 3 rejected, 100 % loss, ",
            false,
        );
        check(&[], &[], "0 sent, 0 fulfilled, 0 rejected, 0 % loss, ", false);
        let unreachable = rejected(ErrorCode::F02, "test.b", "no");
        check(
            &[unreachable],
            &["F02 Unreachable from test.b: seq=1 time=1.42 ms: no"],
            "1 sent, 0 fulfilled, 1 rejected, 100 % loss, ",
            false,
        );
    }

    #[test]
    fn a_pong_that_went_to_another_program_is_explained() {
        let check = |return_address: Option<&str>, by: &str, expected: bool| {
            let mut out = Vec::new();
            let mut report = PingReport::new("test.c".parse().unwrap(), &mut out);
            report.return_address = return_address.map(|text| text.parse().unwrap());
            let outcome = rejected(ErrorCode::F06, by, "nothing understands the packet");
            report.write_answer(1, Duration::ZERO, &outcome).unwrap();
            let line = String::from_utf8(out).unwrap();
            assert_eq!(line.contains(PONG_TAKEN), expected, "{line}");
        };
        check(Some("test.a.cli"), "test.a.cli", true);
        check(Some("test.a.cli"), DEFAULT_ADDRESS, true);
        check(Some("test.a.cli"), "test.a", false);
        check(None, "test.a.cli", false);
    }
}
