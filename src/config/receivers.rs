//! `receivers` and `receiverSecret`: accounts of the node itself, which are paid by STREAM.

use super::diagnostics::DiagnosticSink;
use super::exchange_rates::KnownRates;
use super::guests;
use super::key_types::KeySet;
use super::location::FirstUses;
use super::mapping::Mapping;
use super::node_keys::NODE;
use super::peer_keys::{RECEIVER, ReceiverSettings};
use super::peers::BrokenPeers;
use super::settings::{PeerConfig, ReceiverConfig, Unset};
use crate::account::{AccountId, Asset, Relation};
use crate::net::Secret;

/// Characters of a `receiverSecret` that cannot be guessed. A sender who knows the secret of one connection can try
/// texts, and with `receiverSecret` read all connections.
const SECRET_LEN_MIN: usize = 32;

/// The path of ILP over HTTP, at which no sender could request a receiver.
const ILP_OVER_HTTP: &str = "ilp";

/// Reads the list. `asset` is the node's. Receivers with mistakes are left out, and the mistakes reported.
pub fn read(
    asset: &Asset,
    peers: &[PeerConfig],
    broken: &BrokenPeers,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Vec<ReceiverConfig> {
    let list = mapping.list(&NODE.receivers, report);
    let path = mapping.path_of(&NODE.receivers);
    let mut receivers: Vec<ReceiverConfig> = Vec::with_capacity(list.len());
    let mut ids = FirstUses::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, ReceiverSettings::KEYS.iter(), report)
        else {
            continue;
        };
        let Some(receiver) = read_receiver(asset, item, report) else { continue };
        let id = &receiver.id;
        if let Some(what) = why_taken(id, peers, broken) {
            item.problem(&RECEIVER.id, what, "give the receiver another id", report);
            continue;
        }
        let place = item.path_of(&RECEIVER.id).place();
        if let Some(first) = ids.note(id.as_str(), place.within_sentence()) {
            let what = format!("a second receiver of this id; the first is {first}");
            item.problem(&RECEIVER.id, what, "every receiver has an id of its own", report);
            continue;
        }
        receivers.push(receiver);
    }
    receivers
}

/// Why a receiver cannot have an id: it is that of a peer, the address of a child, or another path of the HTTP server.
fn why_taken(id: &AccountId, peers: &[PeerConfig], broken: &BrokenPeers) -> Option<String> {
    if id.as_str() == ILP_OVER_HTTP {
        return Some(format!("is the path of ILP over HTTP, /{id}"));
    }
    if id.is_guest() {
        return Some(guests::LIKE_A_GUEST.to_owned());
    }
    if peers.iter().any(|peer| peer.account.id == *id) || broken.get(id.as_str()).is_some() {
        return Some("is the id of a peer".to_owned());
    }
    let is_child = |peer: &&PeerConfig| peer.account.relation == Relation::Child;
    let child =
        peers.iter().filter(is_child).find(|peer| peer.account.address_segment() == id.as_str())?;
    Some(format!("the child {} has the same address <ilpAddress>.{id}", child.account.id))
}

fn read_receiver(
    node: &Asset,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Option<ReceiverConfig> {
    let draft = ReceiverSettings::read(mapping, report);
    if draft.min_balance.is_some_and(|min| min >= 0) {
        let what = "nothing can be received: receiving makes the balance negative";
        let help = "give a number below zero, or leave it out for no limit";
        mapping.warn(&RECEIVER.min_balance, what, help, report);
    }
    let receiver = ReceiverSettings::finish(draft)?;
    Some(ReceiverConfig {
        id: receiver.id,
        asset_of_node: Unset {
            code: receiver.asset_code.is_none(),
            scale: receiver.asset_scale.is_none(),
        },
        asset: Asset {
            code: receiver.asset_code.unwrap_or_else(|| node.code.clone()),
            scale: receiver.asset_scale.unwrap_or(node.scale),
        },
        max_packet_amount: receiver.max_packet_amount,
        min_balance: receiver.min_balance,
    })
}

/// Warns of a `receiverSecret` that can be guessed.
pub fn check_secret(secret: Option<&Secret>, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if secret.is_some_and(|secret| secret.expose().len() < SECRET_LEN_MIN) {
        let what = format!("has fewer than {SECRET_LEN_MIN} characters, and can be guessed");
        mapping.warn(&NODE.receiver_secret, what, "make one with: openssl rand -hex 32", report);
    }
}

/// Warns of pairs of peer and receiver without a rate. Their packets are rejected, which may be intended.
pub fn check_rates(
    peers: &[PeerConfig],
    receivers: &[ReceiverConfig],
    rates: KnownRates<'_>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    let mut said: Vec<(&Asset, &Asset)> = Vec::new();
    for receiver in receivers {
        for peer in peers {
            let pair = (&peer.account.asset, &receiver.asset);
            if pair.0 == pair.1 || said.contains(&pair) {
                continue;
            }
            let ends = (format!("peer {}", peer.account.id), format!("receiver {}", receiver.id));
            if let Some((what, help)) = rates.no_conversion(pair.0, pair.1, ends) {
                said.push(pair);
                mapping.warn(&NODE.receivers, what, help, report);
            }
        }
    }
}
