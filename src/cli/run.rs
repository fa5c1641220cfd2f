//! `run`: one node, until a signal ends it. Errors at the start are log lines like all others, because programs read a
//! container's output.

use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::args::RunArguments;
use crate::config::{Environment, Override, Source};
use crate::console::{Failure, build_runtime, error_chain, exit_result};
use crate::node::{LoadedPlan, LogThread, Plan, Supervisor};
use crate::telemetry::{LogTo, Logs, parse_level};

/// How long the process waits for threads in DNS lookups when it ends.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &RunArguments, environment: &Environment) -> Result<(), Failure> {
    let source = source_from_flags(arguments, environment);
    let log_to = arguments.log_file.clone().map_or(LogTo::Stdout, LogTo::File);
    // Dropped last, so that every line until then is written.
    let (logs, _log_thread) = start_logs(&log_to, arguments.log_level.as_deref(), environment)?;
    let planned = prepare_nodes(Plan::One(source), &log_to)?;
    let runtime = build_runtime(planned.worker_threads())?;
    let ended = runtime.block_on(async {
        let supervisor = start_nodes(planned, logs, &log_to).await?;
        exit_result(supervisor.run(pending()).await)
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended
}

fn source_from_flags(arguments: &RunArguments, environment: &Environment) -> Source {
    let flags = [
        ("ilpAddress", "--ilp-address", &arguments.ilp_address),
        ("btpServerHost", "--btp-host", &arguments.btp_host),
        ("btpServerPort", "--btp-port", &arguments.btp_port),
        ("healthCheckHost", "--health-host", &arguments.health_host),
        ("healthCheckPort", "--health-port", &arguments.health_port),
        ("logLevel", "--log-level", &arguments.log_level),
    ];
    let overrides = flags.into_iter().filter_map(|(key, flag, value)| {
        Some(Override { key, value: value.clone()?, flag: flag.to_owned() })
    });
    Source {
        file: arguments.source.config.clone(),
        environment: environment.clone(),
        node: arguments.source.node.clone(),
        overrides: overrides.collect(),
        skip_route_warnings: false,
    }
}

/// Starts the log before anything can fail. The level in the file applies once the file is loaded.
pub(super) fn start_logs(
    to: &LogTo,
    level: Option<&str>,
    environment: &Environment,
) -> Result<(Logs, LogThread), Failure> {
    let level = level.or_else(|| environment.get("LOG_LEVEL").map(String::as_str));
    // An invalid level is reported with all other mistakes of the configuration.
    let levels = level.and_then(|level| parse_level(level).ok());
    let levels = levels.unwrap_or_default();
    let (logs, writer) =
        Logs::start(to, &levels).map_err(|error| Failure::Failed(error_chain(&error)))?;
    let thread = LogThread::start(&logs, writer)
        .map_err(|error| Failure::Failed(format!("cannot start the thread of the log: {error}")))?;
    Ok((logs, thread))
}

/// Loads the configuration. Its mistakes become log lines.
pub(super) fn prepare_nodes(plan: Plan, log_to: &LogTo) -> Result<LoadedPlan, Failure> {
    plan.load().map_err(|problems| {
        // The mistakes come last, as they prevent the start.
        for warning in &problems.warnings {
            tracing::warn!("{warning}");
        }
        let text = problems.to_string();
        text.lines().for_each(|line| report_error(line, log_to));
        Failure::ReportedUsage
    })
}

/// Starts the nodes. An error that prevents it becomes a log line.
pub(super) async fn start_nodes(
    plan: LoadedPlan,
    logs: Logs,
    log_to: &LogTo,
) -> Result<Supervisor, Failure> {
    Supervisor::start(plan, logs).await.map_err(|error| {
        report_error(&error_chain(&error), log_to);
        Failure::Reported
    })
}

/// Writes an error to the log, and to standard error if a person there does not see the log.
fn report_error(line: &str, log_to: &LogTo) {
    tracing::error!("{line}");
    let log_is_seen = *log_to == LogTo::Stdout && io::stdout().is_terminal();
    let stderr_is_seen = *log_to != LogTo::Stdout || io::stderr().is_terminal();
    if !log_is_seen && stderr_is_seen {
        // Fails only if stderr is closed; then there is nowhere to report it.
        let _ = writeln!(io::stderr(), "error: {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn flags_win_and_are_named_in_messages() {
        let environment = Environment::from([("BTP_SERVER_PORT".to_owned(), "1".to_owned())]);
        let arguments =
            RunArguments { btp_port: Some("70000".to_owned()), ..RunArguments::default() };
        let problems =
            topology::load(&source_from_flags(&arguments, &environment)).unwrap_err().to_string();
        assert!(problems.contains("--btp-port = 70000"), "{problems}");
        let arguments = RunArguments {
            ilp_address: Some("test.x".to_owned()),
            btp_host: Some("::1".to_owned()),
            btp_port: Some("2".to_owned()),
            health_host: Some("127.0.0.2".to_owned()),
            health_port: Some("3".to_owned()),
            log_level: Some("debug".to_owned()),
            ..RunArguments::default()
        };
        let node = topology::load(&source_from_flags(&arguments, &environment)).unwrap().config;
        assert_eq!(node.address.unwrap().as_str(), "test.x");
        assert_eq!(
            (node.settings.btp_server_host.as_str(), node.settings.btp_server_port),
            ("::1", 2)
        );
        assert_eq!(
            (node.settings.health_check_host.as_str(), node.settings.health_check_port),
            ("127.0.0.2", 3)
        );
        assert_eq!(node.settings.log_level, "debug");
    }
}
