//! Joins the accounts of nodes that are each other's peers to links.

use std::collections::HashMap;

use super::model::{LinkBody, LinkKind, LinkState, NodeBody, PeerBody};
use crate::account::TOOL_ACCOUNT;

const CONNECTED: &str = "connected";
const DISCONNECTED: &str = "disconnected";
const SUSPENDED: &str = "suspended";
const WAITING: &str = "waiting";
/// The state of an account at a node that does not answer.
pub const UNKNOWN: &str = "unknown";

/// The links of these nodes, sorted by id. Sets the `link` of each account that has one. Two accounts are the ends of
/// one link if each has the id of the other's node.
pub fn join_links(nodes: &mut [NodeBody]) -> Vec<LinkBody> {
    let numbers: HashMap<String, usize> =
        nodes.iter().enumerate().map(|(number, node)| (node.id.clone(), number)).collect();
    let mut links: Vec<LinkBody> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        for peer in node.peers.iter().filter(|peer| has_link(peer)) {
            let other = numbers.get(&peer.id).filter(|_| peer.kind == "peer");
            let other = other.and_then(|other| Some((*other, nodes.get(*other)?)));
            let back = other.and_then(|(at, far)| {
                Some((
                    at,
                    far.peers
                        .iter()
                        .find(|back| back.id == node.id && back.kind == "peer" && has_link(back))?,
                ))
            });
            match back {
                // Listed from the other end.
                Some((at, _)) if at < number => {}
                Some((_, back)) => links.push(link(node, peer, Some(back))),
                None => links.push(link(node, peer, None)),
            }
        }
    }
    links.sort_by(|a, b| a.id.cmp(&b.id));
    for node in nodes.iter_mut() {
        let id = node.id.clone();
        for peer in node.peers.iter_mut().filter(|peer| has_link(peer)) {
            let is_end = |link: &str| links.binary_search_by(|known| known.id.as_str().cmp(link));
            let (own, others) = (format!("{id}~{}", peer.id), format!("{}~{id}", peer.id));
            // A receiver may have the name of a node that links to this one.
            let candidates = if peer.kind == "peer" { vec![own, others] } else { vec![own] };
            peer.link = candidates.into_iter().find(|link| is_end(link).is_ok());
        }
    }
    links
}

/// The node's own accounts have no link; a removed one has none once its sessions are gone.
fn has_link(peer: &PeerBody) -> bool {
    peer.kind != "own" && (peer.configured || !peer.sessions.is_empty())
}

fn link(node: &NodeBody, peer: &PeerBody, back: Option<&PeerBody>) -> LinkBody {
    let kind = match (back, peer.kind.as_str()) {
        (_, "receiver") => LinkKind::Receiver,
        (Some(_), _) => LinkKind::Peer,
        (None, _) if peer.id == TOOL_ACCOUNT => LinkKind::Tool,
        (None, _) => LinkKind::Outside,
    };
    // The end that is dialled only waits, so the dialling end says more.
    let telling = match back {
        Some(back) if back.state == UNKNOWN => peer,
        Some(back) if peer.state == UNKNOWN => back,
        Some(back) if peer.state == WAITING || is_error_only_at(back, peer) => back,
        _ => peer,
    };
    LinkBody {
        id: format!("{}~{}", node.id, peer.id),
        a: node.id.clone(),
        b: peer.id.clone(),
        a_peer: peer.id.clone(),
        b_peer: back.map(|back| back.id.clone()),
        a_state: Some(peer.state.clone()),
        b_state: back.map(|back| back.state.clone()),
        state: joined_state(peer, back),
        since: telling.since.clone(),
        // A tool is gone when it is done; that is no error.
        last_error: telling
            .last_error
            .clone()
            .filter(|_| kind != LinkKind::Tool || telling.state != DISCONNECTED),
        kind,
        transport: transport(peer, back).map(str::to_owned),
        asset: format!("{}/{}", peer.asset_code, peer.asset_scale),
    }
}

fn is_error_only_at(one: &PeerBody, other: &PeerBody) -> bool {
    one.last_error.is_some() && other.last_error.is_none()
}

fn joined_state(peer: &PeerBody, back: Option<&PeerBody>) -> LinkState {
    let ends = || std::iter::once(peer).chain(back).filter(|end| end.state != UNKNOWN);
    if ends().next().is_none() {
        return LinkState::Unknown;
    }
    if peer.kind == "receiver" {
        return if peer.enabled { LinkState::Up } else { LinkState::Suspended };
    }
    if ends().any(|end| end.state == SUSPENDED || !end.enabled) {
        return LinkState::Suspended;
    }
    let connected = ends().filter(|end| end.state == CONNECTED).count();
    match connected {
        0 => LinkState::Down,
        connected if connected == ends().count() => LinkState::Up,
        _ => LinkState::Partly,
    }
}

/// A session says it, unless the only ones are those that this node dialled.
fn transport(peer: &PeerBody, back: Option<&PeerBody>) -> Option<&'static str> {
    let sides = std::iter::once(peer).chain(back).flat_map(|end| &end.sessions);
    let mut sides = sides.map(|session| session.side.as_str());
    sides.find_map(|side| match side {
        "posted" => Some("http"),
        "accepted" => Some("btp"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::model::SessionBody;

    fn peer(id: &str, state: &str, error: Option<&str>) -> PeerBody {
        PeerBody {
            id: id.to_owned(),
            kind: "peer".to_owned(),
            configured: true,
            enabled: state != SUSPENDED,
            state: state.to_owned(),
            last_error: error.map(str::to_owned),
            asset_code: "USD".to_owned(),
            asset_scale: 9,
            ..PeerBody::default()
        }
    }

    fn node(id: &str, peers: Vec<PeerBody>) -> NodeBody {
        NodeBody { id: id.to_owned(), peers, ..NodeBody::default() }
    }

    fn check(ends: (&str, &str), state: LinkState) {
        let mut nodes =
            [node("a", vec![peer("b", ends.0, None)]), node("b", vec![peer("a", ends.1, None)])];
        let links = join_links(&mut nodes);
        let [link] = links.as_slice() else { panic!("{links:?}") };
        assert_eq!((link.id.as_str(), link.kind, link.state), ("a~b", LinkKind::Peer, state));
        assert_eq!(link.b_peer.as_deref(), Some("a"));
        for node in &nodes {
            assert_eq!(node.peers[0].link.as_deref(), Some("a~b"));
        }
    }

    #[test]
    fn both_ends_make_one_state() {
        check(("connected", "connected"), LinkState::Up);
        check(("connected", "disconnected"), LinkState::Partly);
        check(("waiting", "connecting"), LinkState::Down);
        check(("connected", "suspended"), LinkState::Suspended);
        // A node that does not answer says nothing.
        check(("unknown", "connected"), LinkState::Up);
        check(("down", "unknown"), LinkState::Down);
        check(("unknown", "unknown"), LinkState::Unknown);
    }

    #[test]
    fn other_ends_are_tools_receivers_or_outside() {
        let receiver = PeerBody { kind: "receiver".to_owned(), ..peer("b", "receiving", None) };
        let own = PeerBody { kind: "own".to_owned(), ..peer("node", "own", None) };
        let removed = PeerBody { configured: false, ..peer("gone", "removed", None) };
        let mut nodes = [
            node("a", vec![peer("cli", "connected", None), peer("z", "down", Some("no")), own]),
            // It has no account for `a`, and a receiver with the name of a node.
            node("b", vec![removed]),
            node("c", vec![receiver, peer("a", "waiting", None)]),
        ];
        let links = join_links(&mut nodes);
        let found: Vec<_> =
            links.iter().map(|link| (link.id.as_str(), link.kind, link.state)).collect();
        assert_eq!(
            found,
            [
                ("a~cli", LinkKind::Tool, LinkState::Up),
                ("a~z", LinkKind::Outside, LinkState::Down),
                ("c~a", LinkKind::Outside, LinkState::Down),
                ("c~b", LinkKind::Receiver, LinkState::Up),
            ]
        );
        assert_eq!(links[1].last_error.as_deref(), Some("no"));
        assert_eq!(nodes[2].peers[0].link.as_deref(), Some("c~b"));
        assert_eq!(nodes[0].peers[2].link, None);
    }

    #[test]
    fn the_dialling_end_tells_the_error_and_sessions_tell_the_transport() {
        let mut waiting = peer("b", "waiting", None);
        let mut nodes = [
            node("a", vec![waiting.clone()]),
            node("b", vec![peer("a", "down", Some("connection refused"))]),
        ];
        let links = join_links(&mut nodes);
        assert_eq!(links[0].last_error.as_deref(), Some("connection refused"));
        assert_eq!(links[0].transport, None);
        waiting.sessions = vec![SessionBody { id: 1, side: "posted".to_owned() }];
        let links = join_links(&mut [node("a", vec![waiting])]);
        assert_eq!(links[0].transport.as_deref(), Some("http"));
    }
}
