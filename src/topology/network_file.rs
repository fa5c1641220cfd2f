//! A topology file: nodes, links and defaults (D9). This file reads its form; `expand` derives the nodes.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::paths::Choice;
use super::port_assignments::RunningPort;
use crate::account::{AccountId, Relation};
use crate::config::key_names::{check_names, report_unknown};
use crate::config::keys::KeyInfo;
use crate::config::{
    DiagnosticSink, Environment, FileContent, FirstUses, KeySet, LINK, LinkDraft, LinkSettings,
    LinkTransport, Location, Map, Mapping, NODE, NodeSettings, PlaceDetails, Source, TOPOLOGY,
    TOPOLOGY_NODE, TopologyNodeDraft, TopologyNodeSettings, TopologySettings, Value, ValueData,
    ValuePath, ValuePlace, keys, redact, wrong_type,
};

/// A network in one file.
#[derive(Clone)]
pub struct Topology {
    pub(super) file: PathBuf,
    pub(super) environment: Environment,
    /// Other rooms name a node by its id, this one by its number: the position in this list.
    pub(super) nodes: Vec<TopologyNode>,
    pub(super) links: Vec<TopologyLink>,
    /// Links between known nodes that have other mistakes.
    pub(super) broken_links: Vec<BrokenLink>,
    /// Whether every node and link could be read, so that none is missing by mistake.
    pub(super) complete: bool,
    /// Keys of nodes from `defaults`.
    pub(super) node_defaults: Map,
    /// Keys of peers from `defaults`.
    pub(super) peer_defaults: Map,
    /// `defaults.peers`.
    pub(super) default_peers: Vec<Value>,
    /// `basePort`, or what `--base-port` says instead.
    pub(super) base_port: Option<u16>,
    /// The choices for each destination, once they were computed.
    pub(super) choices: OnceLock<Vec<Vec<Vec<Choice>>>>,
}

/// Without the environment, which holds secrets.
impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("file", &self.file)
            .field("nodes", &self.nodes)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Topology {
    /// The directory that relative file paths start from.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.file.parent()
    }
}

/// One of `nodes`.
#[derive(Clone, Debug)]
pub(super) struct TopologyNode {
    /// Its index in the file, where nodes with mistakes count too.
    pub(super) file_index: usize,
    /// Its offset from the first ports of `up`: its position among the nodes, unless a running network has assigned
    /// another.
    pub(super) port_offset: usize,
    /// Its ports in a running network.
    pub(super) running_ports: Vec<RunningPort>,
    pub(super) id: AccountId,
    pub(super) host: Option<String>,
    /// All keys except `id` and `host`, each with its location in the file.
    pub(super) keys: Map,
    pub(super) at: ValuePlace,
}

/// One of `links`, by the numbers of its nodes.
#[derive(Clone, Debug)]
pub(super) struct TopologyLink {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What `to` is to `from`.
    pub(super) relation: Relation,
    pub(super) transport: LinkTransport,
    pub(super) secret: Value,
    pub(super) at: ValuePlace,
    /// Its index in the file, where links with mistakes count too.
    pub(super) file_index: usize,
}

/// One of `links` of which only the two nodes are known.
#[derive(Clone, Debug)]
pub(super) struct BrokenLink {
    /// The numbers of its nodes.
    pub(super) ends: [usize; 2],
    pub(super) at: ValuePlace,
}

/// The same value, reported at another place.
pub(super) fn relocated(value: &Value, place: String) -> Value {
    let more = value.at.more.as_ref();
    let variables = more.map(|more| more.variables.clone()).unwrap_or_default();
    let file = more.and_then(|more| more.file.clone());
    let more = PlaceDetails { origin: value.at.origin(), place: Some(place), variables, file };
    Value {
        data: value.data.clone(),
        at: ValuePlace { line: value.at.line, more: Some(more.into()) },
    }
}

/// Whether a file is a topology file: by a key of one at its top, perhaps misspelt.
pub(super) fn is_topology(root: &Value) -> bool {
    let Some(map) = root.as_map() else { return false };
    let misspelt = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["nodes", "node", "links", "link"].contains(&name.as_str())
    };
    ["nodes", "links"].iter().any(|key| map.names(key))
        || (!map.names("nodeId") && map.0.iter().any(|(name, _)| misspelt(&name.text)))
}

/// Reads the form of a topology. `None`: no node can be read.
pub(super) fn read(
    source: &Source,
    root: &Value,
    content: &FileContent,
    report: &mut DiagnosticSink,
) -> Option<Topology> {
    let Some(map) = root.as_map() else {
        crate::config::yaml_hints::not_a_mapping(root, report);
        return None;
    };
    let path = ValuePath::root(&root.at);
    check_names(map, &path, TopologySettings::KEYS.iter(), report);
    let mapping = Mapping::new(map, &path);
    let nodes = nodes(mapping, report);
    let count = |key| mapping.value(key).and_then(Value::as_list).map(<[Value]>::len);
    let all_nodes = count(&TOPOLOGY.nodes) == Some(nodes.len());
    let (links, broken_links) = links(mapping, &nodes, report);
    if !mapping.has(&TOPOLOGY.links) && has_unknown_keys(map) {
        report.unread(mapping.key_place(&TOPOLOGY.links));
    }
    let all_links = count(&TOPOLOGY.links).unwrap_or(0) == links.len()
        && !report.is_unread(&mapping.key_place(&TOPOLOGY.links));
    let mut defaults = defaults(mapping, report);
    let draft = TopologySettings::read(mapping, report);
    if let (Some(_), Some(value)) = (draft.routing, mapping.value(&TOPOLOGY.routing)) {
        let key = NODE.routing.name;
        defaults.node.set_default(key, relocated(value, key.to_owned()));
    }
    if nodes.is_empty() {
        return None;
    }
    Some(Topology {
        file: content.path.clone(),
        environment: source.environment.clone(),
        nodes,
        links,
        broken_links,
        complete: all_nodes && all_links,
        node_defaults: defaults.node,
        peer_defaults: defaults.peer,
        default_peers: defaults.peers,
        base_port: draft.base_port,
        choices: OnceLock::new(),
    })
}

/// Missing links may be under a misspelt key.
fn has_unknown_keys(map: &Map) -> bool {
    map.0.iter().any(|(name, _)| TopologySettings::KEYS.iter().all(|key| key.name != &*name.text))
}

fn nodes(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> Vec<TopologyNode> {
    if !mapping.has(&TOPOLOGY.nodes) {
        mapping.key(&TOPOLOGY.nodes).report_missing(report);
        return Vec::new();
    }
    let list = mapping.list(&TOPOLOGY.nodes, report);
    let path = mapping.path_of(&TOPOLOGY.nodes);
    if mapping.value(&TOPOLOGY.nodes).and_then(Value::as_list).is_some_and(<[Value]>::is_empty) {
        let help = "add one: - id: alice";
        mapping.problem(&TOPOLOGY.nodes, "the network has no nodes", help, report);
    }
    let mut nodes = Vec::with_capacity(list.len());
    let mut ids = FirstUses::default();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let known = keys::topology_node_keys();
        let item = Mapping::of_item(value, &path, known.clone(), report);
        let draft = item.map(|item| (item, TopologyNodeSettings::read(item, report)));
        let Some((item, TopologyNodeDraft { id: Some(id), host })) = draft else {
            // Links may name it.
            report.unread(mapping.key_place(&TOPOLOGY.nodes));
            continue;
        };
        let place = item.path_of(&TOPOLOGY_NODE.id).place();
        if let Some(first) = ids.note(id.as_str(), place.within_sentence()) {
            let what = format!("a second node of this id; the first is {first}");
            item.problem(&TOPOLOGY_NODE.id, what, "every node has an id of its own", report);
            continue;
        }
        nodes.push(TopologyNode {
            file_index: index,
            port_offset: nodes.len(),
            running_ports: Vec::new(),
            id,
            host,
            keys: own_keys(value, &path, known),
            at: value.at.clone(),
        });
    }
    nodes
}

/// The known keys of a mapping, each with its location, so that messages name it wherever it is merged.
fn own_keys(
    value: &Value,
    path: &ValuePath<'_>,
    known: impl Iterator<Item = &'static KeyInfo> + Clone,
) -> Map {
    let ValueData::Map(mut keys) = with_key_locations(value, path).data else {
        return Map::default();
    };
    keys.0.retain(|(name, _)| {
        !matches!(&*name.text, "id" | "host") && known.clone().any(|key| key.name == &*name.text)
    });
    keys
}

fn links(
    mapping: Mapping<'_>,
    nodes: &[TopologyNode],
    report: &mut DiagnosticSink,
) -> (Vec<TopologyLink>, Vec<BrokenLink>) {
    let list = mapping.list(&TOPOLOGY.links, report);
    let mut broken = Vec::new();
    if nodes.is_empty() {
        return (Vec::new(), broken);
    }
    let path = mapping.path_of(&TOPOLOGY.links);
    let numbers: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(number, node)| (node.id.as_str(), number)).collect();
    let mut links: Vec<TopologyLink> = Vec::with_capacity(list.len());
    let mut known: HashMap<(usize, usize), usize> = HashMap::new();
    for (index, value) in list.iter().enumerate() {
        let path = path.index(index, &value.at);
        let Some(item) = Mapping::of_item(value, &path, LinkSettings::KEYS.iter(), report) else {
            report.unread(mapping.key_place(&TOPOLOGY.links));
            continue;
        };
        // A mistake of the secret is reported here, for both ends of the link.
        let LinkDraft { from, to, secret: _, transport, relation } =
            LinkSettings::read(item, report);
        let from = from.and_then(|id| end(item, &LINK.from, &id, &numbers, report));
        let to = to.and_then(|id| end(item, &LINK.to, &id, &numbers, report));
        let (from, to, relation, transport) = match (from, to, relation, transport) {
            (Some(from), Some(to), Some(relation), Some(transport)) => {
                (from, to, relation, transport)
            }
            (Some(from), Some(to), ..) => {
                broken.push(BrokenLink { ends: [from, to], at: value.at.clone() });
                continue;
            }
            // Routes may name the nodes that it joins.
            _ => {
                report.unread(mapping.key_place(&TOPOLOGY.links));
                continue;
            }
        };
        if from == to {
            item.problem(&LINK.to, "links a node with itself", "name two nodes", report);
            continue;
        }
        let place = item.path_of(&LINK.secret).place().text;
        let secret = match item
            .value(&LINK.secret)
            .filter(|value| value.as_text().is_some_and(|text| !text.is_empty()))
        {
            Some(value) => relocated(value, place),
            None => Value { data: ValueData::Broken, at: value.at.clone() },
        };
        let link = TopologyLink {
            from,
            to,
            relation,
            transport,
            secret,
            at: value.at.clone(),
            file_index: index,
        };
        if let Some(first) =
            known.insert((from, to), links.len()).and_then(|first| links.get(first))
        {
            let what =
                format!("a second link of this kind; the first is in line {}", first.at.line);
            item.problem(&LINK.to, what, "one link joins two nodes for both directions", report);
            continue;
        }
        if let Some(other) = known.get(&(to, from)).and_then(|other| links.get(*other)) {
            check_opposite_link(&link, other, item, report);
        }
        links.push(link);
    }
    (links, broken)
}

/// Two nodes may dial each other (D5); both links must have the same relation, transport and secret.
fn check_opposite_link(
    link: &TopologyLink,
    other: &TopologyLink,
    mapping: Mapping<'_>,
    report: &mut DiagnosticSink,
) {
    let line = other.at.line;
    if link.relation != inverse(other.relation) {
        let what =
            format!("does not fit the link in line {line}, which is the same pair the other way");
        let help = format!("here it would be {}", inverse(other.relation));
        mapping.problem(&LINK.relation, what, help, report);
    }
    if link.transport != other.transport || link.transport == LinkTransport::Http {
        let what = format!("these two are linked in line {line} already");
        let help = "two nodes speak one transport; with http one link is for both directions";
        mapping.problem(&LINK.transport, what, help, report);
    }
    if link.secret.as_text() != other.secret.as_text() {
        let what = format!("the secrets of this link and of the one in line {line} do not match");
        mapping.problem(
            &LINK.secret,
            what,
            "two nodes that dial each other share one secret",
            report,
        );
    }
}

/// What `from` is to `to`, when `to` is `relation` to `from`.
pub(super) fn inverse(relation: Relation) -> Relation {
    match relation {
        Relation::Parent => Relation::Child,
        Relation::Peer => Relation::Peer,
        Relation::Child => Relation::Parent,
    }
}

fn end(
    mapping: Mapping<'_>,
    key: &KeyInfo,
    id: &AccountId,
    numbers: &HashMap<&str, usize>,
    report: &mut DiagnosticSink,
) -> Option<usize> {
    let number = numbers.get(id.as_str()).copied();
    if number.is_none() {
        let mut ids: Vec<&str> = numbers.keys().copied().collect();
        ids.sort_unstable();
        let help = redact::did_you_mean(id.as_str(), "nodes", &ids);
        report.following([Location::nowhere("nodes")], |report| {
            mapping.problem(key, "no such node", help, report);
        });
    }
    number
}

#[derive(Default)]
struct Defaults {
    node: Map,
    peer: Map,
    peers: Vec<Value>,
}

fn defaults(mapping: Mapping<'_>, report: &mut DiagnosticSink) -> Defaults {
    let mut defaults = Defaults::default();
    let Some(map) = mapping.map(&TOPOLOGY.defaults, report) else { return defaults };
    let path = mapping.path_of(&TOPOLOGY.defaults);
    for (name, value) in &map.0 {
        let place = path.key(&name.text, &value.at);
        let is_it = |key: &&KeyInfo| key.name == &*name.text;
        if keys::NOT_A_DEFAULT.contains(&&*name.text) {
            report.at(&place, "cannot be the same for all", "set it where it belongs");
        } else if let Some(key) = NodeSettings::KEYS.iter().find(is_it) {
            if key.name == NODE.peers.name && !value.is_null() {
                defaults.peers = default_peers(key, value, &place, report);
            } else {
                defaults.node.set(key.name, relocated(value, place.place().text));
            }
        } else if let Some(key) = keys::peer_defaults().find(is_it) {
            defaults.peer.set(key.name, relocated(value, place.place().text));
        } else {
            report_unknown(name, value, &path, keys::defaults_keys(), report);
        }
    }
    defaults
}

fn default_peers(
    key: &KeyInfo,
    value: &Value,
    path: &ValuePath<'_>,
    report: &mut DiagnosticSink,
) -> Vec<Value> {
    match value.as_list() {
        Some(list) => {
            let peers = list.iter().enumerate();
            peers
                .map(|(index, peer)| with_key_locations(peer, &path.index(index, &peer.at)))
                .collect()
        }
        None => {
            wrong_type(value, path, key, report);
            Vec::new()
        }
    }
}

/// A mapping with the location of each key.
pub(super) fn with_key_locations(value: &Value, path: &ValuePath<'_>) -> Value {
    let mut out = relocated(value, path.place().text);
    if let ValueData::Map(Map(entries)) = &mut out.data {
        for (name, value) in entries {
            *value = relocated(value, path.key(&name.text, &value.at).place().text);
        }
    }
    out
}
