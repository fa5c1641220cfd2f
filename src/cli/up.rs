//! `up`: runs all nodes of a topology file in this process, on a terminal with a live view. With `--ping` it first
//! sends packets between all nodes.

mod collect;
mod draw;
mod ping_pairs;
mod view;

use std::future::pending;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::collect::{Collector, ViewSettings};
use self::view::{View, ViewPosition};
use super::args::UpArguments;
use super::describe_replaced_port;
use super::run::{SHUTDOWN_TIMEOUT, prepare_nodes, start_logs, start_nodes};
use super::terminal::{
    Canvas, DetachedScreen, Screen, TerminalKey, TerminalKeys, can_show_view, next_keys,
    terminal_canvas,
};
use crate::account::AccountId;
use crate::config::{Environment, Source};
use crate::console::{Failure, build_runtime, count, error_chain, exit_result, format_duration};
use crate::node::{
    LoadedPlan, NodeHandle, PagePort, Plan, SingleFlight, Supervisor, run_with_timeout,
};
use crate::telemetry::{LogTo, parse_level};
use crate::tools::EntryLogin;
use crate::topology::{Deployment, Topology};

/// The first port that is tried for the page.
const UI_PORT: u16 = 8000;
const LAB_NOTE: &str = "this is a lab: its page and API can stop nodes and break links, each for a time; see docs/TOPOLOGIES.md";
/// How often the view is drawn.
const REDRAW: Duration = Duration::from_secs(1);

/// A network that runs, for what runs beside it.
pub(super) struct RunningNetwork {
    pub(super) nodes: watch::Receiver<Vec<NodeHandle>>,
    /// The URL of the page, if there is one.
    pub(super) page: Option<String>,
    /// Whether the terminal shows the live view.
    pub(super) is_live: bool,
    /// The file of the log, if it is not on standard output.
    pub(super) log: Option<PathBuf>,
}

/// Runs the network until a signal or the end of `--for`.
pub(super) fn run(
    arguments: &UpArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let is_pinging = arguments.ping;
    run_beside(arguments, environment, out, |network| async move {
        if let (Some(log), false, false) = (&network.log, network.is_live, is_pinging) {
            let nodes = count(network.nodes.borrow().len(), "node");
            let page = network.page.map(|page| format!("; the page is {page}")).unwrap_or_default();
            let log = log.display();
            // Fails only if standard output is closed; then it has no reader.
            let _ = writeln!(io::stdout(), "{nodes} until Ctrl-C; the log is {log}{page}");
        }
        pending().await
    })
}

/// The same, with something beside it that uses the network. The network also ends when that does.
pub(super) fn run_beside<F: Future<Output = ()>>(
    arguments: &UpArguments,
    environment: &Environment,
    out: &mut dyn Write,
    beside: impl FnOnce(RunningNetwork) -> F,
) -> Result<(), Failure> {
    let variable = |name: &str| environment.get(name).map(String::as_str);
    let live = !arguments.plain && !arguments.ping && can_show_view(variable("TERM"));
    let log_file =
        arguments.log_file.clone().or_else(|| (live || arguments.ping).then(default_log_file));
    let log_to = log_file.clone().map_or(LogTo::Stdout, LogTo::File);
    let source = source_from_flags(arguments, environment)?;
    // Dropped last, so that every log line until then is written.
    let (logs, _log_thread) = start_logs(&log_to, arguments.log_level.as_deref(), environment)?;
    let planned = prepare_nodes(Plan::Network(source.clone(), arguments.base_port), &log_to)?;
    let planned = planned.with_lab(arguments.lab);
    let moved_btp_ports = moved_btp_ports(&planned, &source);
    let note = |port| describe_replaced_port(port, "is in use", &arguments.file);
    let mut notes: Vec<String> = planned.port_notes().iter().map(note).collect();
    if arguments.lab {
        notes.push(LAB_NOTE.to_owned());
    }
    for note in &notes {
        // Fails only if stderr is closed; then there is nowhere to report it.
        let _ = writeln!(io::stderr(), "note: {note}");
    }
    let logins = arguments.ping.then(|| ping_pairs::logins(planned.nodes())).transpose()?;
    let runtime = build_runtime(planned.worker_threads())?;
    let ended = runtime.block_on(async {
        let mut supervisor = start_nodes(planned, logs, &log_to).await?;
        let page = serve_page(&mut supervisor, arguments).await?;
        let handles = supervisor.handles();
        let beside = beside(RunningNetwork {
            nodes: handles.clone(),
            page: page.clone(),
            is_live: live,
            log: log_file.clone(),
        });
        let time_limit = async {
            tokio::select! {
                () = wait_for_run_time(arguments.run_time) => {}
                () = beside => {}
            }
        };
        match (logins, &log_file) {
            (Some(logins), Some(log)) => {
                ping_and_run(supervisor, &logins, time_limit, (log, page.as_deref()), out).await
            }
            (None, Some(log)) if live => {
                let settings = ViewSettings {
                    file: arguments.file.display().to_string(),
                    log: log.display().to_string(),
                    page,
                    notes,
                    moved_btp_ports,
                };
                let canvas = || terminal_canvas(variable("NO_COLOR"));
                let began = Instant::now();
                let shown = async {
                    tokio::select! {
                        () = time_limit => {}
                        // `q` and a closed terminal end the network too.
                        () = show_live_view(handles, settings, canvas) => {}
                    }
                };
                let gracefully = supervisor.run(shown).await;
                let log = log.display();
                let last =
                    format!("stopped after {}; the log is {log}", format_duration(began.elapsed()));
                run_with_timeout(move || writeln!(io::stdout(), "{last}"));
                exit_result(gracefully)
            }
            _ => exit_result(supervisor.run(time_limit).await),
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended
}

/// Serves the page of all nodes. Returns its URL; `None`: there is none.
async fn serve_page(
    supervisor: &mut Supervisor,
    arguments: &UpArguments,
) -> Result<Option<String>, Failure> {
    if arguments.no_ui {
        return Ok(None);
    }
    let port = arguments.ui_port.map_or(PagePort::From(UI_PORT), PagePort::Exactly);
    let address = supervisor.serve_page(port).await;
    let address = address.map_err(|error| Failure::Failed(error_chain(&error)))?;
    Ok(address.map(|address| format!("http://{address}/")))
}

/// Pings between all nodes, then keeps the network running. A failed ping stops it.
async fn ping_and_run(
    supervisor: Supervisor,
    logins: &[EntryLogin],
    time_limit: impl Future<Output = ()>,
    (log, page): (&Path, Option<&str>),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let handles = supervisor.handles();
    let mut pinged = Ok(true);
    let shown = async {
        let nodes = handles.borrow().clone();
        pinged = ping_pairs::run(&nodes, logins, out).await;
        drop(nodes);
        if let Ok(true) = pinged {
            let log = log.display();
            let page = page.map(|page| format!("; its page is {page}")).unwrap_or_default();
            pinged = writeln!(out, "the network is up until Ctrl-C; the log is {log}{page}")
                .and_then(|()| out.flush())
                .map_or_else(|error| Err(error.into()), |()| Ok(true));
            time_limit.await;
        }
    };
    let gracefully = supervisor.run(shown).await;
    if pinged? { exit_result(gracefully) } else { Err(Failure::Reported) }
}

fn source_from_flags(
    arguments: &UpArguments,
    environment: &Environment,
) -> Result<Source, Failure> {
    let mut environment = environment.clone();
    if let Some(level) = &arguments.log_level {
        parse_level(level).map_err(|error| Failure::Usage(format!("--log-level: {error}")))?;
        // As the variable, it applies to every node.
        environment.insert("LOG_LEVEL".to_owned(), level.clone());
    }
    Ok(Source { file: Some(arguments.file.clone()), environment, ..Source::default() })
}

/// The BTP ports that differ from those in the file, so that tools do not find them there.
fn moved_btp_ports(planned: &LoadedPlan, source: &Source) -> Vec<(AccountId, u16)> {
    let Ok(topology) = Topology::load(source) else { return Vec::new() };
    let ports = planned.nodes().iter().filter_map(|node| {
        let (id, port) = (&node.config.settings.node_id, node.config.settings.btp_server_port);
        let expected =
            topology.node(id.as_str(), Deployment::Loopback).ok()?.config.settings.btp_server_port;
        (port != expected).then(|| (id.clone(), port))
    });
    ports.collect()
}

fn default_log_file() -> PathBuf {
    std::env::temp_dir().join(format!("ilp-connector-up-{}.log", std::process::id()))
}

async fn wait_for_run_time(run_time: Option<Duration>) {
    match run_time {
        Some(run_time) => sleep(run_time).await,
        None => pending().await,
    }
}

/// Redraws the live view until `q` is pressed or the terminal is gone.
async fn show_live_view(
    nodes: watch::Receiver<Vec<NodeHandle>>,
    settings: ViewSettings,
    canvas: impl Fn() -> Canvas,
) {
    // A paused terminal must not stop packets: another thread draws each frame, and frames are skipped until it is
    // done.
    let mut drawing = SingleFlight::<(Screen<io::Stdout>, io::Result<()>)>::default();
    let Ok(screen) = Screen::enter(io::stdout()) else { return };
    let mut screen = DetachedScreen(Some(screen));
    let mut keys = TerminalKeys::read();
    let mut position = ViewPosition::default();
    let mut collector = Collector::new(settings, Instant::now());
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = None;
    // The frame on the screen is older than the view.
    let mut is_stale = false;
    loop {
        tokio::select! {
            _ = redraw.tick() => {
                let nodes = nodes.borrow().clone();
                let collected = collector.collect(&nodes, Instant::now());
                is_stale = true;
                view = Some(View { has_keys: keys.is_some(), ..collected });
            }
            pressed = next_keys(&mut keys) => {
                if pressed.contains(&TerminalKey::Char('q')) {
                    return;
                }
                is_stale = true;
                let rows = canvas().rows;
                pressed.into_iter().for_each(|key| position.press(key, rows));
            }
            (drawn, shown) = drawing.done() => {
                screen.0 = Some(drawn);
                if shown.is_err() {
                    return;
                }
            }
        }
        if let (true, Some(view)) = (is_stale, &view)
            && let Some(mut screen) = screen.0.take()
        {
            is_stale = false;
            let lines = draw::render(view, canvas(), &mut position);
            drawing.start(move || {
                let shown = screen.draw(&lines);
                (screen, shown)
            });
        }
    }
}
