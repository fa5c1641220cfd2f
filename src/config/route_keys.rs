//! The keys of routes, of exchange rates, and of their sources.

use std::path::PathBuf;

use super::key_types::{AssetCode, Millis, Priority};
use super::value_kind::ValueKind;
use crate::account::{Rate, Spread};
use crate::net::HttpUrl;
use crate::rates::RateFormat;
use crate::wire::Prefix;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// 31 days.
const MONTH_MS: u64 = 2_678_400_000;

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
        /// The share of each amount that the node keeps, for example `"0.002"`. Default: `spread` of the node.
        live spread => spread: Option<Spread>,
    }
}

keys! {
    /// The keys of a source of exchange rates.
    RateSourceSettings, RateSourceDraft, RateSourceKeys as RATE_SOURCE {
        /// The file that another program writes. A relative path starts at the directory of the configuration file.
        live file => file: Option<PathBuf>,
        /// Or the URL of a document. It holds no key: a source that needs one is fetched by a program of yours.
        live url => url: Option<HttpUrl>,
        /// `json`: `{"base": "EUR", "rates": {"USD": 1.0842}}`, perhaps with a `timestamp` in seconds. `ecb`: the XML
        /// of the European Central Bank.
        live format => format: RateFormat = "json",
        /// How often the source is read.
        live refreshMs => refresh: Millis<1_000, DAY_MS> = "60000",
        /// Older figures are not used: by their `timestamp`, the day of `ecb`, the time of the file, or else the time
        /// of the answer. Default: five minutes; with `format: ecb`, five days.
        live maxAgeMs => max_age: Option<Millis<1_000, MONTH_MS>>,
        /// The asset of which the document quotes one unit. Default: as the document says.
        live base => base: Option<AssetCode>,
        /// A quote that changes by a larger share from one document to the next is not used.
        live maxStep => max_step: Spread = "0.2",
    }
}
