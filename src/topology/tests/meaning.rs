//! The settings that files give: defaults, overrides, and the nodes of a topology.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::{Deployment, Topology, load_content};
use super::{content_of, on_loopback, source_of_file, source_of_variables, topology};
use crate::account::{AccountSettings, Asset, Limits, Relation};
use crate::config::tests::node;
use crate::config::{
    FileForm, KeySet, NodeConfig, NodeSettings, Override, Source, ValueKind, ValueOrigin,
};
use crate::connector::Timing;
use crate::local::PingSettings;
use crate::net::{KeepAliveSettings, TransportSettings};
use crate::routing::RouteOrigin;

fn spread(topology: &Topology, id: &str) -> NodeConfig {
    topology.node(id, Deployment::Spread).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// Peers, one line each: `id relation url username token required`.
fn peers(node: &NodeConfig) -> Vec<String> {
    let line = |peer: &crate::config::PeerConfig| {
        format!(
            "{} {} {} {} {} {}",
            peer.account.id,
            peer.account.relation,
            peer.url.as_ref().map_or("-".into(), ToString::to_string),
            peer.username,
            peer.auth_token.as_ref().map_or("-", |token| token.expose()),
            peer.required
        )
    };
    node.peers.iter().map(line).collect()
}

fn routes(node: &NodeConfig) -> Vec<String> {
    let line = |route: &crate::routing::Route| {
        format!("{}>{} {}", route.prefix, route.next_hop, route.priority)
    };
    node.routes.iter().map(line).collect()
}

#[test]
fn defaults_are_those_of_the_rooms() {
    let node = node("nodeId: a\npeers:\n  - {id: b, authToken: s}\n");
    let expected = AccountSettings {
        asset: Asset::default(),
        ..AccountSettings::new("b".parse().unwrap(), Relation::Peer)
    };
    assert_eq!(node.peers[0].account, expected);
    assert_eq!(node.peers[0].account.limits, Limits::default());
    let settings = node.connector_settings(&[0; 32]);
    assert_eq!((settings.timing, settings.ping), (Timing::default(), PingSettings::default()));
    let btp = TransportSettings::default();
    assert_eq!(node.settings.auth_timeout, btp.auth_timeout);
    assert_eq!(node.settings.btp_limits(), btp.unauthenticated);
    assert_eq!(node.settings.http_limits(), btp.http);
    let keep_alive = KeepAliveSettings {
        interval: node.settings.keep_alive_interval,
        timeout: node.settings.keep_alive_timeout,
        write_stall: node.settings.write_timeout,
    };
    assert_eq!(keep_alive, btp.keep_alive);
    assert_eq!(node.settings.shutdown_grace, Duration::from_secs(8));
    assert_eq!(node.settings.start_timeout, Duration::from_secs(30));
    assert_eq!((node.settings.btp_server_port, node.settings.health_check_port), (3000, 8080));
    assert_eq!(node.address.unwrap().as_str(), "test.a");
}

#[test]
fn defaults_that_the_file_sets_change_nothing() {
    let mut written = "nodeId: a\n".to_owned();
    for key in NodeSettings::KEYS.iter().filter(|key| !matches!(key.kind, ValueKind::Map(_))) {
        if let Some(default) = key.default {
            writeln!(written, "{}: {default}", key.name).unwrap();
        }
    }
    let mut written = node(&written);
    let unwritten = node("nodeId: a\n");
    // Set parts of the asset are not adopted. Nothing else differs.
    written.asset_unset = unwritten.asset_unset;
    assert_eq!(written, unwritten);
}

#[test]
fn the_scheme_is_that_of_the_routes() {
    let with = |prefix: &str| {
        let file = format!(
            "nodeId: a\npeers:\n  - {{id: b, authToken: s, maxBalance: 1}}\nroutes:\n  - {{prefix: \"{prefix}\", nextHop: b}}\n"
        );
        node(&file).address.unwrap().to_string()
    };
    assert_eq!(with("g.x"), "g.a");
    assert_eq!(with("test2"), "test2.a");
    assert_eq!(with("private.x"), "private.a");
    assert_eq!(with(""), "test.a");
}

#[test]
fn an_address_is_asked_from_the_parent() {
    let file = "nodeId: a\npeers:\n  - {id: p, authToken: s, relation: parent}\n";
    assert_eq!(node(file).address, None);
    assert_eq!(node(&format!("{file}ilpAddress: test.x\n")).address.unwrap().as_str(), "test.x");
}

#[test]
fn assets_are_adopted_if_they_are_not_set() {
    let sent = Asset::new("XRP", 6);
    let check = |keys: &str, parent: &str, expected: Result<&str, ()>| {
        let file = format!(
            "nodeId: a\n{keys}peers:\n  - {{id: p, authToken: s, relation: parent{parent}}}\n  \
             - {{id: b, authToken: t}}\n  - {{id: c, authToken: u, assetScale: 3}}\n\
             receivers:\n  - {{id: wallet}}\n  - {{id: shop, assetScale: 2}}\n"
        );
        let mut node = node(&file);
        let before = node.clone();
        let adopted = node.adopt_asset(&sent).map_err(|_| ());
        if adopted.is_err() {
            assert_eq!(node, before);
        }
        let peers = node.peers.iter().map(|peer| peer.account.asset.to_string());
        let receivers = node.receivers.iter().map(|receiver| receiver.asset.to_string());
        let assets = std::iter::once(node.asset.to_string()).chain(peers).chain(receivers);
        let assets: Vec<String> = assets.collect();
        assert_eq!(adopted.map(|()| assets.join(" ")), expected.map(str::to_owned), "{file}");
    };
    check("", "", Ok("XRP/6 XRP/6 XRP/6 XRP/3 XRP/6 XRP/2"));
    check("assetCode: XRP\n", "", Ok("XRP/6 XRP/6 XRP/6 XRP/3 XRP/6 XRP/2"));
    check("assetCode: USD\n", "", Err(()));
    check("assetScale: 9\n", "", Err(()));
    check("assetCode: XRP\nassetScale: 6\n", "", Ok("XRP/6 XRP/6 XRP/6 XRP/3 XRP/6 XRP/2"));
    check("", ", assetCode: EUR", Err(()));
    check("", ", assetCode: XRP", Ok("XRP/6 XRP/6 XRP/6 XRP/3 XRP/6 XRP/2"));
}

#[test]
fn receivers_derive_from_the_secret_and_both_names() {
    let made = |node_id: &str, more: &str, drawn: u8| {
        let node = node(&format!("nodeId: {node_id}\n{more}receivers:\n  - {{id: w}}\n"));
        let settings = node.connector_settings(&[drawn; 32]);
        settings.accounts[0].receiver.as_ref().unwrap().secret("token").0
    };
    let secret = "receiverSecret: 0123456789abcdef0123456789abcdef\n";
    assert_eq!(made("a", secret, 1), made("a", secret, 2), "nothing is drawn where one is set");
    assert_ne!(made("a", secret, 1), made("b", secret, 1), "nodes share a secret, not receivers");
    assert_ne!(made("a", "", 1), made("a", "", 2));
    assert_ne!(made("a", "", 1), made("a", secret, 1));
}

#[test]
fn credentials_of_a_url_win() {
    let credentials = |url: &str, token: &str| {
        let file = format!("nodeId: me\npeers:\n  - {{id: b, url: \"{url}\"{token}}}\n");
        let credentials = node(&file).peers[0].credentials("me").unwrap();
        format!("{}/{}", credentials.username, credentials.token.expose())
    };
    assert_eq!(credentials("ws://b", ", authToken: s"), "me/s");
    assert_eq!(credentials("ws://u@b", ", authToken: s"), "u/s");
    assert_eq!(credentials("ws://u:t@b", ", authToken: s"), "u/t");
    assert_eq!(credentials("ws://:t@b", ""), "/t");
}

#[test]
fn command_line_then_environment_then_file_then_default() {
    let variables =
        [("BTP_SERVER_PORT", "1002"), ("HEALTH_CHECK_PORT", "1003"), ("NODE_ID", "env")];
    let over = Override { key: "btpServerPort", value: "1001".into(), flag: "--btp-port".into() };
    let source = Source { overrides: vec![over], ..source_of_variables(&variables) };
    let content =
        content_of("nodeId: file\nbtpServerPort: 1004\nhealthCheckPort: 1005\nlogLevel: warn\n");
    let node = load_content(&source, Some(&content)).unwrap().config;
    assert_eq!((node.settings.btp_server_port, node.settings.health_check_port), (1001, 1003));
    assert_eq!((node.settings.log_level.as_str(), node.settings.node_id.as_str()), ("warn", "env"));
    let bad = Override { key: "btpServerPort", value: "x".into(), flag: "--btp-port".into() };
    let source = Source { overrides: vec![bad], ..source };
    let problems = load_content(&source, Some(&content)).unwrap_err();
    assert_eq!(problems.problems[0].place.origin, ValueOrigin::CommandLine("--btp-port".into()));
}

#[test]
fn peers_without_a_file() {
    let source = source_of_variables(&[
        ("NODE_ID", "a"),
        ("BTP_PEER_B_URL", "ws://b:3000"),
        ("BTP_PEER_B_SECRET", "s"),
        ("BTP_PEER_NODE_C_SECRET", "t"),
        ("BTP_PEER_D_SECRET", "u"),
        ("BTP_PEER_D_RELATION", "child"),
        ("BTP_PEER_E_URL", ""),
    ]);
    let loaded = load_content(&source, None).unwrap();
    assert_eq!(loaded.form, FileForm::NoFile);
    let expected =
        ["b peer ws://b:3000/ b s true", "d child - d u false", "node-c peer - node-c t false"];
    assert_eq!(peers(&loaded.config), expected);
    assert_eq!(routes(&loaded.config), ["test.b>b 0", "test.node-c>node-c 0"]);
    assert_eq!(loaded.config.routes[0].origin, RouteOrigin::Computed);
    let nothing = load_content(&Source::default(), None).unwrap().config;
    assert_eq!(nothing.settings.node_id.as_str(), "node");
}

const LINE: &str = "nodes:\n  - id: a\n  - {id: b, host: b.example, btpServerPort: 4000}\n  - id: c\nlinks:\n  \
    - {from: a, to: b, secret: s1}\n  - {from: c, to: b, secret: s2}\ndefaults:\n  btpServerPort: 5000\n  \
    maxBalance: 7\n  peers:\n    - {id: cli, relation: child, authToken: t}\n";

#[test]
fn links_become_peers() {
    let topology = topology(LINE);
    let a = spread(&topology, "a");
    assert_eq!(peers(&a), ["b peer ws://b.example:4000/ b s1 true", "cli child - cli t false"]);
    assert_eq!(routes(&a), ["test.b>b -1", "test.c>b -2"]);
    assert_eq!(a.routes[0].origin, RouteOrigin::Computed);
    assert_eq!(a.settings.btp_server_port, 5000);
    assert!(a.peers.iter().all(|peer| peer.account.limits.max_balance == Some(7)));
    let b = spread(&topology, "b");
    assert_eq!(
        peers(&b),
        ["a peer - a s1 false", "c peer - c s2 false", "cli child - cli t false"]
    );
    assert_eq!(b.settings.btp_server_port, 4000);
    let b = on_loopback(&topology, "b");
    assert_eq!((b.settings.btp_server_port, b.settings.health_check_port), (4000, 8081));
    let a = on_loopback(&topology, "a");
    // The network's default port is ignored on one machine.
    assert_eq!(
        (a.settings.btp_server_port, a.settings.btp_server_host.as_str()),
        (3000, "127.0.0.1")
    );
    assert_eq!(peers(&a)[0], "b peer ws://127.0.0.1:4000/ b s1 true");
}

#[test]
fn keys_of_a_topology_node_override_defaults() {
    let topology = topology(
        "nodes:\n  - id: a\n    ilpAddress: test.alpha\n    maxHoldTimeMs: 9000\n    peers:\n      \
         - {id: b, maxBalance: 3, required: false}\n      - {id: z, url: 'ws://u:t@b:3000/x'}\n    routes:\n      \
         - {prefix: '', nextHop: b}\n  - id: b\nlinks:\n  - {from: a, to: b, secret: s}\n\
         defaults: {maxHoldTimeMs: 8000, maxBalance: 9}\n",
    );
    let a = spread(&topology, "a");
    assert_eq!(peers(&a), ["b peer ws://b:3000/ b s false", "z peer ws://u:***@b:3000/x z - true"]);
    let max: Vec<_> = a.peers.iter().map(|peer| peer.account.limits.max_balance).collect();
    assert_eq!(max, [Some(3), Some(9)]);
    assert_eq!(routes(&a), [">b 0"]);
    assert_eq!(a.settings.max_hold_time, Duration::from_secs(9));
    assert_eq!(spread(&topology, "b").settings.max_hold_time, Duration::from_secs(8));
    assert_eq!(routes(&spread(&topology, "b")), ["test.alpha>a -1"]);
    let a = on_loopback(&topology, "a");
    assert_eq!(peers(&a)[1], "z peer ws://u:***@127.0.0.1:3001/x z - true");
}

#[test]
fn children_live_below_their_parents() {
    let topology = topology(
        "nodes:\n  - id: a\n  - id: b\n  - id: c\n    peers: [{id: d, childAddressSegment: dd}]\n  - id: d\nlinks:\n  \
         - {from: a, to: b, secret: s1, relation: parent}\n  - {from: b, to: c, secret: s2, relation: parent}\n  \
         - {from: c, to: d, secret: s3, relation: child}\n",
    );
    let address = |id: &str| spread(&topology, id).address.unwrap().to_string();
    assert_eq!(
        [address("a"), address("b"), address("c"), address("d")],
        ["test.c.b.a", "test.c.b", "test.c", "test.c.dd"]
    );
    assert_eq!(
        peers(&spread(&topology, "c")),
        ["b child - b s2 false", "d child ws://d:3000/ d s3 true"]
    );
}

#[test]
fn both_may_dial() {
    let topology = topology(
        "nodes:\n  - id: a\n  - id: b\nlinks:\n  - {from: a, to: b, secret: s}\n  - {from: b, to: a, secret: s}\n",
    );
    assert_eq!(peers(&spread(&topology, "a")), ["b peer ws://b:3000/ b s true"]);
    assert_eq!(peers(&spread(&topology, "b")), ["a peer ws://a:3000/ a s true"]);
}

#[test]
fn a_node_that_is_not_named_can_wait() {
    let named = |id: &str, text: &str| {
        let source = Source { node: Some(id.into()), ..Source::default() };
        load_content(&source, Some(&content_of(text)))
            .map(|_| ())
            .map_err(|problems| problems.node_not_named)
    };
    assert_eq!(named("a", LINE), Ok(()));
    assert_eq!(named("z", LINE), Err(true));
    // Mistakes elsewhere in the file also count for a node that it does not name.
    assert_eq!(named("z", &LINE.replace("5000", "x")), Err(false));
    // Without b, a and c run without a link.
    let without = "nodes:\n  - id: a\n  - id: c\nlinks: []\n";
    assert_eq!(named("a", without), Ok(()));
    assert_eq!(named("b", without), Err(true));
}

#[test]
fn up_reports_all_that_check_reports() {
    let messages = |text: &str| -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let source = source_of_file(folder.path(), text);
        let content = source.read().unwrap().unwrap();
        let lines = |problems: crate::config::Diagnostics| {
            let all = problems.problems.into_iter().chain(problems.warnings);
            // On one machine all servers listen on loopback, so `up` does not warn of it.
            let all = all.map(|problem| problem.to_string());
            all.filter(|line| !line.contains("apiToken")).collect::<Vec<_>>()
        };
        let checked = super::super::check(&source).err().map(lines).unwrap_or_default();
        let up = match Topology::load_all_on_loopback(&source, &content, |_| {}) {
            Err(problems) => lines(problems),
            Ok(loaded) => {
                loaded.iter().flat_map(|one| &one.warnings).map(ToString::to_string).collect()
            }
        };
        (checked, up)
    };
    let network = "nodes:\n  - {id: a, btpServerPort: 70000}\n  - {id: b, healthCheckPort: 8081}\n  - {id: c, healthCheckPort: 8081}\n  \
        - {id: d, routes: [{prefix: test.a, nextHop: a}]}\nlinks:\n  - {from: a, to: b, secret: s1}\n  - {from: b, to: d, secret: s2}\n";
    for text in [
        network.to_owned(),
        // A mistake of the form does not hide mistakes of the nodes.
        format!("{network}colour: blue\n"),
        format!("{network}  - {{from: a, to: nobody, secret: s3}}\n"),
        format!("{network}defaults: {{btpServerPort: x, maxBalance: y}}\n"),
        network.replace("70000", "4000"),
    ] {
        let (checked, up) = messages(&text);
        assert!(!checked.is_empty(), "{text}");
        for line in &checked {
            assert!(up.contains(line), "{text}\nup does not report {line}\nbut {up:#?}");
        }
    }
}
