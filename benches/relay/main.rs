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
mod modes;
mod peers;
mod reader;
mod report;
mod socket;
mod subject;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use compare::{Comparison, Load, Outcome, Pace, Side};
use modes::{
    Common, DurabilityArguments, FanoutArguments, LoadArguments, LoggingArguments,
    ObserversArguments, RoutesArguments,
};
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
    /// All of the following but `idle`.
    All(Common),
    /// One sender, one receiver, by the number of Prepares in flight.
    Load(LoadArguments),
    /// Many peers that all send to each other.
    Fanout(FanoutArguments),
    /// Few routes and very many.
    Routes(RoutesArguments),
    /// Many silent sessions, and a node without any.
    Idle(idle::Settings),
    /// Without a store, and with one of each durability.
    Durability(DurabilityArguments),
    /// Packets logged and not.
    Logging(LoggingArguments),
    /// Streams of the API open and not.
    Observers(ObserversArguments),
    #[command(hide = true)]
    BareRelay(bare::Settings),
    #[command(hide = true)]
    Peers(peers::Settings),
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
        Some(Command::Load(mode)) => measure(&mode.common, &modes::load(&mode)),
        Some(Command::Fanout(mode)) => measure(&mode.common, &modes::fan_out(&mode)),
        Some(Command::Routes(mode)) => measure(&mode.common, &modes::routes(&mode)),
        Some(Command::All(common)) => measure(&common, &modes::all(&common)),
        Some(Command::Idle(settings)) => idle::run(&settings),
        Some(Command::Durability(mode)) => measure(&mode.common, &modes::durability(&mode)),
        Some(Command::Logging(mode)) => measure(&mode.common, &modes::logging(&mode)),
        Some(Command::Observers(mode)) => measure(&mode.common, &modes::observers(&mode)),
        Some(Command::BareRelay(settings)) => runtime.block_on(bare::run(settings)).map(done),
        Some(Command::Peers(settings)) => runtime.block_on(peers::run(settings)).map(done),
        None if arguments.bench => {
            let mode = LoadArguments::default();
            measure(&mode.common, &modes::load(&mode))
        }
        None => smoke_test(),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// Runs comparisons one after the other and reports the results.
fn measure(common: &Common, comparisons: &[Comparison]) -> io::Result<ExitCode> {
    report::print_head(common.pace);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for comparison in comparisons {
        let outcome = compare::compare(comparison, common.pace)?;
        report::print(&outcome);
        outcomes.push(outcome);
    }
    if let Some(file) = &common.json {
        report::write_json(file, common.pace, &outcomes)?;
    }
    let missed = outcomes.iter().any(|outcome| outcome.kept == Some(false));
    Ok(if common.gate && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The check of `cargo test --benches`: the bench itself works, on the relay alone.
fn smoke_test() -> io::Result<ExitCode> {
    let pace = Pace { seconds: 0.1, rounds: 1 };
    for fan_out in [None, Some(4)] {
        let comparison = Comparison {
            load: Load { fan_out, ..Load::of_window(16) },
            base: Side { subject: Subject::BareRelay, routes: 10 },
            other: None,
            bar: None,
            pinned: false,
        };
        report::print(&compare::compare(&comparison, pace)?);
    }
    Ok(ExitCode::SUCCESS)
}
