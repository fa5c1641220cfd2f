//! Adopts address and asset from the parent, and applies configurations.
//!
//! The first address and asset that fit the configuration are adopted for the life of the process, because the children
//! of this node got theirs from these values. A parent that sends other ones later is suspended until it sends the
//! adopted ones again, or the operator decides.

use std::collections::HashMap;
use std::sync::Arc;

use super::derive::{ParentInfoError, connector_settings, directory, without_parent};
use super::ildcp::ParentInfo;
use super::node_task::NodeTask;
use super::start::StartError;
use crate::account::{AccountId, Asset};
use crate::config::NodeConfig;
use crate::connector::ConnectorSettings;
use crate::peers::RECONFIGURED;

impl NodeTask {
    pub(super) fn adopt(&mut self, told: ParentInfo) {
        let news = self.told.is_none();
        match self.try_adopt(&told) {
            Ok(()) if news => {
                tracing::info!(address = %told.address, asset = %told.asset, "the parent gave an address");
            }
            Ok(()) => {}
            Err(error) => {
                // The parent decides how often it comes and goes.
                if let Some(suppressed) = self.admit_line_about_parent() {
                    tracing::error!(
                        address = %told.address, asset = %told.asset, %error, suppressed,
                        "what the parent told cannot be used; its link is suspended until the configuration fits"
                    );
                }
                self.suspend_parent();
            }
        }
    }

    fn admit_line_about_parent(&self) -> Option<u64> {
        let parent = self.config.parent().map(|parent| &parent.account.id)?;
        self.context.peers.status(parent).admit_line()
    }

    fn try_adopt(&mut self, told: &ParentInfo) -> Result<(), StartError> {
        match &self.told {
            Some(adopted) if !self.is_same(adopted, told) => {
                return Err(ParentInfoError::Changed(adopted.clone()).into());
            }
            Some(_) if !self.parent_suspended => return Ok(()),
            _ => {}
        }
        let units = self.units(&self.config);
        let before = (self.told.replace(told.clone()), self.parent_suspended);
        self.parent_suspended = false;
        if let Err(error) = self.apply_config(&self.config) {
            (self.told, self.parent_suspended) = before;
            return Err(error);
        }
        if self.config.address.is_some() {
            // Packets have already passed. Children whose sessions close ask for the new asset.
            self.close_where_unit_changed(&units);
        }
        Ok(())
    }

    /// What each account is counted in with this configuration.
    pub(super) fn units(&self, config: &NodeConfig) -> HashMap<AccountId, Asset> {
        let settings = self.settings_in_force(config);
        let accounts = settings.map(|settings| settings.accounts).unwrap_or_default();
        accounts.into_iter().map(|account| (account.id, account.asset)).collect()
    }

    /// Ends the sessions of accounts that counted in another unit `before`. A child asks for its unit when it connects;
    /// the parent has just told ours.
    pub(super) fn close_where_unit_changed(&self, before: &HashMap<AccountId, Asset>) {
        let parent = self.config.parent().map(|parent| &parent.account.id);
        for (id, asset) in self.units(&self.config) {
            let changed = before.get(&id).is_some_and(|before| *before != asset);
            if changed && Some(&id) != parent {
                self.close_sessions(&id);
            }
        }
    }

    pub(super) fn close_sessions(&self, peer: &AccountId) {
        if let Some(account) = self.context.connector.account(peer.as_str()) {
            self.context.connector.close_sessions(&account, RECONFIGURED.0, RECONFIGURED.1);
        }
    }

    /// Sessions that logged in with a token which is still valid stay.
    pub(super) fn close_sessions_by_lost_tokens(&self, peer: &AccountId) {
        if let Some(account) = self.context.connector.account(peer.as_str()) {
            let (valid, (code, reason)) = (self.logins.load().marks_of(peer), RECONFIGURED);
            self.context.connector.close_sessions_by_other_tokens(&account, &valid, code, reason);
        }
    }

    /// An address that is configured is not the parent's to give.
    fn is_same(&self, adopted: &ParentInfo, told: &ParentInfo) -> bool {
        let same_address = self.config.address.is_some() || adopted.address == told.address;
        same_address && adopted.asset == told.asset
    }

    fn suspend_parent(&mut self) {
        self.parent_suspended = true;
        if let Err(error) = self.apply_config(&self.config) {
            tracing::error!(%error, "the parent cannot be suspended");
        }
    }

    /// What the packet path follows with this configuration.
    pub(super) fn settings_in_force(
        &self,
        config: &NodeConfig,
    ) -> Result<ConnectorSettings, ParentInfoError> {
        let settings = connector_settings(config, self.told.as_ref(), &self.drawn)?;
        Ok(if self.parent_suspended { without_parent(settings) } else { settings })
    }

    /// Packets and logins follow `config` from now on; an error changes nothing.
    pub(super) fn apply_config(&self, config: &NodeConfig) -> Result<(), StartError> {
        let settings = self.settings_in_force(config)?;
        let directory = directory(config)?;
        self.context.connector.apply_settings(settings)?;
        self.logins.store(Arc::new(directory));
        Ok(())
    }
}
