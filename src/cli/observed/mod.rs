//! Reads the API of the nodes that a command looks at: what it has now, and a stream of what happens. Several nodes are
//! read at the same time, and each shows only itself; the page of `up` shows all of them.

mod figures;
mod links;

use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use self::figures::{FIGURES_QUERY, NodeFigures};
pub(super) use self::links::RatedLink;
use super::args::NodeTargets;
use super::asked_nodes::find_nodes;
use super::up_page::note_stops;
use crate::config::Environment;
use crate::console::{Failure, error_chain, sanitize_json};
use crate::remote::{AskedNode, PageClient, PageError};

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
    pub(super) fn find(targets: &NodeTargets, environment: &Environment) -> Result<Self, Failure> {
        Self::new(find_nodes(targets, environment)?)
    }

    pub(super) fn new(nodes: Vec<AskedNode>) -> Result<Self, Failure> {
        Ok(Self { client: page_client(TIMEOUT)?, nodes })
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
                Err(error) => missing.push((node, error)),
            }
        }
        note_stops(&self.client, &self.nodes, missing.iter_mut()).await;
        if found.is_empty() {
            return Err(Failure::Failed(describe_missing(&missing).join("\n")));
        }
        describe_missing(&missing)
            .into_iter()
            .try_for_each(|text| note(format!("not shown: {text}")))?;
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

/// A client for the pages of nodes.
pub(super) fn page_client(timeout: Duration) -> Result<PageClient, Failure> {
    PageClient::new(timeout).map_err(|error| Failure::Failed(error_chain(&error)))
}

/// An object of nodes as JSON that is harmless to a terminal. `is_pretty`: on several lines.
pub(super) fn json_text(object: &impl Serialize, is_pretty: bool) -> Result<String, Failure> {
    let json = match is_pretty {
        true => serde_json::to_string_pretty(object),
        false => serde_json::to_string(object),
    };
    Ok(sanitize_json(json.map_err(io::Error::from)?))
}

/// Why nodes are missing, and what to do: in one sentence for nodes of one file that all do not run.
fn describe_missing(missing: &[(AskedNode, PageError)]) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut silent: Vec<(&AskedNode, &PageError)> = Vec::new();
    for (node, error) in missing {
        match error {
            PageError::NoAnswer(_)
                if silent.first().is_none_or(|(first, _)| first.hint == node.hint) =>
            {
                silent.push((node, error));
            }
            error => sentences.push(node.describe(error)),
        }
    }
    match silent.as_slice() {
        [] => {}
        [(node, error)] => sentences.insert(0, node.describe(error)),
        [(first, error), ..] => {
            let names: Vec<String> = silent
                .iter()
                .map(|(node, _)| format!("{} at {}", node.name(), node.shown_url()))
                .collect();
            let (names, hint) = (names.join(", "), &first.hint);
            sentences.insert(0, format!("{names}: {error}; {hint}"));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_do_not_run_are_named_in_one_sentence() {
        let node = |id: &str, port: u16, hint: &str| AskedNode {
            id: Some(id.to_owned()),
            url: format!("http://127.0.0.1:{port}").parse().unwrap(),
            token: None,
            hint: hint.to_owned(),
        };
        let refused = |port: u16| PageError::NoAnswer(format!("cannot connect to {port}"));
        let missing = [
            (node("a", 1, "start it"), refused(1)),
            (node("b", 2, "start it"), PageError::TokenWrong),
            (node("c", 3, "start it"), refused(3)),
            (node("d", 4, "start d"), refused(4)),
        ];
        assert_eq!(
            describe_missing(&missing),
            [
                "a at http://127.0.0.1:1, c at http://127.0.0.1:3: no answer: cannot connect to 1; start it",
                "b at http://127.0.0.1:2: it refuses the token; is it the apiToken of this node?",
                "d at http://127.0.0.1:4: no answer: cannot connect to 4; start d",
            ]
        );
        assert_eq!(json_text(&"\u{1b}[2J", false).unwrap(), "\"\\u001b[2J\"");
    }
}
