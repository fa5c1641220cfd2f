//! A configuration in the words of the other rooms.

use crate::btp::{BtpSettings, Dial, Directory, KeepAliveSettings, Login, NoRandomness, Token};
use crate::config::{NodeConfig, PeerConfig};
use crate::connector::ConnectorSettings;

use super::ildcp::Told;

/// What the packet path must know, with what the parent told where the configuration leaves it open.
pub(super) fn connector_settings(config: &NodeConfig, told: Option<&Told>) -> ConnectorSettings {
    let mut settings = config.connector_settings();
    if let (None, Some(told)) = (&settings.address, told) {
        settings.scheme = told.address.view().scheme();
        settings.address = Some(told.address.clone());
    }
    settings
}

/// The limits and times of BTP sessions.
pub(super) fn btp_settings(config: &NodeConfig) -> BtpSettings {
    BtpSettings {
        auth_timeout: config.session.auth_timeout,
        keep_alive: KeepAliveSettings {
            interval: config.session.keep_alive_interval,
            timeout: config.session.keep_alive_timeout,
            write_stall: config.session.write_timeout,
        },
        unauthenticated_max: config.server.max_unauthenticated,
        ..BtpSettings::default()
    }
}

/// Who may log in.
pub(super) fn directory(config: &NodeConfig) -> Result<Directory, NoRandomness> {
    let served = config.peers.iter().filter(|peer| peer.account.enabled);
    Directory::new(served.map(|peer| Login {
        account: peer.account.id.clone(),
        username: peer.username.clone(),
        token: peer.auth_token.as_ref().map(|token| Token::from(token.expose())),
    }))
}

/// Whom to dial.
pub(super) fn dials(config: &NodeConfig) -> Vec<Dial> {
    let served = config.peers.iter().filter(|peer| peer.account.enabled);
    served.filter_map(|peer| dial(config, peer)).collect()
}

fn dial(config: &NodeConfig, peer: &PeerConfig) -> Option<Dial> {
    let url = peer.url.clone()?;
    let token = peer.auth_token.as_ref().map(|token| Token::from(token.expose()));
    Some(Dial::new(peer.account.id.clone(), url, config.node_id.as_str(), token.as_ref()))
}
