//! The different assets of a node, and the factor from each one to each other one.

use std::collections::HashMap;

use super::registry::RegistryError;
use super::settings::ConnectorSettings;
use super::snapshot::AssetIndex;
use crate::account::{Asset, Conversion, Rate};

/// Different assets of one node. The conversions between all of them are computed in advance.
pub(super) const ASSETS_MAX: usize = 256;

/// The assets of a node and the factors between them.
pub(super) struct AssetTable {
    indices: HashMap<Asset, AssetIndex>,
    pub(super) conversions: HashMap<(AssetIndex, AssetIndex), Conversion>,
}

impl AssetTable {
    pub(super) fn new(settings: &ConnectorSettings) -> Result<Self, RegistryError> {
        let mut assets = Self { indices: HashMap::new(), conversions: HashMap::new() };
        for account in &settings.accounts {
            assets.index_of(&account.asset);
        }
        if assets.indices.len() > ASSETS_MAX {
            return Err(RegistryError::TooManyAssets);
        }
        for (from, from_index) in &assets.indices {
            for (to, to_index) in assets.indices.iter().filter(|(to, _)| *to != from) {
                let Some(rate) = find_rate(settings, from, to) else { continue };
                let conversion = Conversion::new(from, to, rate).map_err(|error| {
                    RegistryError::Conversion { from: from.to_string(), to: to.to_string(), error }
                })?;
                assets.conversions.insert((*from_index, *to_index), conversion);
            }
        }
        Ok(assets)
    }

    /// The index of an asset, a new one if no account had it so far.
    pub(super) fn index_of(&mut self, asset: &Asset) -> AssetIndex {
        let next = self.indices.len();
        *self.indices.entry(asset.clone()).or_insert(next)
    }
}

fn find_rate(settings: &ConnectorSettings, from: &Asset, to: &Asset) -> Option<Rate> {
    if from.code == to.code {
        return Some(Rate::ONE);
    }
    let known = settings.rates.iter().find(|(a, b, _)| *a == from.code && *b == to.code);
    known.map(|(_, _, rate)| *rate)
}
