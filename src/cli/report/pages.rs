//! What the nodes say: their pages, each bounded. A node that does not answer is noted and asked for nothing more.

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::archive::{Archive, name_part};
use crate::console::sanitize;
use crate::net::mask_random_words;
use crate::remote::{AskedNode, PageAnswer, PageClient, PageError, url_encode};

/// Nodes that are asked. Further ones are counted.
const NODES_MAX: usize = 50;
/// Nodes that are asked at a time.
const CONCURRENT_MAX: usize = 8;

/// A page, and the file that it becomes.
struct Page {
    file: &'static str,
    path: &'static str,
    about: &'static str,
    form: Form,
}

/// What is in a page.
#[derive(Clone, Copy)]
enum Form {
    Json,
    /// Words of strangers in packets, such as the tokens in addresses of receivers, are masked.
    Packets,
    /// The `lines` of a JSON object, as a file of lines with the same masks.
    Log,
    Text,
}

/// Pages of a listener.
const PAGES: [Page; 9] = [
    page("api.json", "api/v1", "what the listener is, and what the token allows"),
    page("peers.json", "peers", "accounts: state, balance, limits, last error"),
    page("nodes.json", "api/v1/nodes", "nodes: health with its parts, version, figures"),
    page("links.json", "api/v1/links", "links between nodes, and with peers outside"),
    page("events.json", "api/v1/events", "the last events"),
    page("reasons.json", "api/v1/reasons", "how many packets were rejected, and why"),
    Page {
        file: "rejects.json",
        path: "api/v1/packets?filter=phase%3Drejected&limit=100",
        about: "the last 100 rejected packets",
        form: Form::Packets,
    },
    page("overrides.json", "api/v1/overrides", "what operators have changed for a time"),
    Page { file: "metrics.txt", path: "metrics", about: "metrics", form: Form::Text },
];

/// Pages of each node of a listener, below `api/v1/nodes/ID/`.
const NODE_PAGES: [Page; 5] = [
    page("config.json", "config", "values in force, each with its origin; secrets are masked"),
    page("config-check.json", "config/check", "what the configuration file would change"),
    page("routes.json", "routes?limit=500", "the first 500 prefixes of the routing table"),
    page("webhooks.json", "webhooks", "webhooks, and how deliveries went"),
    Page {
        file: "log.txt",
        path: "log?limit=2000",
        about: "the last lines of its log",
        form: Form::Log,
    },
];

/// The pages of one listener, before they are files.
struct Answers {
    /// The folder in the archive.
    name: String,
    files: Vec<(String, &'static str, String)>,
    missing: Vec<(String, String)>,
}

const fn page(file: &'static str, path: &'static str, about: &'static str) -> Page {
    Page { file, path, about, form: Form::Json }
}

/// Asks all nodes.
pub(super) async fn add_all(archive: &mut Archive, client: &PageClient, nodes: &[AskedNode]) {
    let asked = stream::iter(nodes.iter().take(NODES_MAX)).map(|node| ask(client, node));
    let all: Vec<Answers> = asked.buffered(CONCURRENT_MAX).collect().await;
    for Answers { name, files, missing } in all {
        for (file, about, text) in files {
            archive.add_text(&format!("nodes/{}/{file}", name_part(&name)), about, &text);
        }
        for (what, why) in missing {
            archive.miss(&what, &why);
        }
    }
    if let Some(more) = nodes.len().checked_sub(NODES_MAX).filter(|more| *more > 0) {
        archive.miss("other nodes", &format!("{more} of {} were not asked", nodes.len()));
    }
}

async fn ask(client: &PageClient, node: &AskedNode) -> Answers {
    let mut answers = Answers { name: node.name(), files: Vec::new(), missing: Vec::new() };
    // Without the token, which is for the node that the file names.
    match client.health::<Value>(node).await {
        Ok(health) => {
            let answered = health.get("nodeId").and_then(Value::as_str).map(sanitize);
            let expected = node.id.as_ref();
            if let Some(other) = answered.as_ref().filter(|id| expected.is_some_and(|it| it != *id))
            {
                let why =
                    format!("the node {other} answers at {}; it is not asked", node.shown_url());
                answers.missing.push((format!("node {}", node.name()), why));
                return answers;
            }
            answers.name = answered.unwrap_or(answers.name);
            answers.files.push(("health.json".to_owned(), "its health", format!("{health:#}\n")));
        }
        // The page of `up` is of no node, and has no health.
        Err(PageError::Refused { code: 404, .. } | PageError::NotANode) => {}
        Err(error) => {
            answers.missing.push((format!("node {}", node.name()), node.describe(&error)));
            return answers;
        }
    }
    for page in &PAGES {
        answers.add(client, node, (page.path, page.file, page)).await;
    }
    let ids = answers.ids();
    for id in ids.iter().take(NODES_MAX) {
        for page in &NODE_PAGES {
            let path = format!("api/v1/nodes/{}/{}", url_encode(id), page.path);
            let file = match ids.len() {
                1 => page.file.to_owned(),
                _ => format!("{}/{}", name_part(id), page.file),
            };
            answers.add(client, node, (&path, &file, page)).await;
        }
    }
    answers
}

impl Answers {
    async fn add(
        &mut self,
        client: &PageClient,
        node: &AskedNode,
        (path, file, page): (&str, &str, &Page),
    ) {
        let failed = match client.get(node, path).await {
            Ok(PageAnswer { status: 200, body, .. }) => {
                let text = text_of(&String::from_utf8_lossy(&body), page.form);
                return self.files.push((file.to_owned(), page.about, text));
            }
            Ok(PageAnswer { status, body, .. }) => describe_refusal(status, &body),
            Err(error) => error.to_string(),
        };
        self.missing.push((format!("{file} of {}", self.name), failed));
    }

    /// The nodes of the listener, as it says.
    fn ids(&self) -> Vec<String> {
        let api = self.files.iter().find(|(file, ..)| file == "api.json");
        let api: Value =
            api.and_then(|(.., text)| serde_json::from_str(text).ok()).unwrap_or_default();
        let ids = api.get("nodes").and_then(Value::as_array);
        ids.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn describe_refusal(status: u16, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = body.get("detail").or_else(|| body.get("error")).and_then(Value::as_str);
    format!("{} (HTTP {status})", detail.unwrap_or("the node refuses it"))
}

/// The content of the file.
fn text_of(body: &str, form: Form) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else {
        return match form {
            Form::Text => body.to_owned(),
            // No answer of a node; what it is shows what answers.
            _ => mask_random_words(body.to_owned()),
        };
    };
    match form {
        Form::Json | Form::Text => format!("{value:#}\n"),
        Form::Packets => {
            mask_texts(&mut value);
            format!("{value:#}\n")
        }
        Form::Log => {
            let lines = value.get("lines").and_then(Value::as_array).into_iter().flatten();
            let lines = lines.filter_map(Value::as_str);
            lines.map(|line| mask_random_words(line.to_owned()) + "\n").collect()
        }
    }
}

/// Masks random words, except those that only number a packet.
fn mask_texts(value: &mut Value) {
    const NUMBERS: [&str; 3] = ["id", "condition", "sampleKey"];
    match value {
        Value::String(text) => *text = mask_random_words(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(mask_texts),
        Value::Object(keys) => {
            let texts = keys.iter_mut().filter(|(key, _)| !NUMBERS.contains(&key.as_str()));
            texts.for_each(|(_, value)| mask_texts(value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_addresses_are_masked_and_conditions_are_not() {
        let token = "Qz7xKv2RtW9LmB4nYd8HsJ6gVcF3pU1o";
        let body = format!(
            "{{\"packets\":[{{\"id\":\"00ab12cd34ef56ab-7\",\"condition\":\"7f3ac91e5b08d264\",\
             \"destination\":\"test.b.shop.{token}\",\"message\":\"no route\"}}]}}"
        );
        let shown = text_of(&body, Form::Packets);
        assert!(shown.contains("\"test.b.shop.***\"") && !shown.contains(token), "{shown}");
        assert!(
            shown.contains("7f3ac91e5b08d264") && shown.contains("00ab12cd34ef56ab-7"),
            "{shown}"
        );
        let log = format!("{{\"lines\":[\"to test.b.shop.{token}\",\"two\"]}}");
        assert_eq!(text_of(&log, Form::Log), "to test.b.shop.***\ntwo\n");
        assert_eq!(text_of("# HELP x\n", Form::Text), "# HELP x\n");
        assert_eq!(text_of(&format!("<p>{token}"), Form::Json), "<p>***");
    }
}
