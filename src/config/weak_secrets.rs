//! Warns of weak spots of a node on the live network (`g.`): secrets that can be guessed or are known, logins without
//! TLS, and files that other users may change. All of these work, so they are warnings.

use std::path::Path;

use super::diagnostics::DiagnosticSink;
use super::location::{Location, ValuePath};
use super::mapping::Mapping;
use super::node_keys::{NODE, NodeDraft};
use super::peer_keys::PEER;
use super::value::Value;
use super::{keys, permissions, secret_file};
use crate::net::{PeerUrl, PostgresTls, StorePlace, is_loopback};
use crate::wire::{Network, Scheme};

/// Characters of a token that cannot be guessed.
const TOKEN_LEN_MIN: usize = 16;

/// The beginning of the secrets in the public examples.
const EXAMPLE_SECRET_PREFIX: &str = "demo-";

/// Warns of secrets and transports of a node of the live network.
pub fn warn(
    scheme: Scheme,
    draft: &NodeDraft,
    root: &Value,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    if scheme.network() != Network::Live {
        return;
    }
    root.visit_all(|key, value, path| {
        let Some(text) = value.as_text() else { return };
        if key == PEER.url.name {
            let Ok(url) = text.parse::<PeerUrl>() else { return };
            if let Some(token) = url.token() {
                check_secret(token, path, report);
            }
            if !url.is_tls() && !is_loopback(&url.host().to_string()) {
                let what = "without TLS: the token that we log in with is in the clear";
                report.warn(path.place(), what, "use wss:// or https://");
            }
        } else if key == NODE.store.name {
            warn_of_database(text, path, report);
        // `receivers` checks `receiverSecret`, on every network.
        } else if keys::is_secret(key) && key != NODE.receiver_secret.name {
            check_secret(text, path, report);
        }
    });
    check_listeners(draft, mapping, report);
}

/// Warns of a login at a database that others can guess, or take over on the way.
fn warn_of_database(text: &str, path: &ValuePath<'_>, report: &mut DiagnosticSink) {
    let Ok(StorePlace::Postgres(url)) = text.parse() else { return };
    if let Some(password) = url.password() {
        check_secret(password, path, report);
    }
    let is_verified = matches!(url.tls(), PostgresTls::VerifyCa | PostgresTls::VerifyFull);
    if !is_verified && !url.is_socket() && !is_loopback(url.host()) {
        let what = "the server is not verified: another one in its place could read and change the balances";
        report.warn(path.place(), what, "add ?sslmode=verify-full");
    }
}

fn check_secret(text: &str, path: &ValuePath<'_>, report: &mut DiagnosticSink) {
    let help = "make one with: openssl rand -hex 32";
    if text.starts_with(EXAMPLE_SECRET_PREFIX) {
        let what = "begins with demo-: a secret of the examples, which are public";
        report.warn(path.place(), what, help);
    } else if text.len() < TOKEN_LEN_MIN {
        let what = format!("is short: fewer than {TOKEN_LEN_MIN} characters can be guessed");
        report.warn(path.place(), what, help);
    }
}

/// Warns of tokens that we receive without TLS.
fn check_listeners(draft: &NodeDraft, mapping: Mapping<'_>, report: &mut DiagnosticSink) {
    if mapping.has(&NODE.tls) {
        return;
    }
    let http_host = draft.http_server_port.and(draft.http_server_host.as_deref());
    let listeners = [
        (&NODE.btp_server_host, draft.btp_server_host.as_deref(), "ws"),
        (&NODE.http_server_host, http_host, "http"),
    ];
    for (key, host, scheme) in listeners {
        let Some(host) = host.filter(|host| !is_loopback(host)) else { continue };
        let what =
            format!("peers log in by plain {scheme} on {host}: their tokens are in the clear");
        let help = format!("set tls, or let a proxy do it and set {} to 127.0.0.1", key.name);
        let causes = [&NODE.tls, key].map(|key| mapping.key_place(key));
        report.following(causes, |report| mapping.warn(key, what, help, report));
    }
}

/// Warns of a file with secrets that other users may write or, on the live network, read.
pub fn permissions(root: &Value, file: &Path, live: bool, report: &mut DiagnosticSink) {
    if !(live || permissions::is_writable_by_all(file)) || !secret_file::holds_secret(root) {
        return;
    }
    if let Some(access) = permissions::access_of_others(file) {
        let what = format!("the file holds secrets, and all users of this machine may {access} it");
        report.warn(Location::file(), what, permissions::CLOSE_TO_OTHERS);
    }
}
