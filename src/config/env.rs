//! The environment, which overrides the file (D10).
//!
//! Every key of a node that holds one value has a variable; `BTP_PEER_<ID>_URL` and `_SECRET` override a peer of the
//! file, and create peers where there is no file. An empty variable is unset.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::diagnostics::DiagnosticSink;
use super::key_types::KeySet;
use super::location::{Location, ValueOrigin, ValuePlace};
use super::node_keys::NodeSettings;
use super::redact;
use super::value::{Map, Value, ValueData};
use crate::wire::Scheme;

/// Variables by name. Passed in, so that tests need not touch the process.
pub type Environment = BTreeMap<String, String>;

/// The endings of a peer's variables, and the key that each sets.
pub(super) const PEER_VARIABLES: &[(&str, &str)] = &[
    ("URL", "url"),
    ("SECRET", "authToken"),
    ("SECRET_FILE", "authTokenFile"),
    ("USERNAME", "username"),
    ("RELATION", "relation"),
];

/// Keys that exclude each other. A variable for one of them replaces all that the file sets.
const ALTERNATIVES: &[&[&str]] = &[
    &["authToken", "authTokenFile", "authTokens", "authTokenFiles"],
    &["apiToken", "apiTokenFile"],
    &["receiverSecret", "receiverSecretFile"],
    &["otlpToken", "otlpTokenFile"],
];

/// The beginning of every peer's variables.
pub(super) const PEER_PREFIX: &str = "BTP_PEER_";

/// The environment of this process. Bytes that are not UTF-8 become replacement characters, which no key accepts.
pub fn environment_of_process() -> Environment {
    std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .collect()
}

/// `BTP_PEER_<ID>`: the beginning of a peer's variables.
pub fn variable_of_peer(id: &str) -> String {
    format!("{PEER_PREFIX}{}", variable_part(id))
}

/// An id as a part of the name of a variable: `node-b` is `NODE_B`.
pub fn variable_part(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// A variable that is set and meant for this program.
pub fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    non_empty(environment, name).filter(|value| !is_service_link(name, value))
}

fn non_empty<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether Kubernetes set a variable for a service of the namespace, or Docker for a link: for a service `btp-server`,
/// `BTP_SERVER_PORT=tcp://10.96.0.1:3000`. No key of ours accepts such a value.
fn is_service_link(name: &str, value: &str) -> bool {
    let address =
        ["tcp://", "udp://", "sctp://"].iter().find_map(|scheme| value.strip_prefix(scheme));
    name.ends_with("_PORT") && address.is_some_and(|rest| rest.parse::<SocketAddr>().is_ok())
}

/// Other variables of services: `<SERVICE>_SERVICE_HOST`, `<SERVICE>_SERVICE_PORT[_NAME]`,
/// `<SERVICE>_PORT_<N>_TCP[_...]`.
fn is_of_a_service(name: &str) -> bool {
    let port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let protocol = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        protocol != rest
            && ["_TCP", "_UDP", "_SCTP"].iter().any(|known| protocol.starts_with(known))
    });
    port || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

/// Sets a key from a variable, and removes what it replaces.
fn set_from_variable(map: &mut Map, key: &str, variable: &str, text: &str) {
    let of_variable = |value: &Value| matches!(value.at.origin(), ValueOrigin::Environment(_));
    if let Some(others) = ALTERNATIVES.iter().find(|names| names.contains(&key)) {
        map.0.retain(|(name, value)| !others.contains(&&*name.text) || of_variable(value));
    }
    map.set(key, value_of(variable, text));
}

fn value_of(variable: &str, text: &str) -> Value {
    Value::text(text, place_of_variable(variable))
}

fn place_of_variable(variable: &str) -> ValuePlace {
    ValuePlace::relocated(0, ValueOrigin::Environment(variable.into()), None)
}

/// Sets the node's keys from their variables, except those in `except`.
pub fn overlay_node(
    map: &mut Map,
    environment: &Environment,
    except: &[&str],
    report: &mut DiagnosticSink,
) {
    for key in NodeSettings::KEYS.iter().filter(|key| !except.contains(&key.name)) {
        let Some(variable) = key.variable() else { continue };
        let Some(text) = non_empty(environment, &variable) else { continue };
        if is_service_link(&variable, text) {
            let what = format!(
                "is ignored: {text} is what Kubernetes sets in a pod for a service of that name, not a port to listen on"
            );
            let help =
                "set enableServiceLinks: false in the pod's spec, or give the service another name";
            report.warn(Location::variable(&variable), what, help);
        } else {
            set_from_variable(map, key.name, &variable, text);
        }
    }
}

/// One `BTP_PEER_<ID>_<WHAT>`.
struct PeerVariable<'a> {
    name: &'a str,
    id: &'a str,
    key: &'static str,
    text: &'a str,
}

/// Variables of peers. Unknown ones are reported as warnings.
fn peer_variables<'a>(
    environment: &'a Environment,
    report: &mut DiagnosticSink,
) -> Vec<PeerVariable<'a>> {
    let mut found = Vec::new();
    for (name, text) in environment.range(PEER_PREFIX.to_owned()..) {
        let Some(rest) = name.strip_prefix(PEER_PREFIX) else { break };
        if text.is_empty() || is_service_link(name, text) || is_of_a_service(name) {
            continue;
        }
        let known = PEER_VARIABLES.iter().find_map(|(suffix, key)| {
            let id = rest.strip_suffix(suffix)?.strip_suffix('_')?;
            (!id.is_empty()).then_some((id, *key))
        });
        match known {
            Some((id, key)) => found.push(PeerVariable { name, id, key, text }),
            None => {
                let endings = redact::list(PEER_VARIABLES.iter().map(|(suffix, _)| *suffix));
                report.warn(
                    Location::variable(name),
                    "this variable sets nothing",
                    format!(
                        "variables of peers are {PEER_PREFIX}<ID>_<ending>; endings: {endings}"
                    ),
                );
            }
        }
    }
    found
}

/// Overrides keys of the file's peers.
pub fn overlay_peers(map: &mut Map, environment: &Environment, report: &mut DiagnosticSink) {
    let variables = peer_variables(environment, report);
    if variables.is_empty() {
        return;
    }
    let peers = map.0.iter_mut().find(|(name, _)| &*name.text == "peers").map(|(_, value)| value);
    let mut empty = Vec::new();
    let peers = match peers.map(|value| &mut value.data) {
        Some(ValueData::List(list)) => list,
        _ => &mut empty,
    };
    let id_of = |peer: &Value| peer.text_of("id").map(str::to_owned);
    for variable in variables {
        let wanted = variable_part(variable.id);
        let peer = peers
            .iter_mut()
            .find(|peer| id_of(peer).is_some_and(|id| variable_part(&id) == wanted));
        match peer.map(|peer| &mut peer.data) {
            Some(ValueData::Map(peer)) => {
                set_from_variable(peer, variable.key, variable.name, variable.text)
            }
            _ => {
                let ids: Vec<String> = peers.iter().filter_map(id_of).collect();
                let help = match ids.is_empty() {
                    true => "the file gives this node no peers".to_owned(),
                    false => format!("peers: {}", redact::list(ids.iter().map(String::as_str))),
                };
                report.warn(
                    Location::variable(variable.name),
                    "names no peer of the file, and is ignored",
                    help,
                );
            }
        }
    }
}

/// Creates peers where there is no file, each with a route `<scheme>.<id>`.
///
/// The id is the lower-case one of the variable, with `-` for `_`: `BTP_PEER_NODE_B_URL` makes `node-b`.
pub fn create_peers(map: &mut Map, environment: &Environment, report: &mut DiagnosticSink) {
    let mut peers: Vec<(String, Map, ValuePlace)> = Vec::new();
    for variable in peer_variables(environment, report) {
        let id = variable.id.to_ascii_lowercase().replace('_', "-");
        let value = value_of(variable.name, variable.text);
        let index = match peers.iter().position(|(known, ..)| *known == id) {
            Some(index) => index,
            None => {
                let all = format!("{}_*", variable_of_peer(&id));
                let at = place_of_variable(&all);
                let mut peer = Map::default();
                peer.set("id", Value::text(&id, at.clone()));
                peers.push((id, peer, at));
                peers.len() - 1
            }
        };
        let Some((id, peer, _)) = peers.get_mut(index) else { continue };
        if peer.names(variable.key) {
            let what = format!("sets the {} of the peer {id} a second time", variable.key);
            report.problem(
                Location::variable(variable.name),
                None,
                what,
                "unset one of the variables",
            );
            continue;
        }
        peer.set(variable.key, value);
    }
    if peers.is_empty() {
        return;
    }
    let own = map.get("ilpAddress").and_then(Value::as_text);
    let scheme =
        own.and_then(|own| own.split('.').next()).unwrap_or(Scheme::Test.name()).to_owned();
    let mut routes = Vec::new();
    let mut list = Vec::new();
    let node = map.get("nodeId").and_then(Value::as_text).map(str::to_owned);
    for (id, peer, at) in peers {
        // Children and the parent need no route. `peers` reports a peer with the id of the node.
        if Some(&id) != node.as_ref()
            && matches!(peer.get("relation").and_then(Value::as_text), None | Some("peer"))
        {
            let mut route = Map::default();
            let computed = ValuePlace::computed(format!("route to the peer {id}"));
            route.set("prefix", Value::text(&format!("{scheme}.{id}"), computed.clone()));
            route.set("nextHop", Value::text(&id, computed.clone()));
            routes.push(Value { data: ValueData::Map(route), at: computed });
        }
        list.push(Value { data: ValueData::Map(peer), at });
    }
    for (key, list) in [("peers", list), ("routes", routes)] {
        let at = ValuePlace::computed(String::new());
        map.set(key, Value { data: ValueData::List(list), at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_and_docker_are_recognised() {
        for (name, value, expected) in [
            ("BTP_SERVER_PORT", "tcp://10.96.0.1:3000", true),
            ("HEALTH_CHECK_PORT", "udp://[fd00::1]:80", true),
            ("BTP_SERVER_PORT", "tcp://10.96.0.1", false),
            ("BTP_SERVER_PORT", "3o00", false),
            ("BTP_SERVER_HOST", "tcp://10.96.0.1:3000", false),
        ] {
            assert_eq!(is_service_link(name, value), expected, "{name}={value}");
        }
        for (name, expected) in [
            ("BTP_PEER_BOB_SERVICE_HOST", true),
            ("BTP_PEER_BOB_SERVICE_PORT", true),
            ("BTP_PEER_BOB_SERVICE_PORT_BTP", true),
            ("BTP_PEER_BOB_PORT_3000_TCP", true),
            ("BTP_PEER_BOB_PORT_3000_TCP_ADDR", true),
            ("BTP_PEER_BOB_URL", false),
            ("BTP_PEER_PORT_TCP_SECRET", false),
            ("BTP_PEER_PORT_1_SECRET", false),
        ] {
            assert_eq!(is_of_a_service(name), expected, "{name}");
        }
    }

    #[test]
    fn a_variable_of_a_service_is_ignored_and_explained() {
        for variable in ["BTP_SERVER_PORT", "HTTP_SERVER_PORT", "HEALTH_CHECK_PORT"] {
            let variables = [
                (variable, "tcp://10.96.0.1:3000"),
                ("BTP_PEER_BOB_PORT", "tcp://10.96.0.2:1"),
                ("BTP_PEER_BOB_PORT_1_TCP_PROTO", "tcp"),
            ];
            let loaded = crate::config::tests::loaded("nodeId: a\n", &variables);
            assert_eq!(
                (loaded.config.settings.btp_server_port, loaded.config.settings.health_check_port),
                (3000, 8080)
            );
            let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
            let of_variables: Vec<_> =
                warnings.iter().filter(|line| line.starts_with("environment")).collect();
            let [warning] = of_variables.as_slice() else { panic!("{warnings:?}") };
            assert!(warning.contains(variable), "{warning}");
            assert!(warning.contains("enableServiceLinks"), "{warning}");
        }
    }
}
