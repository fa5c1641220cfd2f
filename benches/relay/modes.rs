//! The modes of the bench: the arguments of each, and its comparisons.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::compare::{Bar, Comparison, Load, Pace, Side};
use crate::subject::Subject;

/// Routes of the connector, unless a mode measures their number.
const ROUTES: u32 = 10_000;
const LOAD_WINDOWS: [u16; 4] = [1, 16, 256, 4096];
const UNBATCHED_WINDOWS: [u16; 2] = [16, 256];
const FAN_OUT_WINDOWS: [u16; 3] = [64, 1024, 4096];
const FAN_OUT_PEERS: usize = 64;
const FEW_ROUTES: u32 = 10;
const MANY_ROUTES: u32 = 1_000_000;
const ROUTES_WINDOW: u16 = 256;
const LOGGING_WINDOW: u16 = 16;
const DURABILITY_WINDOWS: [u16; 3] = [16, 256, 4096];
const OBSERVERS_WINDOWS: [u16; 2] = [256, 4096];

/// Of `load`.
#[derive(clap::Args)]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Prepares in flight.
    #[arg(long, value_delimiter = ',', default_values_t = LOAD_WINDOWS)]
    pub(crate) windows: Vec<u16>,
    /// Peers write one message per system call.
    #[arg(long)]
    pub(crate) unbatched: bool,
}

impl Default for LoadArguments {
    fn default() -> Self {
        let common = Common::default();
        Self { common, windows: LOAD_WINDOWS.to_vec(), unbatched: false }
    }
}

/// Of `fanout`.
#[derive(clap::Args)]
pub(crate) struct FanoutArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Prepares in flight, over all peers.
    #[arg(long, value_delimiter = ',', default_values_t = FAN_OUT_WINDOWS)]
    pub(crate) windows: Vec<u16>,
    /// Peers, at most 256.
    #[arg(long, default_value_t = FAN_OUT_PEERS)]
    pub(crate) peers: usize,
}

/// Of `routes`.
#[derive(clap::Args)]
pub(crate) struct RoutesArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The few routes.
    #[arg(long, default_value_t = FEW_ROUTES)]
    pub(crate) few: u32,
    /// The many routes.
    #[arg(long, default_value_t = MANY_ROUTES)]
    pub(crate) many: u32,
    /// Prepares in flight.
    #[arg(long, default_value_t = ROUTES_WINDOW)]
    pub(crate) window: u16,
}

/// Of `logging`.
#[derive(clap::Args)]
pub(crate) struct LoggingArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Prepares in flight.
    #[arg(long, default_value_t = LOGGING_WINDOW)]
    pub(crate) window: u16,
}

/// Of `durability`.
#[derive(clap::Args)]
pub(crate) struct DurabilityArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Prepares in flight.
    #[arg(long, value_delimiter = ',', default_values_t = DURABILITY_WINDOWS)]
    pub(crate) windows: Vec<u16>,
}

/// Of `observers`.
#[derive(clap::Args)]
pub(crate) struct ObserversArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Prepares in flight.
    #[arg(long, value_delimiter = ',', default_values_t = OBSERVERS_WINDOWS)]
    pub(crate) windows: Vec<u16>,
}

/// Of every mode that compares.
#[derive(Clone, clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) pace: Pace,
    /// Routes of the connector.
    #[arg(long, default_value_t = ROUTES)]
    pub(crate) routes: u32,
    /// Measure one side alone.
    #[arg(long)]
    pub(crate) only: Option<Only>,
    /// Compare with the lean relay: one task that polls every socket itself.
    #[arg(long)]
    pub(crate) lean: bool,
    /// The connector has everything on: HTTP, a receiver, the exchange of routes.
    #[arg(long)]
    pub(crate) complete: bool,
    /// Do not give the subject a core of its own.
    #[arg(long)]
    pub(crate) no_pin: bool,
    /// Write everything that was measured to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Exit with 1 if a bar is missed.
    #[arg(long)]
    pub(crate) gate: bool,
}

/// One side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    Relay,
    Connector,
}

impl Default for Common {
    fn default() -> Self {
        let pace = Pace::default();
        Self {
            pace,
            routes: ROUTES,
            only: None,
            lean: false,
            complete: false,
            no_pin: false,
            json: None,
            gate: false,
        }
    }
}

impl Common {
    /// The same load on the relay and on the connector, or on one of them.
    fn beside_relay(&self, load: Load, bar: Option<Bar>) -> Comparison {
        let side = |subject| Side { subject, routes: self.routes };
        let relay = if self.lean { Subject::LeanRelay } else { Subject::BareRelay };
        let (relay, connector) = (side(relay), side(self.connector()));
        let (base, other) = match self.only {
            None => (relay, Some(connector)),
            Some(Only::Relay) => (relay, None),
            Some(Only::Connector) => (connector, None),
        };
        Comparison { load, base, other, bar, pinned: self.pinned() }
    }

    const fn connector(&self) -> Subject {
        if self.complete { Subject::ConnectorComplete } else { Subject::Connector }
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
}

/// One sender and one receiver.
pub(crate) fn load(arguments: &LoadArguments) -> Vec<Comparison> {
    let compare = |&window: &u16| {
        let load = Load { unbatched: arguments.unbatched, ..Load::of_window(window) };
        let bar = match window {
            _ if arguments.unbatched => Bar::PacketsAtLeast(1.0),
            0..=1 => Bar::LatencyAtMost(1.2),
            2..=16 => Bar::CpuAtMost(1.2),
            _ => Bar::CpuAtMost(1.5),
        };
        arguments.common.beside_relay(load, Some(bar))
    };
    arguments.windows.iter().map(compare).collect()
}

/// Peers that all send to each other.
pub(crate) fn fan_out(arguments: &FanoutArguments) -> Vec<Comparison> {
    let compare = |&window: &u16| {
        let load = Load { fan_out: Some(arguments.peers), ..Load::of_window(window) };
        arguments.common.beside_relay(load, Some(Bar::CpuAtMost(1.5)))
    };
    arguments.windows.iter().map(compare).collect()
}

/// Few routes and many.
pub(crate) fn routes(arguments: &RoutesArguments) -> Vec<Comparison> {
    let side = |routes| Side { subject: arguments.common.connector(), routes };
    vec![Comparison {
        load: Load::of_window(arguments.window),
        base: side(arguments.few),
        other: Some(side(arguments.many)),
        bar: Some(Bar::PacketsAtLeast(0.6)),
        pinned: arguments.common.pinned(),
    }]
}

/// Packets logged and not.
pub(crate) fn logging(arguments: &LoggingArguments) -> Vec<Comparison> {
    let side = |subject| Side { subject, routes: arguments.common.routes };
    vec![Comparison {
        load: Load::of_window(arguments.window),
        base: side(Subject::Connector),
        other: Some(side(Subject::ConnectorLogging)),
        bar: Some(Bar::PacketsAtLeast(0.8)),
        // The thread that formats must be free to run beside the packets.
        pinned: false,
    }]
}

/// No store, and one of each durability.
pub(crate) fn durability(arguments: &DurabilityArguments) -> Vec<Comparison> {
    let side = |subject| Side { subject, routes: arguments.common.routes };
    let compare = |subject, window, bar| Comparison {
        load: Load::of_window(window),
        base: side(Subject::Connector),
        other: Some(side(subject)),
        bar,
        // The thread that writes must be free to run beside the packets.
        pinned: false,
    };
    let of_window = |&window: &u16| {
        let batched = (window > 16).then_some(Bar::CpuAtMost(1.03));
        let strict = (window == 4096).then_some(Bar::PacketsAtLeast(0.5));
        [
            compare(Subject::ConnectorBatched, window, batched),
            compare(Subject::ConnectorStrict, window, strict),
        ]
    };
    arguments.windows.iter().flat_map(of_window).collect()
}

/// No stream is open, a page is, and a reader of as many packets as the API gives; then the same while all packets are
/// rejected.
pub(crate) fn observers(arguments: &ObserversArguments) -> Vec<Comparison> {
    let side = |subject| Side { subject, routes: arguments.common.routes };
    let compare = |subject, load, bound| Comparison {
        load,
        base: side(Subject::Connector),
        other: Some(side(subject)),
        bar: Some(Bar::CpuAtMost(bound)),
        // The thread of the API must be free to run beside the packets.
        pinned: false,
    };
    let of_window = |&window: &u16| {
        let load = Load::of_window(window);
        [
            compare(Subject::ConnectorWatched, load.clone(), 1.01),
            compare(Subject::ConnectorTapped, load, 1.02),
        ]
    };
    let rejects = |&window: &u16| {
        let load = Load { rejects: true, ..Load::of_window(window) };
        compare(Subject::ConnectorWatched, load, 1.03)
    };
    let windows = arguments.windows.iter();
    windows.clone().flat_map(of_window).chain(windows.map(rejects)).collect()
}

/// Every comparison that has a bar.
pub(crate) fn all(common: &Common) -> Vec<Comparison> {
    let common = || common.clone();
    let load_as = |windows: &[u16], unbatched| {
        load(&LoadArguments { common: common(), windows: windows.to_vec(), unbatched })
    };
    [
        load_as(&LOAD_WINDOWS, false),
        load_as(&UNBATCHED_WINDOWS, true),
        fan_out(&FanoutArguments {
            common: common(),
            windows: FAN_OUT_WINDOWS.to_vec(),
            peers: FAN_OUT_PEERS,
        }),
        routes(&RoutesArguments {
            common: common(),
            few: FEW_ROUTES,
            many: MANY_ROUTES,
            window: ROUTES_WINDOW,
        }),
        logging(&LoggingArguments { common: common(), window: LOGGING_WINDOW }),
    ]
    .concat()
}
