//! The different assets of a node, and the price of each one in each other one.
//!
//! A peer with a spread of its own pays other prices than its asset has otherwise: it is a *payer* with an index beyond
//! those of the assets, so that finding its price costs a packet no more than finding any other.

use std::collections::HashMap;
use std::sync::Arc;

use super::registry::RegistryError;
use super::settings::ConnectorSettings;
use super::snapshot::AssetIndex;
use crate::account::{Asset, Conversion, ConversionError, Rate, Spread};
use crate::rates::{RateGap, SourcedRates};

/// Different assets of one node. The conversions between all of them are computed in advance.
pub(super) const ASSETS_MAX: usize = 256;
/// Different pairs of an asset and the spread of a peer.
pub(super) const PAYERS_MAX: usize = 256;

/// The assets of a node and the factors between them.
#[derive(Debug)]
pub(super) struct AssetTable {
    indices: HashMap<Asset, AssetIndex>,
    payers: HashMap<(AssetIndex, Spread), AssetIndex>,
    pub(super) prices: Prices,
}

/// The prices of all pairs at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    /// By payer and asset. A missing one means that there is no price.
    pub(super) conversions: HashMap<(AssetIndex, AssetIndex), Conversion>,
    /// By asset and asset: what the packet path does not need.
    pub(super) details: Arc<HashMap<(AssetIndex, AssetIndex), PriceDetail>>,
}

/// What is known about a pair of assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PriceDetail {
    /// It has a price.
    Price {
        /// Units of the one asset for one unit of the other, before any spread. `None`: beyond any amount.
        mid: Option<Rate>,
        /// The spread for peers that have none of their own.
        spread: Spread,
    },
    /// Its rate cannot be used.
    Gap(RateGap),
}

/// The settings that prices depend on.
#[derive(Clone, Debug)]
pub(super) struct PriceSettings {
    /// Of all accounts, each once, in their order.
    payers: Vec<(Asset, Option<Spread>)>,
    rates: Vec<PairRate>,
    spread: Spread,
}

/// A rate that the configuration sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRate {
    /// The asset that comes in.
    pub from: Arc<str>,
    /// The asset that goes out.
    pub to: Arc<str>,
    /// Units of the second for one unit of the first.
    pub rate: Rate,
    /// Its spread, if it is not the node's.
    pub spread: Option<Spread>,
}

/// The rate of a pair of asset codes, and its spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeRate {
    pub(super) rate: Rate,
    pub(super) spread: Spread,
    /// The source; `None`: the configuration.
    pub(super) source: Option<Arc<str>>,
}

impl PriceSettings {
    pub(super) fn new(settings: &ConnectorSettings) -> Self {
        let mut payers = Vec::new();
        let mut known = std::collections::HashSet::new();
        for account in &settings.accounts {
            let payer = (account.asset.clone(), account.spread);
            if known.insert(payer.clone()) {
                payers.push(payer);
            }
        }
        let spread = if planted!(SpreadForgotten) { Spread::NONE } else { settings.spread };
        Self { payers, rates: settings.rates.clone(), spread }
    }

    /// The codes of all assets, sorted.
    pub(super) fn codes(&self) -> Vec<Arc<str>> {
        let codes = self.payers.iter().map(|(asset, _)| Arc::clone(&asset.code));
        let codes: std::collections::BTreeSet<_> = codes.collect();
        codes.into_iter().collect()
    }

    /// The rate from one asset code to another. A written one wins. `Ok(None)`: there is none.
    pub(super) fn find_rate(
        &self,
        from: &str,
        to: &str,
        sourced: &SourcedRates,
    ) -> Result<Option<CodeRate>, RateGap> {
        if from == to {
            return Ok(Some(CodeRate { rate: Rate::ONE, spread: Spread::NONE, source: None }));
        }
        let written = self.rates.iter().find(|pair| *pair.from == *from && *pair.to == *to);
        if let Some(PairRate { rate, spread, .. }) = written {
            let spread = spread.unwrap_or(self.spread);
            return Ok(Some(CodeRate { rate: *rate, spread, source: None }));
        }
        let found = sourced.find(from, to)?;
        let spread = self.spread;
        Ok(found.map(|found| CodeRate { rate: found.rate, spread, source: Some(found.source) }))
    }
}

impl AssetTable {
    pub(super) fn new(
        settings: &PriceSettings,
        sourced: &SourcedRates,
    ) -> Result<Self, RegistryError> {
        let mut table =
            Self { indices: HashMap::new(), payers: HashMap::new(), prices: Prices::default() };
        for (asset, _) in &settings.payers {
            table.index_of(asset);
        }
        if table.indices.len() > ASSETS_MAX {
            return Err(RegistryError::TooManyAssets);
        }
        for (asset, spread) in &settings.payers {
            table.payer_of(asset, *spread);
        }
        if table.payers.len() > PAYERS_MAX {
            return Err(RegistryError::TooManySpreads);
        }
        let mut details = HashMap::new();
        for (from, from_index) in &table.indices {
            for (to, to_index) in &table.indices {
                let pair = (*from_index, *to_index);
                let found = match settings.find_rate(&from.code, &to.code, sourced) {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    Err(gap) => {
                        details.insert(pair, PriceDetail::Gap(gap));
                        continue;
                    }
                };
                let CodeRate { rate, spread, ref source } = found;
                if from != to {
                    let conversion = match (source, spread) {
                        (None, Spread::NONE) => Conversion::new(from, to, rate),
                        _ => Conversion::less(from, to, rate, spread)
                            .ok_or(ConversionError::TooPrecise),
                    };
                    match conversion {
                        Ok(conversion) => {
                            table.prices.conversions.insert(pair, conversion);
                        }
                        Err(error) if source.is_none() => {
                            let (from, to) = (from.to_string(), to.to_string());
                            return Err(RegistryError::Conversion { from, to, error });
                        }
                        // A quote beyond any amount is no price.
                        Err(_) => continue,
                    }
                }
                for ((_, spread), payer) in
                    table.payers.iter().filter(|((asset, _), _)| asset == from_index)
                {
                    if let Some(conversion) = Conversion::less(from, to, rate, *spread) {
                        table.prices.conversions.insert((*payer, *to_index), conversion);
                    }
                }
                let mid = rate.between_scales(from.scale, to.scale);
                details.insert(pair, PriceDetail::Price { mid, spread });
            }
        }
        table.prices.details = Arc::new(details);
        Ok(table)
    }

    /// The index of an asset, a new one if no account had it so far.
    pub(super) fn index_of(&mut self, asset: &Asset) -> AssetIndex {
        let next = self.next_index();
        *self.indices.entry(asset.clone()).or_insert(next)
    }

    /// The index of what an account with this asset and spread pays with: that of the asset, if it has no spread.
    pub(super) fn payer_of(&mut self, asset: &Asset, spread: Option<Spread>) -> AssetIndex {
        let asset = self.index_of(asset);
        let Some(spread) = spread else { return asset };
        let next = self.next_index();
        *self.payers.entry((asset, spread)).or_insert(next)
    }

    fn next_index(&self) -> AssetIndex {
        self.indices.len().saturating_add(self.payers.len())
    }
}
