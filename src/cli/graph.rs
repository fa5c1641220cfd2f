//! `graph`: draws the nodes and links of a file, for documents. No node needs to run.

use std::fmt::Write as _;
use std::io::Write;

use super::args::{GraphArguments, GraphLanguage};
use crate::account::Relation;
use crate::config::{Environment, NodeConfig, PeerConfig, Source};
use crate::console::Failure;
use crate::net::PeerUrl;
use crate::topology::{self, Deployment, Described};

/// Nodes, and the links between them and to peers outside.
#[derive(Debug, Default, PartialEq, Eq)]
struct Graph {
    points: Vec<Point>,
    links: Vec<DrawnLink>,
}

#[derive(Debug, PartialEq, Eq)]
struct Point {
    id: String,
    /// The ILP address, if the file says it.
    address: Option<String>,
    /// The file does not describe this node.
    is_outside: bool,
}

/// A link between two points, by their positions.
#[derive(Debug, PartialEq, Eq)]
struct DrawnLink {
    from: usize,
    to: usize,
    /// `to` is the parent of `from`.
    leads_to_parent: bool,
    transport: &'static str,
}

/// Prints the graph.
pub(super) fn run(
    arguments: &GraphArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut environment = environment.clone();
    // The graph is that of the file, whichever of its nodes runs here.
    environment.remove("NODE_ID");
    let source = Source {
        file: Some(arguments.file.clone()),
        environment,
        skip_route_warnings: true,
        ..Source::default()
    };
    let nodes = match topology::load_described(&source)? {
        Described::Node(loaded) => vec![loaded.config],
        Described::Network(network) => {
            let nodes = network.node_ids().map(|id| network.node(id, Deployment::Spread));
            nodes.map(|loaded| Ok(loaded?.config)).collect::<Result<Vec<_>, Failure>>()?
        }
    };
    let graph = Graph::of(&nodes);
    let text = match arguments.language {
        GraphLanguage::Mermaid => graph.mermaid(),
        GraphLanguage::Dot => graph.dot(),
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

impl Graph {
    fn of(nodes: &[NodeConfig]) -> Self {
        let mut graph = Self::default();
        for node in nodes {
            let (id, address) = (node.settings.node_id.to_string(), node.address.as_ref());
            let address = address.map(ToString::to_string);
            graph.points.push(Point { id, address, is_outside: false });
        }
        // A lonely node shows its peers; in a network, accounts that only dial in are those of tools and clients.
        let is_alone = nodes.len() == 1;
        for (number, node) in nodes.iter().enumerate() {
            for peer in &node.peers {
                graph.add_link(number, peer, is_alone);
            }
        }
        graph
    }

    fn add_link(&mut self, node: usize, peer: &PeerConfig, is_alone: bool) {
        let id = peer.account.id.as_str();
        let known = self.points.iter().position(|point| !point.is_outside && point.id == id);
        let other = match known {
            Some(other) => other,
            None if peer.url.is_some()
                || (is_alone && peer.account.relation != Relation::Child) =>
            {
                let point = Point { id: id.to_owned(), address: None, is_outside: true };
                self.points.push(point);
                self.points.len() - 1
            }
            None => return,
        };
        let (from, to, leads_to_parent) = match peer.account.relation {
            Relation::Parent => (node, other, true),
            Relation::Child => (other, node, true),
            Relation::Peer => (node, other, false),
        };
        // Both ends of a link have it.
        let is_same = |link: &&mut DrawnLink| {
            (link.from, link.to) == (from, to) || (link.from, link.to) == (to, from)
        };
        let transport = match &peer.url {
            Some(PeerUrl::Http(_)) => "HTTP",
            _ => "BTP",
        };
        match self.links.iter_mut().find(is_same) {
            // The end that is dialled does not know how.
            Some(link) if peer.url.is_some() => link.transport = transport,
            Some(_) => {}
            None => self.links.push(DrawnLink { from, to, leads_to_parent, transport }),
        }
    }

    fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (number, point) in self.points.iter().enumerate() {
            let label = mermaid_text(&point.label("<br/>"));
            // A rounded form for nodes elsewhere.
            let shape = if point.is_outside { ["([", "])"] } else { ["[", "]"] };
            let _ = writeln!(text, "    n{number}{}\"{label}\"{}", shape[0], shape[1]);
        }
        for link in &self.links {
            let DrawnLink { from, to, leads_to_parent, transport } = link;
            let line = match (self.is_outside(link), leads_to_parent) {
                (false, false) => "---",
                (false, true) => "-->",
                (true, false) => "-.-",
                (true, true) => "-.->",
            };
            let _ = writeln!(text, "    n{from} {line}|{transport}| n{to}");
        }
        text
    }

    fn dot(&self) -> String {
        let mut text =
            "digraph network {\n    rankdir=LR;\n    node [shape=box];\n    edge [dir=none];\n"
                .to_owned();
        for (number, point) in self.points.iter().enumerate() {
            let label = dot_text(&point.label("\n"));
            let style = if point.is_outside { ", style=\"rounded,dashed\"" } else { "" };
            let _ = writeln!(text, "    n{number} [label=\"{label}\"{style}];");
        }
        for link in &self.links {
            let DrawnLink { from, to, leads_to_parent, transport } = link;
            let arrow = if *leads_to_parent { ", dir=forward" } else { "" };
            let style = if self.is_outside(link) { ", style=dashed" } else { "" };
            let _ = writeln!(text, "    n{from} -> n{to} [label=\"{transport}\"{arrow}{style}];");
        }
        text.push_str("}\n");
        text
    }

    fn is_outside(&self, link: &DrawnLink) -> bool {
        [link.from, link.to].iter().any(|end| self.points.get(*end).is_some_and(|it| it.is_outside))
    }
}

impl Point {
    fn label(&self, line_break: &str) -> String {
        match &self.address {
            Some(address) => format!("{}{line_break}{address}", self.id),
            None => self.id.clone(),
        }
    }
}

/// Ids and addresses have none of these characters today.
fn mermaid_text(text: &str) -> String {
    text.replace('"', "#quot;")
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(file: &str, language: GraphLanguage) -> String {
        let arguments = GraphArguments { file: file.into(), language };
        // The variable names the node of a container.
        let environment = Environment::from([("NODE_ID".to_owned(), "b".to_owned())]);
        let mut out = Vec::new();
        run(&arguments, &environment, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_and_a_hub() {
        insta::assert_snapshot!(drawn("examples/linear-3.yaml", GraphLanguage::Mermaid), @r#"
        flowchart LR
            n0["a<br/>test.a"]
            n1["b<br/>test.b"]
            n2["c<br/>test.c"]
            n0 ---|BTP| n1
            n1 ---|BTP| n2
        "#);
        insta::assert_snapshot!(drawn("examples/star.yaml", GraphLanguage::Dot), @r#"
        digraph network {
            rankdir=LR;
            node [shape=box];
            edge [dir=none];
            n0 [label="hub\ntest.hub"];
            n1 [label="a\ntest.hub.a"];
            n2 [label="b\ntest.hub.b"];
            n3 [label="c\ntest.hub.c"];
            n4 [label="d\ntest.hub.d"];
            n1 -> n0 [label="BTP", dir=forward];
            n2 -> n0 [label="BTP", dir=forward];
            n3 -> n0 [label="BTP", dir=forward];
            n4 -> n0 [label="BTP", dir=forward];
        }
        "#);
    }

    #[test]
    fn peers_outside_are_dashed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.yaml");
        let yaml = "nodeId: a\nilpAddress: test.a\npeers:\n  - { id: b, authToken: s3cret-ab }\n  \
                    - { id: p, relation: parent, url: 'https://p.example/ilp', authToken: s3cret-p }\n  \
                    - { id: cli, relation: child, authToken: s3cret-cli }\n";
        std::fs::write(&file, yaml).unwrap();
        let text = drawn(file.to_str().unwrap(), GraphLanguage::Mermaid);
        insta::assert_snapshot!(text, @r#"
        flowchart LR
            n0["a<br/>test.a"]
            n1(["b"])
            n2(["p"])
            n0 -.-|BTP| n1
            n0 -.->|HTTP| n2
        "#);
    }

    #[test]
    fn texts_cannot_end_a_label() {
        assert_eq!(mermaid_text("a\"b"), "a#quot;b");
        assert_eq!(dot_text("a\"b\\\n"), "a\\\"b\\\\\\n");
    }
}
