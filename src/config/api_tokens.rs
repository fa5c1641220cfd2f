//! `apiTokens`: tokens of the API beside `apiToken`, each for what its scopes allow.

use super::diagnostics::DiagnosticSink;
use super::key_types::KeySet;
use super::location::{FirstUses, Location};
use super::mapping::Mapping;
use super::node_keys::{API_TOKEN, ApiTokenSettings, NODE};
use super::peers::BrokenPeers;
use super::settings::PeerConfig;
use crate::net::Secret;
use crate::observe::{OPERATOR_TOKEN, Scope};

/// Tokens of one node, at most: each request is compared with all of them.
const TOKENS_MAX: usize = 64;

/// Reads the list. Tokens with mistakes are left out, and the mistakes reported.
pub fn read(
    peers: &[PeerConfig],
    broken: &BrokenPeers,
    operators: Option<&Secret>,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> Vec<ApiTokenSettings> {
    let list = mapping.list(&NODE.api_tokens, report);
    if list.len() > TOKENS_MAX {
        let what = format!("holds {} tokens", list.len());
        let help = format!("a node has at most {TOKENS_MAX}");
        mapping.problem(&NODE.api_tokens, what, help, report);
        return Vec::new();
    }
    let path = mapping.path_of(&NODE.api_tokens);
    let mut tokens: Vec<ApiTokenSettings> = Vec::with_capacity(list.len());
    let mut ids = FirstUses::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, ApiTokenSettings::KEYS.iter(), report)
        else {
            continue;
        };
        let draft = ApiTokenSettings::read(item, report);
        let Some(token) = ApiTokenSettings::finish(draft) else { continue };
        if token.id.as_str() == OPERATOR_TOKEN {
            let help = "logs and audit have this name for the token of the key apiToken";
            item.problem(&API_TOKEN.id, "is taken", help, report);
            continue;
        }
        let place = item.path_of(&API_TOKEN.id).place();
        if let Some(first) = ids.note(token.id.as_str(), place.within_sentence()) {
            let what = format!("a second token of this id; the first is {first}");
            item.problem(&API_TOKEN.id, what, "every token has an id of its own", report);
            continue;
        }
        // The first of two equal tokens would be the only one.
        let is_taken = operators.is_some_and(|other| *other == token.token)
            || tokens.iter().any(|other| other.token == token.token);
        if is_taken {
            let what = "is the same token as another one, so one of the two would do nothing";
            item.problem(&API_TOKEN.token, what, "every token is a secret of its own", report);
            continue;
        }
        let peers_place = mapping.key_place(&NODE.peers);
        if check_peer(&token, (peers, broken), peers_place, item, report) {
            tokens.push(token);
        }
    }
    tokens
}

/// Whether the token may be bound to its peer.
fn check_peer(
    token: &ApiTokenSettings,
    (peers, broken): (&[PeerConfig], &BrokenPeers),
    peers_place: Location,
    item: Mapping<'_>,
    report: &mut DiagnosticSink,
) -> bool {
    let Some(bound) = &token.peer else { return true };
    let is_known = peers.iter().any(|peer| peer.account.id == *bound);
    if !is_known && broken.get(bound.as_str()).is_none() {
        let what = "the node has no such peer";
        report.following([peers_place], |report| {
            item.problem(&API_TOKEN.peer, what, "give the id of an item of peers", report);
        });
        return false;
    }
    let too_much = token.scopes.iter().find(|scope| !Scope::OF_PEERS.contains(scope));
    if let Some(scope) = too_much {
        let what = format!("{scope} is not for the token of a peer");
        let help = "the token of a peer may have read and packets; remove peer, or this scope";
        item.problem(&API_TOKEN.scopes, what, help, report);
    }
    too_much.is_none()
}
