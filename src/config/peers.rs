//! `peers`: reads each peer, and compares them with each other.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;

use super::diagnostics::DiagnosticSink;
use super::env::variable_of_peer;
use super::guests;
use super::key_types::KeySet;
use super::location::{FirstUses, Location};
use super::mapping::Mapping;
use super::node_keys::NODE;
use super::peer_keys::{PEER, PeerDraft, PeerSettings};
use super::redact;
use super::settings::{PeerConfig, Unset};
use super::settlement::{self, SettlementConfig};
use super::value::Value;
use crate::account::{
    AccountId, AccountSettings, Asset, Limits, ReconcileSettings, Relation, RoutePolicy,
    SettlementMode, SettlementRules,
};
use crate::net::Secret;
use crate::net::{HttpAuth, HttpMode, PeerUrl};
use crate::wire::{Amount, Network, Scheme};

/// What a peer inherits from its node.
pub struct PeerDefaults<'a> {
    pub id: Option<&'a str>,
    pub asset: Asset,
    /// Whether routes are exchanged with peers that do not set it.
    pub dynamic: bool,
}

/// Peers of the list that have mistakes. Other parts of the file may name them, and are judged by what is known of
/// them.
#[derive(Debug, Default)]
pub struct BrokenPeers {
    /// Their ids, as far as they can be read. If one cannot, `peers` is unread in the report.
    ids: BTreeSet<AccountId>,
    /// One of them may be the parent, whose asset others adopt.
    pub may_hide_parent: bool,
}

impl BrokenPeers {
    /// The id of one of them.
    pub fn get(&self, id: &str) -> Option<&AccountId> {
        self.ids.get(id)
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(AccountId::as_str)
    }

    /// Notes an item of the list. `false`: its id cannot be read.
    fn note(&mut self, item: &Value) -> bool {
        let relation = item.get(PEER.relation.name).map(Value::as_text);
        let is_no_parent = |text: &str| {
            [Relation::Peer, Relation::Child].iter().any(|other| other.as_str() == text)
        };
        self.may_hide_parent |= match relation {
            None => item.as_map().is_none(),
            Some(text) => !text.is_some_and(is_no_parent),
        };
        let id = item.text_of(PEER.id.name).and_then(|id| id.parse().ok());
        id.is_some_and(|id| {
            self.ids.insert(id);
            true
        })
    }
}

/// Reads the list. Peers with mistakes are reported, and known by their ids only.
pub fn read(
    node: &PeerDefaults<'_>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> (Vec<PeerConfig>, BrokenPeers) {
    let list = mapping.list(&NODE.peers, report);
    let path = mapping.path_of(&NODE.peers);
    let mut peers = Vec::with_capacity(list.len());
    let mut broken = BrokenPeers::default();
    let mut comparison = PeerComparison::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let peer =
            Mapping::of_item(value, &path, PeerSettings::KEYS.iter(), report).and_then(|item| {
                let peer = read_peer(node, item, report)?;
                comparison.check(&peer, item, report);
                Some(peer)
            });
        match peer {
            Some(peer) => peers.push(peer),
            None if broken.note(value) => {}
            // Routes may name it.
            None => report.unread(mapping.key_place(&NODE.peers)),
        }
    }
    comparison.warn(report);
    (peers, broken)
}

fn read_peer(
    node: &PeerDefaults<'_>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Option<PeerConfig> {
    let draft = PeerSettings::read(mapping, report);
    if mapping.has(&PEER.auth_token) && mapping.has(&PEER.auth_tokens) {
        let help = "put all tokens into authTokens; the first of them is the one that is sent";
        mapping.problem(&PEER.auth_tokens, "authToken is set as well", help, report);
    }
    let causes = [&PEER.url, &PEER.auth_token, &PEER.auth_tokens];
    report.following(causes.into_iter().flat_map(|key| mapping.places_of(key)), |report| {
        check_token(mapping, draft.url.as_ref(), report);
        check_http_only(mapping, &draft, report);
    });
    if draft.required == Some(true) && draft.enabled == Some(false) {
        let help =
            "a suspended peer would keep the node unhealthy; remove required, or enable the peer";
        mapping.problem(&PEER.required, "the peer is required, but enabled is false", help, report);
    }
    if draft.child_address_segment.is_some()
        && draft.relation.is_some_and(|relation| relation != Relation::Child)
    {
        let help = "only a child has an address below ours; remove it, or set relation: child";
        mapping.problem(&PEER.child_address_segment, "the peer is not a child", help, report);
    }
    if let (Some(min), Some(max)) = (draft.min_balance, draft.max_balance)
        && min > max
    {
        let what = format!("is above maxBalance ({max})");
        mapping.problem(&PEER.min_balance, what, "minBalance must be at most maxBalance", report);
    }
    settlement::check_rules(mapping, &draft, report);
    if draft.max_packet_amount == Some(Amount::ZERO) {
        let what = "no packet with an amount can pass";
        mapping.warn(&PEER.max_packet_amount, what, "leave it out for no limit", report);
    }
    let peer = PeerSettings::finish(draft)?;
    guests::check_id(&peer.id, &PEER.id, mapping, report);
    if node.id == Some(peer.id.as_str()) {
        let help = "a node cannot be its own peer; use the id of the other side";
        mapping.problem(&PEER.id, "is the id of this node", help, report);
    }
    let mut tokens = peer.auth_token.into_iter().chain(peer.auth_tokens.into_iter().flatten());
    // A child needs no routes: our address covers its own, and we are its way out.
    let exchanges_routes = node.dynamic && peer.relation != Relation::Child;
    let mode = match peer.settlement {
        Some(SettlementConfig::Engine(_)) => SettlementMode::Engine,
        Some(SettlementConfig::Manual) => SettlementMode::Manual,
        None => SettlementMode::None,
    };
    Some(PeerConfig {
        settlement: peer.settlement,
        asset_of_node: Unset { code: peer.asset_code.is_none(), scale: peer.asset_scale.is_none() },
        http_mode: peer.http_mode,
        http_auth: peer.http_auth,
        http_requests_max: peer.http_max_requests,
        username: peer.username.unwrap_or_else(|| peer.id.to_string()),
        auth_token: tokens.next(),
        further_tokens: tokens.collect(),
        required: peer.enabled && peer.required.unwrap_or(peer.url.is_some()),
        url: peer.url,
        account: AccountSettings {
            id: peer.id,
            relation: peer.relation,
            asset: Asset {
                code: peer.asset_code.unwrap_or_else(|| node.asset.code.clone()),
                scale: peer.asset_scale.unwrap_or(node.asset.scale),
            },
            spread: peer.spread,
            enabled: peer.enabled,
            suspended_until: None,
            limits: Limits {
                max_packet_amount: peer.max_packet_amount,
                max_balance: peer.max_balance,
                min_balance: peer.min_balance,
                uncertain_hold: peer.uncertain_hold,
                exposure_alert: peer.exposure_alert,
                packets_per_second: peer
                    .packets_per_second
                    .map(|rate| NonZeroU32::new(rate).expect("the range of the key starts at 1")),
                max_packets_in_flight: peer.max_packets_in_flight,
                outbox_bytes_max: peer.outbox_bytes_max,
                max_sessions: peer
                    .max_sessions
                    .unwrap_or_else(|| Limits::default_max_sessions(peer.relation)),
            },
            settlement: SettlementRules {
                mode,
                threshold: peer.settle_threshold,
                target: peer.settle_to,
                interval: peer.settle_every,
                max_per_hour: peer.settle_max_per_hour.map(i128::unsigned_abs),
                on_t04: peer.settle_on_t04,
            },
            child_segment: peer.child_address_segment,
            lenient_btp_types: peer.lenient_btp_types,
            routes: RoutePolicy {
                send: peer.send_routes.unwrap_or(exchanges_routes),
                receive: peer.receive_routes.unwrap_or(exchanges_routes),
                routes_max: peer.max_routes,
                accept: peer.accept_prefixes,
                advertise: peer.announce_prefixes,
            },
            reconcile: ReconcileSettings {
                write_off_max: peer.write_off_max.0.into(),
                on_crash: peer.on_crash,
                settlement_overdue: peer.settlement_overdue,
            },
            receiver: None,
        },
    })
}

/// A session needs a token on the side that dials and on the side that is dialled.
fn check_token(mapping: Mapping<'_>, url: Option<&PeerUrl>, report: &mut DiagnosticSink) {
    if mapping.has(&PEER.auth_token) || mapping.has(&PEER.auth_tokens) {
        return;
    }
    // A text that is no id may be a token, and must not become the name of a variable in a message.
    let id = mapping.value(&PEER.id).and_then(|id| id.as_text());
    let variable = id.filter(|id| super::parse::id(id).is_ok()).map(variable_of_peer);
    let or = variable.map(|name| format!(", or the variable {name}_SECRET")).unwrap_or_default();
    let (what, help) = match url {
        Some(url) if url.token().is_some_and(|token| !token.is_empty()) => return,
        // A url with a mistake may have held a token.
        None if mapping.has(&PEER.url) => return,
        Some(_) => (
            "the peer has a url but no token to log in with",
            format!("set authToken{or}, or put the token into the url: btp+ws://user:token@host"),
        ),
        None => (
            "the peer has no url, so it must log in here, but it has no token",
            format!("set authToken{or}, or give it a url"),
        ),
    };
    mapping.problem(&PEER.auth_token, what, help, report);
}

/// Keys with a meaning only for peers that are dialled over HTTP. Defaults apply to every peer.
fn check_http_only(mapping: Mapping<'_>, draft: &PeerDraft, report: &mut DiagnosticSink) {
    // A url with a mistake may have been one of HTTP.
    if matches!(draft.url, Some(PeerUrl::Http(_)))
        || (draft.url.is_none() && mapping.has(&PEER.url))
    {
        return;
    }
    let set = [
        (&PEER.http_mode, draft.http_mode == Some(HttpMode::Async)),
        (&PEER.http_auth, draft.http_auth == Some(HttpAuth::Jwt)),
    ];
    for (key, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        // A default of the network is for the peers that it concerns.
        if !mapping.path_of(key).place().text.starts_with("defaults.") {
            let what = "is for peers whose url is http or https";
            mapping.problem(key, what, "remove it, or give the peer an http url", report);
        }
    }
}

/// Accounts without an asset of their own get the asset of the parent's account (D12). What the parent sends at run
/// time must match it.
pub fn adopt_from_parent(asset: &mut Asset, unset: Unset, peers: &mut [PeerConfig]) {
    if let Some(parent) = peers.iter().find(|peer| peer.account.relation == Relation::Parent) {
        let adopted = parent.account.asset.clone();
        unset.adopt(&adopted, asset, peers);
    }
}

/// Finds what two peers may not have in common.
#[derive(Default)]
struct PeerComparison {
    ids: FirstUses,
    variables: FirstUses,
    usernames: FirstUses,
    relations: FirstUses,
    segments: FirstUses,
    tokens: HashMap<Secret, Vec<(AccountId, Location)>>,
}

impl PeerComparison {
    fn check(&mut self, peer: &PeerConfig, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
        let id = &peer.account.id;
        let at = |key| mapping.path_of(key).place().within_sentence();
        let used = |key| format!("{id}, {}", at(key));
        if let Some(first) = self.ids.note(id.as_str(), at(&PEER.id)) {
            let what = format!("a second peer of this id; the first is {first}");
            mapping.problem(&PEER.id, what, "every peer has an id of its own", report);
            return;
        }
        let variable = variable_of_peer(id.as_str());
        if let Some(other) = self.variables.note(&variable, used(&PEER.id)) {
            let what = format!("has the variable {variable}_* in common with the peer {other}");
            let help = "ids of peers must differ in more than '-', '_', '~' and case";
            mapping.problem(&PEER.id, what, help, report);
        }
        let key = mapping.first_set([&PEER.username, &PEER.id]);
        if let Some(other) = self.usernames.note(&peer.username, used(key)) {
            let what = format!("the peer {other}, logs in with the same name");
            mapping.problem(key, what, "every peer logs in with a name of its own", report);
        }
        match peer.account.relation {
            // RFC 34 "Link Relations": a node has at most one parent. [row 98]
            Relation::Parent => {
                if let Some(other) = self.relations.note("parent", used(&PEER.relation)) {
                    let what = format!("a second parent; the first is {other}");
                    mapping.problem(&PEER.relation, what, "a node has at most one parent", report);
                }
            }
            Relation::Child => {
                let segment = peer.account.address_segment();
                let key = mapping.first_set([&PEER.child_address_segment, &PEER.id]);
                if let Some(other) = self.segments.note(segment, used(key)) {
                    let what =
                        format!("the child {other}, has the same address <ilpAddress>.{segment}");
                    let help = "give one of them another childAddressSegment";
                    mapping.problem(key, what, help, report);
                }
            }
            Relation::Peer => {}
        }
        for token in peer.tokens() {
            let place = mapping.path_of(&PEER.auth_token).place();
            self.tokens.entry(token.clone()).or_default().push((id.clone(), place));
        }
    }

    fn warn(self, report: &mut DiagnosticSink) {
        for peers in self.tokens.into_values().filter(|peers| peers.len() > 1) {
            let names: Vec<&str> = peers.iter().map(|(id, _)| id.as_str()).collect();
            let what = format!("the peers {} share one token", redact::list(names));
            let help = "a login with it must give a name; better, give each peer its own";
            if let Some((_, place)) = peers.last() {
                report.warn(place.clone(), what, help);
            }
        }
    }
}

/// On the live network a peer without a limit can take everything. A balance that is nearly used up passes only small
/// packets; senders get T04 for larger ones, and some of them look for the largest packet until they get F08.
pub fn warn_of_limits(
    scheme: Scheme,
    peers: &[PeerConfig],
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    let mut warn = |without: &dyn Fn(&Limits) -> bool, what: &str, help: &str| {
        let concerned = peers.iter().filter(|peer| without(&peer.account.limits));
        let ids: Vec<&str> = concerned.map(|peer| peer.account.id.as_str()).collect();
        if !ids.is_empty() {
            let what = what.replace("{}", &redact::list(ids));
            mapping.warn(&NODE.peers, what, help, report);
        }
    };
    warn(
        &|limits| limits.max_balance.is_some() && limits.max_packet_amount.is_none(),
        "no maxPacketAmount for {}, but a maxBalance",
        "senders that look for the largest packet may not find it; set maxPacketAmount well below maxBalance",
    );
    if scheme.network() != Network::Live {
        return;
    }
    warn(
        &|limits| limits.max_balance.is_none(),
        "no maxBalance for {} on the live network",
        "without it a peer may owe any amount; set maxBalance",
    );
}
