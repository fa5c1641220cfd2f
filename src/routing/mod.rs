//! Routes: an immutable prefix table, swapped whole, and the exchange of routes with peers ([`ccp`]). RFC 34 "Links":
//! an answer takes the way of its request, so a change of routes affects no packet in flight. [row 37]
//!
//! Among routes of one prefix the highest priority whose next hop is connected wins (D21). The
//! connector chooses for each packet, so the table does not change when a session begins or ends.

pub mod ccp;
mod route;
mod table;

pub use route::{Route, RouteOrigin};
pub use table::{HashSeed, RouteCandidate, RouteMatch, RouteTable};
