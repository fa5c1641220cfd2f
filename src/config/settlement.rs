//! How debts between the node and its peers are settled, and settings of that which cannot work or are probably not
//! meant.

use super::diagnostics::DiagnosticSink;
use super::key_types::{KeySet, KeyType, Nested, wrong_type};
use super::mapping::{KeyRef, Mapping};
use super::node_keys::{NODE, NodeDraft};
use super::settings::PeerConfig;
use super::value::Value;
use super::value_kind::ValueKind;
use crate::account::AccountId;
use crate::net::{HttpUrl, Secret, is_loopback};

/// The word for settlements that operators make.
const MANUAL: &str = "manual";

keys! {
    /// The keys of `settlement` of a peer.
    EngineKeySet, EngineDraft, EngineKeys as ENGINE {
        /// URL of the settlement engine of the peer, as far as its `/accounts`.
        live engine => engine: HttpUrl,
        /// Sent to the engine as a bearer token. Default: none.
        live token | tokenFile => token: Option<Secret>,
    }
}

/// How debts between the node and a peer are settled.
#[derive(Clone, Debug, PartialEq)]
pub enum SettlementConfig {
    /// Operators settle, and record it.
    Manual,
    /// A settlement engine does (RFC 38).
    Engine(EngineKeySet),
}

impl KeyType for SettlementConfig {
    type Value = Self;

    const KIND: ValueKind = ValueKind::WordOrMap(MANUAL, EngineKeySet::KEYS);

    fn read(key: KeyRef<'_>, value: &Value, report: &mut DiagnosticSink) -> Option<Self> {
        match value.as_text() {
            Some(MANUAL) => Some(Self::Manual),
            Some(_) => {
                wrong_type(value, &key.path(), key.info, report);
                None
            }
            None => Nested::<EngineKeySet>::read(key, value, report).map(Self::Engine),
        }
    }
}

impl PeerConfig {
    /// The settlement engine of the peer.
    pub fn engine(&self) -> Option<&EngineKeySet> {
        match &self.settlement {
            Some(SettlementConfig::Engine(engine)) => Some(engine),
            Some(SettlementConfig::Manual) | None => None,
        }
    }
}

/// Checks the settings of all peers together with those of the node.
pub fn check(
    peers: &[PeerConfig],
    draft: &NodeDraft,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    let with_engine: Vec<&AccountId> =
        peers.iter().filter(|peer| peer.engine().is_some()).map(|peer| &peer.account.id).collect();
    if let Some(first) = with_engine.first() {
        if draft.store.is_none() && !mapping.has(&NODE.store) {
            let what = format!("the peer {first} has a settlement engine, but there is no store");
            let help = "set store: a settlement that ends with the process would be paid twice";
            mapping.problem(&NODE.store, what, help, report);
        }
        if !mapping.has(&NODE.settlement_port) {
            let what = format!(
                "not set, so the settlement engine of {first} cannot credit what the peer pays"
            );
            let help =
                "set it, and give the URL http://<settlementHost>:<settlementPort> to the engine";
            mapping.warn(&NODE.settlement_port, what, help, report);
        }
    }
    if !mapping.has(&NODE.settlement_port) {
        for key in [&NODE.settlement_host, &NODE.settlement_token] {
            if mapping.has(key) {
                let what =
                    "there is no listener for settlement engines, as settlementPort is not set";
                mapping.warn(key, what, "set settlementPort too, or remove it", report);
            }
        }
    } else if let Some(host) = &draft.settlement_host
        && !mapping.has(&NODE.settlement_token)
        && !is_loopback(host)
    {
        let what = "every program that reaches the port can say that a peer has paid";
        let help = format!("set settlementToken, or settlementHost to 127.0.0.1 (it is {host})");
        mapping.warn(&NODE.settlement_host, what, help, report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{content_of, loaded, node};
    use crate::config::{DiagnosticSink, FileForm, Loaded, Source, parse_file};

    const BASE: &str = "nodeId: a\nstore: a.db\nsettlementPort: 0\n";

    fn peers(settlement: &str) -> String {
        format!("peers: [{{id: b, authToken: hunter2, settlement: {settlement}}}]\n")
    }

    /// What is refused, and what is warned of.
    fn messages(text: &str) -> (String, String) {
        let content = content_of(text);
        let mut report = DiagnosticSink::new(Some(&content.path));
        let tree = parse_file(&Source::default(), &content, &mut report).expect(text);
        match Loaded::from_tree(tree, FileForm::NodeFile, Some(&content.path), report) {
            Ok(loaded) => (String::new(), format!("{:?}", loaded.warnings)),
            Err(problems) => (problems.to_string(), String::new()),
        }
    }

    #[test]
    fn a_peer_settles_by_hand_or_by_an_engine_or_not() {
        let manual = node(&format!("{BASE}{}", peers("manual")));
        assert_eq!(manual.peers[0].settlement, Some(SettlementConfig::Manual));
        let engine = format!("{BASE}{}", peers("{engine: 'http://e:1/x', token: hunter3}"));
        let engine = loaded(&engine, &[]);
        let of_peer = engine.config.peers[0].engine().unwrap();
        assert_eq!(of_peer.engine.to_string(), "http://e:1/x");
        assert!(engine.config.secrets().any(|secret| secret == "hunter3"));
        let printed = engine.print();
        assert!(
            printed.contains("engine: http://e:1/x") && !printed.contains("hunter"),
            "{printed}"
        );
        assert!(
            loaded(&format!("{BASE}{}", peers("manual")), &[])
                .print()
                .contains("settlement: manual")
        );
        let none = node("nodeId: a\npeers: [{id: b, authToken: x}]\n");
        assert_eq!(none.peers[0].settlement, None);
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let engine = peers("{engine: 'http://127.0.0.1:1'}");
        let check = |text: &str, problem: &str, warning: &str| {
            let (problems, warnings) = messages(text);
            assert!(
                problems.contains(problem) && problem.is_empty() == problems.is_empty(),
                "{problems}"
            );
            assert!(warnings.contains(warning), "{text}: {warnings}");
        };
        check(&format!("{BASE}{engine}"), "", "");
        check(&format!("nodeId: a\nsettlementPort: 1\n{engine}"), "but there is no store", "");
        check(&format!("nodeId: a\nstore: a.db\n{engine}"), "", "cannot credit what the peer pays");
        check("nodeId: a\nsettlementToken: x\n", "", "settlementPort is not set");
        check(
            &format!("{BASE}settlementHost: 0.0.0.0\n"),
            "",
            "every program that reaches the port",
        );
        check(&format!("{BASE}{}", peers("automatic")), "manual, or a mapping", "");
        check(&format!("{BASE}{}", peers("{engine: 'ws://e'}")), "http", "");
        check(&format!("{BASE}{}", peers("{token: x}")), "is missing", "");
    }
}
