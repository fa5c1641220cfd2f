//! Reads the API of the nodes that a command looks at: what it has now, and a stream of what happens. Several nodes are
//! read at the same time, and each shows only itself; the page of `up` shows all of them.

mod feed;
mod figures;
mod merge;

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::de::DeserializeOwned;

pub(super) use self::feed::{Feed, FeedItem};
pub(super) use self::figures::{FIGURES_QUERY, NodeFigures};
pub(super) use self::merge::MergedLink;
use self::merge::{NodeLinks, merge_links};
use super::args::ObservedArguments;
use super::asked_nodes::{AskedNode, find_nodes};
use super::page_client::{PageClient, PageError};
use crate::config::Environment;
use crate::console::Failure;

/// For each answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Nodes that are asked at a time.
const CONCURRENT_MAX: usize = 32;

/// The nodes of a command that answer.
#[derive(Debug)]
pub(super) struct ObservedNodes {
    pub(super) client: PageClient,
    pub(super) nodes: Vec<AskedNode>,
}

impl ObservedNodes {
    /// The nodes that the command line names.
    pub(super) fn find(
        arguments: &ObservedArguments,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        if let Some(file) = arguments.via.iter().find(|via| !via.contains("://")) {
            return Err(Failure::Usage(format!(
                "--via takes the URL of a node's pages, such as http://127.0.0.1:8080; for a file, write --config {file}"
            )));
        }
        let token_file = arguments.token_file.as_deref().map(Path::new);
        let nodes = find_nodes(&arguments.via, &arguments.source, token_file, environment)?;
        Ok(Self { client: PageClient::new(TIMEOUT)?, nodes })
    }

    /// Asks each node for a page of the API. Nodes that do not answer are left out from now on, with a note; if none
    /// answers, that is a failure.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        path: &str,
        note: &mut dyn FnMut(String) -> Result<(), Failure>,
    ) -> Result<Vec<T>, Failure> {
        let answers: Vec<Result<T, PageError>> = self.ask_each(path).await;
        let nodes = std::mem::take(&mut self.nodes);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (node, answer) in nodes.into_iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    found.push(answer);
                    self.nodes.push(node);
                }
                Err(error) => missing.push(describe(&node, &error)),
            }
        }
        if found.is_empty() {
            return Err(Failure::Failed(missing.join("\n")));
        }
        missing.into_iter().try_for_each(|text| note(format!("not shown: {text}")))?;
        Ok(found)
    }

    /// Asks each node for a page of the API. Those that do not answer are asked again the next time.
    pub(super) async fn ask_again<T: DeserializeOwned>(&self, path: &str) -> Vec<T> {
        self.ask_each(path).await.into_iter().flatten().collect()
    }

    async fn ask_each<T: DeserializeOwned>(&self, path: &str) -> Vec<Result<T, PageError>> {
        let asked = stream::iter(&self.nodes).map(|node| self.client.page(node, path));
        asked.buffered(CONCURRENT_MAX).collect().await
    }
}

/// Why a node is missing, and what to do.
fn describe(node: &AskedNode, error: &PageError) -> String {
    let (url, id) = (node.shown_url(), node.id.as_deref());
    let name = id.map_or_else(|| url.clone(), |id| format!("{id} at {url}"));
    match error {
        PageError::NoAnswer(_) => format!("{name}: {error}; {}", node.hint),
        error => format!("{name}: {error}"),
    }
}
