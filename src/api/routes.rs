//! The bodies of `/routes`: a page of the table, and the explanation of one destination.

use serde::Serialize;
use utoipa::ToSchema;

use crate::connector::{Explanation, NextHopReport, RouteReport};
use crate::observe::CandidateBody;
use crate::routing::RouteOrigin;
use crate::routing::ccp::LearnedReport;
use crate::wire::Address;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoutesBody {
    node_id: String,
    ilp_address: Option<String>,
    /// Prefixes in the whole table.
    total: usize,
    routes: Vec<RouteBody>,
    /// The value of `after` for the next page; `null` on the last one.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteBody {
    /// Empty: the default route.
    pub(super) prefix: String,
    /// `null` while no next hop is connected.
    next_hop: Option<String>,
    pub(super) reason: String,
    pub(super) candidates: Vec<CandidateBody>,
    /// The routes that peers have sent for this prefix, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    learned: Vec<LearnedRouteBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplanationBody {
    node_id: String,
    ilp_address: Option<String>,
    destination: String,
    /// `deliver`, `forward` or `reject`.
    action: &'static str,
    next_hop: Option<String>,
    /// The code of the Reject.
    code: Option<String>,
    reason: String,
    /// The one with the longest matching prefix.
    route: Option<RouteBody>,
}

/// A route that a peer has sent.
#[derive(Debug, Serialize, ToSchema)]
struct LearnedRouteBody {
    from: String,
    relation: String,
    /// The nodes on the route, nearest first.
    path: Vec<String>,
    chosen: bool,
    reason: String,
}

/// The routing table, or one destination.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the two answers")]
pub(super) enum RoutesAnswer {
    Page(RoutesBody),
    Destination(ExplanationBody),
}

/// A page of the table. If `routes` has one more than `limit`, there is another page.
pub(super) fn page(
    node_id: String,
    address: Option<&Address>,
    total: usize,
    mut routes: Vec<RouteReport>,
    limit: usize,
) -> RoutesBody {
    let has_more = routes.len() > limit;
    routes.truncate(limit);
    let next = if has_more { routes.last().map(|route| route.prefix.clone()) } else { None };
    RoutesBody {
        node_id,
        ilp_address: address.map(ToString::to_string),
        total,
        routes: routes.iter().map(route).collect(),
        next,
    }
}

/// Why a request to an address under `peer.` is not forwarded.
pub(super) const FOR_NEIGHBOURS: &str =
    "it is a request between neighbours, which this node answers itself";

/// What happens to packets to `destination`.
pub(super) fn explanation(
    node_id: String,
    address: Option<&Address>,
    destination: &Address,
    explanation: Explanation,
) -> ExplanationBody {
    let body = ExplanationBody {
        node_id,
        ilp_address: address.map(ToString::to_string),
        destination: destination.to_string(),
        action: "deliver",
        next_hop: None,
        code: None,
        reason: "it is this node's own address".to_owned(),
        route: None,
    };
    match explanation {
        Explanation::Own => body,
        Explanation::PeerProtocol => ExplanationBody { reason: FOR_NEIGHBOURS.to_owned(), ..body },
        Explanation::Forward { next_hop, route: found } => {
            let found = route(&found);
            ExplanationBody {
                action: "forward",
                next_hop: Some(next_hop.to_string()),
                reason: format!("longest prefix {:?}: {}", found.prefix, found.reason),
                route: Some(found),
                ..body
            }
        }
        Explanation::Reject { code, reason, route: found } => ExplanationBody {
            action: "reject",
            code: Some(code),
            reason,
            route: found.as_ref().map(route),
            ..body
        },
    }
}

pub(super) fn route(report: &RouteReport) -> RouteBody {
    let chosen = report.next_hops.iter().find(|hop| hop.usable);
    RouteBody {
        prefix: report.prefix.clone(),
        next_hop: chosen.map(|hop| hop.account.to_string()),
        reason: reason(report, chosen),
        candidates: report.next_hops.iter().map(candidate).collect(),
        learned: report.learned.iter().map(learned).collect(),
    }
}

fn learned(route: &LearnedReport) -> LearnedRouteBody {
    LearnedRouteBody {
        from: route.from.to_string(),
        relation: route.relation.as_str().to_owned(),
        path: route.path.clone(),
        chosen: route.chosen,
        reason: route.why.to_string(),
    }
}

fn candidate(hop: &NextHopReport) -> CandidateBody {
    CandidateBody {
        next_hop: hop.account.to_string(),
        priority: hop.priority,
        origin: hop.origin.to_string(),
        usable: hop.usable,
    }
}

/// Why this next hop was chosen. Next hops are sorted, best first.
fn reason(report: &RouteReport, chosen: Option<&NextHopReport>) -> String {
    let Some(chosen) = chosen else {
        return match report.next_hops.as_slice() {
            [only] => format!("{}; {} is not connected", only.origin, only.account),
            _ => "none of the next hops is connected".to_owned(),
        };
    };
    let skipped = report.next_hops.iter().take_while(|hop| !hop.usable).count();
    if chosen.origin == RouteOrigin::Learned
        && let Some(route) = report.learned.iter().find(|route| route.from == chosen.account)
    {
        return format!("{}; {}", chosen.origin, route.why);
    }
    let why = match (report.next_hops.len(), skipped) {
        (1, _) => "the only next hop".to_owned(),
        (_, 0) => format!("priority {} is the highest", chosen.priority),
        _ => format!("priority {} is the highest of those connected", chosen.priority),
    };
    format!("{}; {why}", chosen.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Relation;

    fn hop(account: &str, priority: i32, usable: bool) -> NextHopReport {
        let origin = RouteOrigin::Configured;
        NextHopReport { account: account.parse().unwrap(), priority, origin, usable }
    }

    fn report(prefix: &str, next_hops: Vec<NextHopReport>) -> RouteReport {
        RouteReport { prefix: prefix.to_owned(), next_hops, learned: Vec::new() }
    }

    #[test]
    fn every_choice_has_a_reason() {
        for (hops, next_hop, expected) in [
            (vec![hop("a", 0, true)], Some("a"), "configured; the only next hop"),
            (vec![hop("a", 0, false)], None, "configured; a is not connected"),
            (
                vec![hop("a", 7, true), hop("b", 3, true)],
                Some("a"),
                "configured; priority 7 is the highest",
            ),
            (
                vec![hop("a", 7, false), hop("b", 3, true), hop("c", 1, true)],
                Some("b"),
                "configured; priority 3 is the highest of those connected",
            ),
            (
                vec![hop("a", 7, false), hop("b", 3, false)],
                None,
                "none of the next hops is connected",
            ),
        ] {
            let body = route(&report("test.x", hops));
            assert_eq!((body.next_hop.as_deref(), body.reason.as_str()), (next_hop, expected));
        }
    }

    #[test]
    fn the_shape_of_a_page() {
        let routes = vec![
            report("", vec![hop("up", i32::MIN, false)]),
            report("test.a", vec![hop("a", 1, true), hop("b", 0, true)]),
            report("test.b", vec![hop("b", 0, true)]),
        ];
        let address: Address = "test.hub".parse().unwrap();
        let first = page("hub".to_owned(), Some(&address), 3, routes.clone(), 2);
        insta::assert_json_snapshot!(first);
        let last = page("hub".to_owned(), None, 3, routes, 3);
        assert_eq!((last.routes.len(), last.next), (3, None));
    }

    #[test]
    fn the_shape_of_a_learned_route() {
        let learned = |from: &str, chosen, why| LearnedReport {
            from: from.parse().unwrap(),
            relation: Relation::Peer,
            path: vec![format!("test.{from}"), "test.far".to_owned()],
            chosen,
            why,
        };
        let origin = RouteOrigin::Learned;
        let next_hops = vec![NextHopReport { origin, ..hop("a", i32::MIN, true) }];
        let learned =
            vec![learned("a", true, "lesser account id"), learned("b", false, "another is lesser")];
        let body = route(&RouteReport { prefix: "test.far".to_owned(), next_hops, learned });
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn the_shape_of_an_explanation() {
        let address: Address = "test.hub".parse().unwrap();
        let explained = |destination: &str, found| {
            let destination = destination.parse().unwrap();
            explanation("hub".to_owned(), Some(&address), &destination, found)
        };
        let route = report("test.a", vec![hop("a", 1, true)]);
        let next_hop = "a".parse().unwrap();
        insta::assert_json_snapshot!([
            explained("test.hub", Explanation::Own),
            explained("test.a.b", Explanation::Forward { next_hop, route: route.clone() }),
            explained(
                "test.c",
                Explanation::Reject {
                    code: "F02".to_owned(),
                    reason: "no route to the destination".to_owned(),
                    route: None,
                }
            ),
        ]);
    }
}
