//! Exchange rates and their sources.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The exchange rates of all nodes in view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExchangeRatesBody {
    /// By node.
    pub nodes: Vec<NodeExchangeRatesBody>,
}

/// The exchange rates of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeExchangeRatesBody {
    /// The node.
    pub node: String,
    /// Of all pairs of its asset codes.
    pub rates: Vec<ExchangeRateBody>,
    /// Its sources, the preferred one first.
    pub sources: Vec<RateSourceBody>,
}

/// The rate from one asset code to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeRateBody {
    /// The asset that comes in.
    pub from: String,
    /// The asset that goes out.
    pub to: String,
    /// Units of `to` for one unit of `from`, before the spread: an exact decimal. Null: there is none, or it is not
    /// used.
    pub rate: Option<String>,
    /// The share that the node keeps, of peers without a spread of their own.
    pub spread: Option<String>,
    /// The source. Null: the configuration, if there is a rate.
    pub source: Option<String>,
    /// `used`, `missing`, `stale` or `jumped`.
    pub state: String,
    /// The moment of figures that are not used.
    pub as_of: Option<String>,
}

/// A source of exchange rates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateSourceBody {
    /// Its file or URL.
    pub name: String,
    /// The asset of which it quotes one unit. Null before its first figures.
    pub base: Option<String>,
    /// The age of its figures. Null before its first ones.
    pub age_seconds: Option<u64>,
    /// The oldest that they may be.
    pub max_age_seconds: u64,
    /// Whether they are used.
    pub fresh: bool,
    /// The number of assets that it quotes.
    pub assets: usize,
    /// Quotes that are no rates.
    pub unusable: usize,
    /// Assets that are not used, because their quote jumped.
    pub jumped: Vec<JumpedAssetBody>,
    /// Why the last attempt to read it failed.
    pub error: Option<String>,
}

/// An asset whose quote jumped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JumpedAssetBody {
    /// The asset.
    pub asset: String,
    /// The quote that is not used.
    pub quote: String,
    /// The quote that was used last.
    #[serde(default)]
    pub from: String,
}

/// A quote that jumped, and was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedRateBody {
    /// The node.
    pub node: String,
    /// The source.
    pub source: String,
    /// The asset.
    pub asset: String,
    /// The quote that was used before.
    pub from: String,
    /// The quote that is used from now on.
    pub quote: String,
}
