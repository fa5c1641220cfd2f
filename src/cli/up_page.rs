//! The page of `up` on this machine, as commands use it: it takes changes for nodes without tokens, and it knows which
//! nodes its lab has stopped.

use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::console::sanitize;
use crate::net::{HttpUrl, is_loopback};
use crate::remote::{AskedNode, PageClient, PageError};

/// Ports of this machine on which the page of `up` may be.
const UP_PORTS: RangeInclusive<u16> = 8000..=8009;
/// Nodes that are asked for the page, at most: those of one process say the same.
const ASKED_MAX: usize = 3;
/// For the answer of a node or a page of this machine, whatever the command says about nodes elsewhere.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// Pages that are asked at a time.
const CONCURRENT_MAX: usize = 10;
/// The status of a node that the lab has stopped.
const STOPPED: &str = "stopped";

/// `GET /api/v1`, as far as it says where the page is.
#[derive(Debug, Deserialize)]
struct PlacePage {
    #[serde(default)]
    page: Option<String>,
}

/// `GET /api/v1/nodes`, as far as it says which nodes are stopped.
#[derive(Debug, Deserialize)]
struct NodesPage {
    nodes: Vec<ShownNode>,
}

#[derive(Debug, Deserialize)]
struct ShownNode {
    id: String,
    status: String,
    #[serde(default)]
    reasons: Vec<String>,
    /// Where its own pages are.
    #[serde(default)]
    api: Option<String>,
}

/// Where the page may be: `named` is what a node of the process says, otherwise it is at one of the usual ports. No
/// token is for it: another program may listen there.
pub(super) fn possible_pages(named: Option<&str>) -> Vec<AskedNode> {
    let named = named.and_then(|url| url.parse::<HttpUrl>().ok());
    let named = named.filter(|url| is_loopback(&url.host().to_string()));
    let usual = || UP_PORTS.filter_map(|port| format!("http://127.0.0.1:{port}").parse().ok());
    let urls: Vec<HttpUrl> = named.map_or_else(|| usual().collect(), |url| vec![url]);
    let asked = |url| AskedNode { id: None, url, token: None, hint: String::new() };
    urls.into_iter().map(asked).collect()
}

/// Replaces what to do about nodes of this machine that do not answer, where the lab of `up` has stopped them. `nodes`:
/// those of the command; the others of them may be of the same process. Takes twice [`ANSWER_TIME_MAX`] at most.
pub(super) async fn note_stops<'m>(
    client: &PageClient,
    nodes: &[AskedNode],
    missing: impl Iterator<Item = &'m mut (AskedNode, PageError)>,
) {
    let is_here = |node: &AskedNode| is_loopback(&node.url.host().to_string());
    let missing: Vec<_> = missing.collect();
    let is_missing = |node: &AskedNode| missing.iter().any(|(missing, _)| missing.url == node.url);
    let answering = nodes.iter().filter(|node| is_here(node) && !is_missing(node));
    let answering: Vec<&AskedNode> = answering.take(ASKED_MAX).collect();
    let is_silent = |(node, error): &&mut (AskedNode, PageError)| {
        matches!(error, PageError::NoAnswer(_)) && is_here(node)
    };
    let silent: Vec<_> = missing.into_iter().filter(is_silent).map(|(node, _)| node).collect();
    if silent.is_empty() {
        return;
    }
    let places = stream::iter(answering).map(|node| page_here(client, node, "api/v1"));
    let places: Vec<Option<PlacePage>> = places.buffered(ASKED_MAX).collect().await;
    let named = places.into_iter().flatten().find_map(|place| place.page);
    let pages = possible_pages(named.as_deref());
    let nodes = stream::iter(&pages).map(|page| async move {
        let nodes: NodesPage = page_here(client, page, "api/v1/nodes").await?;
        Some((page, nodes.nodes))
    });
    let shown: Vec<_> = nodes.buffered(CONCURRENT_MAX).collect().await;
    for node in silent {
        let hints = shown.iter().flatten().map(|(page, nodes)| hint_of_stop(node, page, nodes));
        if let Some(hint) = hints.flatten().next() {
            node.hint = hint;
        }
    }
}

/// A page of this machine, if it is there at once: what a command shows waits for it.
async fn page_here<T: DeserializeOwned>(
    client: &PageClient,
    node: &AskedNode,
    path: &str,
) -> Option<T> {
    timeout(ANSWER_TIME_MAX, client.page(node, path)).await.ok()?.ok()
}

/// Why a node of this machine is missing, and what to do.
pub(super) async fn describe_silence(
    client: &PageClient,
    asked: &AskedNode,
    error: PageError,
) -> String {
    let mut missing = [(asked.clone(), error)];
    note_stops(client, &[], missing.iter_mut()).await;
    let [(node, error)] = &missing;
    node.describe(error)
}

fn hint_of_stop(node: &AskedNode, page: &AskedNode, shown: &[ShownNode]) -> Option<String> {
    let is_it = |shown: &&ShownNode| {
        shown.status == STOPPED
            && shown.api.as_deref() == Some(&node.url.authority())
            && node.id.as_ref().is_none_or(|id| *id == shown.id)
    };
    let stopped = shown.iter().find(is_it)?;
    let why = stopped
        .reasons
        .first()
        .map_or_else(|| "stopped by the lab".to_owned(), |why| sanitize(why));
    let url = page.shown_url();
    Some(format!(
        "{why}: it starts by itself then, or at once when you undo that in the lab of {url}/"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: Option<&str>, url: &str) -> AskedNode {
        let id = id.map(str::to_owned);
        AskedNode { id, url: url.parse().unwrap(), token: None, hint: "start it".to_owned() }
    }

    #[test]
    fn a_stopped_node_is_found_by_its_pages_and_its_id() {
        let page = node(None, "http://127.0.0.1:8000");
        let shown = |status: &str| ShownNode {
            id: "b".to_owned(),
            status: status.to_owned(),
            reasons: vec!["stopped by the lab until \u{1b}noon".to_owned()],
            api: Some("127.0.0.1:8081".to_owned()),
        };
        let hint = |asked: &AskedNode, status| hint_of_stop(asked, &page, &[shown(status)]);
        let b = node(Some("b"), "http://127.0.0.1:8081");
        let said = hint(&b, "stopped").unwrap();
        assert!(said.starts_with("stopped by the lab until \\u{1b}noon: it starts"), "{said}");
        assert!(said.ends_with("in the lab of http://127.0.0.1:8000/"), "{said}");
        assert_eq!(hint(&b, "healthy"), None);
        assert_eq!(hint(&node(Some("c"), "http://127.0.0.1:8081"), "stopped"), None);
        assert_eq!(hint(&node(Some("b"), "http://127.0.0.1:8082"), "stopped"), None);
        assert!(hint(&node(None, "http://127.0.0.1:8081"), "stopped").is_some());
    }

    /// The clock goes on only while nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_answer_delays_a_command_little() {
        // The system accepts the connections; no program answers.
        let mut silent = Vec::new();
        for _ in 0..ASKED_MAX {
            silent.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let url = |one: &tokio::net::TcpListener| format!("http://{}", one.local_addr().unwrap());
        let nodes: Vec<AskedNode> = silent.iter().map(|one| node(None, &url(one))).collect();
        let mut missing =
            [(node(Some("b"), "http://127.0.0.1:1"), PageError::NoAnswer(String::new()))];
        let client = PageClient::new(Duration::from_secs(3600)).unwrap();
        let began = tokio::time::Instant::now();
        note_stops(&client, &nodes, missing.iter_mut()).await;
        let waited = began.elapsed();
        assert!(waited >= ANSWER_TIME_MAX, "the silent one was asked: {waited:?}");
        assert!(waited <= 2 * ANSWER_TIME_MAX + Duration::from_millis(2), "{waited:?}");
        assert_eq!(missing[0].0.hint, "start it");
    }

    #[test]
    fn only_pages_of_this_machine_are_asked() {
        let urls =
            |named| possible_pages(named).iter().map(AskedNode::shown_url).collect::<Vec<_>>();
        assert_eq!(urls(Some("http://127.0.0.1:9000/")), ["http://127.0.0.1:9000"]);
        assert_eq!(urls(Some("http://h.example:9000/")).len(), 10);
        assert_eq!(urls(None)[0], "http://127.0.0.1:8000");
    }
}
