//! Reads the configuration for the API, without applying it: beside everything else, one reading at a time.

use tokio::sync::mpsc;

use super::config_watcher::ReadResult;
use super::single_flight::SingleFlight;
use crate::api::{ConfigCheck, ConfigCheckOrder, ConfigMistake, ConfigValue, ConfigValues};
use crate::config::{Diagnostic, Diagnostics, EffectiveValue, Loaded};

/// Requests that wait, and the reading for them.
pub(super) struct ConfigChecks {
    orders: mpsc::Receiver<ConfigCheckOrder>,
    reading: SingleFlight<ReadResult>,
    /// For the reading under way.
    waiting: Vec<ConfigCheckOrder>,
    /// They came during a reading, so they need another one.
    next: Vec<ConfigCheckOrder>,
}

impl ConfigChecks {
    pub(super) fn new(orders: mpsc::Receiver<ConfigCheckOrder>) -> Self {
        let (waiting, next) = Default::default();
        Self { orders, reading: SingleFlight::default(), waiting, next }
    }

    /// Answers requests until one needs [`Self::start`]. Cancel safe.
    pub(super) async fn until_due(&mut self) {
        loop {
            if !self.reading.is_under_way() && !self.next.is_empty() {
                return;
            }
            tokio::select! {
                Some(order) = self.orders.recv() => {
                    // A reading may hang, and clients give up meanwhile.
                    self.next.retain(|waiting| !waiting.reply.is_closed());
                    self.next.push(order);
                }
                found = self.reading.done() => self.answer(&found),
                else => std::future::pending().await,
            }
        }
    }

    /// Starts a reading.
    pub(super) fn start(&mut self, read: impl FnOnce() -> ReadResult + Send + 'static) {
        self.waiting = std::mem::take(&mut self.next);
        self.reading.start(read);
    }

    fn answer(&mut self, found: &ReadResult) {
        for order in self.waiting.drain(..) {
            let check = match found {
                ReadResult::NoRegularFile(file) => {
                    let file = file.display().to_string();
                    let text = format!(
                        "{file}: it is not a regular file, so it is read only at the start"
                    );
                    refused(vec![ConfigMistake { text, file: Some(file), line: None }])
                }
                ReadResult::Content(content) => match &**content {
                    Ok((plan, _)) => check_of(&plan.nodes, order.node.as_str()),
                    Err(diagnostics) => refused(mistakes_of(diagnostics)),
                },
            };
            // The client may have gone.
            let _ = order.reply.send(check);
        }
    }
}

fn refused(mistakes: Vec<ConfigMistake>) -> ConfigCheck {
    ConfigCheck { mistakes, ..ConfigCheck::default() }
}

fn check_of(nodes: &[Loaded], node: &str) -> ConfigCheck {
    let Some(loaded) = nodes.iter().find(|one| one.config.settings.node_id.as_str() == node) else {
        let text =
            format!("the configuration does not name node {node}, which would drop its links");
        return refused(vec![ConfigMistake { text, file: None, line: None }]);
    };
    ConfigCheck {
        mistakes: Vec::new(),
        warnings: loaded.warnings.iter().map(mistake).collect(),
        values: Some(config_values(loaded)),
    }
}

/// The values of a configuration, for the pages of the node.
pub(super) fn config_values(loaded: &Loaded) -> ConfigValues {
    let shown = |value: EffectiveValue| ConfigValue {
        key: value.key,
        value: value.value,
        from: value.from,
        is_live: value.is_live,
        hash: value.hash,
    };
    let values = loaded.effective_values().into_iter().map(shown);
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    ConfigValues { file, values: values.collect() }
}

/// Why a configuration is refused.
pub(super) fn mistakes_of(diagnostics: &Diagnostics) -> Vec<ConfigMistake> {
    diagnostics.problems.iter().map(mistake).collect()
}

fn mistake(problem: &Diagnostic) -> ConfigMistake {
    ConfigMistake {
        text: problem.to_string(),
        file: problem.file.clone(),
        line: problem.place.line,
    }
}
