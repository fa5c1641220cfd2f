//! The output of `trace`: a line for every hop as soon as it is known, and how the walk ended; or JSON.

use std::io::Write;

use serde_json::{Value, json};

use super::probe::{ProbeAnswer, ProbeOutcome};
use super::walk::{TraceEnd, TraceHop, TraceLine};
use crate::console::{
    Failure, describe_code, format_duration, format_millis, group_digits, padded, sanitize,
    sanitize_json,
};
use crate::tools::args::TraceArguments;
use crate::tools::login::EntryLogin;
use crate::wire::Address;

/// The width of the column with the addresses.
const NODE_WIDTH: usize = 24;

/// Prints each line, or collects them for JSON.
pub(super) struct TraceReport<'a> {
    address: Address,
    json: bool,
    out: &'a mut dyn Write,
    through: String,
    hops: Vec<Value>,
    last: u32,
}

impl<'a> TraceReport<'a> {
    pub(super) fn new(address: Address, json: bool, out: &'a mut dyn Write) -> Self {
        TraceReport { address, json, out, through: String::new(), hops: Vec::new(), last: 0 }
    }

    pub(super) fn write_header(
        &mut self,
        login: &EntryLogin,
        how: &TraceArguments,
    ) -> Result<(), Failure> {
        self.through = login.to_string();
        if self.json {
            return Ok(());
        }
        writeln!(
            self.out,
            "TRACE {} through {login}: at most {} hops and {}",
            self.address,
            how.hops,
            format_duration(how.timeout)
        )?;
        writeln!(
            self.out,
            "{:>3}  {:<NODE_WIDTH$}{:>9}{:>9}{:>11}{:>16}{:>11}  answer",
            "hop", "node", "min ms", "avg ms", "needs s", "largest packet", "rate"
        )?;
        Ok(self.out.flush()?)
    }

    pub(super) fn write_line(&mut self, line: TraceLine) -> Result<(), Failure> {
        match line {
            TraceLine::Hop(hop) => self.write_hop(&hop)?,
            TraceLine::Silent { number, answer } => self.write_silent_hop(number, &answer)?,
        }
        // Line by line, also into a pipe.
        Ok(self.out.flush()?)
    }

    fn write_hop(&mut self, hop: &TraceHop) -> Result<(), Failure> {
        self.last = hop.number;
        let rtt = hop.round_trips.summary();
        if self.json {
            let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
            self.hops.push(json!({
                "hop": hop.number,
                "node": hop.answer.by,
                "minMs": rtt.map(|rtt| ms(rtt.min)),
                "avgMs": rtt.map(|rtt| ms(rtt.avg)),
                "leastTimeMs": hop.least_ms.max(0),
                "largestPacket": hop.limit.map(|limit| limit.maximum.to_string()),
                "sent": hop.limit.map(|limit| limit.sent.to_string()),
                "arrived": hop.limit.map(|limit| limit.arrived.to_string()),
                "answer": answer_json(&hop.answer),
            }));
            return Ok(());
        }
        let shown = |time: Option<_>| time.map_or_else(|| "-".to_owned(), format_millis);
        let least = match hop.least_ms {
            ..=0 => "-".to_owned(),
            ms => format!("{}.{:02}", ms / 1000, ms % 1000 / 10),
        };
        let limit = hop.limit.as_ref();
        writeln!(
            self.out,
            "{:>3}  {}{:>9}{:>9}{least:>11}{:>16}{:>11}  {}",
            hop.number,
            padded(&node_name(&hop.answer), NODE_WIDTH),
            shown(rtt.map(|rtt| rtt.min)),
            shown(rtt.map(|rtt| rtt.avg)),
            limit.map_or_else(|| "-".to_owned(), |limit| group_digits(limit.maximum)),
            limit.map_or_else(|| "-".to_owned(), |limit| six_digits(limit.rate())),
            describe_answer(&hop.answer),
        )?;
        Ok(())
    }

    fn write_silent_hop(&mut self, number: u32, answer: &ProbeAnswer) -> Result<(), Failure> {
        self.last = number;
        let why = match answer.by {
            Some(_) => {
                format!("no answer; {} reports {}", node_name(answer), answer_with_message(answer))
            }
            None => "no answer".to_owned(),
        };
        if self.json {
            self.hops.push(json!({ "hop": number, "node": null, "answer": null, "reason": why }));
        } else {
            writeln!(self.out, "{number:>3}  {:<NODE_WIDTH$}{why}", "*")?;
        }
        Ok(())
    }

    /// `largest`: the largest amount that passes, if a larger one was tried. `true`: the destination was reached.
    pub(super) fn write_end(
        &mut self,
        end: Option<&TraceEnd>,
        largest: Option<u64>,
    ) -> Result<bool, Failure> {
        let address = &self.address;
        let reached =
            matches!(end, Some(TraceEnd::Answer(answer)) if answer.has_reached(address.as_str()));
        let what = match end {
            Some(TraceEnd::Answer(answer)) if reached => match answer.outcome {
                ProbeOutcome::Fulfilled => format!("{address} fulfilled the ping"),
                _ => format!(
                    "{address} is reached: {} from {}",
                    answer_with_message(answer),
                    node_name(answer)
                ),
            },
            Some(TraceEnd::Answer(answer)) => {
                format!(
                    "{address} is not reached: {} from {}",
                    answer_with_message(answer),
                    node_name(answer)
                )
            }
            Some(TraceEnd::Silent) => {
                format!("{address} is not reached: hop {} does not answer", self.last)
            }
            Some(TraceEnd::TimeLimit) => format!(
                "{address} is not reached: hop {} needs more time; allow more with --timeout",
                self.last
            ),
            Some(TraceEnd::HopLimit) => {
                format!(
                    "{address} is not reached within {} hops; allow more with --hops",
                    self.last
                )
            }
            None => format!("interrupted after hop {}", self.last),
        };
        if self.json {
            let report = json!({
                "destination": self.address,
                "through": self.through,
                "hops": self.hops,
                "reached": reached,
                "largestPacket": largest.map(|largest| largest.to_string()),
                "end": what,
            });
            writeln!(self.out, "{}", sanitize_json(format!("{report:#}")))?;
        } else {
            match largest.filter(|_| reached) {
                Some(largest) => writeln!(
                    self.out,
                    "{what}; the largest packet that passes is {} units here",
                    group_digits(largest)
                )?,
                None => writeln!(self.out, "{what}")?,
            }
        }
        self.out.flush()?;
        Ok(reached)
    }
}

fn node_name(answer: &ProbeAnswer) -> String {
    match answer.by.as_deref() {
        None => "this program".to_owned(),
        Some("") => "(no address)".to_owned(),
        Some(by) => sanitize(by),
    }
}

/// The code and its name.
fn describe_answer(answer: &ProbeAnswer) -> String {
    match &answer.outcome {
        ProbeOutcome::Fulfilled => "fulfilled".to_owned(),
        ProbeOutcome::Rejected { code, .. } => describe_code(*code),
    }
}

/// The same with the message.
fn answer_with_message(answer: &ProbeAnswer) -> String {
    match &answer.outcome {
        ProbeOutcome::Rejected { message, .. } if !message.is_empty() => {
            format!("{} ({})", describe_answer(answer), sanitize(message))
        }
        _ => describe_answer(answer),
    }
}

fn answer_json(answer: &ProbeAnswer) -> Value {
    match &answer.outcome {
        ProbeOutcome::Fulfilled => json!("fulfilled"),
        ProbeOutcome::Rejected { code, .. } => json!(code.to_string()),
    }
}

/// A factor with six significant digits.
fn six_digits(factor: f64) -> String {
    if factor == 0.0 || !(1e-6..1e9).contains(&factor) {
        return if factor == 0.0 { "0".to_owned() } else { format!("{factor:.3e}") };
    }
    let before: usize = (0..9).take_while(|power| factor >= 10f64.powi(*power)).count();
    let zeros: usize = (1..6).take_while(|power| factor < 10f64.powi(-*power)).count();
    let decimals = if before > 0 { 6usize.saturating_sub(before) } else { 6 + zeros };
    let text = format!("{factor:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
