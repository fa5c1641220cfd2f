//! What `ping` prints: a line for every answer, and the summary.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::cli::failure::Failure;
use crate::cli::login::Login;
use crate::cli::round_trips::RoundTrips;
use crate::cli::text::{foreign, lasting, millis, percent};
use crate::wire::ilp::ErrorCode;
use crate::wire::{Address, Amount};

/// What became of one ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It arrived, and the answer as well.
    Fulfilled,
    /// Somebody refused it.
    Rejected {
        /// The error code.
        code: ErrorCode,
        /// Who; `None`: this program itself, which had no answer in time or no session.
        by: Option<String>,
        /// Why.
        message: String,
    },
}

/// Prints, and counts.
pub(super) struct Report<'a> {
    address: Address,
    out: &'a mut dyn Write,
    began: Instant,
    sent: u64,
    fulfilled: u64,
    rejected: u64,
    round_trips: RoundTrips,
}

impl<'a> Report<'a> {
    pub(super) fn new(address: Address, out: &'a mut dyn Write) -> Self {
        Report {
            address,
            out,
            began: Instant::now(),
            sent: 0,
            fulfilled: 0,
            rejected: 0,
            round_trips: RoundTrips::default(),
        }
    }

    /// The first line.
    pub(super) fn begin(
        &mut self,
        login: &Login,
        return_address: Option<&Address>,
        amount: Amount,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let how = match return_address {
            Some(own) => format!("echo to {own}"),
            None => "known condition".to_owned(),
        };
        let within = lasting(timeout);
        let address = &self.address;
        writeln!(
            self.out,
            "PING {address} through {login}: {how}, amount {amount}, within {within}"
        )?;
        Ok(self.out.flush()?)
    }

    /// One more ping is on its way.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// The line of one answer.
    pub(super) fn answer(
        &mut self,
        sequence: u64,
        after: Duration,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let time = millis(after);
        match outcome {
            Outcome::Fulfilled => {
                self.fulfilled += 1;
                self.round_trips.add(after);
                writeln!(self.out, "reply from {}: seq={sequence} time={time} ms", self.address)?;
            }
            Outcome::Rejected { code: ErrorCode::R00, by: None, .. } => {
                writeln!(self.out, "no answer: seq={sequence} after {time} ms")?;
            }
            Outcome::Rejected { code, by, message } => {
                self.rejected += 1;
                let by = match by.as_deref() {
                    None => "this program".to_owned(),
                    Some("") => "somebody without an address".to_owned(),
                    Some(by) => foreign(by),
                };
                let name = code.name().map(|name| format!(" {name}")).unwrap_or_default();
                let message = foreign(message);
                writeln!(
                    self.out,
                    "{code}{name} from {by}: seq={sequence} time={time} ms: {message}"
                )?;
            }
        }
        // Line by line, also into a pipe.
        Ok(self.out.flush()?)
    }

    /// The summary. `true`: something was fulfilled.
    pub(super) fn end(&mut self) -> Result<bool, Failure> {
        let lost = self.sent.saturating_sub(self.fulfilled);
        writeln!(self.out, "\n--- {} ping ---", self.address)?;
        writeln!(
            self.out,
            "{} sent, {} fulfilled, {} rejected, {} loss, {}",
            self.sent,
            self.fulfilled,
            self.rejected,
            percent(lost, self.sent),
            lasting(self.began.elapsed()),
        )?;
        if let Some(figures) = self.round_trips.figures() {
            let [min, avg, max, mdev] =
                [figures.min, figures.avg, figures.max, figures.mdev].map(millis);
            writeln!(self.out, "round trip min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        self.out.flush()?;
        Ok(self.fulfilled > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: ErrorCode, by: Option<&str>, message: &str) -> Outcome {
        Outcome::Rejected { code, by: by.map(str::to_owned), message: message.to_owned() }
    }

    fn check(outcomes: &[Outcome], lines: &[&str], summary: &str, success: bool) {
        let mut out = Vec::new();
        let mut report = Report::new("test.c".parse().unwrap(), &mut out);
        for (index, outcome) in outcomes.iter().enumerate() {
            report.sent();
            let sequence = u64::try_from(index).unwrap() + 1;
            report.answer(sequence, Duration::from_micros(1_420), outcome).unwrap();
        }
        assert_eq!(report.end().unwrap(), success);
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
                Outcome::Fulfilled,
                rejected(ErrorCode::F02, Some("test.b"), "no route\nto the \u{1b}destination"),
                rejected(ErrorCode::R00, None, "next hop via did not answer in time"),
                rejected(ErrorCode::R00, Some("test.a"), "next hop b did not answer in time"),
                rejected(ErrorCode::T01, None, "next hop via is not connected"),
                rejected(ErrorCode(*b"X99"), Some(""), ""),
            ],
            &[
                "reply from test.c: seq=1 time=1.42 ms",
                "F02 Unreachable from test.b: seq=2 time=1.42 ms: no route\\nto the \\u{1b}destination",
                "no answer: seq=3 after 1.42 ms",
                "R00 Transfer Timed Out from test.a: seq=4 time=1.42 ms: next hop b did not answer in time",
                "T01 Peer Unreachable from this program: seq=5 time=1.42 ms: next hop via is not connected",
                "X99 from somebody without an address: seq=6 time=1.42 ms: ",
            ],
            "6 sent, 1 fulfilled, 4 rejected, 83.3 % loss, ",
            true,
        );
        check(&[], &[], "0 sent, 0 fulfilled, 0 rejected, 0 % loss, ", false);
        let unreachable = rejected(ErrorCode::F02, Some("test.b"), "no");
        check(
            &[unreachable],
            &["F02 Unreachable from test.b: seq=1 time=1.42 ms: no"],
            "1 sent, 0 fulfilled, 1 rejected, 100 % loss, ",
            false,
        );
    }
}
