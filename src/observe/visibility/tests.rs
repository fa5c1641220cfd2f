//! Objects of a node with peers of canary names: none of them leaves for the operator of `alice`.

use proptest::prelude::*;

use super::*;
use crate::books::EventLevel;
use crate::connector::{Connector, NextHopFailure, Refusal};
use crate::observe::model::{CandidateBody, OverrideBody, OverrideKind, PacketLane, PacketPhase};
use crate::observe::{AccountFacts, account_bodies, join_links, reason_body};
use crate::routing::HashSeed;
use crate::testing::{connector_settings, every_refusal};

/// In all names that the operator of alice must not learn.
const CANARY: &str = "zebra";

fn alice() -> AccountId {
    "alice".parse().unwrap()
}

fn assert_hidden(object: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(object).unwrap();
    assert!(!json.contains(CANARY), "{json}");
    json
}

/// Refusals about a peer, a receiver or nobody; those of `every_refusal` name bob and shop.
fn refusals() -> Vec<Refusal> {
    let rename = |refusal| match refusal {
        Refusal::NextHop { failure, .. } => {
            Refusal::NextHop { next_hop: "zebra".parse().unwrap(), failure }
        }
        Refusal::ReceiverFull(_) => Refusal::ReceiverFull("a-zebra".parse().unwrap()),
        other => other,
    };
    every_refusal().into_iter().map(rename).collect()
}

fn name() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("alice".to_owned())),
        Just(Some(CANARY.to_owned())),
        Just(Some("alice-zebra".to_owned())),
    ]
}

fn packet() -> impl Strategy<Value = PacketBody> {
    let refusal = prop::option::of(prop::sample::select(refusals()));
    (name(), name(), refusal, any::<bool>()).prop_map(|(from, to, refusal, answered)| {
        let sender = from.as_ref().map(|from| from.parse().unwrap());
        let reason = refusal.as_ref().map(|refusal| reason_body(refusal, sender.as_ref()));
        let elsewhere = "test.zebra: next hop zebra is not connected".to_owned();
        PacketBody {
            sample_key: None,
            id: "c0ffee00-1".to_owned(),
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            node: "hub".to_owned(),
            phase: if answered { PacketPhase::Rejected } else { PacketPhase::Forwarded },
            lane: PacketLane::Sample,
            condition: "00".repeat(32),
            to,
            request_id: Some(1),
            outgoing_request_id: Some(77),
            destination: Some("test.east.x".to_owned()),
            prefix: Some("test.zebra".to_owned()),
            amount: Some("1000".to_owned()),
            outgoing_amount: Some("987".to_owned()),
            expires_at: Some("2026-01-01T00:00:01.000Z".to_owned()),
            balance_after: Some("-5".to_owned()),
            latency_us: Some(5),
            code: Some("T01".to_owned()),
            decided_here: reason.is_some(),
            triggered_by: Some(if reason.is_some() { "test.hub" } else { "test.zebra" }.to_owned()),
            message: Some(refusal.map_or(elsewhere, |refusal| refusal.to_string())),
            reason,
            from,
        }
    })
}

fn suspension() -> OverrideBody {
    OverrideBody {
        id: "n~1".to_owned(),
        node: "n".to_owned(),
        peer: Some(CANARY.to_owned()),
        kind: OverrideKind::Suspend,
        value: None,
        reason: CANARY.to_owned(),
        by: "ann".to_owned(),
        set_at: String::new(),
        expires_at: String::new(),
        note: None,
        ended_at: None,
    }
}

proptest! {
    #[test]
    fn no_record_names_another_peer_or_shows_one_of_its_packets(packet in packet()) {
        let alice = alice();
        let (from, packet) = (packet.from.clone(), Arc::new(packet));
        let shown = Visibility::Peer(&alice).packet(&packet);
        prop_assert_eq!(shown.is_some(), from.as_deref() == Some("alice"));
        if let Some(shown) = shown {
            let json = assert_hidden(&*shown);
            for outgoing in ["987", "77", "01.000Z"] {
                prop_assert!(!json.contains(outgoing), "{}", json);
            }
            // What was decided about it is there.
            prop_assert_eq!(&shown.code, &packet.code);
            prop_assert_eq!(&shown.destination, &packet.destination);
            let kind = |packet: &PacketBody| packet.reason.as_ref().map(|one| one.kind.clone());
            prop_assert_eq!(kind(&shown), kind(&packet));
        }
        prop_assert!(Arc::ptr_eq(&Visibility::All.packet(&packet).unwrap(), &packet));
    }

    #[test]
    fn no_event_is_about_others(
        peer in name(),
        kind in prop::sample::select(vec!["peer.connected", "config.refused", "node.status", "override.set"]),
    ) {
        let alice = alice();
        let is_own = peer.as_deref() == Some("alice") && kind == "peer.connected";
        let event = Arc::new(EventBody {
            id: "c0ffee00-2".to_owned(),
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            node: "hub".to_owned(),
            level: EventLevel::Info,
            kind: kind.to_owned(),
            text: if is_own { "alice connected" } else { "zebra.yaml:1: zebra" }.to_owned(),
            peer,
            fields: BTreeMap::new(),
        });
        let shown = Visibility::Peer(&alice).event(&event);
        prop_assert_eq!(shown.is_some(), is_own);
        prop_assert!(Visibility::All.event(&event).is_some());
    }

    #[test]
    fn counts_are_only_those_of_the_peer_and_say_not_where_packets_went(
        rows in prop::collection::vec((name(), name(), prop::sample::select(refusals()), 1..9_u64), 0..30),
    ) {
        let alice = alice();
        let counts: Vec<_> = rows.into_iter().map(|(from, to, refusal, count)| {
            let sender = from.as_ref().map(|from| from.parse().unwrap());
            let reason = reason_body(&refusal, sender.as_ref());
            ReasonCountBody {
                node: "hub".to_owned(),
                kind: Some(reason.kind),
                code: refusal.code().to_string(),
                from,
                to,
                count,
                text: reason.text,
                peer: reason.peer,
                key: reason.key,
                advice: reason.advice,
                ..ReasonCountBody::default()
            }
        }).collect();
        let own = |counts: &[ReasonCountBody]| -> u64 {
            let own = counts.iter().filter(|count| count.from.as_deref() == Some("alice"));
            own.map(|count| count.count).sum()
        };
        let shown = Visibility::Peer(&alice).reason_counts(counts.clone());
        assert_hidden(&shown);
        prop_assert_eq!(own(&shown), own(&counts));
        let mut kinds: Vec<_> = shown.iter().map(|count| (&count.kind, &count.code)).collect();
        kinds.sort();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), shown.len(), "one row for each kind");
        prop_assert_eq!(Visibility::All.reason_counts(counts.clone()), counts);
    }
}

#[test]
fn the_state_and_the_figures_are_those_of_one_account() {
    let settings = connector_settings("hub", &["alice", "zebra", "alice-zebra"]);
    let report = Connector::new(settings, HashSeed::Fixed(1)).unwrap().report();
    let node = NodeBody {
        id: "hub".to_owned(),
        reasons: vec!["zebra is not connected".to_owned()],
        btp: Some("0.0.0.0:3000".to_owned()),
        api: Some("10.0.0.1:8080".to_owned()),
        stats: NodeStats { prepares: 99, routes: 7, ..NodeStats::default() },
        peers: account_bodies(&report, |_| true, AccountFacts::default()),
        ..NodeBody::default()
    };
    let mut nodes = vec![node];
    let links = join_links(&mut nodes);
    let state = StateBody { nodes, links, overrides: vec![suspension()], ..StateBody::default() };
    let alice = alice();
    let shown = Visibility::Peer(&alice).state(state.clone());
    let json = assert_hidden(&shown);
    assert!(!json.contains("0.0.0.0") && !json.contains("10.0.0.1"), "{json}");
    assert_eq!(shown.nodes[0].peers.len(), 1);
    assert_eq!(shown.nodes[0].stats, NodeStats::default());
    assert_eq!(shown.links.len(), 1);
    let reports = Visibility::Peer(&alice).reports(vec![report]);
    assert_eq!(reports[0].accounts.len(), 1);
    assert!(reports[0].own_accounts.is_empty());
    assert_eq!(Visibility::All.state(state.clone()), state);
}

#[test]
fn a_step_says_what_is_decided_and_not_where_the_packet_goes() {
    let refusal = NextHopFailure::NotConnected;
    let refusal = Refusal::NextHop { next_hop: CANARY.parse().unwrap(), failure: refusal };
    let step = StepBody {
        node: "hub".to_owned(),
        destination: "test.east.x".to_owned(),
        decision: "forward".to_owned(),
        prefix: Some("test.zebra".to_owned()),
        to: Some(CANARY.to_owned()),
        outgoing_amount: Some("987".to_owned()),
        origin: Some("zebra".to_owned()),
        why: Some("zebra is best".to_owned()),
        reason: Some(reason_body(&refusal, None)),
        candidates: vec![CandidateBody { next_hop: CANARY.to_owned(), ..CandidateBody::default() }],
        ..StepBody::default()
    };
    let alice = alice();
    let shown = Visibility::Peer(&alice).step(step.clone());
    let json = assert_hidden(&shown);
    assert!(!json.contains("987"), "{json}");
    assert_eq!((shown.decision.as_str(), shown.destination.as_str()), ("forward", "test.east.x"));
    assert_eq!(shown.reason.unwrap().text, "next hop *** is not connected");
    assert_eq!(Visibility::All.step(step.clone()), step);
}

#[test]
fn names_are_hidden_as_whole_words() {
    let check = |text: &str, name: &str, expected: &str| {
        assert_eq!(hide_word(text, name), expected);
    };
    check("next hop a is at an address", "a", "next hop *** is at an address");
    check("a, a-b, (a) a.b", "a", "***, a-b, (***) ***.b");
    check("é a é", "a", "é *** é");
    check("", "a", "");
    check("next hop is", "x", "next hop is");
}
