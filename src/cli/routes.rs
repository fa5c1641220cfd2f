//! `routes`: the routing tables of nodes with all next hops, and why they are used or not; or the route of one address.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use super::args::RoutesArguments;
use super::observed::{ObservedNodes, json_text};
use super::tap::ApiPage;
use super::terminal::terminal_canvas;
use crate::config::Environment;
use crate::console::{
    Cell, Colour, Failure, Table, apply_colours, block_on, count, exit_result, sanitize, truncate,
};
use crate::observe::{CandidateBody, NodeBody};
use crate::remote::{AskedNode, PageClient, PageError, url_encode};
use crate::wire::Address;

/// Prefixes of one page, as many as a node gives.
const PAGE_PREFIXES: u32 = 10_000;
/// What a table has in place of the empty prefix.
const DEFAULT_ROUTE: &str = "(default)";

/// A page of `/api/v1/nodes/ID/routes`.
#[derive(Debug, Default, Deserialize)]
struct RoutesPage {
    total: usize,
    routes: Vec<RouteRow>,
    next: Option<String>,
}

/// The same with a `destination`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DestinationPage {
    action: String,
    next_hop: Option<String>,
    code: Option<String>,
    reason: String,
    route: Option<RouteRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RouteRow {
    prefix: String,
    next_hop: Option<String>,
    reason: String,
    candidates: Vec<CandidateBody>,
    #[serde(default)]
    learned: Vec<LearnedRow>,
}

#[derive(Debug, Deserialize)]
struct LearnedRow {
    from: String,
    relation: String,
    path: Vec<String>,
    chosen: bool,
    reason: String,
}

/// The routes of one node.
#[derive(Debug, Default)]
struct NodeRoutes {
    node: String,
    /// What each of its peers is to it.
    relations: HashMap<String, String>,
    routes: Vec<RouteRow>,
    /// Prefixes in its whole table.
    total: usize,
    /// What happens to packets to the destination.
    destination: Option<DestinationPage>,
    /// As the node has said it.
    json: Value,
}

/// Prints the routes. A failure if no node answers, or if one would reject packets to the destination.
pub(super) fn run(
    arguments: &RoutesArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let mut nodes = ObservedNodes::find(&arguments.named.targets()?, environment)?;
    let found = block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let pages: Vec<ApiPage> = nodes.ask("api/v1", &mut note).await?;
        let mut found = Vec::new();
        for (asked, page) in nodes.nodes.iter().zip(pages) {
            for id in page.nodes {
                let read = NodeRoutes::read(&nodes.client, asked, &id, arguments).await;
                found.push(read.map_err(|error| Failure::Failed(asked.describe(&error)))?);
            }
        }
        Ok::<_, Failure>(found)
    });
    let found = found?;
    if arguments.json {
        let nodes: Vec<&Value> = found.iter().map(|node| &node.json).collect();
        writeln!(out, "{}", json_text(&json!({ "nodes": nodes }), true)?)?;
    } else {
        let canvas = terminal_canvas(environment.get("NO_COLOR").map(String::as_str));
        let is_terminal = io::stdout().is_terminal();
        let columns = if is_terminal { canvas.columns } else { usize::MAX };
        for line in lines(&found, columns) {
            let line = truncate(&line, columns);
            writeln!(out, "{}", apply_colours(&line, is_terminal && canvas.colour))?;
        }
    }
    out.flush()?;
    let is_rejected =
        |node: &NodeRoutes| node.destination.as_ref().is_some_and(|page| page.action == "reject");
    exit_result(!found.iter().any(is_rejected))
}

impl NodeRoutes {
    /// Reads page by page, up to the limit.
    async fn read(
        client: &PageClient,
        asked: &AskedNode,
        id: &str,
        arguments: &RoutesArguments,
    ) -> Result<Self, PageError> {
        let path = format!("api/v1/nodes/{}", url_encode(id));
        let body: NodeBody = client.page(asked, &path).await?;
        let relations = body.peers.into_iter().filter_map(|peer| Some((peer.id, peer.relation?)));
        let node = Self { node: id.to_owned(), relations: relations.collect(), ..Self::default() };
        let path = format!("{path}/routes");
        match &arguments.destination {
            Some(destination) => node.read_destination(client, asked, &path, destination).await,
            None => node.read_table(client, asked, &path, arguments.limit).await,
        }
    }

    async fn read_destination(
        mut self,
        client: &PageClient,
        asked: &AskedNode,
        path: &str,
        destination: &Address,
    ) -> Result<Self, PageError> {
        let query = url_encode(destination.as_str());
        self.json = client.page(asked, &format!("{path}?destination={query}")).await?;
        let mut page: DestinationPage = parse(&self.json)?;
        self.routes.extend(page.route.take());
        self.total = self.routes.len();
        self.destination = Some(page);
        Ok(self)
    }

    async fn read_table(
        mut self,
        client: &PageClient,
        asked: &AskedNode,
        path: &str,
        limit: u32,
    ) -> Result<Self, PageError> {
        let mut left = limit;
        let mut after = None;
        loop {
            let size = left.min(PAGE_PREFIXES);
            let after_query: Option<String> =
                after.as_deref().map(|prefix: &str| format!("&after={}", url_encode(prefix)));
            let query = format!("{path}?limit={size}{}", after_query.unwrap_or_default());
            let mut json: Value = client.page(asked, &query).await?;
            let page: RoutesPage = parse(&json)?;
            let read = u32::try_from(page.routes.len()).unwrap_or(u32::MAX);
            self.total = page.total;
            self.routes.extend(page.routes);
            // One object for all pages; its `next` is that of the last one.
            match (self.json.get_mut("routes"), json.get_mut("routes")) {
                (Some(Value::Array(all)), Some(Value::Array(more))) => all.append(more),
                _ => self.json = json,
            }
            if let Some(all) = self.json.as_object_mut() {
                all.insert("next".to_owned(), json!(page.next));
            }
            left = left.saturating_sub(read);
            after = page.next;
            // A page without routes would be asked for ever.
            if after.is_none() || left == 0 || read == 0 {
                return Ok(self);
            }
        }
    }

    /// The rows of a prefix: its next hops, the best first, and then learned routes that others excel.
    fn add_rows(&self, route: &RouteRow, table: &mut Table<8>) {
        let prefix = if route.prefix.is_empty() { DEFAULT_ROUTE } else { &route.prefix };
        let relation_of = |id: &str| self.relations.get(id).map_or("-", String::as_str);
        for (index, hop) in route.candidates.iter().enumerate() {
            let is_used = route.next_hop.as_ref() == Some(&hop.next_hop)
                && !route.candidates.iter().take(index).any(|better| better.usable);
            let path = route.learned.iter().find(|one| one.chosen && one.from == hop.next_hop);
            let path = path.map(|one| format!(", over {}", one.path.join(" "))).unwrap_or_default();
            let why = match (is_used, hop.usable) {
                // `configured; the only next hop`: the origin has a column.
                (true, _) => route.reason.split_once("; ").map_or(&*route.reason, |(_, why)| why),
                (false, true) => "another one has a higher priority",
                (false, false) => "not connected",
            };
            let state = match (is_used, hop.usable) {
                (true, _) => Cell::left("used").with_colour(Colour::Green),
                (false, true) => Cell::left("spare"),
                (false, false) => Cell::left("down").with_colour(Colour::Red),
            };
            table.add_row([
                Cell::left(&self.node),
                Cell::left(prefix),
                Cell::left(&hop.next_hop),
                Cell::left(&hop.origin),
                Cell::left(relation_of(&hop.next_hop)),
                Cell::right(weight_of(hop)),
                state,
                Cell::left(format!("{why}{path}")),
            ]);
        }
        let others = route.learned.iter().filter(|one| !one.chosen);
        let is_listed = |one: &&LearnedRow| {
            !route.candidates.iter().any(|hop| hop.origin == "learned" && hop.next_hop == one.from)
        };
        for one in others.filter(is_listed) {
            table.add_row([
                Cell::left(&self.node),
                Cell::left(prefix),
                Cell::left(&one.from),
                Cell::left("learned"),
                Cell::left(&one.relation),
                Cell::right("-"),
                Cell::left("spare"),
                Cell::left(format!("{}, over {}", one.reason, one.path.join(" "))),
            ]);
        }
    }
}

fn weight_of(hop: &CandidateBody) -> String {
    // The ends of the range stand for routes that nothing weighs: the last choice, and what is in the node itself.
    match hop.priority {
        i32::MIN | i32::MAX => "-".to_owned(),
        priority => priority.to_string(),
    }
}

fn parse<T: for<'d> Deserialize<'d>>(json: &Value) -> Result<T, PageError> {
    T::deserialize(json).map_err(|_| PageError::NotANode)
}

fn lines(nodes: &[NodeRoutes], columns: usize) -> Vec<String> {
    let headings = ["NODE", "PREFIX", "NEXT HOP", "ORIGIN", "RELATION", "WEIGHT", "STATE", "WHY"];
    let mut table = Table::new(&headings).ending_with_text();
    let mut lines = Vec::new();
    let mut notes = Vec::new();
    let mut shown = 0;
    for node in nodes {
        node.routes.iter().for_each(|route| node.add_rows(route, &mut table));
        shown += node.routes.len();
        if let Some(page) = &node.destination {
            lines.push(describe(&node.node, page));
        } else if node.total > node.routes.len() {
            let more = node.total - node.routes.len();
            let id = sanitize(&node.node);
            notes.push(format!("{id} has {more} more (see --limit)"));
        }
    }
    if nodes.iter().any(|node| node.destination.is_none()) {
        let prefixes = if shown == 1 { "prefix" } else { "prefixes" };
        notes.push(format!("{shown} {prefixes} of {}", count(nodes.len(), "node")));
    }
    if shown > 0 {
        lines.extend(table.lines(columns));
    }
    lines.extend(notes);
    lines
}

/// `a: forwards to b: longest prefix "test.c": computed; the only next hop`
fn describe(node: &str, page: &DestinationPage) -> String {
    let (node, reason) = (sanitize(node), sanitize(&page.reason));
    let or_nothing = |text: &Option<String>| text.as_deref().map(sanitize).unwrap_or_default();
    match page.action.as_str() {
        "forward" => format!("{node}: forwards to {}: {reason}", or_nothing(&page.next_hop)),
        "deliver" => format!("{node}: delivers: {reason}"),
        _ => format!("{node}: rejects with {}: {reason}", or_nothing(&page.code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(nodes: &[NodeRoutes]) -> String {
        let lines = lines(nodes, usize::MAX);
        let lines: Vec<String> = lines.iter().map(|line| apply_colours(line, false)).collect();
        lines.join("\n")
    }

    fn node(routes: Value) -> NodeRoutes {
        let relations = [("up", "parent"), ("b", "peer"), ("c", "peer")];
        NodeRoutes {
            node: "a".to_owned(),
            relations: relations.map(|(id, relation)| (id.to_owned(), relation.to_owned())).into(),
            routes: parse(&routes).unwrap(),
            total: 9,
            ..NodeRoutes::default()
        }
    }

    fn hop(id: &str, priority: i32, origin: &str, usable: bool) -> Value {
        json!({ "nextHop": id, "priority": priority, "origin": origin, "usable": usable })
    }

    #[test]
    fn each_next_hop_has_a_row_with_its_reason() {
        let routes = json!([
            {
                "prefix": "", "nextHop": null, "reason": "parent; up is not connected",
                "candidates": [hop("up", 0, "parent", false)],
            },
            {
                "prefix": "test.c", "nextHop": "b",
                "reason": "configured; priority 3 is the highest of those connected",
                "candidates": [
                    hop("c", 7, "configured", false), hop("b", 3, "configured", true),
                    hop("d", 1, "computed", true),
                ],
            },
            {
                "prefix": "test.far", "nextHop": "b", "reason": "learned; the shortest path",
                "candidates": [hop("b", i32::MIN, "learned", true)],
                "learned": [
                    {
                        "from": "b", "relation": "peer", "path": ["test.b", "test.far"],
                        "chosen": true, "reason": "the shortest path",
                    },
                    {
                        "from": "c", "relation": "peer", "path": ["test.c", "test.d", "test.far"],
                        "chosen": false, "reason": "another path is shorter\u{1b}[2J",
                    },
                ],
            },
        ]);
        insta::assert_snapshot!(shown(&[node(routes)]), @r"
        NODE  PREFIX     NEXT HOP  ORIGIN      RELATION  WEIGHT  STATE  WHY
        a     (default)  up        parent      parent         0  down   not connected
        a     test.c     c         configured  peer           7  down   not connected
        a     test.c     b         configured  peer           3  used   priority 3 is the highest of those connected
        a     test.c     d         computed    -              1  spare  another one has a higher priority
        a     test.far   b         learned     peer           -  used   the shortest path, over test.b test.far
        a     test.far   c         learned     peer           -  spare  another path is shorter\u{1b}[2J, over test.c test.d test.far
        a has 6 more (see --limit)
        3 prefixes of 1 node
        ");
    }

    #[test]
    fn a_destination_has_a_sentence_and_its_route() {
        let route = json!({
            "prefix": "test.c", "nextHop": "b", "reason": "computed; the only next hop",
            "candidates": [hop("b", 0, "computed", true)],
        });
        let said = |page: Value, routes: Value| {
            let destination = Some(parse(&page).unwrap());
            shown(&[NodeRoutes { destination, ..node(routes) }])
        };
        let reason = "longest prefix \"test.c\": computed; the only next hop";
        let forwards = json!({ "action": "forward", "nextHop": "b", "code": null, "reason": reason, "route": null });
        let lines = said(forwards, json!([route]));
        let mut lines = lines.lines();
        assert_eq!(lines.next(), Some(&*format!("a: forwards to b: {reason}")));
        assert_eq!(lines.count(), 2, "headings and a row");
        let rejects = json!({ "action": "reject", "nextHop": null, "code": "F02", "reason": "no route", "route": null });
        assert_eq!(said(rejects, json!([])), "a: rejects with F02: no route");
        let delivers = json!({ "action": "deliver", "nextHop": null, "code": null, "reason": "own", "route": null });
        assert_eq!(said(delivers, json!([])), "a: delivers: own");
    }
}
