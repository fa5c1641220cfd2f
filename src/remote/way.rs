//! The way that a packet would take now over nodes that run elsewhere: one node is asked after the other, because each
//! process knows only the nodes in its view.

use serde::{Deserialize, Serialize};

use super::AskedNode;
use super::page_client::{PageClient, PageError, url_encode};
use crate::observe::StepBody;

/// Nodes of one way, at most.
const STEPS_MAX: usize = 64;

/// `GET /api/v1/explain`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct WayPage {
    /// In the order of the packet.
    pub steps: Vec<StepBody>,
    /// `delivered`, `refused`, `leavesView`, `loops`, or `unreachable`: the next node does not answer.
    pub ends: String,
    /// Why the next node does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a way begins.
#[derive(Debug, Clone)]
pub struct WayStart<'s> {
    /// The first node.
    pub node: &'s str,
    /// Its account that the packet comes from.
    pub from: Option<String>,
    pub destination: &'s str,
    /// In units of the first account.
    pub amount: Option<String>,
}

/// Asks nodes until the way ends. `node_of` knows where the pages of a node are. A node that does not answer is an end
/// too, unless it is the first one.
///
/// # Errors
/// The first node does not answer, or refuses the question.
pub async fn find_way(
    client: &PageClient,
    node_of: impl Fn(&str) -> Option<AskedNode>,
    start: WayStart<'_>,
) -> Result<WayPage, PageError> {
    let WayStart { node, mut from, destination, mut amount } = start;
    let mut id = node.to_owned();
    let mut way = WayPage { ends: "leavesView".to_owned(), ..WayPage::default() };
    while let Some(node) = node_of(&id) {
        let question = (destination, from.as_deref(), amount.as_deref());
        let page = match ask(client, &node, &id, question).await {
            Ok(page) => page,
            Err(error) if way.steps.is_empty() => return Err(error),
            Err(error) => {
                way.ends = "unreachable".to_owned();
                way.error = Some(node.describe(&error));
                break;
            }
        };
        way.steps.extend(page.steps);
        (way.ends, way.error) = (page.ends, page.error);
        let Some(last) = way.steps.last().filter(|_| way.ends == "leavesView") else { break };
        let Some(next) = last.to.clone() else { break };
        if way.steps.iter().any(|step| step.node == next) || way.steps.len() >= STEPS_MAX {
            way.ends = "loops".to_owned();
            break;
        }
        (from, amount, id) = (Some(last.node.clone()), last.outgoing_amount.clone(), next);
    }
    Ok(way)
}

async fn ask(
    client: &PageClient,
    node: &AskedNode,
    id: &str,
    (destination, from, amount): (&str, Option<&str>, Option<&str>),
) -> Result<WayPage, PageError> {
    let (id, destination) = (url_encode(id), url_encode(destination));
    let mut path = format!("api/v1/explain?node={id}&destination={destination}");
    for (name, value) in [("from", from), ("amount", amount)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", url_encode(value)));
        }
    }
    client.page(node, &path).await
}
