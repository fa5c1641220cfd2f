//! The output of `pay`: the receiver, the result, and why the payment is not complete.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::driver::PaymentResult;
use super::payee::Payee;
use super::spsp::SpspReceiver;
use crate::account::Asset;
use crate::console::{
    Failure, describe_code, describe_node, format_duration, group_digits, per_second, sanitize,
    sanitize_json,
};
use crate::stream::{PacketFailure, PathRate, PaymentEnd, PaymentProgress};
use crate::tools::args::PayArguments;
use crate::tools::login::EntryLogin;
use crate::tools::money::format_scaled;
use crate::wire::Amount;
use crate::wire::ilp::ErrorCode;

/// The fixed data of the report.
pub(super) struct PayReport<'a> {
    pub(super) arguments: &'a PayArguments,
    pub(super) amount: Amount,
    pub(super) receiver: &'a SpspReceiver,
    pub(super) login: &'a EntryLogin,
    /// The asset of the paying account, if the node has sent it.
    pub(super) asset: Option<Asset>,
    pub(super) out: &'a mut dyn Write,
}

impl PayReport<'_> {
    /// The receiver, before any money is sent, so that the user can stop a payment to a wrong one.
    pub(super) fn write_header(&mut self) -> Result<(), Failure> {
        let PayReport { arguments, amount, receiver, login, asset, out } = self;
        if arguments.json {
            return Ok(());
        }
        let amount = format_units(amount.0, asset.as_ref());
        writeln!(out, "PAY {amount} to {} through {login}", arguments.payee)?;
        if let Some(answered) = &receiver.answered_by {
            let asked = match &arguments.payee {
                Payee::Pointer(pointer) => pointer.host().to_owned(),
                Payee::Endpoint(url) => url.authority(),
                Payee::Address(_) => answered.authority(),
            };
            match asked == answered.authority() {
                true => writeln!(out, "{answered} says: {}", receiver.address)?,
                false => writeln!(
                    out,
                    "asked {asked}, redirected to {}; {answered} says: {}",
                    answered.authority(),
                    receiver.address
                )?,
            }
        }
        Ok(out.flush()?)
    }

    /// `true`: all was paid.
    pub(super) fn write_result(&mut self, result: &PaymentResult) -> Result<bool, Failure> {
        let complete = result.end.is_complete();
        if self.arguments.json {
            let json = self.to_json(result);
            writeln!(self.out, "{}", sanitize_json(format!("{json:#}")))?;
        } else {
            self.write_table(result)?;
        }
        self.out.flush()?;
        Ok(complete)
    }

    fn write_table(&mut self, result: &PaymentResult) -> Result<(), Failure> {
        let PaymentResult { progress, end, took } = result;
        let receiver_asset =
            progress.asset.as_ref().map(|(code, scale)| Asset::new(&sanitize(code), *scale));
        let mut rows = vec![
            ("sent", format_units(progress.sent, self.asset.as_ref())),
            ("delivered", format_units(progress.delivered, receiver_asset.as_ref())),
        ];
        if progress.unconfirmed > 0 {
            let least = format_units(progress.unconfirmed, receiver_asset.as_ref());
            rows.push(("", format!("and at least {least} that the receiver did not confirm")));
        }
        if let (Some(rate), Some(least)) = (achieved_rate(progress), progress.minimum_rate) {
            rows.push((
                "rate",
                format!("{} (at least {})", format_rate(rate), format_rate(least.as_f64())),
            ));
        }
        if progress.unresolved > 0 {
            let gone = format_units(progress.unresolved, self.asset.as_ref());
            rows.push((
                "unknown",
                format!(
                    "{gone} in {} packets without an answer",
                    group_digits(progress.unanswered)
                ),
            ));
        }
        if progress.in_flight > 0 {
            rows.push(("in flight", format_units(progress.in_flight, self.asset.as_ref())));
        }
        rows.push(("packets", describe_packets(progress)));
        if progress.late > 0 {
            let late = group_digits(progress.late);
            rows.push((
                "",
                format!("{late} timed out on the way: they cost nothing, but may have arrived"),
            ));
        }
        rows.push(("largest packet", format!("{} units", group_digits(progress.packet_amount))));
        let speed = group_digits(per_second(progress.fulfilled, *took));
        rows.push(("time", format!("{}, {speed} packets/s", format_duration(*took))));
        if let Some(receipt) = progress.receipt {
            rows.push(("receipt", STANDARD.encode(receipt.as_bytes())));
        }
        for (name, value) in rows {
            writeln!(self.out, "{name:<16}{value}")?;
        }
        writeln!(self.out, "{}", self.describe_end(end, progress))?;
        Ok(())
    }

    /// One line: paid or not, why, and what to do.
    fn describe_end(&self, end: &PaymentEnd, progress: &PaymentProgress) -> String {
        let unsent = group_digits(progress.total.saturating_sub(progress.sent));
        let failure = progress.last_failure.as_ref().map(describe_failure);
        let last =
            failure.map_or_else(String::new, |failure| format!("; the last error was {failure}"));
        let why = match end {
            PaymentEnd::Complete => return "paid".to_owned(),
            PaymentEnd::Remainder(rest) => {
                return format!("paid except {} units, which are less than one unit of the receiver", group_digits(rest));
            }
            PaymentEnd::TooSmall => "the amount is less than one unit of the receiver; pay more".to_owned(),
            PaymentEnd::Stopped => format!("interrupted{last}"),
            PaymentEnd::OutOfTime => format!("out of time; allow more with --timeout{last}"),
            PaymentEnd::NothingArrives => {
                format!("nothing arrives any more{last}; `{}` shows how far packets get", self.trace_command())
            }
            PaymentEnd::Unresolved => {
                "some packets got no answer, so they may have been paid; check the balances before you pay again"
                    .to_owned()
            }
            PaymentEnd::Refused(failure) => format!("{}{}", describe_failure(failure), self.advice(failure.code)),
            PaymentEnd::NothingPasses => match &progress.last_failure {
                Some(failure) => {
                    format!("{} lets nothing pass, however small: {}", describe_node(&failure.by), describe_failure(failure))
                }
                None => "a hop lets nothing pass, however small".to_owned(),
            },
            PaymentEnd::RateTooLow { amount, arrived, minimum } => format!(
                "the rate is too low: of {} units {} arrive, not {}; allow that with `--min-rate {}`",
                group_digits(amount),
                group_digits(arrived),
                group_digits(minimum),
                rate_below(*arrived, *amount)
            ),
            PaymentEnd::WrongSecret => {
                "the receiver's answers cannot be read: the secret does not belong to this address".to_owned()
            }
            PaymentEnd::ClosedByReceiver(code, message) => {
                format!("the receiver closed the connection with code {}: {}", code.0, sanitize(message))
            }
            PaymentEnd::TooManyPackets => {
                "one connection carries at most 2^31 packets; pay the rest with another one".to_owned()
            }
        };
        format!("not complete, {unsent} units are left: {why}")
    }

    /// The `trace` command that shows how far packets get.
    pub(super) fn trace_command(&self) -> String {
        format!("ilp-connector trace {}{}", self.receiver.address, self.login.flags())
    }

    fn advice(&self, code: ErrorCode) -> String {
        match code {
            ErrorCode::F02 => format!(
                "; is the address right, and is there a route to it? `{}` shows how far packets get",
                self.trace_command()
            ),
            ErrorCode::F06 => {
                "; does the secret belong to this address? One from SPSP may have expired"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    fn to_json(&self, result: &PaymentResult) -> Value {
        let PaymentResult { progress, end, took } = result;
        let codes = progress.rejected.iter().map(|(code, count)| (code.to_string(), count.into()));
        let rejected: Map<String, Value> = codes.collect();
        let asset = |asset: &Asset| json!({ "code": &*asset.code, "scale": asset.scale });
        let receiver_asset = progress.asset.as_ref();
        json!({
            "payee": self.arguments.payee.to_string(),
            "answeredBy": self.receiver.answered_by.as_ref().map(ToString::to_string),
            "destination": self.receiver.address,
            "through": self.login.to_string(),
            "complete": end.is_complete(),
            "end": self.describe_end(end, progress),
            "amount": progress.total.to_string(),
            "sent": progress.sent.to_string(),
            "delivered": progress.delivered.to_string(),
            "unconfirmed": progress.unconfirmed.to_string(),
            "unresolved": progress.unresolved.to_string(),
            "inFlight": progress.in_flight.to_string(),
            "sourceAsset": self.asset.as_ref().map(asset),
            "destinationAsset": receiver_asset.map(|(code, scale)| json!({ "code": code, "scale": scale })),
            "rate": achieved_rate(progress),
            "minimumRate": progress.minimum_rate.map(PathRate::as_f64),
            "receipt": progress.receipt.map(|receipt| STANDARD.encode(receipt.as_bytes())),
            "packetAmount": progress.packet_amount.to_string(),
            "packets": {
                "fulfilled": progress.fulfilled,
                "rejected": rejected,
                "unanswered": progress.unanswered,
                "late": progress.late,
            },
            "seconds": took.as_secs_f64(),
            "packetsPerSecond": per_second(progress.fulfilled, *took),
        })
    }
}

/// The amount that arrived of one unit.
fn achieved_rate(progress: &PaymentProgress) -> Option<f64> {
    PathRate::measured(progress.delivered, progress.sent).or(progress.rate).map(PathRate::as_f64)
}

fn describe_packets(progress: &PaymentProgress) -> String {
    let mut text = format!("{} fulfilled", group_digits(progress.fulfilled));
    let codes: Vec<String> = progress
        .rejected
        .iter()
        .map(|(code, count)| format!("{} {}", group_digits(count), describe_code(code)))
        .collect();
    if !codes.is_empty() {
        text += &format!(
            ", {} rejected: {}",
            group_digits(progress.rejected.total()),
            codes.join(", ")
        );
    }
    text
}

/// An amount in units, and in the asset if it is known.
fn format_units(amount: u64, asset: Option<&Asset>) -> String {
    match asset {
        None => format!("{} units", group_digits(amount)),
        Some(asset) => {
            let scaled = format_scaled(amount.into(), asset.scale.into());
            format!("{} units ({scaled} {})", group_digits(amount), asset.code)
        }
    }
}

fn format_rate(rate: f64) -> String {
    let text = format!("{rate:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The rate at which `arrived` of `amount` is enough, for `--min-rate`.
fn rate_below(arrived: u64, amount: u64) -> String {
    const DECIMALS: u32 = 9;
    let rate = u128::from(arrived) * 10_u128.pow(DECIMALS);
    format_scaled(rate.checked_div(amount.into()).unwrap_or_default(), DECIMALS).replace(',', "")
}

/// A Reject in one line: code, node, message.
pub(super) fn describe_failure(failure: &PacketFailure) -> String {
    let (code, node) = (describe_code(failure.code), describe_node(&failure.by));
    format!("{code} from {node}: {}", sanitize(&failure.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_rates() {
        assert_eq!(format_units(1500, Some(&Asset::new("EUR", 3))), "1,500 units (1.5 EUR)");
        assert_eq!(format_units(1500, None), "1,500 units");
        assert_eq!(
            (format_rate(1.0), format_rate(0.001), format_rate(0.123_456_789_1)),
            ("1".into(), "0.001".into(), "0.123456789".into())
        );
        assert_eq!(rate_below(1, 3), "0.333333333");
        assert_eq!(rate_below(5_000, 2), "2500");
        assert_eq!(rate_below(u64::MAX, u64::MAX), "1");
    }
}
