//! A peer as the packet path sees it: who it is (settings), what it may do (limits), what it owes (ledger).
//!
//! No IO, no clock, no locks: plain values that `connector` keeps under each account's own lock. What connects an
//! account to its sockets is `link`; where its settings come from is `config`.

mod asset;
mod conversion;
mod id;
mod ledger;
mod limits;
mod rate_limit;
mod route_policy;
mod settings;

pub use asset::{Asset, AssetError, check_asset_code};
pub use conversion::{Conversion, ConversionError, Converted, Rate, RateError};
pub use id::{AccountId, AccountIdError};
pub use ledger::{Ledger, OverLimit};
pub use limits::Limits;
pub use rate_limit::RateLimiter;
pub use route_policy::RoutePolicy;
pub use settings::{AccountSettings, Relation};
