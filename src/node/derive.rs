//! A configuration in the words of the other rooms.

use ring::rand::SystemRandom;

use crate::account::Relation;
use crate::api::{PeerRole, StatusSettings};
use crate::btp::Dial;
use crate::config::{AssetMismatch, NodeConfig, OwnAddressError, PeerConfig, Secret};
use crate::connector::ConnectorSettings;
use crate::http::HttpDial;
use crate::net::{KeepAliveSettings, PeerUrl, TlsTrust, TransportSettings};
use crate::peers::{Directory, NoRandomness, PeerLogin, Token};
use crate::stream::SECRET_LEN;

use super::diallers::Dialled;
use super::ildcp::ParentInfo;

/// What receivers are made from where no `receiverSecret` is set: the same until the process ends.
pub(super) type DrawnSecret = [u8; SECRET_LEN];

/// Draws one.
pub(super) fn draw_secret() -> Result<DrawnSecret, NoRandomness> {
    let drawn = ring::rand::generate(&SystemRandom::new()).map_err(|_| NoRandomness)?;
    Ok(drawn.expose())
}

/// Why what a parent told cannot be lived with.
#[derive(Debug, thiserror::Error)]
pub enum ParentInfoError {
    /// The address breaks a rule that `ilpAddress` has too.
    #[error(transparent)]
    Address(#[from] OwnAddressError),
    /// The configuration counts in another asset.
    #[error(transparent)]
    Asset(#[from] AssetMismatch),
    /// The parent told something else before. Children and peers of this node count in what was told first.
    #[error(
        "the parent gave {} and {} before, which stay in force until this node is started again or ilpAddress, assetCode and assetScale are set",
        .0.address, .0.asset
    )]
    Changed(ParentInfo),
}

/// What the packet path must know, with what the parent told where the configuration leaves it open (D12).
pub(super) fn connector_settings(
    config: &NodeConfig,
    told: Option<&ParentInfo>,
    drawn: &DrawnSecret,
) -> Result<ConnectorSettings, ParentInfoError> {
    // An asset that only the parent can tell is the default one until then; without an address no packet passes.
    let Some(told) = told.filter(|_| config.asks_parent()) else {
        return Ok(config.connector_settings(drawn));
    };
    let mut settled = config.clone();
    settled.adopt_asset(&told.asset)?;
    if config.address.is_none() {
        config.check_own_address(&told.address)?;
        settled.scheme = told.address.scheme();
        settled.address = Some(told.address.clone());
    }
    Ok(settled.connector_settings(drawn))
}

/// The same without packets to and from the parent: better none than some that are counted in the wrong unit.
pub(super) fn without_parent(mut settings: ConnectorSettings) -> ConnectorSettings {
    let parents = settings.accounts.iter_mut().filter(|one| one.relation == Relation::Parent);
    parents.for_each(|parent| parent.enabled = false);
    settings
}

/// The limits and times of BTP sessions.
pub(super) fn btp_settings(config: &NodeConfig) -> TransportSettings {
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

/// What health is judged by, and who may see more.
pub(super) fn status_settings(config: &NodeConfig) -> StatusSettings<'_> {
    let role =
        |peer: &PeerConfig| PeerRole { id: peer.account.id.clone(), required: peer.required };
    StatusSettings {
        peers: config.peers.iter().map(role).collect(),
        start_timeout: config.settings.start_timeout,
        api_token: config.settings.api_token.as_ref().map(Secret::expose),
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

/// Who may log in.
pub(super) fn directory(config: &NodeConfig) -> Result<Directory, NoRandomness> {
    let served = config.peers.iter().filter(|peer| peer.account.enabled);
    let logins = served.flat_map(|peer| {
        peer.tokens().map(|token| PeerLogin {
            account: peer.account.id.clone(),
            username: peer.username.clone(),
            token: Some(Token::from(token.expose())),
        })
    });
    let directory = Directory::new(logins)?;
    Ok(directory.with_secrets(config.secrets()))
}

/// Whom to dial.
pub(super) fn dials(config: &NodeConfig) -> Vec<Dialled> {
    let served = config.peers.iter().filter(|peer| peer.account.enabled);
    served.filter_map(|peer| dial(config, peer)).collect()
}

/// Those of them that speak HTTP.
pub(super) fn http_dials(config: &NodeConfig) -> impl Iterator<Item = HttpDial> {
    dials(config).into_iter().filter_map(|dial| match dial {
        Dialled::Http(dial) => Some(dial),
        Dialled::Btp(_) => None,
    })
}

fn dial(config: &NodeConfig, peer: &PeerConfig) -> Option<Dialled> {
    let token = peer.auth_token.as_ref().map(|token| Token::from(token.expose()));
    let (id, node) = (peer.account.id.clone(), config.settings.node_id.as_str());
    Some(match peer.url.clone()? {
        PeerUrl::Btp(url) => Dialled::Btp(Dial::new(id, url, node, token.as_ref())),
        PeerUrl::Http(url) => {
            let dial = HttpDial::new(id, url, node, token.as_ref());
            let callback = config.callback_of(peer);
            let dial = dial.with_mode(peer.http_mode, peer.http_auth).with_callback(callback);
            Dialled::Http(dial.with_requests_max(peer.http_requests_max))
        }
    })
}
