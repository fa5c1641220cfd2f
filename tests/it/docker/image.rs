//! The image: its content, and how a container of it starts and stops.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Container, IMAGE, docker, engine, health, inspect, json_log};
use crate::support::{combined_output, eventually, run};

const BYTES_MAX: u64 = 50_000_000;
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// After this time `docker stop` kills, and the exit code is 137.
const STOP_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn the_image_holds_the_program_and_nothing_else() {
    let Some(_engine) = engine() else { return };
    let size: u64 = inspect(IMAGE, "{{.Size}}").parse().expect("a size");
    assert!(size < BYTES_MAX, "the image has {size} bytes");

    let config: Value = serde_json::from_str(&inspect(IMAGE, "{{json .Config}}")).expect("JSON");
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(
        config["Entrypoint"],
        json!(["ilp-connector"]),
        "a shell form would swallow signals"
    );
    assert_eq!(config["WorkingDir"], "/etc/ilp-connector");
    assert_eq!(config["ExposedPorts"], json!({"3000/tcp": {}, "8080/tcp": {}}));
    let seconds = |count: u64| json!(count * 1_000_000_000);
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "ilp-connector", "healthcheck"]));
    assert_eq!(config["Healthcheck"]["Interval"], seconds(5));
    assert_eq!(config["Healthcheck"]["Timeout"], seconds(3));
    assert_eq!(config["Healthcheck"]["Retries"], 3);

    let shell = run(&mut docker(&["run", "--rm", "--entrypoint", "/bin/sh", IMAGE, "-c", "true"]));
    assert!(!shell.status.success(), "there is a shell");
}

#[test]
fn the_image_starts_with_defaults_and_stops_in_time() {
    let Some(_engine) = engine() else { return };
    let container = Container::start("defaults", &["--publish", "127.0.0.1::8080"], &[]);
    eventually("the container is healthy", HEALTHY_WITHIN, || container.health());
    let (code, body) = health(container.published(8080)).expect("/health");
    assert_eq!((code, &body["status"], &body["totalPeers"]), (200, &json!("healthy"), &json!(0)));
    check_stop(&container);
}

#[test]
fn the_image_can_be_configured_by_its_environment_alone() {
    let Some(_engine) = engine() else { return };
    let _network = Network::create();
    let node = |name: &str, peer: &str, url: &str| {
        let environment = [
            format!("NODE_ID={name}"),
            format!("ILP_ADDRESS=test.env.{name}"),
            "BTP_SERVER_PORT=4000".to_owned(),
            "HEALTH_CHECK_PORT=9090".to_owned(),
            "LOG_LEVEL=debug".to_owned(),
            format!("BTP_PEER_{}_URL={url}", peer.to_uppercase()),
            format!("BTP_PEER_{}_SECRET=secret-of-the-link", peer.to_uppercase()),
        ];
        let mut options = vec![
            "--publish",
            "127.0.0.1::9090",
            "--network",
            Network::NAME,
            "--network-alias",
            name,
        ];
        options.extend(environment.iter().flat_map(|variable| ["--env", variable.as_str()]));
        Container::start(name, &options, &[])
    };
    let left = node("left", "right", "ws://right:4000");
    let right = node("right", "left", "");
    for (container, name) in [(&left, "left"), (&right, "right")] {
        eventually("both are healthy", HEALTHY_WITHIN, || container.health());
        let port = container.published(9090);
        eventually("the link is up", HEALTHY_WITHIN, || match health(port)? {
            (200, body) if body["peersConnected"] == 1 && body["nodeId"] == name => Ok(()),
            (code, body) => Err(format!("{code} {body}")),
        });
        let log = json_log(&container.0);
        assert!(
            !log.iter().any(|line| line.to_string().contains("secret-of-the-link")),
            "the log shows the secret"
        );
        assert!(log.iter().any(|line| line["level"] == "DEBUG"), "LOG_LEVEL had no effect");
    }
}

#[test]
fn a_mistake_in_the_configuration_is_one_readable_line() {
    let Some(_engine) = engine() else { return };
    let container = Container::start("mistake", &["--env", "BTP_SERVER_PORT=70000"], &[]);
    let code = run(&mut docker(&["wait", &container.0]));
    assert_eq!(combined_output(&code).trim(), "64");
    let log = json_log(&container.0);
    assert!(
        log.iter().any(|line| line.to_string().contains("BTP_SERVER_PORT")
            && line.to_string().contains("70000")),
        "nothing names the variable and its value: {log:?}"
    );
}

/// Checks that the program ends by itself at the SIGTERM of `docker stop`, with code 0.
pub(super) fn check_stop(container: &Container) {
    let start = Instant::now();
    assert!(run(&mut docker(&["stop", &container.0])).status.success());
    let took = start.elapsed();
    assert_eq!(inspect(&container.0, "{{.State.ExitCode}}"), "0");
    assert!(took < STOP_WITHIN, "docker stop took {took:?}");
    json_log(&container.0);
}

/// A network on which containers find each other by name.
struct Network;

impl Network {
    const NAME: &str = "ilp-connector-test";

    fn create() -> Self {
        Self::remove();
        assert!(run(&mut docker(&["network", "create", Self::NAME])).status.success());
        Self
    }

    fn remove() {
        let _ = docker(&["network", "rm", Self::NAME]).output();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        Self::remove();
    }
}
