//! Watches the configuration: the file and the files of secrets. Reads it again after a change, beside everything else,
//! because a file system may not answer, and a file with a million routes takes seconds to read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::file_fingerprint::{FileFingerprint, is_regular};
use super::plan::{LoadedPlan, Plan};
use super::secret_file_watch::SecretFileWatch;
use super::single_flight::SingleFlight;
use crate::config::{Diagnostics, FileWatch, Loaded, Look, WatchDecision};
use crate::topology::PortAssignments;

/// How often the content of the files is checked (D17).
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The configuration of this process while it runs.
pub(super) struct ConfigWatcher {
    plan: Plan,
    ports: PortAssignments,
    file: Option<PathBuf>,
    /// `None` for a file that can be read only once.
    watch: Option<FileWatch>,
    fingerprint: FileFingerprint,
    secrets: SecretFileWatch,
    checks: Interval,
    checking: SingleFlight<(FileFingerprint, Look)>,
    reading: SingleFlight<ReadResult>,
    /// Another read was requested during a read.
    must_read_again: bool,
}

enum ReadResult {
    Content(Box<Result<(LoadedPlan, SecretFileWatch), Diagnostics>>),
    /// The file was replaced, by a pipe for example.
    NoRegularFile(PathBuf),
}

/// Why a changed configuration is refused. The log has the details.
#[derive(Debug)]
pub(super) struct ConfigRefusal(pub(super) String);

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
        let watch = content.filter(|_| is_regular).map(|content| FileWatch::new(content.hash()));
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watcher = Self {
            plan,
            ports,
            file,
            watch,
            fingerprint: FileFingerprint::default(),
            secrets: SecretFileWatch::new(&nodes),
            checks,
            checking: SingleFlight::default(),
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
                    self.start_check();
                    self.secrets.start_check();
                }
                decision = self.secrets.next_decision() => self.handle_secret_check(decision)?,
                (fingerprint, hash) = self.checking.done() => {
                    self.fingerprint = fingerprint;
                    self.handle_check(hash)?;
                }
                result = self.reading.done() => return self.handle_read(result),
            }
        }
    }

    /// Reads the file now, changed or not.
    pub(super) fn read_on_request(&mut self) -> Result<(), ConfigRefusal> {
        if self.file.is_some() && self.watch.is_none() {
            tracing::warn!(
                "the configuration is not in a regular file, so it was read once, at the start; nothing was changed"
            );
            let reason =
                "the configuration is not in a regular file, so it was read once, at the start";
            return Err(ConfigRefusal(reason.to_owned()));
        }
        self.start_read();
        Ok(())
    }

    fn start_check(&mut self) {
        if self.checking.became_slow() || self.reading.became_slow() {
            let file = self.file.as_deref().map(|file| file.display().to_string());
            tracing::warn!(
                file,
                "the configuration file cannot be read: its file system does not answer; the running configuration stays"
            );
        }
        if self.watch.is_some()
            && !self.checking.is_under_way()
            && let Some(file) = self.file.clone()
        {
            let mut fingerprint = std::mem::take(&mut self.fingerprint);
            self.checking.start(move || {
                let hash = fingerprint.hash(&file);
                (fingerprint, hash)
            });
        }
    }

    fn handle_check(&mut self, hash: Look) -> Result<(), ConfigRefusal> {
        let (Some(file), Some(watch)) = (&self.file, &mut self.watch) else { return Ok(()) };
        match watch.look(hash) {
            WatchDecision::Wait => {}
            WatchDecision::Gone => {
                log_unreadable(file);
                return Err(ConfigRefusal("the configuration file cannot be read".to_owned()));
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
                return Err(ConfigRefusal("a file with a secret cannot be read".to_owned()));
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
        let (plan, ports, file) = (self.plan.clone(), self.ports.clone(), self.file.clone());
        self.reading.start(move || {
            if let Some(file) = file
                && file.exists()
                && !is_regular(&file)
            {
                // Opening a pipe would wait for its writer.
                return ReadResult::NoRegularFile(file);
            }
            let loaded = plan.load_with_ports(ports).map(|loaded| {
                let secrets = SecretFileWatch::new(&loaded.nodes);
                (loaded, secrets)
            });
            ReadResult::Content(Box::new(loaded))
        });
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
                return Err(ConfigRefusal(reason.to_owned()));
            }
        };
        match loaded {
            Ok((loaded, secrets)) => {
                loaded.log_port_notes();
                self.ports = loaded.ports;
                self.secrets = secrets;
                if let (Some(watch), Some(content)) = (&mut self.watch, &loaded.file) {
                    watch.handled(content.hash());
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
                Err(ConfigRefusal(first.unwrap_or_default()))
            }
        }
    }
}

fn log_unreadable(file: &Path) {
    tracing::error!(
        file = %file.display(),
        "the configuration file cannot be read; the running configuration stays"
    );
}
