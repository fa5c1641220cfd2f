//! The keys of routes and of exchange rates.

use super::key_types::{AssetCode, Priority};
use super::value_kind::ValueKind;
use crate::account::Rate;
use crate::wire::Prefix;

keys! {
    /// The keys of a route.
    RouteSettings, RouteDraft, RouteKeys as ROUTE {
        /// Destinations that the route covers; `""` is the default route.
        live prefix => prefix: Prefix,
        /// Among routes of one prefix, the highest whose next hop is connected wins.
        live priority => priority: Priority = "0",
    by hand:
        /// The peer that packets go to.
        required nextHop => next_hop: ValueKind::Id,
    }
}

keys! {
    /// The keys of an exchange rate.
    RateSettings, RateDraft, RateKeys as RATE {
        /// The asset that comes in.
        live from => from: AssetCode,
        /// The asset that goes out.
        live to => to: AssetCode,
        /// Units of `to` for one unit of `from`, for example `"0.9215"`.
        live rate => rate: Rate,
    }
}
