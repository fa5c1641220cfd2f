//! Watches the configuration: the file and the files of secrets. Reads it again after a change, beside everything else,
//! because a file system may not answer, and a file with a million routes takes seconds to read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::config_checks::mistakes_of;
use super::file_fingerprint::is_regular;
use super::plan::{LoadedPlan, Plan};
use super::single_flight::SingleFlight;
use super::watched_files::WatchedFiles;
use crate::api::ConfigMistake;
use crate::config::{Diagnostics, Loaded, WatchDecision};
use crate::topology::PortAssignments;

/// How often the content of the files is checked (D17).
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The configuration of this process while it runs.
pub(super) struct ConfigWatcher {
    plan: Plan,
    ports: PortAssignments,
    file: Option<PathBuf>,
    /// `None` for a file that can be read only once.
    watched: Option<WatchedFiles>,
    secrets: WatchedFiles,
    checks: Interval,
    reading: SingleFlight<ReadResult>,
    /// Another read was requested during a read.
    must_read_again: bool,
}

pub(super) enum ReadResult {
    Content(Box<Result<(LoadedPlan, WatchedFiles), Diagnostics>>),
    /// The file was replaced, by a pipe for example.
    NoRegularFile(PathBuf),
}

/// Why a changed configuration is refused. The log has the details.
#[derive(Debug)]
pub(super) struct ConfigRefusal {
    /// The first reason.
    pub(super) reason: String,
    /// The mistakes of the file.
    pub(super) mistakes: Vec<ConfigMistake>,
}

impl ConfigRefusal {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), mistakes: Vec::new() }
    }
}

impl ConfigWatcher {
    /// Takes over the configuration from a loaded plan. Blocks while it reads the files of secrets.
    pub(super) fn new(plan: LoadedPlan) -> (Self, Vec<Loaded>) {
        let LoadedPlan { plan, nodes, file: content, ports, .. } = plan;
        let file = content.as_ref().map(|content| content.path.clone());
        let is_regular = file.as_deref().is_none_or(is_regular);
        if let (Some(file), false) = (&file, is_regular) {
            tracing::warn!(
                file = %file.display(),
                "the configuration is not in a regular file: it is read only once, and later changes have no effect"
            );
        }
        let watched = content.filter(|_| is_regular).map(|content| WatchedFiles::one(&content));
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watcher = Self {
            plan,
            ports,
            file,
            watched,
            secrets: WatchedFiles::secrets_of(&nodes),
            checks,
            reading: SingleFlight::default(),
            must_read_again: false,
        };
        (watcher, nodes)
    }

    /// Whether this is the configuration of a topology that runs in one process.
    pub(super) fn is_network(&self) -> bool {
        matches!(self.plan, Plan::Network(..))
    }

    /// The nodes of the next changed configuration, or why it is refused. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Vec<Loaded>, ConfigRefusal> {
        loop {
            tokio::select! {
                _ = self.checks.tick(), if self.file.is_some() || !self.secrets.is_empty() => {
                    self.start_checks();
                }
                decision = self.secrets.next_decision() => self.handle_secret_check(decision)?,
                decision = next_decision(&mut self.watched) => self.handle_check(decision)?,
                result = self.reading.done() => return self.handle_read(result),
            }
        }
    }

    /// Reads the file now, changed or not.
    pub(super) fn read_on_request(&mut self) -> Result<(), ConfigRefusal> {
        if self.file.is_some() && self.watched.is_none() {
            tracing::warn!(
                "the configuration is not in a regular file, so it was read once, at the start; nothing was changed"
            );
            let reason =
                "the configuration is not in a regular file, so it was read once, at the start";
            return Err(ConfigRefusal::new(reason));
        }
        self.start_read();
        Ok(())
    }

    fn start_checks(&mut self) {
        let is_slow = self.watched.as_mut().is_some_and(WatchedFiles::became_slow);
        if is_slow || self.reading.became_slow() {
            let file = self.file.as_deref().map(|file| file.display().to_string());
            tracing::warn!(
                file,
                "the configuration file cannot be read: its file system does not answer; the running configuration stays"
            );
        }
        self.watched.iter_mut().chain([&mut self.secrets]).for_each(WatchedFiles::start_check);
    }

    fn handle_check(&mut self, decision: WatchDecision) -> Result<(), ConfigRefusal> {
        match decision {
            WatchDecision::Wait => {}
            WatchDecision::Gone => {
                self.file.as_deref().into_iter().for_each(log_unreadable);
                return Err(ConfigRefusal::new("the configuration file cannot be read"));
            }
            WatchDecision::Apply => self.start_read(),
        }
        Ok(())
    }

    fn handle_secret_check(&mut self, decision: WatchDecision) -> Result<(), ConfigRefusal> {
        match decision {
            WatchDecision::Wait => {}
            WatchDecision::Gone => {
                tracing::error!(
                    "a file with a secret cannot be read; the running configuration stays"
                );
                return Err(ConfigRefusal::new("a file with a secret cannot be read"));
            }
            WatchDecision::Apply => {
                tracing::info!("a file with a secret changed: reading the configuration again");
                self.start_read();
            }
        }
        Ok(())
    }

    /// Reads the file again, or once more if a read is under way.
    pub(super) fn start_read(&mut self) {
        self.must_read_again = self.reading.is_under_way();
        if self.must_read_again {
            return;
        }
        self.reading.start(self.read());
    }

    /// Reads everything as it is now. Only the caller decides whether it applies.
    pub(super) fn read(&self) -> impl FnOnce() -> ReadResult + Send + 'static {
        let (plan, ports, file) = (self.plan.clone(), self.ports.clone(), self.file.clone());
        move || {
            if let Some(file) = file
                && file.exists()
                && !is_regular(&file)
            {
                // Opening a pipe would wait for its writer.
                return ReadResult::NoRegularFile(file);
            }
            let loaded = plan.load_with_ports(ports).map(|loaded| {
                let secrets = WatchedFiles::secrets_of(&loaded.nodes);
                (loaded, secrets)
            });
            ReadResult::Content(Box::new(loaded))
        }
    }

    fn handle_read(&mut self, result: ReadResult) -> Result<Vec<Loaded>, ConfigRefusal> {
        if self.must_read_again {
            self.start_read();
        }
        let loaded = match result {
            ReadResult::Content(loaded) => *loaded,
            ReadResult::NoRegularFile(file) => {
                log_unreadable(&file);
                let reason = "the configuration file is no longer a regular file";
                return Err(ConfigRefusal::new(reason));
            }
        };
        match loaded {
            Ok((loaded, secrets)) => {
                loaded.log_port_notes();
                self.ports = loaded.ports;
                self.secrets = secrets;
                if let (Some(watched), Some(content)) = (&mut self.watched, &loaded.file) {
                    *watched = WatchedFiles::one(content);
                }
                Ok(loaded.nodes)
            }
            Err(diagnostics) if diagnostics.node_not_named && !self.is_network() => Ok(Vec::new()),
            Err(diagnostics) => {
                for problem in &diagnostics.problems {
                    tracing::error!("{problem}");
                }
                tracing::error!("the configuration is not valid; nothing was changed");
                let first = diagnostics.problems.first().map(ToString::to_string);
                let mistakes = mistakes_of(&diagnostics);
                Err(ConfigRefusal { reason: first.unwrap_or_default(), mistakes })
            }
        }
    }
}

/// Waits for the next check of the file. Cancel safe.
async fn next_decision(watched: &mut Option<WatchedFiles>) -> WatchDecision {
    match watched {
        Some(watched) => watched.next_decision().await,
        None => std::future::pending().await,
    }
}

fn log_unreadable(file: &Path) {
    tracing::error!(
        file = %file.display(),
        "the configuration file cannot be read; the running configuration stays"
    );
}
