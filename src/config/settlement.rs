//! How debts between the node and its peers are settled, and settings of that which cannot work or are probably not
//! meant.

use super::diagnostics::DiagnosticSink;
use super::key_types::{KeySet, KeyType, Nested};
use super::mapping::{KeyRef, Mapping};
use super::node_keys::{NODE, NodeDraft};
use super::peer_keys::{PEER, PeerDraft};
use super::redact;
use super::settings::PeerConfig;
use super::value::Value;
use super::value_kind::ValueKind;
use crate::account::{AccountId, Relation};
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
            Some(text) => {
                report_other_text(text, key, report);
                None
            }
            None => Nested::<EngineKeySet>::read(key, value, report).map(Self::Engine),
        }
    }
}

/// Reports a text that is not `manual`: most are that word with a mistake, or the URL of an engine.
fn report_other_text(text: &str, key: KeyRef<'_>, report: &mut DiagnosticSink) {
    report.unread(key.path().place());
    if text.contains("://") {
        let what = "is a URL; an engine is a mapping, which may also have a token";
        let help = format!("write settlement: {{ engine: {} }}", redact::url(text));
        report.at(&key.path(), what, help);
    } else {
        let what = match redact::nearest(text, [MANUAL]) {
            Some(near) => format!("did you mean {near}?"),
            None => "unknown word".to_owned(),
        };
        key.report_mistake(what, report);
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

/// Keys that do nothing, because nothing is settled with the peer, or no engine does it.
fn warn_of_unused_rules(mapping: Mapping<'_>, draft: &PeerDraft, report: &mut DiagnosticSink) {
    let of_engines = [
        (&PEER.settle_every, draft.settle_every.is_some()),
        (&PEER.settle_max_per_hour, draft.settle_max_per_hour.is_some()),
        (&PEER.settle_on_t04, draft.settle_on_t04 == Some(true)),
    ];
    let of_all = [
        (&PEER.settle_threshold, draft.settle_threshold.is_some()),
        (&PEER.settle_to, draft.settle_to.is_some_and(|target| target != 0)),
    ];
    match draft.settlement {
        None if !mapping.has(&PEER.settlement) => {
            let mut set = of_all.iter().chain(&of_engines).filter(|(_, is_set)| *is_set);
            let Some((first, _)) = set.next() else { return };
            let place = mapping.path_of(first).place();
            // What is under `defaults` is meant for neighbours, not for accounts of tools.
            if draft.relation == Some(Relation::Child) && place.text.starts_with("defaults.") {
                return;
            }
            let peer = draft.id.as_ref().map_or("this peer", AccountId::as_str);
            let what = format!("nothing is settled with {peer}, which has no settlement");
            let help = "set settlement to manual or to the engine of the peer, or remove this key";
            report.warn(place, what, help);
        }
        Some(SettlementConfig::Manual) => {
            for (key, _) in of_engines.iter().filter(|(_, is_set)| *is_set) {
                let what = "does nothing with settlement: manual";
                let help = "of debts that operators settle, settleThreshold says when they are due; remove this key, or \
                            give the peer a settlement engine";
                mapping.warn(key, what, help, report);
            }
        }
        None | Some(SettlementConfig::Engine(_)) => {}
    }
}

/// Checks the settings of one peer.
pub fn check_rules(mapping: Mapping<'_>, draft: &PeerDraft, report: &mut DiagnosticSink) {
    warn_of_unused_rules(mapping, draft, report);
    if draft.settle_max_per_hour.is_some_and(|max| max <= 0) {
        let help = "name the units that may be settled within an hour, such as 1000000";
        mapping.problem(&PEER.settle_max_per_hour, "nothing could be settled", help, report);
    }
    let target = draft.settle_to.unwrap_or_default();
    // The default is no mistake where nothing is settled.
    let has_target = draft.settle_threshold.is_some() || mapping.has(&PEER.settle_every);
    if let Some(max) = draft.max_balance.filter(|max| has_target && target > *max) {
        let what = format!("is above maxBalance ({max})");
        let help =
            "after a settlement the peer could send nothing; settle to 0, or raise maxBalance";
        mapping.problem(&PEER.settle_to, what, help, report);
    }
    let Some(threshold) = draft.settle_threshold else { return };
    let owed = target.saturating_sub(threshold);
    if let Some(max) = draft.settle_max_per_hour.filter(|max| (1..owed).contains(max)) {
        let what =
            format!("is below what is due at settleThreshold ({owed} units, up to settleTo)");
        let help = format!("{max} units are settled in each hour, and the rest waits; raise it");
        mapping.warn(&PEER.settle_max_per_hour, what, help, report);
    }
    if threshold >= target {
        let what = format!("is not below settleTo ({target})");
        let help = "a settlement brings the balance from settleThreshold up to settleTo";
        mapping.problem(&PEER.settle_threshold, what, help, report);
    } else if let Some(min) = draft.min_balance.filter(|min| threshold < *min) {
        let what = format!("is below minBalance ({min})");
        let help = "the balance never falls so far, so packets stop before anything is settled; \
                    set it above minBalance";
        mapping.warn(&PEER.settle_threshold, what, help, report);
    } else if threshold > 0 {
        let help = "the node pays although the peer owes; balances that we owe are below zero";
        mapping.warn(&PEER.settle_threshold, "is above zero", help, report);
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
                "not set, so the settlement engine of {first} can neither credit what the peer pays, nor agree with the \
                 engine there"
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
    use crate::config::tests::{loaded, mistakes_in, node};

    const BASE: &str = "nodeId: a\nhealthCheckHost: 127.0.0.1\nstore: a.db\nsettlementPort: 0\n";

    fn peers(settlement: &str) -> String {
        format!("peers: [{{id: b, authToken: hunter2, settlement: {settlement}}}]\n")
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

    fn check(text: &str, problem: &str, warning: &str) {
        let (problems, warnings) = mistakes_in(text);
        for (found, expected) in [(problems, problem), (warnings, warning)] {
            assert!(
                found.contains(expected) && expected.is_empty() == found.is_empty(),
                "{text}: {expected:?} is not {found}"
            );
        }
    }

    #[test]
    fn rules_that_cannot_work_or_are_not_meant_are_reported() {
        let check = |keys: &str, problem: &str, warning: &str| {
            let engine = "settlement: {engine: 'http://e:1'}";
            let peer = format!("{{id: b, authToken: x, {engine}, {keys}}}");
            check(&format!("{BASE}peers: [{peer}]\n"), problem, warning);
        };
        check("settleThreshold: -6, settleTo: -5", "", "");
        let not_below = "settleThreshold = -5: is not below settleTo (-5)";
        check("settleThreshold: -5, settleTo: -5", not_below, "");
        check("settleThreshold: 1", "settleThreshold = 1: is not below settleTo (0)", "");
        check("settleThreshold: -10, minBalance: -10", "", "");
        let below_min = "settleThreshold: is below minBalance (-10)";
        check("settleThreshold: -11, minBalance: -10", "", below_min);
        check("settleThreshold: 0, settleTo: 2", "", "");
        check("settleThreshold: 1, settleTo: 2", "", "settleThreshold: is above zero");
        check("settleMaxPerHour: 1", "", "");
        check("settleMaxPerHour: 10, settleThreshold: -10", "", "");
        check(
            "settleMaxPerHour: 14, settleThreshold: -10, settleTo: 5",
            "",
            "at settleThreshold (15 units",
        );
        check(
            "settleMaxPerHour: 9, settleThreshold: -10",
            "",
            "settleMaxPerHour: is below what is due",
        );
        check("settleMaxPerHour: 0", "settleMaxPerHour = 0: nothing could be settled", "");
        check("settleMaxPerHour: -1", "settleMaxPerHour = -1: nothing could be settled", "");

        let limits =
            |max: &str, rules: &str| format!("maxPacketAmount: 1, maxBalance: {max}, {rules}");
        let above_max = "settleTo = 6: is above maxBalance (5)";
        check(&limits("5", "settleThreshold: -1, settleTo: 5"), "", "");
        check(&limits("5", "settleThreshold: -1, settleTo: 6"), above_max, "");
        check(&limits("5", "settleEveryMs: 1000, settleTo: 6"), above_max, "");
        check(&limits("5", "settleTo: 6"), "", "");
        // The default of settleTo is above it, too, which is no mistake where nothing is settled.
        check(&limits("-1", "settleThreshold: -5"), "settleTo: is above maxBalance (-1)", "");
        check(&limits("-1", ""), "", "");
    }

    #[test]
    fn rules_that_do_nothing_are_warned_of() {
        let check = |keys: &str, warning: &str| {
            check(&format!("{BASE}peers: [{{id: b, authToken: x, {keys}}}]\n"), "", warning);
        };
        for rule in
            ["settleThreshold: -5", "settleTo: 5", "settleEveryMs: 1000", "settleMaxPerHour: 5"]
        {
            let key = rule.split(':').next().unwrap();
            check(rule, &format!("peers[0].{key}: nothing is settled with b, which"));
        }
        check("settleTo: 0, settleOnT04: false", "");
        check("settleOnT04: true", "nothing is settled with b");
        check("settlement: manual, settleThreshold: -5, settleTo: 5", "");
        check("settlement: manual, settleEveryMs: 1000", "settleEveryMs: does nothing with");
        check("settlement: manual, settleMaxPerHour: 5", "settleMaxPerHour: does nothing with");
        check("settlement: manual, settleOnT04: true", "settleOnT04: does nothing with");
        check("settlement: manual, settleOnT04: false", "");
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let engine = peers("{engine: 'http://127.0.0.1:1'}");
        check(&format!("{BASE}{engine}"), "", "");
        check(&format!("nodeId: a\nsettlementPort: 1\n{engine}"), "but there is no store", "");
        check(
            &format!("nodeId: a\nstore: a.db\n{engine}"),
            "",
            "can neither credit what the peer pays",
        );
        check("nodeId: a\nsettlementToken: x\n", "", "settlementPort is not set");
        check(
            &format!("{BASE}settlementHost: 0.0.0.0\n"),
            "",
            "every program that reaches the port",
        );
        check(&format!("{BASE}{}", peers("automatic")), "manual, or a mapping", "");
        check(
            &format!("{BASE}{}", peers("maunal")),
            "peers[0].settlement = \"maunal\": did you mean manual?",
            "",
        );
        let url = format!("{BASE}{}", peers("'http://u:hunter4@e:1/x'"));
        let expected = "write settlement: { engine: \"http://***@e:1/…\" }";
        check(&url, expected, "");
        assert!(!mistakes_in(&url).0.contains("hunter"));
        check(&format!("{BASE}{}", peers("{engine: 'ws://e'}")), "http", "");
        check(&format!("{BASE}{}", peers("{token: x}")), "is missing", "");
    }
}
