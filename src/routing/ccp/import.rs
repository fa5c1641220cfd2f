//! Checks advertised routes. A refused route counts as withdrawn, because it replaces the peer's earlier route. The
//! update is still acknowledged: a peer cannot know which routes we accept.

use super::path::RoutePath;
use super::route_refusal::RouteRefusal;
use crate::account::RoutePolicy;
use crate::wire::ccp::NewRoute;
use crate::wire::{Address, Prefix};

/// Most segments of a learned prefix. A lookup probes each length that occurs, so routes of all
/// lengths would slow down each packet.
const PREFIX_SEGMENTS_MAX: usize = 32;

/// Checks a route, but not the limit of routes; returns its path. Routes of other networks, and
/// whole networks, are refused. [row 107]
pub(super) fn check_route(
    prefix: &Prefix,
    route: &NewRoute<'_>,
    own: &Address,
    policy: &RoutePolicy,
    last_path: Option<&RoutePath>,
) -> Result<RoutePath, RouteRefusal> {
    if prefix.scheme() != Some(own.scheme()) || !prefix.as_str().contains('.') {
        return Err(RouteRefusal::Network);
    }
    if Prefix::from(own).covers(prefix) {
        return Err(RouteRefusal::OwnAddress);
    }
    if prefix.depth() > PREFIX_SEGMENTS_MAX {
        return Err(RouteRefusal::DeepPrefix);
    }
    if !policy.accepts(prefix) && !planted!(AcceptPrefixesIgnored) {
        return Err(RouteRefusal::NotAccepted);
    }
    RoutePath::parse(route.path, own, last_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ccp::path::{PATH_BYTES_MAX, PATH_HOPS_MAX};
    use crate::routing::ccp::tests::encoded;
    use crate::wire::AddressRef;
    use crate::wire::ccp::{Epochs, RouteUpdate, TableId, UpdateWriter};

    fn checked(prefix: &str, path: &[&str], accept: Option<&str>) -> Result<usize, RouteRefusal> {
        let mut writer = UpdateWriter::default();
        let no_props = std::iter::empty();
        writer.advertise(prefix.as_bytes(), path.len(), [&*encoded(path)], &[0; 32], no_props);
        let speaker = AddressRef::new("test.alice").unwrap();
        let epochs = Epochs { current: 1, from: 0, to: 1 };
        let payload = writer.finish(TableId::NONE, epochs, 0, speaker);
        let update = RouteUpdate::parse(&payload).unwrap();
        let route = { update.new_routes }.next().unwrap();
        let policy = RoutePolicy {
            accept: accept.map(|one| vec![one.parse().unwrap()]),
            ..RoutePolicy::default()
        };
        let own = "test.me".parse().unwrap();
        let prefix = prefix.parse().unwrap();
        check_route(&prefix, &route, &own, &policy, None).map(|path| path.len())
    }

    #[test]
    fn routes_are_accepted_or_refused() {
        let check = |prefix: &str, path: &[&str], expected: Result<usize, RouteRefusal>| {
            assert_eq!(checked(prefix, path, None), expected, "{prefix} {path:?}");
        };
        check("test.bob", &["test.alice"], Ok(1));
        check("test.bob", &[], Ok(0));
        check("test.me2.x", &["test.alice"], Ok(1));
        check("test.m", &["test.alice"], Ok(1));
        check("test", &["test.alice"], Err(RouteRefusal::Network));
        check("", &["test.alice"], Err(RouteRefusal::Network));
        check("g.bob", &["test.alice"], Err(RouteRefusal::Network));
        check("test1.bob", &["test.alice"], Err(RouteRefusal::Network));
        check("test.me", &["test.alice"], Err(RouteRefusal::OwnAddress));
        check("test.me.child", &["test.alice"], Err(RouteRefusal::OwnAddress));
        check("test.me.child.below", &["test.alice"], Err(RouteRefusal::OwnAddress));
        let deep = format!("test{}", ".a".repeat(PREFIX_SEGMENTS_MAX - 1));
        check(&deep, &["test.alice"], Ok(1));
        check(&format!("{deep}.a"), &["test.alice"], Err(RouteRefusal::DeepPrefix));
        check("test.bob", &["test.alice", "test.me", "test.x"], Err(RouteRefusal::Loop));
        check("test.bob", &["test.alice", "test.me2"], Ok(2));
        check("test.bob", &["test.alice", "alice"], Err(RouteRefusal::BadAddress));
        check("test.bob", &["test.alice", "test"], Err(RouteRefusal::BadAddress));
        check("test.bob", &["test.a"; PATH_HOPS_MAX], Ok(PATH_HOPS_MAX));
        check("test.bob", &["test.a"; PATH_HOPS_MAX + 1], Err(RouteRefusal::LongPath));
        let long = format!("test.{}", "a".repeat(PATH_BYTES_MAX / 4));
        check("test.bob", &[long.as_str(); 4], Err(RouteRefusal::LongPath));
    }

    #[test]
    fn the_configuration_limits_prefixes() {
        assert_eq!(checked("test.bob.x", &[], Some("test.bob")), Ok(0));
        assert_eq!(checked("test.bobby", &[], Some("test.bob")), Err(RouteRefusal::NotAccepted));
    }
}
