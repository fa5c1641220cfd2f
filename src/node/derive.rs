//! Derives the settings of the other rooms from a configuration.

use super::adopt::ParentState;
use super::diallers::PeerDial;
use crate::account::{AccountId, Relation};
use crate::api::{ApiToken, PeerRole, StatusSettings};
use crate::btp::BtpDial;
use crate::config::{AssetMismatch, NodeConfig, OwnAddressError, PeerConfig};
use crate::connector::ConnectorSettings;
use crate::http::HttpDial;
use crate::machine;
use crate::net::{KeepAliveSettings, PeerUrl, TlsTrust, TransportSettings};
use crate::observe::{OPERATOR_TOKEN, Scope};
use crate::peers::{LoginDirectory, NoRandomness, PeerLogin, Token};
use crate::stream::SECRET_LEN;

/// The receivers' secret if no `receiverSecret` is set: the same until the process ends.
pub(super) type RandomSecret = [u8; SECRET_LEN];

pub(super) fn generate_secret() -> Result<RandomSecret, NoRandomness> {
    let mut secret = [0; SECRET_LEN];
    machine::fill_random(&mut secret).map_err(|_| NoRandomness)?;
    Ok(secret)
}

/// Why the values from a parent do not fit the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ParentInfoError {
    /// The address breaks a rule of `ilpAddress`.
    #[error(transparent)]
    Address(#[from] OwnAddressError),
    /// The configuration sets another asset.
    #[error(transparent)]
    Asset(#[from] AssetMismatch),
}

/// The settings of the packet path, with the parent's values where the configuration sets none (D12).
pub(super) fn connector_settings(
    config: &NodeConfig,
    parent: &ParentState,
    random_secret: &RandomSecret,
) -> Result<ConnectorSettings, ParentInfoError> {
    let mut completed = config.clone();
    match parent.info.as_ref().filter(|_| config.asks_parent()) {
        Some(info) => {
            completed.adopt_asset(&info.asset)?;
            if config.address.is_none() {
                config.check_own_address(&info.address)?;
                completed.scheme = info.address.scheme();
                completed.address = Some(info.address.clone());
            }
        }
        // Before the parent's answer the asset is the default one; but without an address no packet passes. A saved
        // balance has the asset that the parent gave before; if the configuration sets another, the store's is refused.
        None => {
            if let Some(asset) = &parent.saved_asset {
                let _ = completed.adopt_asset(asset);
            }
        }
    }
    Ok(completed.connector_settings(random_secret))
}

/// Stops packets to and from the parent: they would count in the wrong asset.
pub(super) fn disable_parent(mut settings: ConnectorSettings) -> ConnectorSettings {
    let parents = settings.accounts.iter_mut().filter(|one| one.relation == Relation::Parent);
    parents.for_each(|parent| parent.enabled = false);
    settings
}

/// The limits and times of all sessions and listeners.
pub(super) fn transport_settings(config: &NodeConfig) -> TransportSettings {
    TransportSettings {
        auth_timeout: config.settings.auth_timeout,
        keep_alive: KeepAliveSettings {
            interval: config.settings.keep_alive_interval,
            timeout: config.settings.keep_alive_timeout,
            write_stall: config.settings.write_timeout,
        },
        unauthenticated: config.settings.btp_limits(),
        trust: TlsTrust { ca_file: config.settings.ca_file.clone(), ..TlsTrust::default() },
        http: config.settings.http_limits(),
        ..TransportSettings::default()
    }
}

/// The settings of health and of access to the pages.
pub(super) fn status_settings(config: &NodeConfig) -> StatusSettings<'_> {
    let role =
        |peer: &PeerConfig| PeerRole { id: peer.account.id.clone(), required: peer.required };
    StatusSettings {
        peers: config.peers.iter().map(role).collect(),
        start_timeout: config.settings.start_timeout,
        api_tokens: api_tokens(config),
        api_hosts: config
            .settings
            .api_hosts
            .iter()
            .flatten()
            .chain([&config.settings.health_check_host])
            .cloned()
            .collect(),
    }
}

fn api_tokens(config: &NodeConfig) -> Vec<ApiToken<'_>> {
    let operators = config.settings.api_token.iter().map(|token| ApiToken {
        id: OPERATOR_TOKEN,
        secret: token.expose(),
        scopes: Scope::ALL.into(),
        peer: None,
        expires: None,
    });
    let further = config.api_tokens.iter().map(|token| ApiToken {
        id: token.id.as_str(),
        secret: token.token.expose(),
        scopes: token.scopes.clone(),
        peer: token.peer.clone(),
        expires: token.expires,
    });
    operators.chain(further).collect()
}

/// The peers that may log in.
pub(super) fn login_directory(config: &NodeConfig) -> Result<LoginDirectory, NoRandomness> {
    let enabled = config.peers.iter().filter(|peer| peer.account.enabled);
    let logins = enabled.flat_map(|peer| {
        peer.tokens().map(|token| PeerLogin {
            account: peer.account.id.clone(),
            username: peer.username.clone(),
            token: Some(Token::from(token.expose())),
        })
    });
    let directory = LoginDirectory::new(logins)?;
    let guests = config.peers.iter().map(|peer| &peer.account).filter(|account| account.enabled);
    let guests = guests.map(|account| account.id.clone()).filter(AccountId::is_guest);
    let suspended = config.peers.iter().filter(|peer| !peer.account.enabled);
    let suspended = suspended.map(|peer| peer.username.clone()).collect();
    let directory = directory.with_secrets(config.secrets()).with_guests(guests.collect());
    Ok(directory.with_suspended(suspended))
}

/// The peers to dial.
pub(super) fn peer_dials(config: &NodeConfig) -> Vec<PeerDial> {
    let enabled = config.peers.iter().filter(|peer| peer.account.enabled);
    enabled.filter_map(|peer| dial(config, peer)).collect()
}

/// The peers to dial over HTTP.
pub(super) fn http_dials(config: &NodeConfig) -> impl Iterator<Item = HttpDial> {
    peer_dials(config).into_iter().filter_map(|dial| match dial {
        PeerDial::Http(dial) => Some(dial),
        PeerDial::Btp(_) => None,
    })
}

fn dial(config: &NodeConfig, peer: &PeerConfig) -> Option<PeerDial> {
    let token = peer.auth_token.as_ref().map(|token| Token::from(token.expose()));
    let (id, node) = (peer.account.id.clone(), config.settings.node_id.as_str());
    Some(match peer.url.clone()? {
        PeerUrl::Btp(url) => PeerDial::Btp(BtpDial::new(id, url, node, token.as_ref())),
        PeerUrl::Http(url) => {
            let dial = HttpDial::new(id, url, node, token.as_ref());
            let callback = config.callback_of(peer);
            let dial = dial.with_mode(peer.http_mode, peer.http_auth).with_callback(callback);
            PeerDial::Http(dial.with_requests_max(peer.http_requests_max))
        }
    })
}
