//! Arguments of `pay`.

use std::time::Duration;

use clap::Args;

use super::LoginArguments;
use crate::console::parse_duration;
use crate::stream::{PathRate, Slippage};
use crate::tools::money::Money;
use crate::tools::pay::Payee;
use crate::tools::secret_argument::SecretText;

#[derive(Debug, Args)]
#[command(after_help = "\
The receiver is one of
  $example.com/alice            a payment pointer
  https://example.com/alice     an SPSP endpoint, which a payment pointer stands for
  test.c.wallet                 a receiver in the network of --config; its node is asked for the secret
  test.c.wallet.<token>         any address, with --secret

AMOUNT is a number with its asset, such as `5 USD` or 0.001USD, or a whole number of units of the paying account, as in \
`ping` and `send`: with scale 9, 1000000000 units are one. The asset must be that of the account, which has the scale. \
Packets are as large as the path allows. Each states the least amount that must arrive; the receiver rejects less. `pay` \
never sends more than AMOUNT.

If nothing arrives, it prints the reason and keeps trying.

Without --via it logs in at the node of the configuration on this machine, as the account `cli` (a child peer of that id).

Examples:
  ilp-connector pay test.c.wallet 1000000 --config examples/linear-3.yaml --node a
  ilp-connector pay test.c.wallet 0.5 USD --config examples/linear-3.yaml --node a
  ilp-connector pay '$example.com/alice' 5000000 --via btp+ws://cli:token@127.0.0.1:3000
  ilp-connector pay https://example.com/alice 5000000 --slippage 0.5 --timeout 60
  ilp-connector pay test.c.wallet 100000 --max-packet-amount 1 --window 512 --json

Exits with 0 if all of it was paid, else with 1 and the reason.")]
pub struct PayArguments {
    /// The receiver: a payment pointer, an SPSP URL, or an ILP address
    #[arg(value_name = "POINTER_OR_ADDRESS")]
    pub payee: Payee,
    /// The amount: units of the paying account, or a number with its asset such as `5 USD`
    #[arg(required = true, num_args = 1..=2, allow_negative_numbers = true)]
    amount: Vec<String>,
    #[command(flatten)]
    pub login: LoginArguments,
    /// The secret that belongs to the address: 32 bytes in base64 or hexadecimal digits; @FILE reads it from a file and
    /// @- from standard input [variable: ILP_SECRET]
    #[arg(long, value_name = "SECRET")]
    pub secret: Option<SecretText>,
    /// Allow SPSP endpoints without TLS: anyone on the network path can take the money
    #[arg(long)]
    pub allow_http: bool,
    /// The largest packet [default: what the path allows]
    #[arg(long, value_name = "AMOUNT", conflicts_with = "packets")]
    pub max_packet_amount: Option<Money>,
    /// Split the amount into at least this many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// By how many percent the rate may become worse than the first measurement
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent, conflicts_with = "min_rate")]
    pub slippage: Slippage,
    /// The least that must arrive: units of the receiver for one unit of the paying account
    #[arg(long, value_name = "RATE")]
    pub min_rate: Option<PathRate>,
    /// The most packets in flight at once
    #[arg(short, long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub window: u32,
    /// Stop after this time, such as 90 or 5m [default: when nothing has arrived for 45 seconds]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// The lifetime of each packet; every hop on the way keeps a second of it
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_duration)]
    pub expiry: Duration,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl PayArguments {
    /// The amount. Its number and asset may be one argument or two.
    ///
    /// # Errors
    /// The mistake, and how to write it.
    pub fn amount(&self) -> Result<Money, String> {
        self.amount.join(" ").parse()
    }
}

fn percent(text: &str) -> Result<Slippage, String> {
    let wrong = || "percent are a number from 0 to 100 with at most four decimals".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str, digits| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole, 3) || !is_number(part, 4) {
        return Err(wrong());
    }
    let millionths: u32 = format!("{whole}{part:0<4}").parse().map_err(|_| wrong())?;
    if millionths > 1_000_000 { Err(wrong()) } else { Ok(Slippage::of_millionths(millionths)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_parsed() {
        for (text, millionths) in
            [("1", 10_000), ("0", 0), ("0.5", 5_000), ("0.0001", 1), ("100", 1_000_000)]
        {
            assert_eq!(percent(text), Ok(Slippage::of_millionths(millionths)), "{text}");
        }
        for wrong in ["", "-1", "100.1", "101", "1.", ".5", "1e2", "0.00001", "1%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
