//! A new configuration for a running node: whoever is not concerned by a change does not notice it (D17).

use std::time::SystemTime;

use super::derive::connector_settings;
use super::node_task::NodeTask;
use crate::account::AccountId;
use crate::config::{NodeConfig, diff};
use crate::net::error_chain;

impl NodeTask {
    /// Puts `new` in force. Values that cannot change while the node runs keep their old value, and are named in the
    /// log.
    pub(super) fn reload(&mut self, new: NodeConfig) {
        let change = diff(&self.config, &new);
        let config = change.with_what_cannot_change(&self.config, new);
        let before = (self.told.clone(), self.parent_suspended);
        let units = self.units(&self.config);
        let fits = || connector_settings(&config, self.told.as_ref(), &self.drawn).is_ok();
        if parent(&config) != parent(&self.config) || !fits() {
            // What one parent told, another need not mean; and the operator's word is above that of the parent.
            (self.told, self.parent_suspended) = (None, false);
        }
        if !config.asks_parent() {
            self.parent_suspended = false;
        }
        if let Err(error) = self.apply_config(&config) {
            let error = error_chain(&error);
            tracing::error!(%error, "the changed configuration cannot be applied; the old one stays");
            (self.told, self.parent_suspended) = before;
            self.status.reload_refused(SystemTime::now(), &error);
            return;
        }
        self.config = config;
        // The file may say nothing of it: another parent may tell another unit.
        self.close_where_unit_changed(&units);
        for peer in &change.removed {
            let dialled = self.diallers.hand_over(peer);
            self.draining.add(peer, dialled, &self.context, self.config.settings.shutdown_grace);
        }
        let back = change.added.iter().filter(|peer| self.draining.end(peer));
        // Who was on the way out and is wanted again may have another secret now.
        let anew: Vec<_> = back.chain(&change.suspended).chain(&change.reauthenticate).collect();
        anew.into_iter().for_each(|peer| self.close_sessions(peer));
        change.lost_tokens.iter().for_each(|peer| self.close_sessions_by_lost_tokens(peer));
        self.start();
        // What kept a peer away may be mended, here or at the other side: an operator who reloads does not wait.
        self.context.client_tls.forget_system_trust();
        self.diallers.retry_now();
        self.status.set_listed(true);
        self.status.reload_succeeded();
        self.ask_parent();
        tracing::info!(
            added = %list(&change.added), removed = %list(&change.removed), changed = %list(&change.changed),
            settings = %change.settings.join(", "), routes = self.config.routes.len(),
            "configuration reloaded"
        );
        if !change.needs_restart.is_empty() {
            let keys = change.needs_restart.join(", ");
            tracing::warn!(%keys, "these changes take effect when the node is started again");
        }
    }

    /// The file no longer names this node: all peers go, and the node waits to be named again.
    pub(super) fn drop_all_links(&mut self) {
        tracing::warn!(
            "the topology no longer names this node; its links are dropped until it does"
        );
        let mut config = self.config.clone();
        config.peers.clear();
        config.receivers.clear();
        config.routes.clear();
        self.reload(config);
        self.status.set_listed(false);
    }
}

fn parent(config: &NodeConfig) -> Option<&AccountId> {
    config.parent().map(|parent| &parent.account.id)
}

fn list(ids: &[AccountId]) -> String {
    ids.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", ")
}
