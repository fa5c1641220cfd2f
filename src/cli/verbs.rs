//! `suspend`, `resume`, `reconnect`, `reconcile` and `log-level`: changes of a running node through its API.

use std::io::Write;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{
    LogLevelArguments, NodeTargets, PageNodeArguments, ReconcileArguments, ReconnectArguments,
    ResumeArguments, SuspendArguments, VerbNodeArguments,
};
use super::asked_nodes::find_nodes;
use super::observed::{json_text, page_client};
use super::up_page::{describe_silence, possible_pages};
use crate::config::{Environment, variable};
use crate::console::{Failure, NAME_A_FILE, block_on, count, sanitize, sanitize_answer};
use crate::observe::{OverrideBody, OverrideKind, ReconcileBody, ReconnectBody, Scope};
use crate::remote::{AskedNode, PageClient, url_encode};

/// For each answer; longer than a node takes to say that it is too busy.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// `GET /api/v1`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TopPage {
    boot: String,
    nodes: Vec<String>,
    #[serde(default)]
    scopes: Vec<Scope>,
    /// Of all nodes of the process.
    #[serde(default)]
    page: Option<String>,
}

pub(super) fn suspend(
    arguments: &SuspendArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let path = format!("peers/{}/suspend", url_encode(&arguments.peer));
    let body = json!({ "ttlSeconds": arguments.time.as_secs() });
    run::<OverrideBody>(&arguments.node, environment, &path, body, out, describe)
}

pub(super) fn resume(
    arguments: &ResumeArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let path = format!("peers/{}/resume", url_encode(&arguments.peer));
    let body = json!({ "ttlSeconds": arguments.time.as_secs() });
    run::<OverrideBody>(&arguments.node, environment, &path, body, out, describe)
}

pub(super) fn reconnect(
    arguments: &ReconnectArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let path = format!("peers/{}/reconnect", url_encode(&arguments.peer));
    run::<ReconnectBody>(&arguments.node, environment, &path, json!({}), out, |done| {
        let sessions = count(done.closed_sessions, "session");
        let next = match done.dials {
            true => "the node dials it now".to_owned(),
            false => format!(
                "{} connects to this node by itself, when its own next attempt is due (its operator can hasten that)",
                done.peer
            ),
        };
        format!("{}: {sessions} of {} closed; {next}", done.node, done.peer)
    })
}

pub(super) fn reconcile(
    arguments: &ReconcileArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let peer = &arguments.peer;
    let path = format!("peers/{}/reconcile", url_encode(peer));
    run::<ReconcileBody>(&arguments.node, environment, &path, json!({}), out, |done| {
        format!("{peer}: {}", done.text)
    })
}

pub(super) fn set_log_level(
    arguments: &LogLevelArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let body = json!({ "level": arguments.level, "ttlSeconds": arguments.time.as_secs() });
    run::<OverrideBody>(&arguments.node, environment, "log-level", body, out, describe)
}

/// `b: c is suspended until 2026-11-28T09:42:11.019Z (override b~1)`
pub(super) fn describe(body: &OverrideBody) -> String {
    let OverrideBody { id, node, peer, kind, value, expires_at, ended_at, note, .. } = body;
    let peer = peer.as_deref().unwrap_or_default();
    let value = value.as_deref().unwrap_or_default();
    let what = match (kind, ended_at) {
        (OverrideKind::Suspend, None) => format!("{peer} is suspended until {expires_at}"),
        (OverrideKind::Suspend, Some(_)) => format!("{peer} is no longer suspended"),
        (OverrideKind::Resume, None) => format!("{peer} is enabled until {expires_at}"),
        (OverrideKind::Resume, Some(_)) => format!("{peer} is no longer enabled"),
        (OverrideKind::PauseSettlement, None) => {
            format!("no settlement with {peer} begins until {expires_at}")
        }
        (OverrideKind::PauseSettlement, Some(_)) => {
            format!("settlements with {peer} are no longer paused")
        }
        (OverrideKind::LogLevel, None) => format!("the log level is {value} until {expires_at}"),
        (OverrideKind::LogLevel, Some(_)) => {
            "the log level is that of the configuration".to_owned()
        }
    };
    let note = note.as_deref().map(|note| format!("\nnote: {note}")).unwrap_or_default();
    format!("{node}: {what} (override {id}){note}")
}

/// The pages that the arguments name.
pub(super) fn named_pages(
    arguments: &PageNodeArguments,
    environment: &Environment,
) -> Result<Vec<AskedNode>, Failure> {
    let PageNodeArguments { source, via, token_file, .. } = arguments;
    let targets = NodeTargets::of_one(source, via.as_deref(), token_file.as_deref())?;
    let mut nodes = find_nodes(&targets, environment)?;
    // In a container of a network it is the node of that container, unless the command line names one.
    let of_container = |node: &AskedNode| node.id.as_deref() == variable(environment, "NODE_ID");
    if arguments.source.node.is_none() && nodes.iter().any(of_container) {
        nodes.retain(of_container);
    }
    Ok(nodes)
}

/// Posts a verb with its reason to the node, and prints the answer.
pub(super) fn run<T: DeserializeOwned>(
    VerbNodeArguments { page, reason }: &VerbNodeArguments,
    environment: &Environment,
    path: &str,
    mut body: Value,
    out: &mut dyn Write,
    describe: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    let reason = match reason {
        Some(reason) if reason.trim().is_empty() => {
            return Err(Failure::Usage("--reason is empty; say why, or leave it out".to_owned()));
        }
        Some(reason) => reason.clone(),
        None => {
            format!("by {} on the command line", user_name(environment))
        }
    };
    if let Some(keys) = body.as_object_mut() {
        keys.insert("reason".to_owned(), json!(reason));
    }
    let nodes = named_pages(page, environment)?;
    let client = page_client(TIMEOUT)?;
    let answer = block_on(async {
        let (asked, id) = find_changed_node(&client, nodes, page.source.node.as_deref()).await?;
        Ok::<_, Failure>(post(&client, &asked, &id, path, &body).await?)
    });
    print_answer(&answer?, page.json, out, describe)
}

/// The user of this process, as far as it is known: services and containers set no name.
pub(in crate::cli) fn user_name(environment: &Environment) -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| variable(environment, name));
    named.map_or_else(|| format!("user {}", rustix::process::getuid().as_raw()), str::to_owned)
}

/// Reads a page of the node, and prints it, as it is or line by line.
pub(super) fn show_page<T: DeserializeOwned + Serialize>(
    arguments: &PageNodeArguments,
    environment: &Environment,
    path: &str,
    out: &mut dyn Write,
    lines: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    let nodes = named_pages(arguments, environment)?;
    let client = page_client(TIMEOUT)?;
    let answer = block_on(async {
        let (asked, id, _) = find_node(&client, nodes, arguments.source.node.as_deref()).await?;
        let path = format!("api/v1/nodes/{}/{path}", url_encode(&id));
        let page = client.page::<T>(&asked, &path).await;
        page.map_err(|error| Failure::Failed(asked.describe(&error)))
    });
    let page = answer?;
    if arguments.json {
        writeln!(out, "{}", json_text(&page, true)?)?;
        return Ok(out.flush()?);
    }
    for line in lines(&page) {
        writeln!(out, "{}", sanitize_answer(&line))?;
    }
    Ok(out.flush()?)
}

/// A request that the node has not done, as far as the answer says.
#[derive(Debug)]
pub(super) struct NotDone {
    pub(super) text: String,
    /// It may have changed something: there is no answer, or it says so.
    pub(super) is_unclear: bool,
}

impl From<NotDone> for Failure {
    fn from(not_done: NotDone) -> Self {
        Self::Failed(not_done.text)
    }
}

/// Posts a body to a page of the node.
pub(super) async fn post(
    client: &PageClient,
    asked: &AskedNode,
    id: &str,
    path: &str,
    body: &Value,
) -> Result<Value, NotDone> {
    let path = format!("api/v1/nodes/{}/{path}", url_encode(id));
    let answer = client.post(asked, &path, &body.to_string()).await;
    let answer =
        answer.map_err(|error| NotDone { text: asked.describe(&error), is_unclear: true })?;
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        return Ok(value);
    }
    let detail = value.get("detail").and_then(Value::as_str).map(sanitize_answer);
    // What another program answers says nothing of what the node has done.
    let is_unclear = detail.is_none() || value.get("outcome").is_some();
    let detail = detail.unwrap_or_else(|| "this is not the answer of a node".to_owned());
    let text = format!("{}: {detail} (HTTP {})", sanitize(id), answer.status);
    Err(NotDone { text, is_unclear })
}

/// Prints the answer of a node, as it is or in words.
pub(super) fn print_answer<T: DeserializeOwned>(
    answer: &Value,
    as_json: bool,
    out: &mut dyn Write,
    describe: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    let text = match (as_json, serde_json::from_value(answer.clone())) {
        (true, _) => json_text(answer, true)?,
        (false, Ok(done)) => {
            let lines = describe(&done);
            lines.lines().map(sanitize_answer).collect::<Vec<_>>().join("\n")
        }
        (false, Err(_)) => {
            let text =
                "the node has answered in a way that this program does not know; see its /api/v1";
            return Err(Failure::Failed(text.to_owned()));
        }
    };
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// The pages that take a verb for the node, and its id.
pub(super) async fn find_changed_node(
    client: &PageClient,
    nodes: Vec<AskedNode>,
    wanted: Option<&str>,
) -> Result<(AskedNode, String), Failure> {
    let (asked, id, pages) = find_changing_pages(client, nodes, wanted).await?;
    if let Some(pages) = pages {
        return Ok((pages, id));
    }
    let shown = sanitize(&id);
    Err(Failure::Failed(match &asked.token {
        Some(_) => format!("the token may not change {shown}: it needs the scope operate"),
        None => format!(
            "{shown} takes no changes, because it has no token; set its apiToken, or with `up`, give the URL of the page \
             with --via (the log has it)"
        ),
    }))
}

/// The pages that show the node, its id, and those that take its changes, if any do.
pub(super) async fn find_changing_pages(
    client: &PageClient,
    nodes: Vec<AskedNode>,
    wanted: Option<&str>,
) -> Result<(AskedNode, String, Option<AskedNode>), Failure> {
    let (asked, id, page) = find_node(client, nodes, wanted).await?;
    let pages = match &asked.token {
        _ if page.scopes.contains(&Scope::Operate) => Some(asked.clone()),
        None => find_page_of_up(client, &page).await,
        Some(_) => None,
    };
    Ok((asked, id, pages))
}

/// The pages that show the node, its id, and what they say of themselves.
async fn find_node(
    client: &PageClient,
    nodes: Vec<AskedNode>,
    wanted: Option<&str>,
) -> Result<(AskedNode, String, TopPage), Failure> {
    let [asked] = nodes.as_slice() else {
        let ids: Vec<String> = nodes.iter().map(AskedNode::name).collect();
        return Err(Failure::Usage(format!("--node is needed: one of {}", ids.join(", "))));
    };
    let page: TopPage = match client.page(asked, "api/v1").await {
        Ok(page) => page,
        Err(error) => return Err(Failure::Failed(describe_silence(client, asked, error).await)),
    };
    let ids = sanitize(&page.nodes.join(", "));
    let url = asked.shown_url();
    let id = match (wanted.or(asked.id.as_deref()), page.nodes.as_slice()) {
        (Some(id), known) if known.iter().any(|known| known == id) => id.to_owned(),
        (Some(id), _) if wanted.is_some() => {
            return Err(Failure::Usage(format!(
                "--node: no node {id} answers at {url}; there is {ids}"
            )));
        }
        // The id is that of the configuration, or of the variables if no file is named.
        (Some(id), _) => {
            return Err(Failure::Usage(format!(
                "the node {ids} answers at {url}, and not {id}; {NAME_A_FILE}, or its URL with --via"
            )));
        }
        (None, [only]) => only.clone(),
        (None, _) => return Err(Failure::Usage(format!("--node is needed: one of {ids}"))),
    };
    Ok((asked.clone(), id, page))
}

/// A node without tokens takes changes only at the page of `up`, which is the same process if it has the same boot.
async fn find_page_of_up(client: &PageClient, of_node: &TopPage) -> Option<AskedNode> {
    for asked in possible_pages(of_node.page.as_deref()) {
        let page: Result<TopPage, _> = client.page(&asked, "api/v1").await;
        let is_it =
            |page: TopPage| page.boot == of_node.boot && page.scopes.contains(&Scope::Operate);
        if page.is_ok_and(is_it) {
            return Some(asked);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::SourceArguments;

    #[test]
    fn in_a_container_a_command_is_for_its_node() {
        let check = |node: Option<&str>, here: &str, expected: &[&str]| {
            let config = Some("docker/config/config.yaml".into());
            let source = SourceArguments { config, node: node.map(str::to_owned) };
            let arguments = PageNodeArguments { source, via: None, token_file: None, json: false };
            let variables = [("NODE_ID".to_owned(), here.to_owned())].into_iter().collect();
            let pages = named_pages(&arguments, &variables).unwrap();
            let found: Vec<_> = pages.iter().map(|page| page.id.as_deref().unwrap()).collect();
            assert_eq!(found, expected, "{node:?} in {here}");
        };
        check(None, "b", &["b"]);
        check(Some("c"), "b", &["c"]);
        // That of `watch` is no node of the network, and a shell elsewhere has none.
        check(None, "watch", &["a", "b", "c"]);
        check(None, "", &["a", "b", "c"]);
    }
}
