//! Applies a configuration to the packet path and to the logins.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::derive::{ParentInfoError, connector_settings, disable_parent, login_directory};
use super::node_task::NodeTask;
use crate::account::{AccountId, Asset};
use crate::config::NodeConfig;
use crate::connector::{ConnectorSettings, RegistryError};
use crate::link::CloseRequest;
use crate::net::Proxies;
use crate::peers::{NoRandomness, RECONFIGURED};

/// Why a configuration cannot be applied to a running node, which goes on with its old one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// The packet path refuses the settings.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The configuration does not fit the address or asset from the parent.
    #[error(transparent)]
    ParentInfo(#[from] ParentInfoError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl NodeTask {
    /// From now on packets and logins follow `config`. An error changes nothing.
    pub(super) fn apply_config(&self, config: &NodeConfig) -> Result<(), ApplyError> {
        let settings = self.effective_settings(config)?;
        let directory = login_directory(config)?;
        self.context.connector.apply_settings(settings)?;
        self.logins.store(Arc::new(directory));
        self.context.proxies.store(Arc::new(Proxies::new(config.proxies.clone())));
        Ok(())
    }

    fn effective_settings(
        &self,
        config: &NodeConfig,
    ) -> Result<ConnectorSettings, ParentInfoError> {
        let settings = connector_settings(config, &self.parent, &self.random_secret)?;
        Ok(if self.parent.is_suspended { disable_parent(settings) } else { settings })
    }

    /// The asset of each account in the applied configuration.
    pub(super) fn account_assets(&self) -> BTreeMap<AccountId, Asset> {
        let settings =
            self.effective_settings(&self.config).expect("this configuration is applied");
        settings.accounts.into_iter().map(|account| (account.id, account.asset)).collect()
    }

    /// Closes the sessions of accounts whose asset differs from `before`: a child asks for its asset when it connects.
    /// The parent's session stays, because the new asset came from it.
    pub(super) fn close_sessions_with_changed_assets(&self, before: &BTreeMap<AccountId, Asset>) {
        let parent = self.config.parent().map(|parent| &parent.account.id);
        for (id, asset) in self.account_assets() {
            let has_changed = before.get(&id).is_some_and(|before| *before != asset);
            if has_changed && Some(&id) != parent {
                self.close_sessions(&id);
            }
        }
    }

    pub(super) fn close_sessions(&self, peer: &AccountId) {
        self.close_sessions_with(peer, RECONFIGURED);
    }

    pub(super) fn close_sessions_with(&self, peer: &AccountId, request: CloseRequest) {
        if let Some(account) = self.context.connector.account(peer.as_str()) {
            self.context.connector.close_sessions(&account, request);
        }
    }

    /// Closes sessions that logged in with a token which is no longer valid.
    pub(super) fn close_sessions_by_lost_tokens(&self, peer: &AccountId) {
        if let Some(account) = self.context.connector.account(peer.as_str()) {
            let valid = self.logins.load().fingerprints_of(peer);
            self.context.connector.close_sessions_by_other_tokens(&account, &valid, RECONFIGURED);
        }
    }
}
