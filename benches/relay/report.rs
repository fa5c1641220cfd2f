//! Outcomes as a table for people and as JSON for programs.

use std::path::Path;
use std::{fs, io};

use serde::Serialize;

use crate::compare::{Bar, Outcome, Pace, Side};
use crate::figures::{Figures, Spread};
use crate::measure::machine;

/// Prints the head of the table.
pub(crate) fn print_head(pace: Pace) {
    println!("{}; {} runs of {} s each, medians", machine(), pace.rounds, pace.seconds);
    println!(
        "{:<34} {:<26} {:>11} {:>9} {:>9} {:>12} {:>9}",
        "load", "subject", "packets/s", "p50 us", "p99 us", "CPU s/mill.", "RSS MiB"
    );
}

/// Prints one outcome.
pub(crate) fn print(outcome: &Outcome) {
    let comparison = &outcome.comparison;
    let name = comparison.load.name();
    print_side(&name, comparison.base, &outcome.base);
    if let Some(other) = comparison.other {
        print_side("", other, &outcome.other);
    }
    if let Some(ratios) = outcome.ratios {
        let show =
            |spread: Spread| format!("{:.2} ({:.2}-{:.2})", spread.median, spread.min, spread.max);
        let bar = match (comparison.bar, outcome.kept) {
            (Some(bar), Some(true)) => format!("; {}: kept", describe(bar)),
            (Some(bar), _) => format!("; {}: MISSED", describe(bar)),
            (None, _) => String::new(),
        };
        println!(
            "{:<34} ratio: CPU {}, packets {}, p50 {}{bar}",
            "",
            show(ratios.cpu),
            show(ratios.packets),
            show(ratios.latency)
        );
    }
}

fn print_side(load: &str, side: Side, runs: &[Figures]) {
    let median = |of: fn(&Figures) -> f64| {
        Spread::of(runs.iter().map(of)).map_or(f64::NAN, |spread| spread.median)
    };
    let subject = format!("{}, {} routes", side.subject.name(), side.routes);
    let subject = if side.subject.wants_login() { &subject } else { side.subject.name() };
    println!(
        "{load:<34} {subject:<26} {:>11.0} {:>9.1} {:>9.1} {:>12.3} {:>9.1}",
        median(Figures::packets_per_second),
        median(|figures| figures.p50_us),
        median(|figures| figures.p99_us),
        median(Figures::cpu_per_million),
        median(|figures| figures.resident_kib as f64 / 1024.0),
    );
    print_dropped(runs);
}

/// The dropped records of the packet log: a throughput means little without them.
fn print_dropped(runs: &[Figures]) {
    if let Some(dropped) = Spread::of(runs.iter().filter_map(|run| run.log_records_dropped)) {
        println!("{:<34} packet log records dropped: {:.1} %", "", dropped.median * 100.0);
    }
}

fn describe(bar: Bar) -> String {
    match bar {
        Bar::CpuAtMost(bound) => format!("CPU at most {bound}"),
        Bar::LatencyAtMost(bound) => format!("p50 at most {bound}"),
        Bar::PacketsAtLeast(bound) => format!("packets at least {bound}"),
    }
}

/// Writes everything that was measured.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write_json(file: &Path, pace: Pace, outcomes: &[Outcome]) -> io::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        machine: String,
        pace: Pace,
        outcomes: &'a [Outcome],
    }
    let text = serde_json::to_string_pretty(&Report { machine: machine(), pace, outcomes })?;
    fs::write(file, text + "\n")
}
