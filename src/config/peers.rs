//! `peers`: each one by itself, and what must hold among them.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};

use crate::account::{AccountId, AccountSettings, Asset, Limits, Relation, RoutePolicy};
use crate::http::{HttpAuth, HttpMode};
use crate::transport::PeerUrl;
use crate::wire::{Address, Amount, Network, Scheme};

use super::diagnostics::DiagnosticSink;
use super::env::variable_of_peer;
use super::fields::{Fields, item};
use super::keys::PEER;
use super::location::{Location, Path};
use super::own_address::of_child;
use super::settings::{PeerConfig, Unset};

/// What a peer takes from its node.
pub(super) struct PeerOwner<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) asset: Asset,
    /// Routes are exchanged unless a peer says otherwise.
    pub(super) dynamic: bool,
}

/// Reads the list. What could not be read is left out, with a problem in the report.
pub(super) fn read(
    node: &PeerOwner<'_>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Vec<PeerConfig> {
    let list = fields.list("peers", report);
    let path = fields.path_of("peers");
    let mut peers = Vec::with_capacity(list.len());
    let mut among = Among::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let peer = item(value, &path, PEER, report).and_then(|map| {
            let peer_fields = Fields::new(map, &path, PEER);
            let peer = read_peer(node, peer_fields, report)?;
            among.check(&peer, peer_fields, report);
            Some(peer)
        });
        match peer {
            Some(peer) => peers.push(peer),
            // Routes may refer to it.
            None => report.unread(fields.key_place("peers")),
        }
    }
    among.warn(report);
    peers
}

fn read_peer(
    node: &PeerOwner<'_>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Option<PeerConfig> {
    let id = fields.require("id", report).then(|| fields.id("id", report)).flatten();
    let url = fields.url("url", report);
    let http_mode = fields.choice::<HttpMode>("httpMode", report);
    let http_auth = fields.choice::<HttpAuth>("httpAuth", report);
    let auth_token = fields.secret("authToken", report);
    let mut further_tokens = fields.secrets("authTokens", report).unwrap_or_default();
    if fields.has("authToken") && fields.has("authTokens") {
        let help = "put all tokens into authTokens; the first of them is the one that is sent";
        fields.problem("authTokens", "authToken is set as well", help, report);
    }
    let auth_token = match further_tokens.is_empty() {
        true => auth_token,
        false => Some(further_tokens.remove(0)),
    };
    let username = fields.text("username", report);
    let relation = fields.choice::<Relation>("relation", report);
    let code = fields.asset_code("assetCode", report);
    let scale = fields.number::<u8>("assetScale", report);
    let required = fields.boolean("required", report);
    let enabled = fields.boolean("enabled", report);
    let limits = limits(relation, fields, report);
    let child_segment = fields.segment("childAddressSegment", report);
    let http_requests_max = fields.number::<usize>("httpMaxRequests", report);
    let lenient_btp_types = fields.boolean("lenientBtpTypes", report);
    let routes = routes(node, relation, fields, report);

    let keys = ["url", "authToken", "authTokens", "authTokenFile", "authTokensFile"];
    report.following(keys.map(|key| fields.key_place(key)), |report| {
        tokens(fields, url.as_ref(), report);
        http_only(fields, url.as_ref(), (http_mode, http_auth), report);
    });
    if required == Some(true) && enabled == Some(false) {
        let help =
            "a suspended peer would keep the node unhealthy; remove required, or enable the peer";
        fields.problem("required", "the peer is required, but enabled is false", help, report);
    }
    if child_segment.is_some() && relation.is_some_and(|relation| relation != Relation::Child) {
        let help = "only a child has an address below ours; remove it, or set relation: child";
        fields.problem("childAddressSegment", "the peer is no child", help, report);
    }
    let (id, limits) = (id?, limits?);
    if node.id == Some(id.as_str()) {
        let help = "a node is no peer of its own; use the id of the other side";
        fields.problem("id", "is the id of this node", help, report);
    }
    let (enabled, lenient_btp_types) = (enabled?, lenient_btp_types?);
    let asset_of_node = Unset { code: code.is_none(), scale: scale.is_none() };
    let asset = Asset {
        code: code.unwrap_or_else(|| node.asset.code.clone()),
        scale: scale.unwrap_or(node.asset.scale),
    };
    Some(PeerConfig {
        username: username.unwrap_or_else(|| id.to_string()),
        required: enabled && required.unwrap_or(url.is_some()),
        account: AccountSettings {
            id,
            relation: relation?,
            asset,
            enabled,
            limits,
            child_segment,
            lenient_btp_types,
            routes: routes?,
            receiver: None,
        },
        asset_of_node,
        http_mode: http_mode?,
        http_auth: http_auth?,
        http_requests_max: http_requests_max?,
        url,
        auth_token,
        further_tokens,
    })
}

/// Which routes are exchanged with the peer. Who says nothing gets what ilp-connector does: children neither tell nor
/// are told, as the node's own address covers them and the node is their way out.
fn routes(
    node: &PeerOwner<'_>,
    relation: Option<Relation>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Option<RoutePolicy> {
    let by_default = node.dynamic && relation != Some(Relation::Child);
    let mut exchanged =
        |name| if fields.has(name) { fields.boolean(name, report) } else { Some(by_default) };
    let (send, receive) = (exchanged("sendRoutes"), exchanged("receiveRoutes"));
    let routes_max = fields.number::<usize>("maxRoutes", report);
    let accept = fields.prefixes("acceptPrefixes", report);
    let announce = fields.prefixes("announcePrefixes", report);
    Some(RoutePolicy { send: send?, receive: receive?, routes_max: routes_max?, accept, announce })
}

/// A session needs a token on the side that dials and on the side that is dialled.
fn tokens(fields: Fields<'_>, url: Option<&PeerUrl>, report: &mut DiagnosticSink) {
    if fields.has("authToken") || fields.has("authTokens") {
        return;
    }
    // Of an id that is none the variable would show what it holds, and that may be a token.
    let id =
        fields.value("id").and_then(|id| id.as_text()).filter(|id| super::parse::id(id).is_ok());
    let variable = id.map(variable_of_peer);
    let or = variable.map(|name| format!(", or the variable {name}_SECRET")).unwrap_or_default();
    match url {
        Some(url) if url.token().is_some_and(|token| !token.is_empty()) => {}
        Some(_) => fields.problem(
            "authToken",
            "the peer has a url but no token to log in with",
            format!("set authToken{or}, or put the token into the url: btp+ws://user:token@host"),
            report,
        ),
        // A url that was refused may have held a token.
        None if fields.has("url") => {}
        None => fields.problem(
            "authToken",
            "the peer has no url, so it must log in here, but it has no token",
            format!("set authToken{or}, or give it a url"),
            report,
        ),
    }
}

/// What means something only where the peer is dialled over HTTP. The defaults are what everybody has.
fn http_only(
    fields: Fields<'_>,
    url: Option<&PeerUrl>,
    (mode, auth): (Option<HttpMode>, Option<HttpAuth>),
    report: &mut DiagnosticSink,
) {
    // A url that was refused may have been an http one.
    if matches!(url, Some(PeerUrl::Http(_))) || (url.is_none() && fields.has("url")) {
        return;
    }
    let set =
        [("httpMode", mode == Some(HttpMode::Async)), ("httpAuth", auth == Some(HttpAuth::Jwt))];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        // What is set for the whole network is for those whom it concerns.
        if !fields.path_of(name).place().text.starts_with("defaults.") {
            let what = "is for peers whose url is http or https";
            fields.problem(name, what, "remove it, or give the peer an http url", report);
        }
    }
}

fn limits(
    relation: Option<Relation>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) -> Option<Limits> {
    let max_packet_amount = fields.number::<u64>("maxPacketAmount", report).map(Amount);
    let max_balance = fields.balance("maxBalance", report);
    let min_balance = fields.balance("minBalance", report);
    let packets_per_second = fields.number::<u32>("packetsPerSecond", report);
    let max_packets_in_flight = fields.number::<usize>("maxPacketsInFlight", report);
    let outbox_bytes_max = fields.number::<usize>("outboxBytesMax", report);
    let max_sessions = fields.number::<usize>("maxSessions", report);
    if let (Some(min), Some(max)) = (min_balance, max_balance)
        && min > max
    {
        let help = "minBalance must be at most maxBalance";
        fields.problem("minBalance", format!("is above maxBalance ({max})"), help, report);
    }
    if max_packet_amount == Some(Amount::ZERO) {
        let place = fields.path_of("maxPacketAmount").place();
        report.warn(place, "no packet with an amount can pass", "leave it out for no limit");
    }
    Some(Limits {
        max_packet_amount,
        max_balance,
        min_balance,
        packets_per_second: packets_per_second.and_then(std::num::NonZeroU32::new),
        max_packets_in_flight: max_packets_in_flight?,
        outbox_bytes_max: outbox_bytes_max?,
        max_sessions: max_sessions
            .unwrap_or_else(|| Limits::default_max_sessions(relation.unwrap_or(Relation::Peer))),
    })
}

/// What is set for the parent's account goes for every account that nobody set anything for (D12). What the parent then
/// tells at run time must match it.
pub(super) fn adopt_from_parent(asset: Asset, unset: Unset, peers: &mut [PeerConfig]) -> Asset {
    let parent = peers.iter().find(|peer| peer.account.relation == Relation::Parent);
    let Some(told) = parent.map(|parent| parent.account.asset.clone()) else { return asset };
    let adopt = |asset: &mut Asset, code: bool, scale: bool| {
        if code {
            asset.code = told.code.clone();
        }
        if scale {
            asset.scale = told.scale;
        }
    };
    for peer in peers {
        let open = peer.asset_of_node;
        adopt(&mut peer.account.asset, unset.code && open.code, unset.scale && open.scale);
    }
    let mut asset = asset;
    adopt(&mut asset, unset.code, unset.scale);
    asset
}

/// A path as it is meant: relative to the configuration file.
pub(super) fn absolute(path: PathBuf, directory: Option<&FilePath>) -> PathBuf {
    directory.map_or(path.clone(), |directory| directory.join(path))
}

/// What must hold among the peers, and where each thing was seen first.
#[derive(Default)]
struct Among {
    ids: HashMap<AccountId, Location>,
    variables: HashMap<String, (AccountId, Location)>,
    usernames: HashMap<String, (AccountId, Location)>,
    segments: HashMap<String, (AccountId, Location)>,
    parent: Option<(AccountId, Location)>,
    tokens: HashMap<super::Secret, Vec<(AccountId, Location)>>,
}

impl Among {
    fn check(&mut self, peer: &PeerConfig, fields: Fields<'_>, report: &mut DiagnosticSink) {
        let id = &peer.account.id;
        let at = |name| fields.path_of(name).place();
        if let Some(first) = self.ids.get(id) {
            let what = format!("a second peer of this id; the first is {}", seen(first));
            fields.problem("id", what, "every peer has an id of its own", report);
            return;
        }
        self.ids.insert(id.clone(), at("id"));

        let variable = variable_of_peer(id.as_str());
        if let Some((other, first)) = self.variables.get(&variable) {
            let what = format!(
                "has the variable {variable}_* in common with the peer {other}, {}",
                seen(first)
            );
            let help = "ids of peers must differ in more than '-', '_', '~' and case";
            fields.problem("id", what, help, report);
        } else {
            self.variables.insert(variable, (id.clone(), at("id")));
        }

        if let Some((other, first)) = self.usernames.get(&peer.username) {
            let what = format!("the peer {other}, {}, logs in with the same name", seen(first));
            let name = if fields.has("username") { "username" } else { "id" };
            fields.problem(name, what, "every peer logs in with a name of its own", report);
        } else {
            let name = if fields.has("username") { "username" } else { "id" };
            self.usernames.insert(peer.username.clone(), (id.clone(), at(name)));
        }

        match peer.account.relation {
            Relation::Parent => match &self.parent {
                Some((other, first)) => {
                    let what = format!("a second parent; the first is {other}, {}", seen(first));
                    fields.problem("relation", what, "a node has at most one parent", report);
                }
                None => self.parent = Some((id.clone(), at("relation"))),
            },
            Relation::Child => self.child(peer, fields, report),
            Relation::Peer => {}
        }
        for token in peer.tokens() {
            self.tokens.entry(token.clone()).or_default().push((id.clone(), at("authToken")));
        }
    }

    fn child(&mut self, peer: &PeerConfig, fields: Fields<'_>, report: &mut DiagnosticSink) {
        let (id, segment) = (&peer.account.id, peer.account.address_segment());
        let explicit = fields.has("childAddressSegment");
        let name = if explicit { "childAddressSegment" } else { "id" };
        if let Some((other, first)) = self.segments.get(segment) {
            let what = format!(
                "the child {other}, {}, has the same address <ilpAddress>.{segment}",
                seen(first)
            );
            fields.problem(name, what, "give one of them another childAddressSegment", report);
        } else {
            self.segments.insert(segment.to_owned(), (id.clone(), fields.path_of(name).place()));
        }
    }

    fn warn(self, report: &mut DiagnosticSink) {
        for peers in self.tokens.into_values().filter(|peers| peers.len() > 1) {
            let names: Vec<&str> = peers.iter().map(|(id, _)| id.as_str()).collect();
            let what = format!("the peers {} share one token", super::redact::list(names));
            let help = "who logs in with it must give a name; better, give each peer its own";
            if let Some((_, place)) = peers.last() {
                report.warn(place.clone(), what, help);
            }
        }
    }
}

/// Where something was seen first: `in line 3` or `BTP_PEER_B_URL`.
pub(super) fn seen(place: &Location) -> String {
    match place.line {
        Some(line) => format!("in line {line}"),
        None => format!("at {}", place.text),
    }
}

/// On the live network a peer without a limit can take everything. And a balance that is nearly used up lets only small
/// packets pass, which senders learn of by T04, one after the other: some look for the largest packet until they see F08.
pub(super) fn warn_of_limits(
    scheme: Scheme,
    peers: &[PeerConfig],
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) {
    let mut warn = |without: &dyn Fn(&Limits) -> bool, what: &str, help: &str| {
        let concerned = peers.iter().filter(|peer| without(&peer.account.limits));
        let ids: Vec<&str> = concerned.map(|peer| peer.account.id.as_str()).collect();
        if !ids.is_empty() {
            let what = what.replace("{}", &super::redact::list(ids));
            report.warn(fields.path_of("peers").place(), what, help);
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

/// Child addresses must be valid: address and segment together can be too long.
pub(super) fn check_child_addresses(
    address: &Address,
    peers: &[PeerConfig],
    path: &Path<'_>,
    report: &mut DiagnosticSink,
) {
    for error in peers.iter().filter_map(|peer| of_child(address, peer).err()) {
        report.at(path, error.to_string(), "shorten ilpAddress");
    }
}
