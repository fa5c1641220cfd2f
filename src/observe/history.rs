//! The last five minutes of links and nodes, a point a second. Longer is for a program that scrapes `/metrics`.
//!
//! Memory is fixed: a link takes 18 KB once it has been seen for five minutes, so 1,000 links 18 MB.

use std::collections::{HashMap, VecDeque};

use super::model::{
    LatencyBucketBody, LinkHistoryBody, LinkPointBody, NodeHistoryBody, NodePointBody,
};
use super::rates::{Counters, latency_body, per_second, percent};
use crate::connector::{AccountReport, ConnectorReport, LATENCY_BUCKETS};

/// Time between two points.
pub const HISTORY_STEP_MS: u64 = 1_000;
/// Points of each link.
const POINTS_MAX: usize = STEPS_KEPT as usize;
/// See [`POINTS_MAX`].
const STEPS_KEPT: u32 = 300;
/// Links with a history. Further ones have none until others are gone for five minutes.
pub const LINKS_KEPT_MAX: usize = 1_000;
/// Nodes with a history.
const NODES_KEPT_MAX: usize = 250;
/// Points that one histogram of answers counts together.
const POINTS_PER_HISTOGRAM: u32 = 10;
/// Points further apart give no rates.
const STEP_MS_MAX: u64 = 10_000;

const BUCKETS: usize = LATENCY_BUCKETS.len() + 1;

/// What is kept of all nodes of a process.
#[derive(Debug, Default)]
pub struct History {
    taken_at_ms: u64,
    /// The newest one.
    last_number: u32,
    /// The oldest first.
    steps: VecDeque<Step>,
    links: HashMap<String, LinkHistory>,
    nodes: HashMap<String, NodeHistory>,
}

/// One second.
#[derive(Debug)]
struct Step {
    number: u32,
    at: String,
    step_ms: u64,
}

#[derive(Debug, Default)]
struct LinkHistory {
    /// Of both ends, at the last step.
    before: Option<(u32, Counters, Option<Counters>)>,
    points: VecDeque<LinkPoint>,
    /// Each of [`POINTS_PER_HISTOGRAM`] steps: the first one's number, divided by that.
    histograms: VecDeque<(u32, [u32; BUCKETS])>,
}

/// Counts of one second.
#[derive(Clone, Copy, Debug)]
struct LinkPoint {
    number: u32,
    ab: u32,
    ba: u32,
    fulfills: u32,
    rejects: u32,
    in_flight_ab: u32,
    in_flight_ba: u32,
    /// Zero: there was no answer.
    p50_us: u32,
    p99_us: u32,
    /// An `i128`, in bytes so that a point stays small.
    balance_a: [u8; 16],
}

#[derive(Debug, Default)]
struct NodeHistory {
    before: Option<(u32, NodeCounts)>,
    points: VecDeque<NodePoint>,
}

#[derive(Clone, Copy, Debug, Default)]
struct NodeCounts {
    prepares: u64,
    fulfills: u64,
    rejects: u64,
}

#[derive(Clone, Copy, Debug)]
struct NodePoint {
    number: u32,
    prepares: u32,
    fulfills: u32,
    rejects: u32,
    in_flight: u32,
}

/// The two ends of a link; the far one is not always a node of this process.
struct LinkEnds<'a> {
    id: String,
    a: &'a AccountReport,
    b: Option<&'a AccountReport>,
}

impl History {
    /// Adds a second. `now_ms` is monotonic, `at` the time of day.
    pub fn record(&mut self, now_ms: u64, at: String, reports: &[ConnectorReport]) {
        let step_ms = now_ms.saturating_sub(self.taken_at_ms);
        self.taken_at_ms = now_ms;
        self.last_number += 1;
        let number = self.last_number;
        push_bounded(&mut self.steps, Step { number, at, step_ms }, POINTS_MAX);
        for LinkEnds { id, a, b } in links_of(reports) {
            if self.links.len() < LINKS_KEPT_MAX || self.links.contains_key(&id) {
                self.links.entry(id).or_default().record(number, a, b);
            }
        }
        for report in reports {
            if !self.nodes.contains_key(&report.node_id) && self.nodes.len() >= NODES_KEPT_MAX {
                continue;
            }
            self.nodes.entry(report.node_id.clone()).or_default().record(number, report);
        }
        let oldest = number.saturating_sub(STEPS_KEPT);
        self.links.retain(|_, link| link.before.as_ref().is_some_and(|(last, ..)| *last > oldest));
        self.nodes.retain(|_, node| node.before.as_ref().is_some_and(|(last, _)| *last > oldest));
    }

    /// The history of a link, if there is one. `a~b` is also that of `b~a`, seen from the other end.
    pub fn link(&self, id: &str) -> Option<LinkHistoryBody> {
        if let Some(link) = self.links.get(id) {
            return Some(self.link_body(id, link, false));
        }
        let (a, b) = id.split_once('~')?;
        let link = self.links.get(&format!("{b}~{a}"))?;
        Some(self.link_body(id, link, true))
    }

    fn link_body(&self, id: &str, link: &LinkHistory, is_turned: bool) -> LinkHistoryBody {
        let points = link.points.iter().filter_map(|point| {
            let step = self.step(point.number)?;
            let mut ways = [(point.ab, point.in_flight_ab), (point.ba, point.in_flight_ba)];
            if is_turned {
                ways.reverse();
            }
            let [(ab, in_flight_ab), (ba, in_flight_ba)] = ways;
            let answers = u64::from(point.fulfills) + u64::from(point.rejects);
            let balance = i128::from_ne_bytes(point.balance_a);
            Some(LinkPointBody {
                at: step.at.clone(),
                ab_per_second: per_second(ab.into(), step.step_ms),
                ba_per_second: per_second(ba.into(), step.step_ms),
                fulfilled_percent: percent(point.fulfills.into(), answers),
                in_flight_ab: in_flight_ab as usize,
                in_flight_ba: in_flight_ba as usize,
                // The balance at the other end is not kept.
                balance_a: (!is_turned).then(|| balance.to_string()),
                latency: point.latency(),
            })
        });
        let mut counts = [0_u64; BUCKETS];
        for (_, histogram) in &link.histograms {
            counts.iter_mut().zip(histogram).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        let bounds = LATENCY_BUCKETS.iter().copied().map(Some).chain([None]);
        let buckets =
            bounds.zip(counts).map(|(up_to_us, count)| LatencyBucketBody { up_to_us, count });
        LinkHistoryBody { id: id.to_owned(), points: points.collect(), buckets: buckets.collect() }
    }

    /// The history of each node for which `is_wanted` holds, sorted by id.
    pub fn nodes(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<NodeHistoryBody> {
        let wanted = self.nodes.iter().filter(|(id, _)| is_wanted(id));
        let mut nodes: Vec<_> = wanted.map(|(id, node)| self.node_body(id, node)).collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes
    }

    fn node_body(&self, id: &str, node: &NodeHistory) -> NodeHistoryBody {
        let points = node.points.iter().filter_map(|point| {
            let step = self.step(point.number)?;
            let answers = u64::from(point.fulfills) + u64::from(point.rejects);
            Some(NodePointBody {
                at: step.at.clone(),
                packets_per_second: per_second(point.prepares.into(), step.step_ms),
                fulfilled_percent: percent(point.fulfills.into(), answers),
                in_flight: point.in_flight as usize,
            })
        });
        NodeHistoryBody { id: id.to_owned(), points: points.collect() }
    }

    /// A step that gives rates.
    fn step(&self, number: u32) -> Option<&Step> {
        let first = self.steps.front()?.number;
        let step = self.steps.get(number.checked_sub(first)? as usize)?;
        (1..=STEP_MS_MAX).contains(&step.step_ms).then_some(step)
    }
}

impl LinkHistory {
    fn record(&mut self, number: u32, a: &AccountReport, b: Option<&AccountReport>) {
        let now = (Counters::of(&a.stats), b.map(|b| Counters::of(&b.stats)));
        let before = self.before.replace((number, now.0, now.1));
        // After a gap there is nothing to compare with.
        let Some((_, a_before, b_before)) = before.filter(|(last, ..)| last + 1 == number) else {
            return;
        };
        let a_step = now.0.since(&a_before);
        let b_step = now.1.zip(b_before).map(|(now, before)| now.since(&before));
        let back = b_step.map_or(a_step.received, |step| step.sent);
        let mut latency = a_step.latency;
        if let Some(step) = b_step {
            latency.iter_mut().zip(step.latency).for_each(|(count, more)| *count += more);
        }
        let (p50_us, p99_us) = latency_body(&latency)
            .map_or((0, 0), |latency| (clamp(latency.p50_us), clamp(latency.p99_us)));
        let point = LinkPoint {
            number,
            ab: clamp(a_step.sent.prepares),
            ba: clamp(back.prepares),
            fulfills: clamp(a_step.sent.fulfills + back.fulfills),
            rejects: clamp(a_step.sent.rejects + back.rejects),
            in_flight_ab: clamp(a.in_flight_to as u64),
            in_flight_ba: clamp(b.map_or(a.in_flight_from, |b| b.in_flight_to) as u64),
            p50_us,
            p99_us,
            balance_a: a.balance.to_ne_bytes(),
        };
        push_bounded(&mut self.points, point, POINTS_MAX);
        self.count_latency(number / POINTS_PER_HISTOGRAM, &latency);
    }

    fn count_latency(&mut self, group: u32, latency: &[u64; BUCKETS]) {
        let most = STEPS_KEPT / POINTS_PER_HISTOGRAM;
        while self.histograms.front().is_some_and(|(first, _)| first + most <= group) {
            self.histograms.pop_front();
        }
        if latency.iter().all(|count| *count == 0) {
            return;
        }
        if self.histograms.back().is_none_or(|(last, _)| *last != group) {
            self.histograms.push_back((group, [0; BUCKETS]));
        }
        if let Some((_, histogram)) = self.histograms.back_mut() {
            for (sum, count) in histogram.iter_mut().zip(latency) {
                *sum = sum.saturating_add(clamp(*count));
            }
        }
    }
}

impl LinkPoint {
    fn latency(&self) -> Option<super::model::LatencyBody> {
        (self.p99_us > 0).then(|| super::model::LatencyBody {
            p50_us: self.p50_us.into(),
            p99_us: self.p99_us.into(),
        })
    }
}

impl NodeHistory {
    fn record(&mut self, number: u32, report: &ConnectorReport) {
        let mut now = NodeCounts::default();
        let mut in_flight = 0;
        for account in report.accounts.iter().filter(|account| !account.settings.is_receiver()) {
            now.prepares += account.stats.received.prepares;
            now.fulfills += account.stats.sent.fulfills;
            now.rejects += account.stats.sent.rejects.iter().sum::<u64>();
            in_flight += account.in_flight_from as u64;
        }
        let before = self.before.replace((number, now));
        let Some((_, before)) = before.filter(|(last, _)| last + 1 == number) else { return };
        let point = NodePoint {
            number,
            prepares: clamp(now.prepares.saturating_sub(before.prepares)),
            fulfills: clamp(now.fulfills.saturating_sub(before.fulfills)),
            rejects: clamp(now.rejects.saturating_sub(before.rejects)),
            in_flight: clamp(in_flight),
        };
        push_bounded(&mut self.points, point, POINTS_MAX);
    }
}

/// The links of these nodes, with the ids that [`join_links`](super::join_links) gives them.
fn links_of(reports: &[ConnectorReport]) -> Vec<LinkEnds<'_>> {
    let numbers: HashMap<&str, usize> = reports
        .iter()
        .enumerate()
        .map(|(number, report)| (report.node_id.as_str(), number))
        .collect();
    let accounts = reports.iter().enumerate().flat_map(|(number, report)| {
        let linked = report.accounts.iter().filter(|account| has_link(account));
        linked.map(move |account| ((number, account.settings.id.as_str()), account))
    });
    let by_end: HashMap<(usize, &str), &AccountReport> = accounts.collect();
    let mut links = Vec::new();
    for (number, report) in reports.iter().enumerate() {
        for account in report.accounts.iter().filter(|account| has_link(account)) {
            let peer = account.settings.id.as_str();
            let is_peer = |account: &AccountReport| !account.settings.is_receiver();
            let other = numbers.get(peer).filter(|_| is_peer(account));
            let back = other.and_then(|other| {
                let back = by_end.get(&(*other, report.node_id.as_str()))?;
                is_peer(back).then_some((*other, *back))
            });
            // Listed from the other end.
            if back.is_some_and(|(other, _)| other < number) {
                continue;
            }
            let id = format!("{}~{peer}", report.node_id);
            links.push(LinkEnds { id, a: account, b: back.map(|(_, back)| back) });
        }
    }
    links
}

fn has_link(account: &AccountReport) -> bool {
    !account.removed || !account.sessions.is_empty()
}

fn push_bounded<T>(items: &mut VecDeque<T>, item: T, max: usize) {
    if items.len() >= max {
        items.pop_front();
    }
    items.push_back(item);
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
