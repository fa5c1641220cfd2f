//! What the nodes say: their pages. The token of a file goes to no program but its node, whose health has its id.
//!
//! What answers may be hostile or hang, so all is bounded: the bytes of an answer and of all answers of a place, the
//! nodes and pages that are asked, and the time for a place and for all of them. A place that once does not answer is
//! noted and asked for nothing more.

use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::archive::{Archive, FileText, name_part};
use super::content::{Form, text_of, text_of_json};
use crate::console::sanitize;
use crate::net::mask_words_of_strangers;
use crate::remote::{AskedNode, PageAnswer, PageClient, PageError, refusal_text, url_encode};

/// Bytes of an answer. Of more than a file has, the rest is cut off.
pub(super) const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of the files of a place, so that no place takes the whole archive.
const PLACE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Places that are asked, and nodes of a place. Further ones are counted.
const NODES_MAX: usize = 50;
/// Places that are asked at a time.
const CONCURRENT_MAX: usize = 8;
/// Bytes of an id. No node has a longer one.
const ID_BYTES_MAX: usize = 255;
/// How long a place is asked, in times that one answer may take.
const PLACE_TIMEOUTS_MAX: u32 = 20;
/// The same of all places.
const ALL_TIMEOUTS_MAX: u32 = 60;

/// A page, and the file that it becomes.
struct Page {
    file: &'static str,
    path: &'static str,
    about: &'static str,
    form: Form,
}

/// Pages of a listener.
const PAGES: [Page; 9] = [
    page("api.json", "api/v1", "what the listener is, and what the token allows"),
    masked("peers.json", "peers", "accounts: state, balance, limits, last error"),
    masked("nodes.json", "api/v1/nodes", "nodes: health with its parts, version, figures"),
    masked("links.json", "api/v1/links", "links between nodes, and with peers outside"),
    masked("events.json", "api/v1/events", "the last events"),
    masked("reasons.json", "api/v1/reasons", "how many packets were rejected, and why"),
    masked(
        "rejects.json",
        "api/v1/packets?filter=phase%3Drejected&limit=100",
        "the last 100 rejected packets",
    ),
    masked("overrides.json", "api/v1/overrides", "what operators have changed for a time"),
    Page { file: "metrics.txt", path: "metrics", about: "metrics", form: Form::Text },
];

/// Pages of each node of a listener, below `api/v1/nodes/ID/`.
const NODE_PAGES: [Page; 5] = [
    page("config.json", "config", "values in force, each with its origin; secrets are masked"),
    page("config-check.json", "config/check", "what the configuration file would change"),
    page("routes.json", "routes?limit=500", "the first 500 prefixes of the routing table"),
    masked("webhooks.json", "webhooks", "webhooks, and how deliveries went"),
    Page {
        file: "log.txt",
        path: "log?limit=2000",
        about: "the last lines of its log",
        form: Form::Log,
    },
];

/// The files of one place, before they are in the archive.
struct Answers {
    /// The folder in the archive.
    name: String,
    files: Vec<(String, &'static str, FileText)>,
    missing: Vec<(String, String)>,
    bytes: usize,
}

/// A place that is asked, until a moment.
struct Place<'a> {
    client: &'a PageClient,
    node: &'a AskedNode,
    until: Instant,
    answers: Answers,
}

/// What `api/v1` says on each page of this program, also on those of `up` and `watch`, which are of no node.
#[derive(Deserialize)]
struct TopPage {
    #[serde(rename = "boot")]
    _boot: String,
    #[serde(rename = "nodes")]
    _nodes: Vec<String>,
}

const fn page(file: &'static str, path: &'static str, about: &'static str) -> Page {
    Page { file, path, about, form: Form::Json }
}

const fn masked(file: &'static str, path: &'static str, about: &'static str) -> Page {
    Page { file, path, about, form: Form::Masked }
}

/// Asks all nodes. How long an answer takes at most: see [`PageClient::new`].
pub(super) async fn add_all(
    archive: &mut Archive,
    client: &PageClient,
    nodes: &[AskedNode],
    timeout: Duration,
) {
    let end = Instant::now() + timeout.saturating_mul(ALL_TIMEOUTS_MAX);
    let asked = stream::iter(nodes.iter().take(NODES_MAX)).map(|node| async move {
        let until = end.min(Instant::now() + timeout.saturating_mul(PLACE_TIMEOUTS_MAX));
        let name = node.name();
        let answers = Answers { name, files: Vec::new(), missing: Vec::new(), bytes: 0 };
        Place { client, node, until, answers }.ask().await
    });
    // In the archive at once, so that only a few places hold their answers.
    let mut asked = pin!(asked.buffered(CONCURRENT_MAX));
    while let Some(Answers { name, files, missing, .. }) = asked.next().await {
        for (file, about, text) in files {
            archive.add_file(&format!("nodes/{}/{file}", name_part(&name)), about, text);
        }
        for (what, why) in missing {
            archive.miss(&what, &why);
        }
    }
    if let Some(more) = nodes.len().checked_sub(NODES_MAX).filter(|more| *more > 0) {
        archive.miss("other nodes", &format!("{more} of {} were not asked", nodes.len()));
    }
}

impl Place<'_> {
    async fn ask(mut self) -> Answers {
        match self.identify().await {
            Err(why) => self.answers.miss(format!("node {}", self.node.name()), why),
            Ok(()) => {
                if let Err((file, why)) = self.add_pages().await {
                    let what = format!("{file} and what follows of {}", self.answers.name);
                    self.answers.miss(what, why);
                }
            }
        }
        self.answers
    }

    /// Notes who answers. Nothing here sends the token.
    ///
    /// # Errors
    /// Why the place does not get the token, and is asked for nothing more.
    async fn identify(&mut self) -> Result<(), String> {
        let node = self.node;
        let health = match self.in_time(self.client.health::<Value>(node)).await? {
            Ok(health) => health,
            Err(PageError::Refused { code: 404, .. } | PageError::NotANode) => Value::Null,
            Err(error) => return Err(node.describe(&error)),
        };
        let answered = health.get("nodeId").and_then(Value::as_str).map(sanitize);
        match (answered, &node.id) {
            (Some(other), Some(expected)) if other != *expected => {
                let url = node.shown_url();
                return Err(format!("the node {other} answers at {url}; it is not asked"));
            }
            (Some(answered), _) => self.answers.name = answered,
            (None, Some(_)) => return Err(self.describe_stranger()),
            (None, None) => self.check_page_without_node().await?,
        }
        if !health.is_null() {
            let health = text_of_json(health, Form::Masked);
            self.answers.keep("health.json".to_owned(), "its health", health)?;
        }
        Ok(())
    }

    /// The pages of `up` and `watch` are of no node, and their health has no id.
    async fn check_page_without_node(&self) -> Result<(), String> {
        let without_token = AskedNode { token: None, ..self.node.clone() };
        let top = self.client.page::<TopPage>(&without_token, "api/v1");
        match self.in_time(top).await? {
            // The user has named this place for the token.
            Ok(_) | Err(PageError::TokenMissing) => Ok(()),
            Err(error @ PageError::NoAnswer(_)) => Err(self.node.describe(&error)),
            Err(_) => Err(self.describe_stranger()),
        }
    }

    fn describe_stranger(&self) -> String {
        format!("another program answers at {}; it is not asked", self.node.shown_url())
    }

    /// # Errors
    /// A file that cannot be had, and why nothing more is asked.
    async fn add_pages(&mut self) -> Result<(), (String, String)> {
        for page in &PAGES {
            self.add(page.path, page.file.to_owned(), page).await?;
        }
        let ids = self.answers.ids();
        for id in ids.iter().take(NODES_MAX) {
            for page in &NODE_PAGES {
                let path = format!("api/v1/nodes/{}/{}", url_encode(id), page.path);
                let file = match ids.len() {
                    1 => page.file.to_owned(),
                    _ => format!("{}/{}", name_part(id), page.file),
                };
                self.add(&path, file, page).await?;
            }
        }
        if let Some(more) = ids.len().checked_sub(NODES_MAX).filter(|more| *more > 0) {
            let what = format!("other nodes of {}", self.answers.name);
            self.answers.miss(what, format!("{more} of {} were not asked", ids.len()));
        }
        Ok(())
    }

    async fn add(&mut self, path: &str, file: String, page: &Page) -> Result<(), (String, String)> {
        let answer = match self.in_time(self.client.get(self.node, path)).await {
            Ok(answer) => answer,
            Err(why) => return Err((file, why)),
        };
        let failed = match answer {
            Ok(PageAnswer { status: 200, body, .. }) => {
                let text = text_of(&body, page.form);
                let kept = self.answers.keep(file.clone(), page.about, text);
                return kept.map_err(|why| (file, why));
            }
            Ok(PageAnswer { status, body, .. }) => describe_refusal(status, &body),
            Err(error @ PageError::NoAnswer(_)) => return Err((file, error.to_string())),
            Err(error) => error.to_string(),
        };
        self.answers.miss(format!("{file} of {}", self.answers.name), failed);
        Ok(())
    }

    /// # Errors
    /// The time for this place, or for all, is over.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, String> {
        let answer = timeout_at(self.until, answer).await;
        answer.map_err(|_| "there was no time left; name fewer nodes, or a longer --timeout".into())
    }
}

impl Answers {
    /// # Errors
    /// The files of this place would be too large.
    fn keep(&mut self, file: String, about: &'static str, text: FileText) -> Result<(), String> {
        if self.bytes + text.text.len() > PLACE_BYTES_MAX {
            return Err(format!("its files would have more than {PLACE_BYTES_MAX} bytes"));
        }
        self.bytes += text.text.len();
        self.files.push((file, about, text));
        Ok(())
    }

    fn miss(&mut self, what: String, why: String) {
        self.missing.push((what, mask_words_of_strangers(&why)));
    }

    /// The nodes of the listener, as it says.
    fn ids(&self) -> Vec<String> {
        let api = self.files.iter().find(|(file, ..)| file == "api.json");
        let api = api.and_then(|(.., text)| serde_json::from_str(&text.text).ok());
        let api: Value = api.unwrap_or_default();
        let ids = api.get("nodes").and_then(Value::as_array).into_iter().flatten();
        let ids = ids.filter_map(Value::as_str).filter(|id| id.len() <= ID_BYTES_MAX);
        ids.map(str::to_owned).collect()
    }
}

fn describe_refusal(status: u16, body: &[u8]) -> String {
    let why = refusal_text(body).unwrap_or_else(|| "this is not the answer of a node".to_owned());
    format!("{why} (HTTP {status})")
}

#[cfg(test)]
mod tests;
