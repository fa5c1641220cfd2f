//! An account with a peer: its settings, limits and ledger, its rate limiter, and conversion between assets.
//!
//! These are plain values without IO, clock or locks. `connector` keeps them under each account's lock, `link` connects
//! an account to its sessions, and `config` reads its settings.

mod asset;
mod conversion;
mod exchange;
mod id;
mod ledger;
mod limits;
mod rate_limit;
mod reconcile;
mod route_policy;
mod settings;
mod settlement_rules;

pub use asset::{Asset, AssetError, check_asset_code};
pub use conversion::{Conversion, ConversionError, Converted, Rate};
pub use exchange::{Spread, has_round_trip_gain};
pub use id::{AccountId, AccountIdError, GUEST_PREFIX, TOOL_ACCOUNT};
pub use ledger::{
    AboveSettledMax, AboveUncertain, Corrected, Ledger, OverLimit, Totals, Unsettled,
};
pub use limits::Limits;
pub use rate_limit::RateLimiter;
pub use reconcile::{OnCrash, ReconcileSettings};
pub use route_policy::RoutePolicy;
pub use settings::{AccountSettings, Relation};
pub use settlement_rules::{SettlementMode, SettlementRules};
