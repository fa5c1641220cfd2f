//! A new configuration for a running node: whoever is not concerned by a change does not notice it (D17).

use std::time::Duration;

use tokio::time::Instant;

use super::effective::{connector_settings, dials, directory};
use super::running::Running;
use super::task;
use crate::btp::{GOING_AWAY, POLICY};
use crate::config::{self, NodeConfig};

/// How often is looked whether a removed peer has drained.
const LOOK: Duration = Duration::from_millis(50);

impl Running {
    /// Puts `new` in force. Gives the keys that need a restart; they keep their old values.
    pub(super) fn reload(&mut self, new: NodeConfig) -> Vec<String> {
        let change = config::diff(&self.config, &new);
        let config = change.with_what_cannot_change(&self.config, new);
        if let Err(error) = self.put_in_force(&config) {
            tracing::error!(%error, "the changed configuration cannot be put in force; the old one stays");
            return Vec::new();
        }
        self.diallers.let_go(&change.removed, config.shutdown_grace);
        for id in change.suspended.iter().chain(&change.reauthenticate) {
            if let Some(account) = self.context.connector.account(id.as_str()) {
                self.context.connector.close_sessions(&account, POLICY, "reconfigured");
            }
        }
        self.config = config;
        self.begin();
        self.health.configured(&self.config);
        self.ask_parent();
        tracing::info!(
            added = ?change.added, removed = ?change.removed, changed = ?change.changed,
            routes = self.config.routes.len(), "configuration reloaded"
        );
        if !change.needs_restart.is_empty() {
            tracing::warn!(keys = ?change.needs_restart, "these changes take effect at the next start");
        }
        change.needs_restart
    }
}
