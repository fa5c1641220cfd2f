//! A node's configuration, validated and ready for use.

use std::path::PathBuf;
use std::time::Duration;

use super::node_keys::{ApiTokenSettings, NodeSettings, WebhookSettings};
use super::settlement::SettlementConfig;
use crate::account::{AccountId, AccountSettings, Asset, Relation};
use crate::connector::{ConnectorSettings, PairRate, Timing};
use crate::local::PingSettings;
use crate::net::{
    AddressLimits, HttpAuth, HttpLimits, HttpMode, HttpUrl, NamedProxy, PeerUrl, Secret,
};
use crate::observe::Scope;
use crate::rates::RateSource;
use crate::routing::Route;
use crate::routing::ccp::CcpTiming;
use crate::stream::{Receiver, SECRET_LEN};
use crate::wire::{Address, Amount, Scheme, Timestamp};

/// One node. Every value is in range and fits the others.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// The keys that hold one value each.
    pub settings: NodeSettings,
    /// The node's ILP address. `None`: it asks its parent for one (IL-DCP, RFC 31).
    pub address: Option<Address>,
    /// The scheme of its addresses and routes.
    pub scheme: Scheme,
    /// The asset of accounts without an asset of their own.
    pub asset: Asset,
    /// Which parts of `asset` are not set, so that they are adopted from the parent.
    pub asset_unset: Unset,
    /// The peers, in the order of the file.
    pub peers: Vec<PeerConfig>,
    /// The STREAM receivers, in the order of the file.
    pub receivers: Vec<ReceiverConfig>,
    /// The tokens of `apiTokens`, in the order of the file.
    pub api_tokens: Vec<ApiTokenSettings>,
    /// Where events go, in the order of the file.
    pub webhooks: Vec<WebhookSettings>,
    /// The reverse proxies in front of the listeners, in the order of the file.
    pub proxies: Vec<NamedProxy>,
    /// Static routes: configured, or computed from a topology. Routes that follow from a relation are not among them.
    pub routes: Vec<Route>,
    /// Exchange rates of the file.
    pub rates: Vec<PairRate>,
    /// Where further ones come from, the preferred source first.
    pub rate_sources: Vec<RateSourceConfig>,
}

/// A source of exchange rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSourceConfig {
    /// Where its documents are.
    pub place: RateSourcePlace,
    /// How often it is read.
    pub refresh: Duration,
    /// How its figures are used.
    pub source: RateSource,
}

/// Where the documents of a source of exchange rates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateSourcePlace {
    /// A file that another program writes.
    File(PathBuf),
    /// A URL.
    Url(HttpUrl),
}

/// When a packet that moves money may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// At once; the store saves it shortly after.
    #[default]
    Batched,
    /// Once the store has saved it.
    Strict,
}

/// The sources of a node's routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// The configuration.
    #[default]
    Static,
    /// The configuration, and other nodes by CCP.
    Dynamic,
}

/// The parts of an asset that are not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unset {
    /// No `assetCode`.
    pub code: bool,
    /// No `assetScale`.
    pub scale: bool,
}

impl Unset {
    /// The parts that are set neither here nor there.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { code: self.code && other.code, scale: self.scale && other.scale }
    }

    /// Replaces these parts of an asset.
    fn replace(self, asset: &mut Asset, adopted: &Asset) {
        if self.code {
            asset.code = adopted.code.clone();
        }
        if self.scale {
            asset.scale = adopted.scale;
        }
    }

    /// Replaces these parts of the node's asset, and of the accounts that have it.
    pub fn adopt(self, adopted: &Asset, of_node: &mut Asset, peers: &mut [PeerConfig]) {
        self.replace(of_node, adopted);
        for peer in peers {
            self.and(peer.asset_of_node).replace(&mut peer.account.asset, adopted);
        }
    }
}

/// One peer: its account, and how it connects.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerConfig {
    /// The account, for the packet path.
    pub account: AccountSettings,
    /// The parts of the account's asset that are the node's. They change when the node adopts an asset.
    pub asset_of_node: Unset,
    /// Its URL. `None`: it dials us.
    pub url: Option<PeerUrl>,
    /// How it answers over HTTP.
    pub http_mode: HttpMode,
    /// How we authenticate to it over HTTP.
    pub http_auth: HttpAuth,
    /// Concurrent requests to it over HTTP.
    pub http_requests_max: usize,
    /// The name that it logs in with.
    pub username: String,
    /// The token that we accept from it, and send if the url contains none. `None`: it cannot log in here.
    pub auth_token: Option<Secret>,
    /// Further tokens that we accept, for a change of tokens.
    pub further_tokens: Vec<Secret>,
    /// Whether the node is unhealthy while the peer is not connected; false for a suspended peer.
    pub required: bool,
    /// How debts between us and it are settled.
    pub settlement: Option<SettlementConfig>,
}

/// One receiver: an account of the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// Its name, the last segment of its address.
    pub id: AccountId,
    /// The asset of its account.
    pub asset: Asset,
    /// The parts of the asset that are the node's. They change when the node adopts an asset.
    pub asset_of_node: Unset,
    /// The largest amount of one packet.
    pub max_packet_amount: Option<Amount>,
    /// How far its balance may fall.
    pub min_balance: Option<i128>,
}

/// The credentials that a node sends to log in at a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `auth_username`; empty: the token alone names the account.
    pub username: String,
    /// `auth_token`.
    pub token: Secret,
}

impl PeerConfig {
    /// All tokens that the peer may log in with.
    pub fn tokens(&self) -> impl Iterator<Item = &Secret> {
        self.auth_token.iter().chain(&self.further_tokens)
    }

    /// How `node_id` logs in at this peer (D2): user and token of the URL, else the node's id and `authToken`.
    /// `None`: the peer is not dialled.
    pub fn credentials(&self, node_id: &str) -> Option<Credentials> {
        let url = self.url.as_ref()?;
        let token = url.token().filter(|token| !token.is_empty()).map(Secret::new);
        let token = token.or_else(|| self.auth_token.clone())?;
        Some(Credentials { username: url.username().unwrap_or(node_id).to_owned(), token })
    }
}

impl NodeSettings {
    /// Limits of BTP sockets that have not authenticated.
    pub fn btp_limits(&self) -> AddressLimits {
        AddressLimits {
            total: self.max_unauthenticated,
            per_address: self.max_unauthenticated_per_address,
            reserved_for_known: self.kept_for_known_addresses,
        }
    }

    /// Limits of the HTTP server.
    pub fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            unauthenticated: AddressLimits {
                total: self.http_max_unauthenticated,
                per_address: self.http_max_unauthenticated_per_address,
                reserved_for_known: self.http_kept_for_known_addresses,
            },
            of_peers_max: self.http_max_connections,
            of_one_peer_max: self.http_max_connections_per_peer,
            unauthenticated_requests_per_second: self.http_stranger_requests_per_second,
        }
    }
}

impl NodeConfig {
    /// The settings of the packet path. Secrets of receivers are derived from `drawn` if `receiverSecret` is not set.
    pub fn connector_settings(&self, drawn: &[u8; SECRET_LEN]) -> ConnectorSettings {
        let peers = self.peers.iter().map(|peer| peer.account.clone());
        let receivers = self.receivers.iter().map(|receiver| self.account_of(receiver, drawn));
        ConnectorSettings {
            node_id: self.settings.node_id.clone(),
            address: self.address.clone(),
            scheme: self.scheme,
            accounts: peers.chain(receivers).collect(),
            routes: self.routes.clone(),
            rates: self.rates.clone(),
            spread: self.settings.spread,
            timing: Timing {
                min_message_window: self.settings.min_message_window,
                max_hold_time: self.settings.max_hold_time,
            },
            ping: PingSettings {
                echo: self.settings.ping.echo,
                known_condition: self.settings.ping.known_condition,
            },
            ccp_timing: CcpTiming {
                broadcast_interval: self.settings.route_broadcast_interval,
                hold_down: self.settings.route_hold_down,
            },
        }
    }

    /// The node's name goes into the secret: nodes with the same `receiverSecret` have different receivers.
    fn account_of(&self, receiver: &ReceiverConfig, drawn: &[u8; SECRET_LEN]) -> AccountSettings {
        let configured =
            self.settings.receiver_secret.as_ref().map(|secret| secret.expose().as_bytes());
        let name = format!("{}.{}", self.settings.node_id, receiver.id);
        let made = Receiver::new(configured.unwrap_or(drawn), &name);
        let mut account = AccountSettings::receiver(receiver.id.clone(), made);
        account.asset = receiver.asset.clone();
        account.limits.max_packet_amount = receiver.max_packet_amount;
        account.limits.min_balance = receiver.min_balance;
        account
    }

    /// The URL to which a peer sends its answers in the asynchronous mode.
    pub fn callback_of(&self, peer: &PeerConfig) -> Option<HttpUrl> {
        self.settings.http_public_url.as_ref()?.join(&["accounts", &peer.username, "ilp"])
    }

    /// Every secret of the configuration.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let settings = &self.settings;
        let own = [&settings.api_token, &settings.receiver_secret, &settings.settlement_token];
        let own = own.into_iter().flatten();
        let engines = self.peers.iter().filter_map(PeerConfig::engine);
        let of_engines = engines.filter_map(|engine| engine.token.as_ref());
        let accepted = self.peers.iter().flat_map(PeerConfig::tokens);
        let sent = self.peers.iter().filter_map(|peer| peer.url.as_ref()?.token());
        let own = own.chain(self.api_tokens.iter().map(|token| &token.token));
        let own = own.chain(self.webhooks.iter().flat_map(WebhookSettings::all_secrets));
        own.chain(accepted).chain(of_engines).map(Secret::expose).chain(sent)
    }

    /// A token that allows this at the node's API and shows everything: the operator's, if there is one.
    pub fn token_with(&self, scope: Scope, now: Timestamp) -> Option<&Secret> {
        let allows = |token: &&ApiTokenSettings| {
            token.scopes.contains(&scope)
                && token.peer.is_none()
                && token.expires.is_none_or(|expires| now < expires)
        };
        let further = || self.api_tokens.iter().find(allows).map(|token| &token.token);
        self.settings.api_token.as_ref().or_else(further)
    }

    /// The peer with that id.
    pub fn peer(&self, id: &str) -> Option<&PeerConfig> {
        self.peers.iter().find(|peer| peer.account.id.as_str() == id)
    }

    /// The parent, if there is one.
    pub fn parent(&self) -> Option<&PeerConfig> {
        self.peers.iter().find(|peer| peer.account.relation == Relation::Parent)
    }

    /// Whether the node adopts its address, or the asset of the parent's account, from the parent.
    pub fn asks_parent(&self) -> bool {
        self.parent().is_some_and(|parent| {
            let open = self.asset_unset.and(parent.asset_of_node);
            self.address.is_none() || open.code || open.scale
        })
    }

    /// Adopts the asset that the parent sent by IL-DCP (D12), where none is set: for the node, and for every account
    /// that has the node's asset.
    ///
    /// # Errors
    /// The asset that is set, here or for the parent's account, does not match. Nothing is changed then.
    pub fn adopt_asset(&mut self, received: &Asset) -> Result<(), AssetMismatch> {
        let Some(parent) = self.parent() else { return Ok(()) };
        let (account, open) = (&parent.account.asset, self.asset_unset.and(parent.asset_of_node));
        let code_fits = open.code || account.code == received.code;
        if !code_fits || !(open.scale || account.scale == received.scale) {
            return Err(AssetMismatch { configured: account.clone(), received: received.clone() });
        }
        self.asset_unset.adopt(received, &mut self.asset, &mut self.peers);
        for receiver in &mut self.receivers {
            self.asset_unset.and(receiver.asset_of_node).replace(&mut receiver.asset, received);
        }
        Ok(())
    }
}

/// The parent counts in another asset or scale than configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the parent's account is configured as {configured}, but the parent says {received}; change assetCode and assetScale"
)]
pub struct AssetMismatch {
    /// The configured asset.
    pub configured: Asset,
    /// The asset from the parent.
    pub received: Asset,
}
