//! What `status` and the live view of `up` show of nodes: plain data in, text out. It uses no node, clock or terminal,
//! so that tests can compare all of it.

use crate::console::{Cell, Colour, count, sanitize};

/// The most problems that are listed one by one.
const PROBLEMS_MAX: usize = 8;

/// The state of a node, a peer or a link, with the word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ViewState {
    Good(String),
    /// It changes soon without help, or is meant to be so.
    Pending(String),
    /// It needs attention.
    Bad(String),
}

/// A node, as far as both views show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub(super) id: String,
    /// As in `/health`.
    pub(super) state: ViewState,
    /// Why it is not healthy, and what else an operator should know.
    pub(super) reasons: Vec<String>,
    pub(super) peers_connected: usize,
    pub(super) peers: usize,
    /// The ILP address, once the node has one.
    pub(super) address: Option<String>,
}

impl ViewState {
    /// The state of a node, by its word in `/health`.
    pub(super) fn of_node(status: &str) -> Self {
        let word = sanitize(status);
        match status {
            "healthy" => Self::Good(word),
            "starting" | "standby" | "stopping" => Self::Pending(word),
            _ => Self::Bad(word),
        }
    }

    /// The state of a peer, by its word in `/peers`.
    pub(super) fn of_peer(state: &str) -> Self {
        let word = sanitize(state);
        match state {
            "connected" | "receiving" | "own" => Self::Good(word),
            "waiting" | "connecting" | "suspended" | "removed" => Self::Pending(word),
            "authenticationFailed" => Self::Bad("login refused".to_owned()),
            _ => Self::Bad(word),
        }
    }

    pub(super) fn word(&self) -> &str {
        let (Self::Good(word) | Self::Pending(word) | Self::Bad(word)) = self;
        word
    }

    pub(super) fn cell(&self) -> Cell {
        let cell = Cell::left(self.word());
        match self {
            Self::Good(_) => cell.with_colour(Colour::Green),
            Self::Pending(_) => cell.with_colour(Colour::Yellow),
            Self::Bad(_) => cell.with_colour(Colour::Red),
        }
    }

    /// Problems come first in tables.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Bad(_) => 0,
            Self::Pending(_) => 1,
            Self::Good(_) => 2,
        }
    }
}

impl NodeRow {
    /// A process that waits for the books of another one is as it should be.
    pub(super) fn is_well(&self) -> bool {
        matches!(&self.state, ViewState::Good(_)) || self.state.word() == "standby"
    }

    /// `b: required peer c is not connected`
    fn problem(&self) -> String {
        let word = self.state.word();
        let reasons = match (self.reasons.as_slice(), word) {
            ([], word) => word.to_owned(),
            (reasons, "unhealthy") => reasons.join("; "),
            (reasons, word) => format!("{word}: {}", reasons.join("; ")),
        };
        format!("{}: {reasons}", self.id)
    }
}

/// What a user must know first: `3 nodes, all healthy`, or `1 of 20 unhealthy: node-15: ...`, or one line each.
pub(super) fn problem_lines(nodes: &[NodeRow]) -> Vec<String> {
    let ill: Vec<&NodeRow> = nodes.iter().filter(|node| !node.is_well()).collect();
    let all = nodes.len();
    match ill.as_slice() {
        [] if nodes.is_empty() => vec!["no nodes".to_owned()],
        [] => {
            let standby = nodes.iter().filter(|node| node.state.word() == "standby").count();
            let and =
                if standby > 0 { format!(" but {standby} on standby") } else { String::new() };
            let word = if all == 1 { "" } else { "all " };
            vec![format!("{}, {word}healthy{and}", count(all, "node"))]
        }
        [one] => vec![format!("1 of {all} {}: {}", summary_word(&ill), one.problem())],
        ill => {
            let mut lines = vec![format!("{} of {all} {}:", ill.len(), summary_word(ill))];
            lines.extend(ill.iter().take(PROBLEMS_MAX).map(|node| format!("  {}", node.problem())));
            if ill.len() > PROBLEMS_MAX {
                lines.push(format!("  ... and {} more", ill.len() - PROBLEMS_MAX));
            }
            lines
        }
    }
}

/// Nodes that only start or stop are not called unhealthy.
fn summary_word(ill: &[&NodeRow]) -> &'static str {
    let is_bad = |node: &&NodeRow| matches!(node.state, ViewState::Bad(_));
    if ill.iter().any(is_bad) { "unhealthy" } else { "not ready" }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cli) fn node_row(id: &str, status: &str, reasons: &[&str]) -> NodeRow {
        NodeRow {
            id: id.to_owned(),
            state: ViewState::of_node(status),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            peers_connected: 1,
            peers: 2,
            address: Some(format!("test.{id}")),
        }
    }

    #[test]
    fn problems_are_said_first() {
        let check = |nodes: &[NodeRow], expected: &[&str]| {
            assert_eq!(problem_lines(nodes), expected);
        };
        let healthy = |id| node_row(id, "healthy", &[]);
        check(&[], &["no nodes"]);
        check(&[healthy("a")], &["1 node, healthy"]);
        check(&[healthy("a"), healthy("b")], &["2 nodes, all healthy"]);
        check(
            &[healthy("a"), node_row("b", "standby", &["process 7 has the books"])],
            &["2 nodes, all healthy but 1 on standby"],
        );
        let peer = ["required peer c is not connected"];
        let ill = node_row("node-15", "unhealthy", &peer);
        check(
            &[healthy("a"), ill.clone()],
            &["1 of 2 unhealthy: node-15: required peer c is not connected"],
        );
        let starting = node_row("c", "starting", &peer);
        check(
            &[healthy("a"), starting.clone()],
            &["1 of 2 not ready: c: starting: required peer c is not connected"],
        );
        check(
            &[ill, starting],
            &[
                "2 of 2 unhealthy:",
                "  node-15: required peer c is not connected",
                "  c: starting: required peer c is not connected",
            ],
        );
        let many: Vec<_> = (0..10).map(|n| node_row(&format!("n{n}"), "no answer", &[])).collect();
        let lines = problem_lines(&many);
        assert_eq!((lines.len(), lines[9].as_str()), (10, "  ... and 2 more"));
    }
}
