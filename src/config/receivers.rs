//! `receivers` and `receiverSecret`: accounts of the node itself, which are paid by STREAM.

use std::collections::HashMap;

use crate::account::{AccountId, Asset, Relation};
use crate::wire::{Address, Amount};

use super::diagnostics::DiagnosticSink;
use super::fields::{Fields, item};
use super::keys::RECEIVER;
use super::location::{Location, Path};
use super::own_address::of_receiver;
use super::peers::seen;
use super::routes::{NamedRate, no_conversion};
use super::secret::Secret;
use super::settings::{PeerConfig, ReceiverConfig, Unset};

/// Who knows one connection's secret can try texts until he has found `receiverSecret`, and then read all connections.
const SECRET_GOOD: usize = 32;

/// Where packets are posted: no sender could ask for a receiver there.
const ILP_OVER_HTTP: &str = "ilp";

/// Reads the list. `asset` is the node's. What could not be read is left out, with a problem in the report.
pub(super) fn read(
    asset: &Asset,
    peers: &[PeerConfig],
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Vec<ReceiverConfig> {
    let list = fields.list("receivers", report);
    let path = fields.path_of("receivers");
    let mut receivers: Vec<ReceiverConfig> = Vec::with_capacity(list.len());
    let mut ids: HashMap<AccountId, Location> = HashMap::new();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(map) = item(value, &path, RECEIVER, report) else { continue };
        let fields = Fields::new(map, &path, RECEIVER);
        let Some(receiver) = read_receiver(asset, fields, report) else { continue };
        let id = &receiver.id;
        if let Some(first) = ids.get(id) {
            let what = format!("a second receiver of this id; the first is {}", seen(first));
            fields.problem("id", what, "every receiver has an id of its own", report);
            continue;
        }
        if let Some(what) = taken(id, peers) {
            fields.problem("id", what, "give the receiver another id", report);
            continue;
        }
        ids.insert(id.clone(), fields.path_of("id").place());
        receivers.push(receiver);
    }
    receivers
}

/// Peers and receivers are accounts of one node, receivers and children have addresses side by side, and SPSP has its
/// resources beside others.
fn taken(id: &AccountId, peers: &[PeerConfig]) -> Option<String> {
    if id.as_str() == ILP_OVER_HTTP {
        return Some(format!("is the path of ILP over HTTP, /{id}"));
    }
    let peer = peers.iter().find(|peer| peer.account.id == *id);
    if peer.is_some() {
        return Some("is the id of a peer".to_owned());
    }
    let is_child = |peer: &&PeerConfig| peer.account.relation == Relation::Child;
    let child =
        peers.iter().filter(is_child).find(|peer| peer.account.address_segment() == id.as_str())?;
    Some(format!("the child {} has the same address <ilpAddress>.{id}", child.account.id))
}

fn read_receiver(
    node: &Asset,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Option<ReceiverConfig> {
    let id = fields.require("id", report).then(|| fields.id("id", report)).flatten();
    let code = fields.asset_code("assetCode", report);
    let scale = fields.number::<u8>("assetScale", report);
    let max_packet_amount = fields.number::<u64>("maxPacketAmount", report).map(Amount);
    let min_balance = fields.balance("minBalance", report);
    if min_balance.is_some_and(|min| min >= 0) {
        let place = fields.path_of("minBalance").place();
        let what = "nothing can be received: receiving makes the balance negative";
        report.warn(place, what, "give a number below zero, or leave it out for no limit");
    }
    let asset_of_node = Unset { code: code.is_none(), scale: scale.is_none() };
    let asset = Asset {
        code: code.unwrap_or_else(|| node.code.clone()),
        scale: scale.unwrap_or(node.scale),
    };
    Some(ReceiverConfig { id: id?, asset, asset_of_node, max_packet_amount, min_balance })
}

/// Reads `receiverSecret`.
pub(super) fn secret(fields: Fields<'_>, report: &mut DiagnosticSink) -> Option<Secret> {
    let secret = fields.secret("receiverSecret", report);
    if secret.as_ref().is_some_and(|secret| secret.expose().len() < SECRET_GOOD) {
        let what = format!("has less than {SECRET_GOOD} characters, and may be guessed");
        let help = "make one with: openssl rand -hex 32";
        report.warn(fields.path_of("receiverSecret").place(), what, help);
    }
    secret
}

/// The addresses must be valid: that of the node and the id together can be too long, and below there is a token.
pub(super) fn check_addresses(
    address: &Address,
    receivers: &[ReceiverConfig],
    path: &Path<'_>,
    report: &mut DiagnosticSink,
) {
    for error in receivers.iter().filter_map(|receiver| of_receiver(address, receiver).err()) {
        report.at(path, error.to_string(), "shorten ilpAddress");
    }
}

/// Packets of a peer whose asset has no rate to a receiver's are rejected. That may be meant so.
pub(super) fn check_rates(
    peers: &[PeerConfig],
    receivers: &[ReceiverConfig],
    rates: &[NamedRate],
    fields: Fields<'_>,
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
            if let Some((what, help)) = no_conversion(pair.0, pair.1, rates, ends) {
                said.push(pair);
                report.warn(fields.path_of("receivers").place(), what, help);
            }
        }
    }
}
