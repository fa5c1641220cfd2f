//! `up --ping`: sends packets from every node to every other once all are healthy, and prints a table of the results.
//! The packets take the normal way: over BTP, from the account `cli` of each node.

use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::HealthStatus;
use crate::client::Client;
use crate::config::Loaded;
use crate::connector::Explanation;
use crate::console::{
    Cell, Failure, Table, format_duration, format_millis, group_digits, sanitize,
};
use crate::link::Outcome;
use crate::node::NodeHandle;
use crate::tools::{EntryLogin, RttStats, packet_result, run_session, send_options};
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Amount, Condition};

const PINGS_PER_PAIR: usize = 5;
/// The amount of each ping, not 0, so that balances move.
const AMOUNT: Amount = Amount(1);
/// The time for each answer. Every hop keeps a second of it.
const PING_TIMEOUT: Duration = Duration::from_secs(30);
/// The time for all nodes to become healthy. By then the diallers have made their quick attempts.
const HEALTHY_TIMEOUT: Duration = Duration::from_secs(30);
/// The time for the nodes to learn all routes by CCP.
const ROUTES_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The tools' login at each of these nodes.
pub(super) fn logins(nodes: &[Loaded]) -> Result<Vec<EntryLogin>, Failure> {
    nodes.iter().map(EntryLogin::from_node).collect()
}

/// Waits for the network, sends the pings, and prints the table. `false`: a ping was not fulfilled.
pub(super) async fn run(
    nodes: &[NodeHandle],
    logins: &[EntryLogin],
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let began = Instant::now();
    wait_until_healthy(nodes).await?;
    writeln!(out, "{} nodes, all healthy after {}", nodes.len(), format_duration(began.elapsed()))?;
    out.flush()?;
    let addresses: Vec<Option<Address>> =
        nodes.iter().map(|node| node.context.connector.address()).collect();
    if nodes.iter().any(|node| node.context.connector.exchanges_routes()) {
        let began = Instant::now();
        if wait_for_routes(nodes, &addresses).await {
            writeln!(out, "all routes found {} later", format_duration(began.elapsed()))?;
        } else {
            writeln!(out, "not all routes found within {}", format_duration(ROUTES_TIMEOUT))?;
        }
        out.flush()?;
    }
    let mut results = Vec::new();
    for ((from, login), own) in nodes.iter().zip(logins).zip(&addresses) {
        let others: Vec<&Address> =
            addresses.iter().filter(|other| *other != own).flatten().collect();
        let found = run_session(login, send_options(PINGS_PER_PAIR), async |client| {
            let mut found = Vec::new();
            for to in others {
                found.push(ping_pair(client, from.id.as_str(), to).await);
            }
            Ok(found)
        });
        results.extend(found.await?);
    }
    for line in table(&results) {
        writeln!(out, "{line}")?;
    }
    let sent = results.len() * PINGS_PER_PAIR;
    let fulfilled: usize = results.iter().map(|result| result.fulfilled).sum();
    writeln!(out, "{} packets sent, {} fulfilled", group_digits(sent), group_digits(fulfilled))?;
    out.flush()?;
    Ok(sent == fulfilled)
}

async fn wait_until_healthy(nodes: &[NodeHandle]) -> Result<(), Failure> {
    let deadline = Instant::now() + HEALTHY_TIMEOUT;
    loop {
        let not_yet: Vec<&str> = nodes
            .iter()
            .filter(|node| node.status.observe_health() != HealthStatus::Healthy)
            .map(|node| node.id.as_str())
            .collect();
        if not_yet.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::Failed(format!(
                "not healthy within {}: {}; their /health and the log say why",
                format_duration(HEALTHY_TIMEOUT),
                not_yet.join(", ")
            )));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Waits until every node has learned a route to every other. `false`: that took too long; the pings show which routes
/// are missing.
async fn wait_for_routes(nodes: &[NodeHandle], addresses: &[Option<Address>]) -> bool {
    let deadline = Instant::now() + ROUTES_TIMEOUT;
    let knows_all = |node: &NodeHandle| {
        let (connector, now) = (&node.context.connector, node.context.clock.now());
        addresses.iter().flatten().all(|address| {
            !matches!(connector.explain(address.view(), now), Explanation::Reject { .. })
        })
    };
    while !nodes.iter().all(knows_all) {
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL_INTERVAL).await;
    }
    true
}

/// The results of the pings from one node to another.
#[derive(Debug, Default)]
struct PairResult {
    from: String,
    to: String,
    fulfilled: usize,
    round_trips: RttStats,
    /// The answer to the last ping that was not fulfilled.
    last_failure: Option<String>,
}

async fn ping_pair(client: &Client, from: &str, to: &Address) -> PairResult {
    let mut pinged =
        PairResult { from: from.to_owned(), to: to.to_string(), ..PairResult::default() };
    for _ in 0..PINGS_PER_PAIR {
        let now = client.now();
        let prepare = Prepare {
            amount: AMOUNT,
            expires_at: now.wall.saturating_add(PING_TIMEOUT),
            condition: Condition::PING,
            destination: to.view(),
            data: &[],
        };
        let outcome = client.send_at(&prepare, now).await;
        pinged.add_outcome(client.now().mono.since(now.mono), outcome);
    }
    pinged
}

impl PairResult {
    fn add_outcome(&mut self, after: Duration, outcome: Outcome) {
        match packet_result(outcome) {
            Ok(()) => {
                self.fulfilled += 1;
                self.round_trips.add(after);
            }
            Err(failure) => {
                let (by, message) = (sanitize(&failure.by), sanitize(&failure.message));
                self.last_failure = Some(format!("{} from {by}: {message}", failure.code));
            }
        }
    }
}

fn table(results: &[PairResult]) -> Vec<String> {
    let mut table =
        Table::new(&["from", "to", "sent", "fulfilled", "fastest ms", "average ms", ""]);
    for result in results {
        let times = result.round_trips.summary();
        let time = |time: Option<Duration>| time.map_or("-".to_owned(), format_millis);
        table.add_row([
            Cell::left(&result.from),
            Cell::left(&result.to),
            Cell::right(PINGS_PER_PAIR.to_string()),
            Cell::right(result.fulfilled.to_string()),
            Cell::right(time(times.map(|times| times.min))),
            Cell::right(time(times.map(|times| times.avg))),
            Cell::left(result.last_failure.as_deref().unwrap_or_default()),
        ]);
    }
    table.lines(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Rejection;
    use crate::wire::Fulfillment;
    use crate::wire::ilp::ErrorCode;

    #[test]
    fn a_row_for_each_pair() {
        let mut well =
            PairResult { from: "a".into(), to: "test.hub.b".into(), ..PairResult::default() };
        for ms in [1, 3] {
            let answer = Outcome::Fulfilled { fulfillment: Fulfillment::PING, data: Vec::new() };
            well.add_outcome(Duration::from_millis(ms), answer);
        }
        let mut badly =
            PairResult { from: "hub".into(), to: "test.x".into(), ..PairResult::default() };
        let answer = Outcome::Rejected(Rejection {
            code: ErrorCode::F02,
            by: "test.hub".into(),
            message: "no \x1b[31mroute".into(),
            data: Vec::new(),
        });
        badly.add_outcome(Duration::ZERO, answer);
        assert_eq!(
            table(&[well, badly]),
            [
                "from  to          sent  fulfilled  fastest ms  average ms",
                "a     test.hub.b     5          2        1.00        2.00",
                "hub   test.x         5          0           -           -  F02 from test.hub: no \\u{1b}[31mroute",
            ]
        );
    }
}
