//! One comparison: the same load carried by two subjects in alternating runs.
//!
//! Runs alternate because the speed of the machine changes over minutes: two neighbouring runs have the same speed, so
//! the ratio of a pair repeats even if the figures do not. Each run has processes of its own.

use std::io;
use std::path::Path;
use std::process::Stdio;

use serde::Serialize;

use crate::figures::{Figures, Spread};
use crate::subject::{self, Network, Process, Subject};

/// Which load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Load {
    /// One sender and one receiver, or this many peers that send and answer.
    pub(crate) fan_out: Option<usize>,
    /// Prepares in flight in all.
    pub(crate) window: u16,
    /// Peers write one message per system call.
    pub(crate) unbatched: bool,
    /// All Prepares are rejected, because no route leads to their destination.
    pub(crate) rejects: bool,
}

impl Load {
    /// One sender and one receiver.
    pub(crate) const fn of_window(window: u16) -> Self {
        Self { fan_out: None, window, unbatched: false, rejects: false }
    }

    fn peers(&self) -> usize {
        self.fan_out.unwrap_or(2)
    }

    /// The first peer that routes lead to.
    fn answer_from(&self) -> usize {
        if self.fan_out.is_some() { 0 } else { 1 }
    }

    /// Its name in a report.
    pub(crate) fn name(&self) -> String {
        let how = match self {
            Self { unbatched: true, .. } => ", unbatched",
            Self { rejects: true, .. } => ", rejects",
            _ => "",
        };
        match self.fan_out {
            None => format!("window {}{how}", self.window),
            Some(peers) => format!("{peers} peers, {} in flight{how}", self.window),
        }
    }
}

/// A subject and the number of its routes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Side {
    pub(crate) subject: Subject,
    pub(crate) routes: u32,
}

/// A bound on a ratio of the two sides, other to base.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bar {
    /// CPU seconds per packet at most this many times the base's.
    CpuAtMost(f64),
    /// Median latency at most this many times the base's.
    LatencyAtMost(f64),
    /// Packets per second at least this many times the base's.
    PacketsAtLeast(f64),
}

/// What to compare.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    pub(crate) load: Load,
    pub(crate) base: Side,
    /// Nothing when the base is measured alone.
    pub(crate) other: Option<Side>,
    pub(crate) bar: Option<Bar>,
    /// Whether the subject has a core for itself.
    pub(crate) pinned: bool,
}

const SECONDS: f64 = 2.0;
const ROUNDS: usize = 3;

/// How long and how often.
#[derive(Debug, Clone, Copy, Serialize, clap::Args)]
pub(crate) struct Pace {
    /// Seconds that each run measures.
    #[arg(long, default_value_t = SECONDS)]
    pub(crate) seconds: f64,
    /// Runs of each side.
    #[arg(long, default_value_t = ROUNDS)]
    pub(crate) rounds: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { seconds: SECONDS, rounds: ROUNDS }
    }
}

/// The result of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) comparison: Comparison,
    pub(crate) base: Vec<Figures>,
    pub(crate) other: Vec<Figures>,
    /// Other to base, pair by pair.
    pub(crate) ratios: Option<Ratios>,
    /// Whether the median ratio keeps the bar.
    pub(crate) kept: Option<bool>,
}

/// Ratios of the other side to the base.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Ratios {
    pub(crate) cpu: Spread,
    pub(crate) packets: Spread,
    pub(crate) latency: Spread,
}

/// Runs a comparison.
///
/// # Errors
///
/// A process failed, or a packet was not fulfilled.
pub(crate) fn compare(comparison: &Comparison, pace: Pace) -> io::Result<Outcome> {
    let (mut base, mut other) = (Vec::new(), Vec::new());
    for _ in 0..pace.rounds {
        base.push(run(comparison.base, comparison, pace)?);
        if let Some(side) = comparison.other {
            other.push(run(side, comparison, pace)?);
        }
    }
    let ratio = |of: fn(&Figures) -> f64| {
        Spread::of(base.iter().zip(&other).map(|(base, other)| of(other) / of(base)))
    };
    let ratios = || {
        Some(Ratios {
            cpu: ratio(Figures::cpu_per_million)?,
            packets: ratio(Figures::packets_per_second)?,
            latency: ratio(|figures| figures.p50_us)?,
        })
    };
    let ratios = ratios();
    let kept = comparison.bar.zip(ratios).map(|(bar, ratios)| match bar {
        Bar::CpuAtMost(bound) => ratios.cpu.median <= bound,
        Bar::LatencyAtMost(bound) => ratios.latency.median <= bound,
        Bar::PacketsAtLeast(bound) => ratios.packets.median >= bound,
    });
    Ok(Outcome { comparison: comparison.clone(), base, other, ratios, kept })
}

fn run(side: Side, comparison: &Comparison, pace: Pace) -> io::Result<Figures> {
    let load = &comparison.load;
    let (subject_cores, load_cores) = if comparison.pinned {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (Some("0"), Some(format!("1-{}", cores - 1)))
    } else {
        (None, None)
    };
    let directory = tempfile::tempdir()?;
    let network =
        Network { peers: load.peers(), answer_from: load.answer_from(), routes: side.routes };
    let running = subject::start(side.subject, network, subject_cores, directory.path())?;

    let mut common = vec![
        "peers".to_owned(),
        format!("--connect={}", running.address),
        format!("--peers={}", network.peers),
        format!("--answer-from={}", network.answer_from),
        format!("--routes={}", network.routes),
        format!("--watch={}", running.process.id()),
        format!("--measure-ms={}", (pace.seconds * 1e3) as u64),
    ];
    common.extend(load.rejects.then(|| "--rejects".to_owned()));
    common.extend(load.unbatched.then(|| "--unbatched".to_owned()));
    common.extend(side.subject.wants_login().then(|| "--login".to_owned()));
    let bench = std::env::current_exe()?;
    let peers = |own: &[String]| -> io::Result<_> {
        let arguments = [&common, own].concat();
        let mut process =
            Process::start(&bench, &arguments, load_cores.as_deref(), Stdio::piped())?;
        let mut lines = process.lines()?;
        lines.next().ok_or_else(|| failed(side.subject, load, directory.path()))??;
        Ok((process, lines))
    };
    let group = |first: usize, count: usize, window: u16| {
        [format!("--first={first}"), format!("--count={count}"), format!("--window={window}")]
    };
    let (_answering, sending) = match load.fan_out {
        None => (Some(peers(&group(1, 1, 0))?), peers(&group(0, 1, load.window))?),
        Some(count) => {
            let each = load.window / u16::try_from(count).map_err(io::Error::other)?;
            (None, peers(&group(0, count, each.max(1)))?)
        }
    };
    let (_process, mut lines) = sending;
    let line = lines.next().ok_or_else(|| failed(side.subject, load, directory.path()))??;
    let mut figures: Figures = serde_json::from_str(&line)?;
    figures.log_records_dropped = running.log_records_dropped()?;
    Ok(figures)
}

/// A process of the load has ended early, with the reason on standard error.
fn failed(subject: Subject, load: &Load, directory: &Path) -> io::Error {
    let log = std::fs::read_to_string(directory.join("node.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    io::Error::other(format!("the load on the {} ({}) failed\n{tail}", subject.name(), load.name()))
}
