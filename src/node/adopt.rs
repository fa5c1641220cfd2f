//! Adopts address and asset from the parent.
//!
//! The first address and asset that fit the configuration are adopted until the process ends, because this node's
//! children got theirs from them. A parent that gives others later is suspended until it gives the adopted ones again,
//! or the operator changes the configuration.

use super::apply::ApplyError;
use super::node_task::NodeTask;
use crate::account::Asset;
use crate::api::ParentValues;
use crate::books::SavedBooks;
use crate::config::NodeConfig;
use crate::net::error_chain;
use crate::peers::ParentInfo;

/// The node's relation to its parent.
#[derive(Clone, Debug, Default)]
pub(super) struct ParentState {
    /// The adopted values.
    pub(super) info: Option<ParentInfo>,
    /// The parent gave other values later: no packets pass to or from it.
    pub(super) is_suspended: bool,
    /// The asset of the parent's account in the store, until the parent answers.
    pub(super) saved_asset: Option<Asset>,
}

impl ParentState {
    /// The state at the start of a node, which may have known its parent before.
    pub(super) fn of_books(books: &SavedBooks, config: &NodeConfig) -> Self {
        let parent = config.parent().map(|parent| parent.account.id.as_str());
        let saved = books.accounts.iter().map(|account| &account.row);
        // The same name may have rows of earlier assets, which are settled.
        let saved = saved.filter(|row| Some(&*row.name) == parent);
        let saved = saved.max_by_key(|row| row.unsettled().is_some());
        Self { saved_asset: saved.map(|row| row.asset.clone()), ..Self::default() }
    }
}

/// Why the values from a parent are not adopted.
#[derive(Debug, thiserror::Error)]
enum AdoptError {
    /// They do not fit the configuration.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Children and peers of this node count in the values from before.
    #[error(
        "the parent gave {} and {} before, which stay in use until this node is restarted or ilpAddress, assetCode and assetScale are set",
        .0.address, .0.asset
    )]
    Changed(ParentInfo),
}

impl NodeTask {
    pub(super) fn adopt_parent_info(&mut self, info: ParentInfo) {
        let is_first = self.parent.info.is_none();
        match self.try_adopt(&info) {
            Ok(()) if is_first => {
                tracing::info!(address = %info.address, asset = %info.asset, "the parent gave an address");
            }
            Ok(()) => {}
            Err(error) => {
                // Throttled: the parent decides how often it reconnects.
                let parent = self.config.parent().map(|parent| &parent.account.id);
                if let Some(parent) = parent
                    && let Some(suppressed) = self.context.peers.status(parent).admit_line()
                {
                    tracing::error!(
                        address = %info.address, asset = %info.asset, error = error_chain(&error), suppressed,
                        "address or asset from the parent cannot be used; its link is suspended until the configuration fits"
                    );
                }
                self.suspend_parent();
            }
        }
    }

    fn try_adopt(&mut self, info: &ParentInfo) -> Result<(), AdoptError> {
        match &self.parent.info {
            Some(adopted) if !self.is_unchanged(adopted, info) => {
                return Err(AdoptError::Changed(adopted.clone()));
            }
            Some(_) if !self.parent.is_suspended => return Ok(()),
            _ => {}
        }
        let assets = self.account_assets();
        let adopted = ParentState { info: Some(info.clone()), ..ParentState::default() };
        let before = std::mem::replace(&mut self.parent, adopted);
        if let Err(error) = self.apply_config(&self.config) {
            self.parent = before;
            return Err(error.into());
        }
        self.status.set_parent_values(self.parent_values());
        if self.config.address.is_some() {
            // Packets have passed already. Children ask for the new asset when they reconnect.
            self.close_sessions_with_changed_assets(&assets);
        }
        Ok(())
    }

    /// What this node has from its parent, for the pages.
    pub(super) fn parent_values(&self) -> ParentValues {
        let adopted = self.parent.info.as_ref().filter(|_| self.config.asks_parent());
        let address = adopted.filter(|_| self.config.address.is_none());
        ParentValues {
            address: address.map(|info| info.address.clone()),
            asset: adopted.map(|info| info.asset.clone()),
        }
    }

    /// A configured address does not come from the parent.
    fn is_unchanged(&self, adopted: &ParentInfo, info: &ParentInfo) -> bool {
        let same_address = self.config.address.is_some() || adopted.address == info.address;
        same_address && adopted.asset == info.asset
    }

    fn suspend_parent(&mut self) {
        self.parent.is_suspended = true;
        if let Err(error) = self.apply_config(&self.config) {
            tracing::error!(error = error_chain(&error), "the parent cannot be suspended");
        }
    }
}
