//! The image and the Compose network, built, run, disturbed and edited.
//!
//! These tests need a Docker engine and Compose. If there is none, but root rights and the script of base images beside
//! the repository, that script installs them; otherwise the tests are skipped with a message. `ILP_TEST_DOCKER=0`
//! leaves them out.
//!
//! The names and ports of the containers are those of docker-compose.yml, so a machine can run one network at a time:
//! the tests wait for each other, also across processes.

mod database;
mod image;
mod monitoring;
mod network;
mod package;
mod page;
mod settling;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::network::get_json;
use crate::support::{combined_output, print_line, run, run_successfully, skip, text};

const IMAGE: &str = "ilp-connector";

/// A Docker engine that answers; `Err` is the reason to skip the suite. The file is locked while this process lives,
/// because the image's tag and the containers' names exist once per machine.
static DOCKER: LazyLock<Result<File, String>> = LazyLock::new(start_docker);

/// The same, with Compose and the image built from this repository.
struct Engine {
    /// `docker-compose`, or `docker compose`.
    compose: Vec<&'static str>,
}

static ENGINE: LazyLock<Result<Mutex<Engine>, String>> =
    LazyLock::new(|| Engine::start().map(Mutex::new));

/// The engine, locked for the caller; `None` after the reason was printed.
fn engine() -> Option<MutexGuard<'static, Engine>> {
    match &*ENGINE {
        Ok(engine) => Some(engine.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(why) => {
            skip("the Docker suite", why);
            None
        }
    }
}

fn start_docker() -> Result<File, String> {
    if std::env::var("ILP_TEST_DOCKER").is_ok_and(|value| value == "0") {
        return Err("ILP_TEST_DOCKER=0".to_owned());
    }
    let machine = File::create(std::env::temp_dir().join("ilp-connector-docker-test.lock"))
        .map_err(|error| format!("cannot create the lock file: {error}"))?;
    machine.lock().map_err(|error| format!("cannot take the lock: {error}"))?;

    let installer = repository().join("../shared/docker/base-images.sh");
    if is_root() && installer.exists() {
        run_successfully(&mut Command::new(installer));
    }
    if !succeeds("docker", &["info"]) {
        return Err("no Docker engine answers `docker info`".to_owned());
    }
    Ok(machine)
}

impl Engine {
    fn start() -> Result<Self, String> {
        DOCKER.as_ref().map_err(Clone::clone)?;
        let compose = if succeeds("docker-compose", &["version"]) {
            vec!["docker-compose"]
        } else if succeeds("docker", &["compose", "version"]) {
            vec!["docker", "compose"]
        } else {
            return Err("there is no Docker Compose".to_owned());
        };
        run_successfully(docker(&["build", "-t", IMAGE]).arg(repository()));
        Ok(Self { compose })
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| text(&output.stdout).trim() == "0")
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

/// Builds an image. Packages come from the network of this machine.
fn build(image: &str, folder: &Path) {
    run_successfully(docker(&["build", "--network", "host", "--tag", image]).arg(folder));
}

/// Whether the real image is here, or can be pulled.
fn pull(image: &str) -> bool {
    let label = ["image", "inspect", "--format", "{{index .Config.Labels \"stand-in\"}}", image];
    let output = run(&mut docker(&label));
    let is_real = output.status.success() && output.stdout.trim_ascii().is_empty();
    let is_pulled = is_real || run(&mut docker(&["pull", "--quiet", image])).status.success();
    if !is_pulled {
        print_line(&format!("{image} cannot be pulled: its stand-in takes its place"));
    }
    is_pulled
}

/// The value of a template of `docker inspect`.
fn inspect(name: &str, template: &str) -> String {
    run_successfully(&mut docker(&["inspect", "--format", template, name])).trim().to_owned()
}

/// All lines that a container has printed, each of which must be JSON.
fn json_log(container: &str) -> Vec<serde_json::Value> {
    let printed = combined_output(&run(&mut docker(&["logs", container])));
    printed
        .lines()
        .map(|line| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("{container} printed a line that is not JSON ({error}): {line}"),
        })
        .collect()
}

/// Status code and body of `GET /health` at a port of this machine; `Err` while no node answers.
fn health(port: u16) -> Result<(u16, serde_json::Value), String> {
    get_json(port, "/health")
}

/// `Ok` if `/health` at this port has this status code.
fn health_is(port: u16, code: u16) -> Result<(), String> {
    match health(port)? {
        (seen, _) if seen == code => Ok(()),
        (seen, body) => Err(format!("port {port} answers {seen}: {body}")),
    }
}

/// A container that is removed at the end of its test.
struct Container(String);

impl Container {
    /// `docker run -d` without capabilities and with a read-only file system.
    fn start(name: &str, options: &[&str], arguments: &[&str]) -> Self {
        let container = Self(format!("ilp-connector-test-{name}"));
        container.remove();
        run_successfully(
            docker(&[
                "run",
                "--detach",
                "--read-only",
                "--cap-drop",
                "ALL",
                "--name",
                &container.0,
            ])
            .args(options)
            .arg(IMAGE)
            .args(arguments),
        );
        container
    }

    fn health(&self) -> Result<(), String> {
        match inspect(&self.0, "{{.State.Health.Status}}").as_str() {
            "healthy" => Ok(()),
            other => Err(format!("{} is {other}", self.0)),
        }
    }

    /// The port of this machine at which a port of the container is published.
    fn published(&self, port: u16) -> u16 {
        let address = run_successfully(&mut docker(&["port", &self.0, &port.to_string()]));
        let first = address.lines().next().unwrap_or_default();
        match first.rsplit(':').next().map(str::parse) {
            Some(Ok(port)) => port,
            _ => panic!("docker port said {address:?}"),
        }
    }

    fn remove(&self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.0]).output();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A copy of the Compose file and of the files that it mounts, which a test may edit.
fn copy_of_network() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = |path: &str| {
        let target: PathBuf = folder.path().join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).expect("a folder");
        }
        std::fs::copy(repository().join(path), target).expect("a copy");
    };
    copy("docker-compose.yml");
    copy("docker/config/config.yaml");
    copy("docker/config/settling.yaml");
    for name in ["prometheus.yml", "rules.yml", "targets.yml"] {
        copy(&format!("docker/monitoring/{name}"));
    }
    // Compose wants each folder that an image is built from, also where it builds none.
    copy("examples/settlement/Dockerfile");
    folder
}
