//! The cost of an idle connector: without sessions, and with many silent ones.

use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::measure::{cpu_time, machine, resident_kib};
use crate::subject::{self, Network, Process, Running, Subject};

/// Resident memory of an idle node, MiB.
const NODE_MIB_MAX: f64 = 20.0;
/// Resident memory of an idle session, KiB.
const SESSION_KIB_MAX: f64 = 10.0;
/// "Near zero" CPU of an idle node, as a part of a core.
const NODE_CPU_MAX: f64 = 0.005;

/// How many sessions, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Sessions that log in and are silent.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// Seconds that CPU time is measured over.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The connector has everything on: HTTP, a receiver, the exchange of routes.
    #[arg(long)]
    complete: bool,
    /// Write the figures to this file.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// Exit with 1 if a bar is missed.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    /// Resident memory of a node with two peers, 10 routes and no session.
    node_mib: f64,
    /// Part of a core that it uses.
    node_cpu: f64,
    sessions: usize,
    /// Resident memory per session: the growth after all logins, divided by their number.
    session_kib: f64,
    /// Part of a core that the node uses with all sessions silent, keep-alive included.
    sessions_cpu: f64,
}

/// Measures and prints.
///
/// # Errors
///
/// The connector or the sessions could not be started.
pub(crate) fn run(settings: &Settings) -> io::Result<ExitCode> {
    let span = Duration::from_secs(settings.seconds);
    println!("{}", machine());

    let subject = if settings.complete { Subject::ConnectorComplete } else { Subject::Connector };
    let alone = start(subject, 2)?;
    settle();
    let node_mib = resident_kib(alone.running.process.id())? as f64 / 1024.0;
    let node_cpu = cpu_share(&alone.running, span)?;
    println!("idle node: {node_mib:.1} MiB resident, {:.3} % of a core", node_cpu * 100.0);
    drop(alone);

    let node = start(subject, settings.sessions)?;
    settle();
    let before = resident_kib(node.running.process.id())?;
    let sessions = log_in(&node.running, settings.sessions)?;
    settle();
    let after = resident_kib(node.running.process.id())?;
    let session_kib = after.saturating_sub(before) as f64 / settings.sessions as f64;
    let sessions_cpu = cpu_share(&node.running, span)?;
    drop(sessions);
    println!(
        "{} idle sessions: {session_kib:.2} KiB resident each ({:.1} -> {:.1} MiB), {:.2} % of a core",
        settings.sessions,
        before as f64 / 1024.0,
        after as f64 / 1024.0,
        sessions_cpu * 100.0
    );

    let kept =
        node_mib < NODE_MIB_MAX && session_kib <= SESSION_KIB_MAX && node_cpu <= NODE_CPU_MAX;
    println!(
        "node below {NODE_MIB_MAX} MiB and {} % of a core, session at most {SESSION_KIB_MAX} KiB: {}",
        NODE_CPU_MAX * 100.0,
        if kept { "kept" } else { "MISSED" }
    );
    if let Some(file) = &settings.json {
        let sessions = settings.sessions;
        let figures =
            Figures { machine: machine(), node_mib, node_cpu, sessions, session_kib, sessions_cpu };
        std::fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    Ok(if settings.gate && !kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A connector and the directory with its files.
struct Node {
    running: Running,
    _directory: tempfile::TempDir,
}

fn start(subject: Subject, peers: usize) -> io::Result<Node> {
    let directory = tempfile::tempdir()?;
    let network = Network { peers, answer_from: 0, routes: 10 };
    let running = subject::start(subject, network, None, directory.path())?;
    Ok(Node { running, _directory: directory })
}

/// Starts a process whose sessions log in and wait.
fn log_in(node: &Running, sessions: usize) -> io::Result<Process> {
    let arguments = [
        "peers".to_owned(),
        "--login".to_owned(),
        format!("--connect={}", node.address),
        "--first=0".to_owned(),
        format!("--count={sessions}"),
        format!("--peers={sessions}"),
        "--answer-from=0".to_owned(),
        "--routes=10".to_owned(),
        "--window=0".to_owned(),
        "--watch=0".to_owned(),
    ];
    let bench = std::env::current_exe()?;
    let mut process = Process::start(Path::new(&bench), &arguments, None, Stdio::piped())?;
    process
        .lines()?
        .next()
        .ok_or_else(|| io::Error::other("the sessions did not come up; see above"))??;
    Ok(process)
}

/// Waits for the end of start-up work, which is not idling.
fn settle() {
    std::thread::park_timeout(Duration::from_secs(2));
}

fn cpu_share(node: &Running, span: Duration) -> io::Result<f64> {
    let before = cpu_time(node.process.id())?;
    std::thread::park_timeout(span);
    Ok((cpu_time(node.process.id())? - before).as_secs_f64() / span.as_secs_f64())
}
