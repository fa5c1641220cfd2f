//! CCP over loopback: the convergence of a ring, and the latency of packets while a peer advertises 10,000 routes.
//!
//! `cargo bench --bench exchange -- ring` and `-- advertise`. docs/PERFORMANCE.md says what the figures mean.
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that prints figures about bytes that it made itself"
)]

mod advertise;
mod node;
mod peer;
mod ring;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the exchange of routes.
#[derive(Parser)]
#[command(name = "cargo bench --bench exchange --")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// cargo bench adds it.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Nodes in a ring, a process each: from nothing, without one of them, and with it again.
    Ring(ring::Settings),
    /// Many routes, advertised to a node that forwards packets.
    Advertise(advertise::Settings),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench exchange: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Ring(settings)) => ring::run(&settings),
        Some(Command::Advertise(settings)) => advertise::run(&settings),
        None if arguments.bench => {
            ring::run(&ring::Settings::default())?;
            advertise::run(&advertise::Settings::default())
        }
        // The check of `cargo test --benches`: the bench itself works.
        None => {
            ring::run(&ring::Settings { nodes: 3, rounds: 1 })?;
            advertise::run(&advertise::Settings { routes: 500, rounds: 1, rate: 500, seconds: 0.3 })
        }
    }
}
