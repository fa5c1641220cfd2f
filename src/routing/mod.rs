//! Where packets go: routes from several sources become one immutable prefix table, swapped whole.
//!
//! Longest prefix wins, on segment boundaries only (RFC 15): `g.al` is no prefix of `g.alice`. Among routes of one
//! prefix the highest priority whose next hop is connected wins (D21); that last choice is made per packet, so a
//! table does not change when a session comes or goes.
//!
//! [`ccp`] is how nodes find routes by telling each other.

pub mod ccp;
mod route;
mod table;

pub use route::{Route, RouteOrigin};
pub use table::{Candidate, HashSeed, Match, RouteTable};
