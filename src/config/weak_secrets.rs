//! What makes a node of the live network (`g.`) easy prey: secrets that can be guessed or are known, logins in the clear,
//! and files that others may change. All of it works, so all of it is warned of and nothing is refused.

use std::path::Path as FilePath;

use super::diagnostics::DiagnosticSink;
use super::fields::Fields;
use super::keys;
use super::location::{Location, Path};
use super::node_file::is_loopback;
use super::permissions;
use super::secret_file;
use super::settings::{HttpSettings, ServerSettings};
use super::value::{Map, Value, ValueData};
use crate::transport::PeerUrl;
use crate::wire::{Network, Scheme};

/// Characters of a token that cannot be tried out.
const TOKEN_GOOD: usize = 16;

/// How the secrets of the examples begin, which everybody can read.
const OF_THE_EXAMPLES: &str = "demo-";

/// Warns of secrets and transports of a node of the live network.
pub(super) fn warn(
    scheme: Scheme,
    server: Option<&ServerSettings>,
    http: Option<&HttpSettings>,
    root: &Map,
    path: &Path<'_>,
    report: &mut DiagnosticSink,
) {
    if scheme.network() != Network::Live {
        return;
    }
    secrets(root, path, report);
    let fields = Fields::new(root, path, keys::NODE);
    listeners(server, http, fields, report);
    urls(fields, report);
}

/// Every secret below a mapping.
fn secrets(map: &Map, path: &Path<'_>, report: &mut DiagnosticSink) {
    for (name, value) in &map.0 {
        let path = path.key(&name.text, &value.at);
        match &value.data {
            // Has a rule of its own, on every network.
            ValueData::Text(_) if &*name.text == "receiverSecret" => {}
            ValueData::Text(text) if keys::is_secret(&name.text) => secret(text, &path, report),
            ValueData::Text(text) if &*name.text == "url" => {
                let url = text.parse::<PeerUrl>().ok();
                if let Some(token) = url.as_ref().and_then(|url| url.token()) {
                    secret(token, &path, report);
                }
            }
            ValueData::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    let path = path.index(index, &item.at);
                    match &item.data {
                        ValueData::Text(text) if keys::is_secret(&name.text) => {
                            secret(text, &path, report);
                        }
                        ValueData::Map(map) => secrets(map, &path, report),
                        _ => {}
                    }
                }
            }
            ValueData::Map(map) => secrets(map, &path, report),
            ValueData::Null | ValueData::Broken | ValueData::Text(_) => {}
        }
    }
}

fn secret(text: &str, path: &Path<'_>, report: &mut DiagnosticSink) {
    let help = "make one with: openssl rand -hex 32";
    if text.starts_with(OF_THE_EXAMPLES) {
        let what = "begins with demo-: a secret of the examples, which everybody knows";
        report.warn(path.place(), what, help);
    } else if text.len() < TOKEN_GOOD {
        let what = format!("is short: less than {TOKEN_GOOD} characters can be guessed");
        report.warn(path.place(), what, help);
    }
}

/// Tokens that come to us unencrypted.
fn listeners(
    server: Option<&ServerSettings>,
    http: Option<&HttpSettings>,
    fields: Fields<'_>,
    report: &mut DiagnosticSink,
) {
    let Some(server) = server.filter(|server| server.tls.is_none()) else { return };
    let http = http.filter(|http| http.port.is_some());
    let all = [
        Some(("btpServerHost", server.host.as_str(), "ws")),
        http.map(|http| ("httpServerHost", http.host.as_str(), "http")),
    ];
    for (key, host, what) in all.into_iter().flatten().filter(|(_, host, _)| !is_loopback(host)) {
        let what = format!("peers log in by plain {what} on {host}: their tokens are in the clear");
        let help = format!("set tls, or let a proxy do it and set {key} to 127.0.0.1");
        report.following(["tls", key].map(|key| fields.key_place(key)), |report| {
            report.warn(fields.path_of(key).place(), what, help);
        });
    }
}

/// Tokens that we send unencrypted.
fn urls(fields: Fields<'_>, report: &mut DiagnosticSink) {
    let peers = fields.path_of("peers");
    let list = fields.value("peers").and_then(Value::as_list).unwrap_or_default();
    for (index, peer) in list.iter().enumerate() {
        let Some(value) = peer.as_map().and_then(|map| map.get("url")) else { continue };
        let Some(Ok(url)) = value.as_text().map(str::parse::<PeerUrl>) else { continue };
        if url.is_tls() || is_loopback(url.host().to_string().trim_matches(['[', ']'])) {
            continue;
        }
        let place = peers.index(index, &peer.at).key("url", &value.at).place();
        let what = "without TLS: the token that we log in with is in the clear";
        report.warn(place, what, "use wss:// or https://");
    }
}

/// A file with secrets in it that others may change, or, on the live network, read.
pub(super) fn permissions(root: &Value, file: &FilePath, live: bool, report: &mut DiagnosticSink) {
    if !(live || permissions::is_writable_by_all(file)) || !secret_file::stands_in_the_file(root) {
        return;
    }
    if let Some(who) = permissions::who_else(file) {
        let what = format!("the file holds secrets, and {who} it");
        report.warn(Location::file(), what, "take the permissions from them: chmod 600");
    }
}
