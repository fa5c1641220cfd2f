//! `healthcheck`: asks the node of this configuration for its health, for the HEALTHCHECK of a container.

use std::io::Write;
use std::time::Duration;

use super::args::HealthcheckArguments;
use crate::config::{Environment, Source};
use crate::console::{
    Failure, describe_unknown_port, fetch_health, host_to_dial, load_local_node, sanitize,
};
use crate::net::authority;
use crate::topology;

/// Less than the 3 s after which the shipped Compose file kills the check.
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// The most reasons that are printed. A node sends at most ten.
const REASONS_MAX: usize = 16;

/// Prints the status. An unhealthy node, or none, is a failure.
pub(super) fn run(
    arguments: &HealthcheckArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let (host, port) = health_address(arguments, environment, err)?;
    let url = format!("http://{}/health", authority(&host, port));
    let answer = fetch_health(&host, port, TIMEOUT).map_err(|error| {
        Failure::Failed(format!("no answer from {url}: {error}; is the node running?"))
    })?;
    let (status, reasons) = parse_health(&answer.body);
    if answer.code == 200 {
        writeln!(out, "{status}")?;
        return Ok(());
    }
    let summary = format!("{status} (HTTP {} from {url})", answer.code);
    let lines: Vec<_> = std::iter::once(summary).chain(reasons).collect();
    Err(Failure::Failed(lines.join("\n")))
}

/// The status in the body, and the reasons why the node is not healthy, sanitized.
fn parse_health(body: &str) -> (String, Vec<String>) {
    let body = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    let status = body.get("status").and_then(serde_json::Value::as_str);
    let reasons = body.get("reasons").and_then(serde_json::Value::as_array);
    let reasons = reasons.into_iter().flatten().filter_map(serde_json::Value::as_str);
    let reasons = reasons.take(REASONS_MAX).map(sanitize);
    (sanitize(status.unwrap_or("this is not the answer of a node")), reasons.collect())
}

/// Host and port of the node's health server. A node keeps its last good configuration when its file breaks, so a
/// broken file is only a warning here: the keys that say where it is are used nevertheless, or else the variables and
/// the defaults.
fn health_address(
    arguments: &HealthcheckArguments,
    environment: &Environment,
    err: &mut dyn Write,
) -> Result<(String, u16), Failure> {
    if let Some(port) = arguments.port {
        return Ok(("127.0.0.1".to_owned(), port));
    }
    let settings = match load_local_node(&arguments.source, environment) {
        Ok(loaded) => loaded.config.settings,
        Err(problems) => {
            for problem in problems.problems.iter().take(3) {
                writeln!(err, "warning: {problem}")?;
            }
            let file = arguments.source.config.clone();
            let source = Source { file, environment: environment.clone(), ..Source::default() };
            match topology::load_pages(&source) {
                Some(loaded) => loaded.config.settings,
                None => {
                    let mut environment = environment.clone();
                    environment.remove("CONFIG_FILE");
                    topology::load(&Source { environment, ..Source::default() })?.config.settings
                }
            }
        }
    };
    if settings.health_check_port == 0 {
        let id = settings.node_id.as_str();
        let text = describe_unknown_port(id, "healthCheckPort", "health", "give --port PORT");
        return Err(Failure::Usage(text));
    }
    Ok((host_to_dial(&settings.health_check_host), settings.health_check_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_reasons_are_parsed() {
        let body = "{\"status\":\"unhealthy\",\"reasons\":[\"required peer bob is not connected\",\"a\\u001b[2J\"]}";
        let (status, reasons) = parse_health(body);
        assert_eq!(status, "unhealthy");
        assert_eq!(reasons[0], "required peer bob is not connected");
        assert!(!reasons[1].contains('\u{1b}'), "{reasons:?}");
        assert_eq!(parse_health("{}").1, [""; 0]);
        let many = format!("{{\"reasons\":{:?}}}", vec!["r"; 100]);
        assert_eq!(parse_health(&many).1.len(), REASONS_MAX);
        assert!(parse_health("<html>").0.starts_with("this is not the answer"));
    }

    #[test]
    fn addresses_of_the_health_server() {
        fn check(variables: &[(&str, &str)], port: Option<u16>, expected: &str) {
            let environment = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let arguments = HealthcheckArguments { source: Default::default(), port };
            let mut warnings = Vec::new();
            let shown = match health_address(&arguments, &environment, &mut warnings) {
                Ok((host, port)) => format!("{host}:{port}"),
                Err(failure) => failure.to_string(),
            };
            assert!(shown.starts_with(expected), "{shown}");
            assert_eq!(
                warnings.is_empty(),
                !variables.iter().any(|(name, _)| *name == "CONFIG_FILE")
            );
        }
        check(&[], None, "127.0.0.1:8080");
        check(&[], Some(1), "127.0.0.1:1");
        check(&[("HEALTH_CHECK_PORT", "4"), ("HEALTH_CHECK_HOST", "::")], None, "::1:4");
        check(&[("HEALTH_CHECK_PORT", "0")], None, "healthCheckPort of node is 0");
        // The running node keeps what it had, so a broken file must not hide it.
        check(&[("HEALTH_CHECK_PORT", "4"), ("CONFIG_FILE", "/nowhere.yaml")], None, "127.0.0.1:4");
    }
}
