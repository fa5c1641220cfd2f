//! Who owes whom, and what has moved. All figures are the ledgers' own sums, never sums over samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};

use super::V1;
use super::access::Caller;
use super::answers::{AccountMoneyBody, AssetMoneyBody, MoneyBody};
use super::lists::{ListAnswer, no_parameters, ok};
use super::remote_nodes::Refresh;
use crate::observe::{NodeBody, PeerBody};

/// The accounts of a node in one asset, together.
#[derive(Debug, Default)]
struct AssetTotals {
    assets: i128,
    liabilities: i128,
    volume_in: i128,
    volume_out: i128,
    held_in: i128,
    held_out: i128,
    uncertain: i128,
    /// Of the node's own account.
    earned: i128,
}

/// What a ledger says about one account.
#[derive(Clone, Copy, Debug)]
struct AccountSums {
    balance: i128,
    volume_in: i128,
    volume_out: i128,
    held_in: i128,
    held_out: i128,
    uncertain: i128,
}

/// Who owes whom, and what has moved.
#[utoipa::path(get, path = "/api/v1/money", responses((status = OK, body = MoneyBody)))]
pub(super) async fn money(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Nodes).await;
    let (state, _) = v1.observer.sample(&caller.view);
    ok(&body(&state.nodes))
}

fn body(nodes: &[NodeBody]) -> MoneyBody {
    let mut totals: BTreeMap<(&str, String), AssetTotals> = BTreeMap::new();
    let mut peers = Vec::new();
    for node in nodes {
        for peer in &node.peers {
            let asset = format!("{}/{}", peer.asset_code, peer.asset_scale);
            let sums = AccountSums::of(peer);
            let total = totals.entry((&node.id, asset.clone())).or_default();
            // The node's own accounts balance the others: with them, each sum would be zero.
            if peer.kind == "own" {
                total.earned = sums.balance.saturating_neg();
                continue;
            }
            total.add(sums);
            let seen_at = node.seen_at.clone();
            peers.push(AccountMoneyBody { seen_at, ..peer_body(&node.id, peer, &asset, sums) });
        }
    }
    let assets: Vec<_> =
        totals.iter().map(|((node, asset), total)| total.body(node, asset)).collect();
    MoneyBody { assets, peers }
}

impl AccountSums {
    fn of(peer: &PeerBody) -> Self {
        // Texts of this program.
        let number = |text: &str| text.parse().unwrap_or(0);
        Self {
            balance: number(&peer.balance),
            volume_in: number(&peer.volume.received),
            volume_out: number(&peer.volume.sent),
            held_in: number(&peer.held.received),
            held_out: number(&peer.held.sent),
            uncertain: number(&peer.uncertain),
        }
    }
}

impl AssetTotals {
    fn add(&mut self, account: AccountSums) {
        let sums = [
            (&mut self.assets, account.balance.max(0)),
            (&mut self.liabilities, account.balance.min(0).saturating_neg()),
            (&mut self.volume_in, account.volume_in),
            (&mut self.volume_out, account.volume_out),
            (&mut self.held_in, account.held_in),
            (&mut self.held_out, account.held_out),
            (&mut self.uncertain, account.uncertain),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    fn body(&self, node: &str, asset: &str) -> AssetMoneyBody {
        AssetMoneyBody {
            node: node.to_owned(),
            asset: asset.to_owned(),
            assets: self.assets.to_string(),
            liabilities: self.liabilities.to_string(),
            net: self.assets.saturating_sub(self.liabilities).to_string(),
            volume_in: self.volume_in.to_string(),
            volume_out: self.volume_out.to_string(),
            held_in: self.held_in.to_string(),
            held_out: self.held_out.to_string(),
            uncertain: self.uncertain.to_string(),
            earned: self.earned.to_string(),
        }
    }
}

fn peer_body(node: &str, peer: &PeerBody, asset: &str, sums: AccountSums) -> AccountMoneyBody {
    let net = sums.volume_in.saturating_sub(sums.volume_out);
    let direction = match net {
        1.. => "in",
        0 => "even",
        _ => "out",
    };
    AccountMoneyBody {
        node: node.to_owned(),
        peer: peer.id.clone(),
        asset: asset.to_owned(),
        balance: peer.balance.clone(),
        min: peer.limits.min_balance.clone(),
        max: peer.limits.max_balance.clone(),
        held_in: peer.held.received.clone(),
        held_out: peer.held.sent.clone(),
        uncertain: peer.uncertain.clone(),
        volume_in: peer.volume.received.clone(),
        volume_out: peer.volume.sent.clone(),
        volume_net: net.to_string(),
        adjusted: peer.adjusted.clone(),
        direction: direction.to_owned(),
        seen_at: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer(id: &str, kind: &str, volume: (i128, i128), held: (i128, i128)) -> PeerBody {
        let mut body = PeerBody {
            id: id.to_owned(),
            kind: kind.to_owned(),
            asset_code: "USD".to_owned(),
            asset_scale: 9,
            balance: (volume.0 - volume.1).to_string(),
            uncertain: "3".to_owned(),
            adjusted: "0".to_owned(),
            ..PeerBody::default()
        };
        (body.volume.received, body.volume.sent) = (volume.0.to_string(), volume.1.to_string());
        (body.held.received, body.held.sent) = (held.0.to_string(), held.1.to_string());
        body
    }

    #[test]
    fn totals_are_those_of_the_ledgers() {
        let huge = 1_i128 << 90;
        let peers = vec![
            peer("a", "peer", (huge, 1), (10, 20)),
            peer("b", "peer", (5, 5), (1, 2)),
            peer("w", "receiver", (0, huge), (0, 0)),
            peer("own:USD/9", "own", (1, 0), (0, 0)),
        ];
        let node = NodeBody { id: "n".to_owned(), peers, ..NodeBody::default() };
        let body = serde_json::to_value(body(&[node])).unwrap();
        assert_eq!(
            body["assets"],
            json!([{
                "node": "n", "asset": "USD/9",
                "assets": (huge - 1).to_string(), "liabilities": huge.to_string(), "net": "-1",
                "volumeIn": (huge + 5).to_string(), "volumeOut": (huge + 6).to_string(),
                "heldIn": "11", "heldOut": "22", "uncertain": "9", "earned": "-1",
            }])
        );
        let peers = body["peers"].as_array().unwrap();
        let directions: Vec<_> = peers.iter().map(|peer| &peer["direction"]).collect();
        assert_eq!(directions, ["in", "even", "out"]);
        assert_eq!(peers[0]["volumeNet"], (huge - 1).to_string());
    }
}
