//! The load bench: sender -> connector -> receiver as processes of their own over loopback, and the
//! same load through a bare WebSocket relay, in alternating runs.
//!
//! `cargo bench --bench relay -- load` and its like; `--help` lists them. docs/PERFORMANCE.md says
//! what the figures mean.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that prints figures about bytes that it made itself"
)]

mod bare;
mod compare;
mod figures;
mod frames;
mod idle;
mod measure;
mod peers;
mod report;
mod socket;
mod subject;

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use compare::{Bar, Comparison, Load, Outcome, Pace, Side};
use subject::Subject;

/// Measures the connector beside a bare WebSocket relay.
#[derive(Parser)]
#[command(name = "cargo bench --bench relay --")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// cargo bench adds it.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// One sender, one receiver, by the number of Prepares in flight.
    Load(LoadArguments),
    /// Many peers that all send to each other.
    Fanout(FanoutArguments),
    /// Few routes and very many.
    Routes(RoutesArguments),
    /// Many silent sessions, and a node without any.
    Idle(idle::Settings),
    /// Packets logged and not.
    Logging(LoggingArguments),
    #[command(hide = true)]
    BareRelay(bare::Settings),
    #[command(hide = true)]
    Peers(peers::Settings),
}

#[derive(clap::Args)]
struct LoadArguments {
    #[command(flatten)]
    common: Common,
    /// Prepares in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256, 4096])]
    windows: Vec<u16>,
    /// Peers write one message per system call.
    #[arg(long)]
    unbatched: bool,
}

impl Default for LoadArguments {
    fn default() -> Self {
        #[derive(Parser)]
        struct Nothing {
            #[command(flatten)]
            arguments: LoadArguments,
        }
        Nothing::parse_from([""]).arguments
    }
}

#[derive(clap::Args)]
struct FanoutArguments {
    #[command(flatten)]
    common: Common,
    /// Prepares in flight, over all peers.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 1024, 4096])]
    windows: Vec<u16>,
    /// Peers, at most 256.
    #[arg(long, default_value_t = 64)]
    peers: usize,
}

#[derive(clap::Args)]
struct RoutesArguments {
    #[command(flatten)]
    common: Common,
    /// The few routes.
    #[arg(long, default_value_t = 10)]
    few: u32,
    /// The many routes.
    #[arg(long, default_value_t = 1_000_000)]
    many: u32,
    /// Prepares in flight.
    #[arg(long, default_value_t = 256)]
    window: u16,
}

#[derive(clap::Args)]
struct LoggingArguments {
    #[command(flatten)]
    common: Common,
    /// Prepares in flight.
    #[arg(long, default_value_t = 16)]
    window: u16,
}

#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    pace: Pace,
    /// Routes of the connector.
    #[arg(long, default_value_t = 10_000)]
    routes: u32,
    /// Measure one side alone.
    #[arg(long)]
    only: Option<Only>,
    /// Do not give the subject a core of its own.
    #[arg(long)]
    no_pin: bool,
    /// Write everything that was measured to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Exit with 1 if a bar is missed.
    #[arg(long)]
    gate: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Relay,
    Connector,
}

impl Common {
    /// The same load on the relay and on the connector, or on one of them.
    fn beside_relay(&self, load: Load, bar: Option<Bar>) -> Comparison {
        let side = |subject| Side { subject, routes: self.routes };
        let (relay, connector) = (side(Subject::BareRelay), side(Subject::Connector));
        let (base, other) = match self.only {
            None => (relay, Some(connector)),
            Some(Only::Relay) => (relay, None),
            Some(Only::Connector) => (connector, None),
        };
        Comparison { load, base, other, bar, pinned: self.pinned() }
    }

    /// A core for the subject and at least one for the load.
    fn pinned(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let taskset = || {
            let mut command = std::process::Command::new("taskset");
            command.arg("--version").stdout(std::process::Stdio::null()).status().is_ok()
        };
        !self.no_pin && cores > 1 && taskset()
    }

    fn run(&self, comparisons: &[Comparison]) -> io::Result<ExitCode> {
        report::print_head(self.pace);
        let mut outcomes: Vec<Outcome> = Vec::new();
        for comparison in comparisons {
            let outcome = compare::compare(comparison, self.pace)?;
            report::print(&outcome);
            outcomes.push(outcome);
        }
        if let Some(file) = &self.json {
            report::write_json(file, self.pace, &outcomes)?;
        }
        let missed = outcomes.iter().any(|outcome| outcome.kept == Some(false));
        Ok(if self.gate && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("bench relay: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.command {
        Some(Command::Load(arguments)) => load(&arguments),
        Some(Command::Fanout(arguments)) => fan_out(&arguments),
        Some(Command::Routes(arguments)) => routes(&arguments),
        Some(Command::Idle(settings)) => idle::run(&settings),
        Some(Command::Logging(arguments)) => logging(&arguments),
        Some(Command::BareRelay(settings)) => runtime.block_on(bare::run(settings)).map(done),
        Some(Command::Peers(settings)) => runtime.block_on(peers::run(settings)).map(done),
        None if arguments.bench => load(&LoadArguments::default()),
        None => smoke_test(),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn load(arguments: &LoadArguments) -> io::Result<ExitCode> {
    let common = &arguments.common;
    let comparisons: Vec<Comparison> = arguments
        .windows
        .iter()
        .map(|&window| {
            let load = Load { fan_out: None, window, unbatched: arguments.unbatched };
            let bar = match window {
                _ if arguments.unbatched => Bar::PacketsAtLeast(1.0),
                0..=1 => Bar::LatencyAtMost(1.2),
                2..=16 => Bar::CpuAtMost(1.2),
                _ => Bar::CpuAtMost(1.5),
            };
            common.beside_relay(load, Some(bar))
        })
        .collect();
    common.run(&comparisons)
}

fn fan_out(arguments: &FanoutArguments) -> io::Result<ExitCode> {
    let common = &arguments.common;
    let comparisons: Vec<Comparison> = arguments
        .windows
        .iter()
        .map(|&window| {
            let load = Load { fan_out: Some(arguments.peers), window, unbatched: false };
            common.beside_relay(load, Some(Bar::CpuAtMost(1.5)))
        })
        .collect();
    common.run(&comparisons)
}

fn routes(arguments: &RoutesArguments) -> io::Result<ExitCode> {
    let common = &arguments.common;
    let side = |routes| Side { subject: Subject::Connector, routes };
    common.run(&[Comparison {
        load: Load { fan_out: None, window: arguments.window, unbatched: false },
        base: side(arguments.few),
        other: Some(side(arguments.many)),
        bar: Some(Bar::PacketsAtLeast(0.6)),
        pinned: common.pinned(),
    }])
}

fn logging(arguments: &LoggingArguments) -> io::Result<ExitCode> {
    let common = &arguments.common;
    let side = |subject| Side { subject, routes: common.routes };
    common.run(&[Comparison {
        load: Load { fan_out: None, window: arguments.window, unbatched: false },
        base: side(Subject::Connector),
        other: Some(side(Subject::ConnectorLogging)),
        bar: Some(Bar::PacketsAtLeast(0.8)),
        // The thread that formats must be free to run beside the packets.
        pinned: false,
    }])
}

/// What `cargo test --benches` runs: that the bench itself works, on the relay alone.
fn smoke_test() -> io::Result<ExitCode> {
    let pace = Pace { seconds: 0.1, rounds: 1 };
    for fan_out in [None, Some(4)] {
        let comparison = Comparison {
            load: Load { fan_out, window: 16, unbatched: false },
            base: Side { subject: Subject::BareRelay, routes: 10 },
            other: None,
            bar: None,
            pinned: false,
        };
        report::print(&compare::compare(&comparison, pace)?);
    }
    Ok(ExitCode::SUCCESS)
}
