//! Applies a new configuration to a running node. Peers that no change concerns are not disturbed (D17).

use super::adopt::ParentState;
use super::derive::connector_settings;
use super::node_task::NodeTask;
use crate::account::AccountId;
use crate::api::{ConfigValues, OverrideEnd};
use crate::config::{NodeConfig, diff};
use crate::link::CloseRequest;
use crate::machine;
use crate::net::error_chain;
use crate::peers::{RECONFIGURED, SUSPENDED};

/// A configuration that cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RefusedReload;

impl NodeTask {
    /// Applies `new`; without `values`, the pages show the old ones without links. Values that cannot change while the
    /// node runs stay, and the log names them. What operators have changed stays in force until it ends, unless its
    /// peer is gone.
    pub(super) fn reload(&mut self, new: NodeConfig, values: Option<ConfigValues>) {
        if self.follow_file(new, values).is_ok() {
            self.status.set_listed(true);
            self.guests.open();
        }
    }

    /// See [`Self::reload`]. An error changes nothing, and is in the log and on the pages.
    fn follow_file(
        &mut self,
        new: NodeConfig,
        values: Option<ConfigValues>,
    ) -> Result<(), RefusedReload> {
        let change = diff(&self.configured, &new);
        let configured = change.keep_until_restart(&self.configured, new);
        if let Err(error) = self.switch_to(self.in_force(&configured)) {
            tracing::error!(
                %error,
                "the changed configuration cannot be applied; the node goes on with the old one"
            );
            self.status.record_refused_reload(machine::time_of_day(), &error);
            return Err(RefusedReload);
        }
        self.configured = configured;
        match values {
            Some(values) => self.status.set_config_values(values, &change.needs_restart),
            None => self.status.drop_config_values_of_links(),
        }
        for gone in self.overrides.take_without_peer(&self.config) {
            self.report_end(&gone, OverrideEnd::PeerRemoved);
        }
        self.status.set_overrides(self.overrides.bodies());
        // Dial at once: the reload, or a repair at the peer, may have ended the reason for the failures.
        self.context.client_tls.forget_system_trust();
        self.diallers.retry_now();
        self.status.record_reload();
        self.request_parent_info();
        tracing::info!(
            added = %list(&change.added), removed = %list(&change.removed), changed = %list(&change.changed),
            settings = %change.settings.join(", "), routes = self.config.routes.len(),
            "configuration reloaded"
        );
        if !change.needs_restart.is_empty() {
            let keys = change.needs_restart.join(", ");
            tracing::warn!(%keys, "these changes take effect when the node is restarted");
        }
        Ok(())
    }

    /// Puts another configuration in the place of the one in force, and disturbs no peer that it does not concern. An
    /// error changes nothing.
    pub(super) fn switch_to(&mut self, config: NodeConfig) -> Result<(), String> {
        let change = diff(&self.config, &config);
        let parent_before = self.parent.clone();
        let assets_before = self.account_assets();
        let parent_info_fits =
            || connector_settings(&config, &self.parent, &self.random_secret).is_ok();
        if parent_id(&config) != parent_id(&self.config) || !parent_info_fits() {
            // Another parent may give other values; and the configuration has priority over the parent.
            self.parent = ParentState::default();
        }
        if !config.asks_parent() {
            self.parent.is_suspended = false;
        }
        if let Err(error) = self.apply_config(&config) {
            self.parent = parent_before;
            return Err(error_chain(&error));
        }
        self.config = config;
        // Assets may change without a change in the file: another parent may give another one.
        self.close_sessions_with_changed_assets(&assets_before);
        for peer in &change.removed {
            let handle = self.diallers.remove(peer);
            let grace = self.config.settings.shutdown_grace;
            self.draining.drain_peer(peer, handle, &self.context, grace);
        }
        for peer in &change.suspended {
            let request = self.suspension_of(peer);
            self.diallers.stop_peer(peer, request);
            self.close_sessions_with(peer, request);
        }
        // A peer that was removed and is added again may have another secret now.
        let returned = change.added.iter().filter(|peer| self.draining.cancel(peer));
        let disconnected: Vec<_> = returned.chain(&change.reauthenticate).collect();
        disconnected.into_iter().for_each(|peer| self.close_sessions(peer));
        change.lost_tokens.iter().for_each(|peer| self.close_sessions_by_lost_tokens(peer));
        self.follow_config();
        Ok(())
    }

    /// What a peer reads that is suspended.
    fn suspension_of(&self, peer: &AccountId) -> CloseRequest {
        let peer = self.config.peer(peer.as_str());
        let by_operator = peer.is_some_and(|peer| peer.account.suspended_until.is_some());
        if by_operator { SUSPENDED } else { RECONFIGURED }
    }

    /// Removes all peers and guests until the topology names this node again. If that cannot be applied, all of them
    /// stay.
    pub(super) fn drop_all_links(&mut self) {
        let mut config = self.configured.clone();
        config.peers.clear();
        config.receivers.clear();
        config.routes.clear();
        let guests = self.guests.close();
        if self.follow_file(config, None).is_err() {
            return self.guests.undo_close(guests);
        }
        self.status.set_listed(false);
        tracing::warn!(
            "the topology no longer names this node; its links are dropped until it does"
        );
    }
}

fn parent_id(config: &NodeConfig) -> Option<&AccountId> {
    config.parent().map(|parent| &parent.account.id)
}

fn list(ids: &[AccountId]) -> String {
    ids.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", ")
}
