//! What a new configuration changes for a running node (D17).

use std::collections::HashMap;

use super::key_types::KeySet;
use super::keys::KeyInfo;
use super::node_keys::NODE;
use super::settings::{NodeConfig, PeerConfig};
use crate::account::AccountId;
use crate::net::PeerUrl;
use crate::net::Secret;

/// The difference between the running and the new configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New peers.
    pub added: Vec<AccountId>,
    /// Removed peers. They drain.
    pub removed: Vec<AccountId>,
    /// Peers that differ in anything. They include the three lists below.
    pub changed: Vec<AccountId>,
    /// Peers that are no longer enabled. Their sessions close.
    pub suspended: Vec<AccountId>,
    /// Peers whose sessions must reconnect: another url, name, relation or asset, or all tokens changed.
    pub reauthenticate: Vec<AccountId>,
    /// Peers that lost some of their tokens. Sessions that logged in with a lost token close.
    pub lost_tokens: Vec<AccountId>,
    /// Whether routes, rates or the scheme differ.
    pub routes: bool,
    /// Other keys that differ and take effect at once.
    pub settings: Vec<String>,
    /// Keys that differ and keep their old values until the next start.
    pub needs_restart: Vec<String>,
}

/// Compares two configurations of one node.
pub fn diff(old: &NodeConfig, new: &NodeConfig) -> Change {
    let mut change = Change::default();
    compare_peers(old, new, &mut change);
    change.routes = old.routes != new.routes || old.rates != new.rates || old.scheme != new.scheme;
    compare_settings(old, new, &mut change);
    change
}

impl Change {
    /// The new configuration, with the old values of the keys that only a restart can change.
    #[must_use]
    pub fn keep_until_restart(&self, old: &NodeConfig, new: NodeConfig) -> NodeConfig {
        let mut config = new;
        // Without `ilpAddress`, the node's address follows from its id.
        if config.settings.node_id != old.settings.node_id {
            config.address = old.address.clone();
        }
        config.settings.keep_until_restart(&old.settings);
        config
    }
}

fn compare_peers(old: &NodeConfig, new: &NodeConfig, change: &mut Change) {
    let by_id = |config: &NodeConfig| -> HashMap<AccountId, PeerConfig> {
        config.peers.iter().map(|peer| (peer.account.id.clone(), peer.clone())).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    for peer in &old.peers {
        if !after.contains_key(&peer.account.id) {
            change.removed.push(peer.account.id.clone());
        }
    }
    for peer in &new.peers {
        let id = &peer.account.id;
        let Some(was) = before.get(id) else {
            change.added.push(id.clone());
            continue;
        };
        if was == peer {
            continue;
        }
        change.changed.push(id.clone());
        if was.account.enabled && !peer.account.enabled {
            change.suspended.push(id.clone());
        } else if peer.account.enabled && is_another_session(was, peer) {
            change.reauthenticate.push(id.clone());
        } else if peer.account.enabled && was.tokens().any(|token| !accepts(peer, token)) {
            change.lost_tokens.push(id.clone());
        }
    }
}

fn accepts(peer: &PeerConfig, token: &Secret) -> bool {
    peer.tokens().any(|valid| valid == token)
}

/// Whether sessions would now be made in another way.
fn is_another_session(was: &PeerConfig, is: &PeerConfig) -> bool {
    is_another_place(was.url.as_ref(), is.url.as_ref())
        || was.http_mode != is.http_mode
        || was.http_auth != is.http_auth
        || was.http_requests_max != is.http_requests_max
        || (was.tokens().next().is_some() && !was.tokens().any(|token| accepts(is, token)))
        || was.username != is.username
        || was.account.relation != is.account.relation
        || was.account.asset != is.account.asset
        || was.account.child_segment != is.account.child_segment
}

/// A change of the port alone ends no session: the peer may not have moved to the new port yet.
fn is_another_place(was: Option<&PeerUrl>, is: Option<&PeerUrl>) -> bool {
    match (was, is) {
        (Some(PeerUrl::Btp(was)), Some(PeerUrl::Btp(is))) if was.differs_in_port_alone(is) => false,
        (was, is) => was != is,
    }
}

fn compare_settings(old: &NodeConfig, new: &NodeConfig, change: &mut Change) {
    let mut note = |key: &KeyInfo| {
        let list = if key.live { &mut change.settings } else { &mut change.needs_restart };
        list.push(key.name.to_owned());
    };
    // These follow from several keys, and are compared below.
    let derived = [&NODE.ilp_address, &NODE.asset_code, &NODE.asset_scale];
    for key in old.settings.changed_keys(&new.settings) {
        if !derived.contains(&key) {
            note(key);
        }
    }
    if old.address != new.address && old.settings.node_id == new.settings.node_id {
        note(&NODE.ilp_address);
    }
    let code = |config: &NodeConfig| (config.asset.code.clone(), config.asset_unset.code);
    if code(old) != code(new) {
        note(&NODE.asset_code);
    }
    let scale = |config: &NodeConfig| (config.asset.scale, config.asset_unset.scale);
    if scale(old) != scale(new) {
        note(&NODE.asset_scale);
    }
    if old.receivers != new.receivers {
        note(&NODE.receivers);
    }
    if old.rate_sources != new.rate_sources {
        note(&NODE.rate_sources);
    }
    if old.api_tokens != new.api_tokens {
        note(&NODE.api_tokens);
    }
    if old.webhooks != new.webhooks {
        note(&NODE.webhooks);
    }
    if old.proxies != new.proxies {
        note(&NODE.proxies);
    }
}

#[cfg(test)]
mod tests {
    use super::super::node_keys::NodeSettings;
    use super::super::peer_keys::PeerSettings;
    use super::super::value_kind::ValueKind;
    use super::*;
    use crate::config::tests::node;

    const BASE: &str = "nodeId: a\npeers:\n  - {id: b, authToken: s, url: ws://b}\n  - {id: c, authToken: t}\n\
        routes:\n  - {prefix: test.b, nextHop: b}\n";

    /// The change as words: `+added -removed ~changed !suspended ^reauthenticate %lost_tokens routes settings restart`.
    fn check(new: &str, expected: &str) {
        let change = diff(&node(BASE), &node(new));
        let mut words: Vec<String> = Vec::new();
        let lists = [
            ("+", &change.added),
            ("-", &change.removed),
            ("~", &change.changed),
            ("!", &change.suspended),
            ("^", &change.reauthenticate),
            ("%", &change.lost_tokens),
        ];
        for (sign, ids) in lists {
            words.extend(ids.iter().map(|id| format!("{sign}{id}")));
        }
        if change.routes {
            words.push("routes".into());
        }
        words.extend(change.settings.clone());
        words.extend(change.needs_restart.iter().map(|key| format!("restart:{key}")));
        assert_eq!(words.join(" "), expected, "{new}");
        assert_eq!(change == Change::default(), expected.is_empty());
    }

    #[test]
    fn peers_and_routes() {
        let with = |from: &str, to: &str| {
            assert!(BASE.contains(from));
            BASE.replace(from, to)
        };
        check(BASE, "");
        check(&format!("# a comment\n{BASE}"), "");
        check(&with("{id: c, authToken: t}", "{id: d, authToken: t}"), "+d -c");
        check(&with("authToken: t", "authToken: u"), "~c ^c");
        check(&with("authToken: t", "authTokens: [u, t]"), "~c");
        check(&with("authToken: t", "authTokens: [u, v]"), "~c ^c");
        let two = node(&with("authToken: t", "authTokens: [t, u]"));
        let lost = |to: &str| {
            let change = diff(&two, &node(&with("authToken: t", to)));
            (change.lost_tokens.len(), change.reauthenticate.len())
        };
        assert_eq!(lost("authTokens: [u, t]"), (0, 0), "another is sent; both are valid");
        assert_eq!(lost("authToken: t"), (1, 0));
        assert_eq!(lost("authTokens: [v, u]"), (1, 0));
        assert_eq!(lost("authToken: v"), (0, 1));
        assert_eq!(lost("authToken: t, enabled: false"), (0, 0), "all of them close");
        assert_eq!(lost("authToken: t, username: me"), (0, 1));
        check(&with("ws://b", "ws://b:1"), "~b");
        check(&with("ws://b", "ws://b:1/x"), "~b ^b");
        check(&with("ws://b", "http://b:1"), "~b ^b");
        check(&with("ws://b", "wss://b:1"), "~b ^b");
        check(&with("id: c,", "id: c, username: me,"), "~c ^c");
        check(&with("id: c,", "id: c, relation: child,"), "~c ^c");
        check(&with("id: c,", "id: c, assetScale: 6,"), "~c ^c");
        check(&with("id: c,", "id: c, enabled: false,"), "~c !c");
        check(&with("id: c,", "id: c, required: true,"), "~c");
        check(&with("id: c,", "id: c, maxBalance: 5,"), "~c");
        check(&with("nextHop: b", "nextHop: c"), "routes");
        check(&with("routes:", "receivers: [{id: wallet}]\nroutes:"), "receivers");
        check(&with("routes:", "rates: [{from: USD, to: EUR, rate: 2}]\nroutes:"), "routes");
        check(&with("routes:", "proxies: [{address: ::1, sends: forwarded}]\nroutes:"), "proxies");
        check(&with("routes:", "rateSources: [{file: r.json}]\nroutes:"), "rateSources");
    }

    /// A value that is not the default, for every key of a node.
    fn other(name: &str, kind: ValueKind) -> Option<String> {
        Some(match kind {
            ValueKind::Id => "zoe".into(),
            ValueKind::Address => "test.zoe".into(),
            ValueKind::Host => "127.0.0.9".into(),
            ValueKind::HostNames => "[node.example]".into(),
            ValueKind::HttpUrl => "https://zoe.example".into(),
            ValueKind::Port => "4444".into(),
            ValueKind::Secret | ValueKind::File | ValueKind::Store => "zzz".into(),
            ValueKind::LogLevel => "debug".into(),
            ValueKind::AssetCode => "XRP".into(),
            ValueKind::Integer(min, _) => (min + 3).to_string(),
            ValueKind::Millis(min, _) => (min + 7).to_string(),
            ValueKind::Bool => "true".into(),
            ValueKind::Share => "0.01".into(),
            ValueKind::Choice(words) => (*words.last()?).into(),
            ValueKind::Map(_) if name == "ping" => "{echo: false}".into(),
            ValueKind::Map(_) if name == "guests" => "{}".into(),
            ValueKind::Map(_) => "{certificate: c, key: k}".into(),
            _ => return None,
        })
    }

    #[test]
    fn every_key_of_a_node_is_noticed_as_the_table_says() {
        let old = node(BASE);
        for key in NodeSettings::KEYS
            .iter()
            .filter(|key| {
                !matches!(
                    key.name,
                    "peers"
                        | "receivers"
                        | "apiTokens"
                        | "webhooks"
                        | "proxies"
                        | "routes"
                        | "rates"
                        | "rateSources"
                )
            })
            .filter(|key| key.kind != ValueKind::SecretFile)
        {
            let value = other(key.name, key.kind).expect(key.name);
            let new = match key.name {
                "nodeId" => BASE.replace("nodeId: a", "nodeId: zoe"),
                // Not above the hold-down.
                "routeBroadcastIntervalMs" => format!("{BASE}{name}: 20000\n", name = key.name),
                "routeHoldDownMs" => format!("{BASE}{name}: 50000\n", name = key.name),
                // Above the window.
                "maxHoldTimeMs" => format!("{BASE}maxHoldTimeMs: 20000\n"),
                name => format!("{BASE}{name}: {value}\n"),
            };
            let new = node(&new);
            let change = diff(&old, &new);
            let named = |list: &[String]| list.iter().any(|name| name == key.name);
            assert_eq!(named(&change.settings), key.live, "{} among {change:?}", key.name);
            assert_eq!(named(&change.needs_restart), !key.live, "{} among {change:?}", key.name);
            let kept = change.keep_until_restart(&old, new.clone());
            let left = diff(&old, &kept);
            assert_eq!(left.needs_restart, Vec::<String>::new(), "{}", key.name);
            assert_eq!(diff(&kept, &new).settings, Vec::<String>::new(), "{}", key.name);
        }
    }

    #[test]
    fn every_key_of_a_peer_is_live() {
        assert!(PeerSettings::KEYS.iter().all(|key| key.live));
    }
}
