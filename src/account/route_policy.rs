//! The routes that are exchanged with one peer.

use crate::wire::Prefix;

/// The default of `routes_max`.
pub const ROUTES_MAX: usize = 100_000;

/// The routes that are sent to a peer and accepted from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePolicy {
    /// Whether the peer gets our routes when it requests them.
    pub send: bool,
    /// Whether the peer's routes are requested and accepted.
    pub receive: bool,
    /// How many routes of the peer are stored. Further ones are refused.
    pub routes_max: usize,
    /// Only routes to these prefixes, and below, are accepted from the peer; `None`: all.
    pub accept: Option<Vec<Prefix>>,
    /// Only routes to these prefixes, and below, are advertised to the peer; `None`: all.
    pub advertise: Option<Vec<Prefix>>,
}

impl RoutePolicy {
    /// Whether a route to this prefix is accepted from the peer.
    #[must_use]
    pub fn accepts(&self, prefix: &Prefix) -> bool {
        covers(self.accept.as_deref(), prefix)
    }

    /// Whether a route to this prefix is advertised to the peer.
    #[must_use]
    pub fn advertises(&self, prefix: &Prefix) -> bool {
        covers(self.advertise.as_deref(), prefix)
    }
}

impl Default for RoutePolicy {
    /// No routes are exchanged.
    fn default() -> Self {
        Self { send: false, receive: false, routes_max: ROUTES_MAX, accept: None, advertise: None }
    }
}

fn covers(list: Option<&[Prefix]>, prefix: &Prefix) -> bool {
    list.is_none_or(|list| list.iter().any(|listed| listed.covers(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compared_by_segments() {
        let check = |list: Option<&[&str]>, prefix: &str, expected: bool| {
            let list = list.map(|list| list.iter().map(|one| one.parse().unwrap()).collect());
            let policy =
                RoutePolicy { accept: list.clone(), advertise: list, ..RoutePolicy::default() };
            let prefix = prefix.parse().unwrap();
            assert_eq!(policy.accepts(&prefix), expected, "{prefix} {policy:?}");
            assert_eq!(policy.advertises(&prefix), expected, "{prefix} {policy:?}");
        };
        check(None, "test.a", true);
        check(Some(&[]), "test.a", false);
        check(Some(&["test.a"]), "test.a", true);
        check(Some(&["test.a"]), "test.a.b", true);
        check(Some(&["test.a"]), "test.ab", false);
        check(Some(&["test.a.b"]), "test.a", false);
        check(Some(&["g", "test"]), "test.a", true);
    }
}
