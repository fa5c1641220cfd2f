//! Arguments of the tools, and those that name a configuration.

mod pay;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueHint};
pub use pay::PayArguments;

use super::secret_argument::SecretText;
use crate::console::{SourceArguments, parse_duration, parse_hash, parse_hex, parse_ping_address};
use crate::net::TlsName;
use crate::wire::ilp::MAX_DATA_EMITTED;
use crate::wire::{Address, Amount};

/// The node that packets enter the network through.
#[derive(Debug, Args)]
pub struct LoginArguments {
    /// The node and the account to log in with: btp+ws://user:token@host:port; @FILE reads it from a file and @- from
    /// standard input, so that the token is not in the list of processes [variable: ILP_VIA]
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "node"])]
    pub via: Option<SecretText>,
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub trust: TrustArguments,
}

/// The certificates that are trusted for TLS.
#[derive(Debug, Default, Clone, Args)]
pub struct TrustArguments {
    /// Certificates (PEM) to trust besides the system's [default: the caFile of the configuration]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
    /// The name that the node's certificate must have [default: the dialled host; with --config, the first name in the
    /// node's certificate]
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<TlsName>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --via it logs in at the node of the configuration on this machine, as the account `cli` (a child peer of that id).

The normal ping has a condition whose fulfillment is public, so a reply shows that the address is reachable, not which \
node replied. With --echo, the node sends a packet back to this program, and only this program knows the fulfillment.

Examples:
  ilp-connector ping test.c --config examples/linear-3.yaml --node a
  ilp-connector ping test.c --via btp+ws://cli:token@127.0.0.1:3000 -c 3
  ilp-connector ping test.c --echo --amount 10 -i 0.2

Exits with 0 if any ping was fulfilled, else with 1.")]
pub struct PingArguments {
    /// The address of a node, such as test.c
    #[arg(value_parser = parse_ping_address)]
    pub address: Address,
    #[command(flatten)]
    pub login: LoginArguments,
    /// Stop after this many pings [default: at Ctrl-C]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Seconds between two pings
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = parse_duration)]
    pub interval: Duration,
    /// Amount of each packet
    #[arg(long, value_name = "UNITS", default_value = "0", value_parser = amount, allow_negative_numbers = true)]
    pub amount: Amount,
    /// Ask the node to send a packet back, and fulfill that one
    #[arg(long)]
    pub echo: bool,
    /// The time for each answer; every hop on the way keeps a second of it
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "10", value_parser = parse_duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --via it logs in at the node of the configuration on this machine, as the account `cli` (a child peer of that id).

Every connector keeps some of a packet's time for itself and rejects a packet with too little time. So packets with more \
and more time reveal one hop after the other. A hop rejects a packet that is too large with the amount that arrived and \
the amount that would pass; from these come the largest packet (in units of the link on which it arrives) and the rate \
(what arrives there of one unit sent here). These packets cannot be fulfilled and move no money.

  -   unknown: the hop has no maximum, or an earlier hop has a smaller one
  *   a hop that does not answer
Each hop reports its own address.

Examples:
  ilp-connector trace test.c --config examples/linear-3.yaml --node a
  ilp-connector trace test.c --via btp+ws://cli:token@127.0.0.1:3000 --json
  ilp-connector trace test.c --amount 0                 hops and times only

Exits with 0 if a packet reached the destination, else with 1.")]
pub struct TraceArguments {
    /// The address of a node, such as test.c
    #[arg(value_parser = parse_ping_address)]
    pub address: Address,
    #[command(flatten)]
    pub login: LoginArguments,
    /// The most hops to look for
    #[arg(long, value_name = "N", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub hops: u32,
    /// Round trips to measure for each hop
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub probes: u32,
    /// The longest lifetime of a packet; every hop on the way keeps a second of it
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "30", value_parser = parse_duration)]
    pub timeout: Duration,
    /// The largest amount of a packet; with 0, amounts are not probed
    #[arg(long, value_name = "UNITS", default_value_t = Amount::MAX, value_parser = amount, allow_negative_numbers = true)]
    pub amount: Amount,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --via it logs in at the node of the configuration on this machine, as the account `cli` (a child peer of that id).

The default condition is that of ping, which a node fulfills at its own address.

Examples:
  ilp-connector send test.c --config examples/linear-3.yaml --node a
  ilp-connector send test.c --via btp+ws://cli:token@127.0.0.1:3000 --count 100000 --window 256
  ilp-connector send test.bob.shop --amount 100 --data hello --count 5 --rate 1 --json

Exits with 0 if every packet was fulfilled, else with 1.")]
pub struct SendArguments {
    /// The destination of the packets
    pub destination: Address,
    #[command(flatten)]
    pub login: LoginArguments,
    /// Amount of each packet
    #[arg(long, value_name = "UNITS", default_value = "1", value_parser = amount, allow_negative_numbers = true)]
    pub amount: Amount,
    /// How many packets
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Data of each packet, as text
    #[arg(long, value_name = "TEXT", group = "content")]
    pub data: Option<String>,
    /// Data of each packet, in hexadecimal digits
    #[arg(long, value_name = "HEX", group = "content", value_parser = parse_hex)]
    pub data_hex: Option<Bytes>,
    /// Data of each packet, from a file
    #[arg(long, value_name = "FILE", group = "content", value_hint = ValueHint::FilePath)]
    pub data_file: Option<PathBuf>,
    /// The most packets in flight at once
    #[arg(short, long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub window: u32,
    /// The time for each answer; every hop on the way keeps a second of it
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_duration)]
    pub expiry: Duration,
    /// The execution condition, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", group = "hashlock", value_parser = parse_hash)]
    pub condition: Option<[u8; 32]>,
    /// Use the condition of this fulfillment, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", group = "hashlock", value_parser = parse_hash)]
    pub fulfillment: Option<[u8; 32]>,
    /// The most packets per second [default: as fast as the window allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Starts a node in its own process and sends packets through it over loopback, from one account to another, with all \
checks, balances and limits. This gives a first figure for this machine; docs/PERFORMANCE.md has a method for comparisons.

Examples:
  ilp-connector bench
  ilp-connector bench --window 4096 --seconds 10 --routes 10000")]
pub struct BenchArguments {
    /// Packets in flight at once
    #[arg(short, long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub window: u32,
    /// The time to measure
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = parse_duration)]
    pub seconds: Duration,
    /// Additional routes of the node, which no packet uses
    #[arg(short, long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub routes: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

fn amount(text: &str) -> Result<Amount, String> {
    let units = text.replace('_', "").parse::<u64>();
    units.map(Amount).map_err(|_| format!("an amount is a whole number from 0 to {}", u64::MAX))
}

/// The most bytes of data in a packet.
pub const DATA_BYTES_MAX: usize = MAX_DATA_EMITTED;
