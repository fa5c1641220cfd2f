//! What the sources say at one moment, for the connector: immutable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Rate;
use crate::wire::Timestamp;

/// The quotes of all sources, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcedRates {
    /// The sources that have quotes.
    pub sources: Vec<SourceTable>,
}

/// The quotes of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTable {
    /// Its file or URL.
    pub name: Arc<str>,
    /// The moment of its figures.
    pub as_of: Timestamp,
    /// The oldest that they may be.
    pub max_age: Duration,
    /// Whether they are older.
    pub is_stale: bool,
    /// Units for one unit of its base. `None`: the asset has jumped.
    pub quotes: BTreeMap<Arc<str>, Option<Rate>>,
}

/// The price of one asset in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcedRate {
    /// Units of the one for a unit of the other, before any spread.
    pub rate: Rate,
    /// The source.
    pub source: Arc<str>,
    /// The moment of its figures.
    pub as_of: Timestamp,
}

/// Why sources that quote both assets price neither in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateGap {
    /// The figures are too old.
    Stale {
        /// The source.
        source: Arc<str>,
        /// The moment of its figures.
        as_of: Timestamp,
        /// The oldest that they may be.
        max_age: Duration,
    },
    /// One of the assets has jumped.
    Jumped {
        /// The source.
        source: Arc<str>,
        /// The asset.
        asset: Arc<str>,
        /// The moment of its figures.
        as_of: Timestamp,
    },
}

impl SourcedRates {
    /// The price of `from` in `to`. `Ok(None)`: no source quotes both.
    ///
    /// # Errors
    /// [`RateGap`] of the first source that quotes both, if none of them can be used.
    pub fn find(&self, from: &str, to: &str) -> Result<Option<SourcedRate>, RateGap> {
        let mut first_gap = None;
        for source in &self.sources {
            match source.find(from, to) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(gap) => first_gap = first_gap.or(Some(gap)),
            }
        }
        first_gap.map_or(Ok(None), Err)
    }
}

impl SourceTable {
    fn find(&self, from: &str, to: &str) -> Result<Option<SourcedRate>, RateGap> {
        let (Some(from_quote), Some(to_quote)) = (self.quotes.get(from), self.quotes.get(to))
        else {
            return Ok(None);
        };
        let (source, as_of) = (Arc::clone(&self.name), self.as_of);
        if self.is_stale {
            return Err(RateGap::Stale { source, as_of, max_age: self.max_age });
        }
        let jumped = |asset: &str| {
            let source = Arc::clone(&source);
            RateGap::Jumped { source, asset: asset.into(), as_of }
        };
        let from_quote = from_quote.ok_or_else(|| jumped(from))?;
        let to_quote = to_quote.ok_or_else(|| jumped(to))?;
        let rate = Rate::cross(from_quote, to_quote);
        Ok(rate.map(|rate| SourcedRate { rate, source, as_of }))
    }
}
