//! What `pay` prints: whom it pays, what came of it, and why not all did.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::args::PayArguments;
use super::super::login::EntryLogin;
use super::super::money::scaled;
use super::driver::Paid;
use super::payee::Payee;
use super::spsp::SpspReceiver;
use crate::account::Asset;
use crate::console::Failure;
use crate::console::{format_duration, grouped, per_second, sanitize, sanitize_json};
use crate::stream::{PacketFailure, PathRate, PaymentEnd, PaymentProgress};
use crate::wire::Amount;
use crate::wire::ilp::ErrorCode;

/// Everything that does not change.
pub(super) struct PayReport<'a> {
    pub(super) arguments: &'a PayArguments,
    pub(super) amount: Amount,
    pub(super) receiver: &'a SpspReceiver,
    pub(super) login: &'a EntryLogin,
    /// What the account that pays is counted in, if the node has told.
    pub(super) asset: Option<Asset>,
    pub(super) out: &'a mut dyn Write,
}

impl PayReport<'_> {
    /// The first lines: who is paid. Before any money is sent, so that a wrong one can be stopped.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        let PayReport { arguments, amount, receiver, login, asset, out } = self;
        if arguments.json {
            return Ok(());
        }
        let amount = shown(amount.0, asset.as_ref());
        writeln!(out, "PAY {amount} to {} through {login}", arguments.payee)?;
        if let Some(answered) = &receiver.answered {
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

    /// The last ones. `true`: all was paid.
    pub(super) fn end(&mut self, paid: &Paid) -> Result<bool, Failure> {
        let complete = paid.end.is_complete();
        if self.arguments.json {
            let told = self.json(paid);
            writeln!(self.out, "{}", sanitize_json(format!("{told:#}")))?;
        } else {
            self.table(paid)?;
        }
        self.out.flush()?;
        Ok(complete)
    }

    fn table(&mut self, paid: &Paid) -> Result<(), Failure> {
        let Paid { progress, end, took } = paid;
        let theirs =
            progress.asset.as_ref().map(|(code, scale)| Asset::new(&sanitize(code), *scale));
        let mut rows = vec![
            ("sent", shown(progress.sent, self.asset.as_ref())),
            ("delivered", shown(progress.delivered, theirs.as_ref())),
        ];
        if progress.unconfirmed > 0 {
            let least = shown(progress.unconfirmed, theirs.as_ref());
            rows.push(("", format!("and at least {least} without the receiver's word")));
        }
        if let (Some(rate), Some(least)) = (achieved(progress), progress.minimum_rate) {
            rows.push(("rate", format!("{} (at least {})", number(rate), number(least.as_f64()))));
        }
        if progress.unresolved > 0 {
            let gone = shown(progress.unresolved, self.asset.as_ref());
            rows.push((
                "unknown",
                format!("{gone} in {} packets that nobody answered", grouped(progress.unanswered)),
            ));
        }
        if progress.in_flight > 0 {
            rows.push(("in flight", shown(progress.in_flight, self.asset.as_ref())));
        }
        rows.push(("packets", packets(progress)));
        if progress.late > 0 {
            let late = grouped(progress.late);
            rows.push((
                "",
                format!("{late} timed out on the way: not paid for, but perhaps received"),
            ));
        }
        rows.push(("largest packet", format!("{} units", grouped(progress.packet_amount))));
        let speed = grouped(per_second(progress.fulfilled, *took));
        rows.push(("time", format!("{}, {speed} packets/s", format_duration(*took))));
        if let Some(receipt) = progress.receipt {
            rows.push(("receipt", STANDARD.encode(receipt.as_bytes())));
        }
        for (name, value) in rows {
            writeln!(self.out, "{name:<16}{value}")?;
        }
        writeln!(self.out, "{}", self.verdict(end, progress))?;
        Ok(())
    }

    /// In one line: paid or not, why, and what to do.
    fn verdict(&self, end: &PaymentEnd, progress: &PaymentProgress) -> String {
        let missing = grouped(progress.total.saturating_sub(progress.sent));
        let trouble = progress.last_failure.as_ref().map(explained);
        let last =
            trouble.map_or_else(String::new, |trouble| format!("; the last trouble was {trouble}"));
        let why = match end {
            PaymentEnd::Complete => return "paid".to_owned(),
            PaymentEnd::Remainder(rest) => {
                return format!("paid but for {} units, which are less than one of the receiver", grouped(rest));
            }
            PaymentEnd::TooSmall => "the amount is less than one unit of the receiver; pay more".to_owned(),
            PaymentEnd::Stopped => format!("interrupted{last}"),
            PaymentEnd::OutOfTime => format!("time was up; allow more with --timeout{last}"),
            PaymentEnd::NothingArrives => {
                format!("nothing arrived any more{last}; `{}` shows how far packets get", self.trace())
            }
            PaymentEnd::Unresolved => {
                "some packets got no answer, so they may have been paid; check the balances before you pay again"
                    .to_owned()
            }
            PaymentEnd::Refused(trouble) => format!("{}{}", explained(trouble), self.advice(trouble.code)),
            PaymentEnd::NothingPasses => match &progress.last_failure {
                Some(trouble) => {
                    format!("{} lets nothing pass, however small: {}", by(trouble), explained(trouble))
                }
                None => "a hop lets nothing pass, however small".to_owned(),
            },
            PaymentEnd::RateTooLow { amount, arrived, minimum } => format!(
                "the rate is too low: of {} units {} arrive, not {}; allow that with `--min-rate {}`",
                grouped(amount),
                grouped(arrived),
                grouped(minimum),
                rate_below(*arrived, *amount)
            ),
            PaymentEnd::WrongSecret => {
                "the receiver's answers cannot be read: the secret is not that of this address".to_owned()
            }
            PaymentEnd::ClosedByReceiver(code, message) => {
                format!("the receiver closed the connection with code {}: {}", code.0, sanitize(message))
            }
            PaymentEnd::TooManyPackets => {
                "one connection has no more than 2^31 packets; pay the rest with another one".to_owned()
            }
        };
        format!("not complete, {missing} units are left: {why}")
    }

    /// The command that shows how far packets get.
    pub(super) fn trace(&self) -> String {
        format!("ilp-connector trace {}{}", self.receiver.address, self.login.flags())
    }

    fn advice(&self, code: ErrorCode) -> String {
        match code {
            ErrorCode::F02 => format!(
                "; is the address right, and is there a route to it? `{}` shows how far packets get",
                self.trace()
            ),
            ErrorCode::F06 => {
                "; is the secret that of this address? One from SPSP may have become too old"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    fn json(&self, paid: &Paid) -> Value {
        let Paid { progress, end, took } = paid;
        let codes = progress.rejected.iter().map(|(code, count)| (code.to_string(), count.into()));
        let rejected: Map<String, Value> = codes.collect();
        let asset = |asset: &Asset| json!({ "code": &*asset.code, "scale": asset.scale });
        let theirs = progress.asset.as_ref();
        json!({
            "payee": self.arguments.payee.to_string(),
            "answeredBy": self.receiver.answered.as_ref().map(ToString::to_string),
            "destination": self.receiver.address,
            "through": self.login.to_string(),
            "complete": end.is_complete(),
            "end": self.verdict(end, progress),
            "amount": progress.total.to_string(),
            "sent": progress.sent.to_string(),
            "delivered": progress.delivered.to_string(),
            "unconfirmed": progress.unconfirmed.to_string(),
            "unresolved": progress.unresolved.to_string(),
            "inFlight": progress.in_flight.to_string(),
            "sourceAsset": self.asset.as_ref().map(asset),
            "destinationAsset": theirs.map(|(code, scale)| json!({ "code": code, "scale": scale })),
            "rate": achieved(progress),
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

/// What arrived of one unit.
fn achieved(progress: &PaymentProgress) -> Option<f64> {
    PathRate::measured(progress.delivered, progress.sent).or(progress.rate).map(PathRate::as_f64)
}

fn packets(progress: &PaymentProgress) -> String {
    let mut text = format!("{} fulfilled", grouped(progress.fulfilled));
    let codes: Vec<String> = progress
        .rejected
        .iter()
        .map(|(code, count)| {
            let name = code.name().map(|name| format!(" {name}")).unwrap_or_default();
            format!("{} {code}{name}", grouped(count))
        })
        .collect();
    if !codes.is_empty() {
        text += &format!(", {} rejected: {}", grouped(progress.rejected.total()), codes.join(", "));
    }
    text
}

/// An amount, and what it is where the asset is known.
fn shown(amount: u64, asset: Option<&Asset>) -> String {
    match asset {
        None => format!("{} units", grouped(amount)),
        Some(asset) => {
            let scaled = scaled(amount.into(), asset.scale.into());
            format!("{} units ({scaled} {})", grouped(amount), asset.code)
        }
    }
}

fn number(rate: f64) -> String {
    let text = format!("{rate:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A rate that so much of that amount reaches, for `--min-rate`.
fn rate_below(arrived: u64, amount: u64) -> String {
    const DECIMALS: u32 = 9;
    let rate = u128::from(arrived) * 10_u128.pow(DECIMALS);
    scaled(rate.checked_div(amount.into()).unwrap_or_default(), DECIMALS).replace(',', "")
}

/// A Reject in one line: code, node, words.
pub(super) fn explained(trouble: &PacketFailure) -> String {
    let name = trouble.code.name().map(|name| format!(" {name}")).unwrap_or_default();
    format!("{}{name} from {}: {}", trouble.code, by(trouble), sanitize(&trouble.message))
}

/// Which node says so.
fn by(trouble: &PacketFailure) -> String {
    match trouble.by.as_str() {
        "" => "a node without an address".to_owned(),
        by => sanitize(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_people_write_them() {
        assert_eq!(shown(1500, Some(&Asset::new("EUR", 3))), "1,500 units (1.5 EUR)");
        assert_eq!(shown(1500, None), "1,500 units");
        assert_eq!(
            (number(1.0), number(0.001), number(0.123_456_789_1)),
            ("1".into(), "0.001".into(), "0.123456789".into())
        );
        assert_eq!(rate_below(1, 3), "0.333333333");
        assert_eq!(rate_below(5_000, 2), "2500");
        assert_eq!(rate_below(u64::MAX, u64::MAX), "1");
    }
}
