//! Exchange rates of sources: new ones are swapped in without a reload, and reported.
//!
//! The prices are computed off the packet path. If a reload happens in between, they are computed again, so that
//! neither loses what the other brought: a reload uses the newest rates of the sources, and new rates the newest
//! settings.

use std::sync::Arc;

use super::asset_table::{AssetTable, PriceSettings, Prices};
use super::core::{Connector, wait_for_users};
use super::cuts::Cuts;
use crate::account::{Rate, Spread};
use crate::rates::{RateGap, SourcedRates};

/// The prices that follow from new rates of the sources.
#[derive(Debug)]
pub struct PreparedRates {
    /// The snapshot whose settings they follow from.
    generation: u64,
    sourced: Arc<SourcedRates>,
    prices: Prices,
}

/// The exchange rate from one asset code to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateReport {
    /// The asset that comes in.
    pub from: Arc<str>,
    /// The asset that goes out.
    pub to: Arc<str>,
    /// The rate, or why there is none. `None`: neither the configuration nor a source has it.
    pub rate: Result<Option<RateInForce>, RateGap>,
}

/// A rate at which packets are converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateInForce {
    /// Units of the second asset for one unit of the first, before the spread.
    pub rate: Rate,
    /// What the node keeps, from peers without a spread of their own.
    pub spread: Spread,
    /// The source; `None`: the configuration.
    pub source: Option<Arc<str>>,
}

impl Connector {
    /// Computes the prices that follow from these rates. That may take time: call it off the packet path.
    pub fn prepare_rates(&self, sourced: Arc<SourcedRates>) -> PreparedRates {
        let (generation, settings) = {
            let configuration = self.configuration.lock();
            let (generation, _) = configuration.registry.static_routes();
            (generation, PriceSettings::new(&configuration.settings))
        };
        let table = AssetTable::new(&settings, &sourced);
        let prices = table.expect("these settings are in force, and sources add no error").prices;
        PreparedRates { generation, sourced, prices }
    }

    /// From now on packets are converted at these prices. `false`: a reload happened since they were prepared; prepare
    /// them again. Never call it twice at once.
    pub fn install_rates(&self, prepared: PreparedRates) -> bool {
        // What was paid so far was paid at the old prices.
        let no_turn = self.cuts.as_ref().map(Cuts::stop_turns);
        let mut configuration = self.configuration.lock();
        if configuration.registry.static_routes().0 != prepared.generation {
            return false;
        }
        let snapshot = self.snapshot.load();
        if let Some(cuts) = &self.cuts {
            let paid = cuts.changed.take_paid();
            let paid = paid.iter().filter_map(|slot| snapshot.entry(*slot));
            cuts.collect_flows(&snapshot, paid, &configuration.registry);
        }
        configuration.sourced = prepared.sourced;
        let priced = Arc::new(snapshot.with_prices(prepared.prices));
        drop(snapshot);
        let before = self.snapshot.swap(priced);
        drop(configuration);
        drop(no_turn);
        // A reload that changes an asset waits only for the snapshot in force.
        wait_for_users(&before);
        true
    }

    /// The exchange rates between all different asset codes of the accounts.
    pub fn rate_reports(&self) -> Vec<RateReport> {
        let (settings, sourced) = {
            let configuration = self.configuration.lock();
            (PriceSettings::new(&configuration.settings), Arc::clone(&configuration.sourced))
        };
        let codes = settings.codes();
        let mut reports = Vec::new();
        for from in &codes {
            for to in codes.iter().filter(|to| *to != from) {
                let found = settings.find_rate(from, to, &sourced);
                let rate = found.map(|found| {
                    found.map(|found| RateInForce {
                        rate: found.rate,
                        spread: found.spread,
                        source: found.source,
                    })
                });
                reports.push(RateReport { from: Arc::clone(from), to: Arc::clone(to), rate });
            }
        }
        reports
    }
}
