//! `explain`: the way that a packet would take now, from node to node, and the rule that each of them follows. No
//! packet is sent.

use std::io::Write;

use super::args::ExplainArguments;
use super::observed::{ObservedNodes, json_text};
use super::tap::ApiPage;
use crate::account::TOOL_ACCOUNT;
use crate::config::Environment;
use crate::console::{Failure, block_on, exit_result, group_digits, padded, sanitize};
use crate::observe::{NodeBody, StepBody};
use crate::remote::{self, AskedNode, WayPage, WayStart, url_encode};

/// Prints the way. A failure if a node would refuse the packet, or if it never arrives.
pub(super) fn run(
    arguments: &ExplainArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let mut nodes = ObservedNodes::find(&arguments.observed.flags.targets()?, environment)?;
    let found = block_on(async {
        let mut note = |text: String| Ok(writeln!(err, "note: {text}")?);
        let pages: Vec<ApiPage> = nodes.ask("api/v1", &mut note).await?;
        find_way(arguments, &nodes, &pages).await
    });
    let way = found?;
    if arguments.observed.json {
        writeln!(out, "{}", json_text(&way, true)?)?;
    } else {
        lines(&way).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    out.flush()?;
    exit_result(matches!(way.ends.as_str(), "delivered" | "leavesView"))
}

/// Asks one node after the other: each process knows only the nodes in its view.
async fn find_way(
    arguments: &ExplainArguments,
    nodes: &ObservedNodes,
    pages: &[ApiPage],
) -> Result<WayPage, Failure> {
    let asked = |id: &str| {
        let mut views = nodes.nodes.iter().zip(pages);
        let found = views.find(|(_, page)| page.nodes.iter().any(|node| node == id));
        found.map(|(node, _)| node.clone())
    };
    let ids: Vec<&str> = pages.iter().flat_map(|page| &page.nodes).map(String::as_str).collect();
    let first = match (&arguments.from, ids.first()) {
        (Some(from), _) if ids.contains(&from.as_str()) => from.as_str(),
        (None, Some(first)) => *first,
        _ => {
            let ids = sanitize(&ids.join(", "));
            return Err(Failure::Usage(format!("--from: no such node answers; there are {ids}")));
        }
    };
    let account = match (&arguments.account, asked(first)) {
        (Some(account), _) => Some(account.clone()),
        (None, Some(node)) => find_tool_account(nodes, &node, first).await?,
        (None, None) => None,
    };
    let start = WayStart {
        node: first,
        from: account,
        destination: arguments.destination.as_str(),
        amount: arguments.amount.map(|amount| amount.to_string()),
    };
    let found = remote::find_way(&nodes.client, asked, start).await;
    found.map_err(|error| {
        let describe = |node: AskedNode| node.describe(&error);
        Failure::Failed(asked(first).map_or_else(|| error.to_string(), describe))
    })
}

/// The account at which tools log in, if the node has it.
async fn find_tool_account(
    nodes: &ObservedNodes,
    asked: &AskedNode,
    id: &str,
) -> Result<Option<String>, Failure> {
    let path = format!("api/v1/nodes/{}", url_encode(id));
    let page = nodes.client.page::<NodeBody>(asked, &path).await;
    let node = page.map_err(|error| Failure::Failed(asked.describe(&error)))?;
    let account = node.peers.into_iter().map(|peer| peer.id).find(|id| id == TOOL_ACCOUNT);
    Ok(account)
}

fn lines(way: &WayPage) -> Vec<String> {
    let width = way.steps.iter().map(|step| step.node.len()).max().unwrap_or_default();
    let lines = way
        .steps
        .iter()
        .map(|step| format!("{}  {}", padded(&sanitize(&step.node), width), describe_step(step)));
    let mut lines: Vec<String> = lines.collect();
    let last = way.steps.last().and_then(|step| step.to.as_deref()).map(sanitize);
    let last = last.unwrap_or_default();
    lines.push(match way.ends.as_str() {
        "delivered" => "the packet arrives".to_owned(),
        "refused" => "the packet is rejected".to_owned(),
        "leavesView" => format!("the packet leaves these nodes: {last} is not one of them"),
        "unreachable" => {
            let why = way.error.as_deref().map(sanitize).unwrap_or_default();
            format!("{last} does not answer: {why}")
        }
        _ => format!("the packet goes round: {last} has had it before"),
    });
    lines
}

/// `forwards 998 to b: longest prefix ...`
fn describe_step(step: &StepBody) -> String {
    let to = step.to.as_deref().map(|to| format!(" to {}", sanitize(to))).unwrap_or_default();
    let amount = step.outgoing_amount.as_deref();
    let amount = amount.map(|amount| format!(" {}", group_digits(sanitize(amount))));
    let amount = amount.unwrap_or_default();
    let why = step.why.as_deref().map(|why| format!(": {}", sanitize(why))).unwrap_or_default();
    match step.decision.as_str() {
        "forward" => format!("forwards{amount}{to}{why}"),
        "local" => format!("delivers{amount}{to}{why}"),
        _ => {
            let code = step.code.as_deref().map(sanitize).unwrap_or_default();
            let Some(reason) = &step.reason else { return format!("rejects with {code}{why}") };
            let figures = reason.figures.as_deref().map(|text| format!(" ({})", sanitize(text)));
            let key = reason.key.as_deref().map(|key| format!("; see {}", sanitize(key)));
            let (figures, key) = (figures.unwrap_or_default(), key.unwrap_or_default());
            format!("rejects with {code}: {}{figures}{key}", sanitize(&reason.text))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ways_and_their_ends() {
        let step = |node: &str, decision: &str, to: Option<&str>| StepBody {
            node: node.to_owned(),
            decision: decision.to_owned(),
            to: to.map(str::to_owned),
            why: Some("why".to_owned()),
            ..StepBody::default()
        };
        let check = |steps: Vec<StepBody>, ends: &str, expected: &[&str]| {
            assert_eq!(lines(&WayPage { steps, ends: ends.to_owned(), error: None }), expected);
        };
        let mut forward = step("a", "forward", Some("b"));
        check(
            vec![forward.clone(), step("b", "local", None)],
            "delivered",
            &["a  forwards to b: why", "b  delivers: why", "the packet arrives"],
        );
        check(
            vec![forward.clone()],
            "leavesView",
            &["a  forwards to b: why", "the packet leaves these nodes: b is not one of them"],
        );
        forward.outgoing_amount = Some("1998".to_owned());
        check(
            vec![forward, step("b", "forward", Some("a"))],
            "loops",
            &[
                "a  forwards 1,998 to b: why",
                "b  forwards to a: why",
                "the packet goes round: a has had it before",
            ],
        );
        let reason = json!({
            "kind": "noRoute", "text": "no route", "figures": null, "peer": null,
            "key": "routes", "advice": null,
        });
        let refused = StepBody {
            code: Some("F02".to_owned()),
            reason: serde_json::from_value(reason).unwrap(),
            ..step("b", "refuse", None)
        };
        check(
            vec![refused],
            "refused",
            &["b  rejects with F02: no route; see routes", "the packet is rejected"],
        );
    }
}
