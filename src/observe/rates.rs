//! Figures of links and nodes: differences between two samples of their counters.

use std::collections::HashMap;

use super::accounts::traffic_body;
use super::model::{
    LatencyBody, LinkBody, LinkRates, NodeRates, RatesBody, SampledBody, StateBody, TrafficBody,
};
use crate::connector::{
    AccountReport, ConnectorReport, LATENCY_BUCKETS, Stats, Traffic, code_labels,
};

/// Links in one object of figures, at most: those with most packets.
pub const LINKS_RATED_MAX: usize = 1_000;
/// Samples further apart give no rates: no client has asked for a while.
const STEP_MS_MAX: u64 = 10_000;

/// Remembers the counters of the last sample.
#[derive(Debug, Default)]
pub struct RateMeter {
    taken_at_ms: u64,
    /// By node and account. Those that are gone are forgotten with the next sample.
    counters: HashMap<(String, String), Counters>,
}

/// The counters of one account that have rates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: Answered,
    pub(super) received: Answered,
    pub(super) latency: [u64; LATENCY_BUCKETS.len() + 1],
}

/// Prepares in one direction, and their answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    pub(super) prepares: u64,
    pub(super) fulfills: u64,
    pub(super) rejects: u64,
}

impl Counters {
    pub(super) fn of(stats: &Stats) -> Self {
        Self {
            sent: Answered::of(&stats.sent, &stats.received),
            received: Answered::of(&stats.received, &stats.sent),
            latency: stats.latency,
        }
    }

    /// What was added since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut latency = self.latency;
        for (bucket, before) in latency.iter_mut().zip(before.latency) {
            *bucket = bucket.saturating_sub(before);
        }
        Self {
            sent: self.sent.since(before.sent),
            received: self.received.since(before.received),
            latency,
        }
    }
}

impl Answered {
    fn of(requests: &Traffic, answers: &Traffic) -> Self {
        Self {
            prepares: requests.prepares,
            fulfills: answers.fulfills,
            rejects: answers.rejects.iter().sum(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            prepares: self.prepares.saturating_sub(before.prepares),
            fulfills: self.fulfills.saturating_sub(before.fulfills),
            rejects: self.rejects.saturating_sub(before.rejects),
        }
    }
}

/// One end of a link in this sample.
#[derive(Clone, Copy)]
struct LinkEnd<'a> {
    account: &'a AccountReport,
    step: Counters,
}

impl RateMeter {
    /// Figures of this sample. `at_ms` is monotonic. `None`: there is no sample to compare with yet.
    pub fn measure(
        &mut self,
        at_ms: u64,
        reports: &[ConnectorReport],
        state: &StateBody,
        (at, sampled): (String, SampledBody),
    ) -> Option<RatesBody> {
        let step_ms = at_ms.saturating_sub(self.taken_at_ms);
        let before = std::mem::take(&mut self.counters);
        let mut ends: HashMap<(&str, &str), LinkEnd<'_>> = HashMap::new();
        for report in reports {
            for account in &report.accounts {
                let id = account.settings.id.as_str();
                let key = (report.node_id.clone(), id.to_owned());
                let now = Counters::of(&account.stats);
                // An account that is new has counted from zero.
                let step = now.since(&before.get(&key).copied().unwrap_or_default());
                ends.insert((&report.node_id, id), LinkEnd { account, step });
                self.counters.insert(key, now);
            }
        }
        self.taken_at_ms = at_ms;
        if before.is_empty() || step_ms == 0 || step_ms > STEP_MS_MAX {
            return None;
        }
        let codes: Vec<String> = code_labels().collect();
        let mut links: Vec<_> = state
            .links
            .iter()
            .filter_map(|link| link_rates(link, &ends, step_ms, &codes))
            .collect();
        if links.len() > LINKS_RATED_MAX {
            let busy = |rates: &LinkRates| rates.ab_per_second + rates.ba_per_second;
            links.sort_by(|a, b| busy(b).total_cmp(&busy(a)));
            links.truncate(LINKS_RATED_MAX);
            links.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let nodes = state.nodes.iter().map(|node| {
            let own = ends.iter().filter(|((id, _), _)| *id == node.id);
            let prepares = own.map(|(_, end)| end.step.received.prepares).sum();
            NodeRates {
                id: node.id.clone(),
                status: node.status.clone(),
                packets_per_second: per_second(prepares, step_ms),
                in_flight: node.stats.in_flight,
            }
        });
        Some(RatesBody { at, sampled, nodes: nodes.collect(), links })
    }
}

fn link_rates(
    link: &LinkBody,
    ends: &HashMap<(&str, &str), LinkEnd<'_>>,
    step_ms: u64,
    codes: &[String],
) -> Option<LinkRates> {
    let a = ends.get(&(link.a.as_str(), link.a_peer.as_str()))?;
    let b = link.b_peer.as_ref().and_then(|peer| ends.get(&(link.b.as_str(), peer.as_str())));
    let (a_stats, a_report) = (&a.account.stats, a.account);
    let ab = both(&a_stats.sent, &a_stats.received, codes);
    // The sender's own counters, if it is in view.
    let (ba, back) = match b {
        Some(b) => (both(&b.account.stats.sent, &b.account.stats.received, codes), b.step.sent),
        None => (both(&a_stats.received, &a_stats.sent, codes), a.step.received),
    };
    let mut latency = a.step.latency;
    for (bucket, more) in latency.iter_mut().zip(b.map(|b| b.step.latency).unwrap_or_default()) {
        *bucket += more;
    }
    let (fulfills, rejects) =
        (a.step.sent.fulfills + back.fulfills, a.step.sent.rejects + back.rejects);
    Some(LinkRates {
        id: link.id.clone(),
        ab,
        ba,
        ab_per_second: per_second(a.step.sent.prepares, step_ms),
        ba_per_second: per_second(back.prepares, step_ms),
        fulfilled_percent: percent(fulfills, fulfills + rejects),
        in_flight_ab: a_report.in_flight_to,
        in_flight_ba: b.map_or(a_report.in_flight_from, |b| b.account.in_flight_to),
        outbox_a: a_report.outbox_bytes,
        outbox_b: b.map_or(0, |b| b.account.outbox_bytes),
        balance_a: Some(a_report.balance.to_string()),
        balance_b: b.map(|b| b.account.balance.to_string()),
        latency: latency_body(&latency),
    })
}

/// Prepares in one direction, and the answers that came back.
fn both(requests: &Traffic, answers: &Traffic, codes: &[String]) -> TrafficBody {
    TrafficBody { prepares: requests.prepares, ..traffic_body(answers, codes) }
}

pub(super) fn per_second(count: u64, step_ms: u64) -> f64 {
    let tenths = u128::from(count) * 10_000 / u128::from(step_ms.max(1));
    from_tenths(tenths)
}

pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(whole))?;
    Some(from_tenths(tenths))
}

/// Figures for people have one decimal place.
fn from_tenths(tenths: u128) -> f64 {
    let tenths = u32::try_from(tenths).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

/// The upper bounds of the buckets in which the two quantiles are. `None`: there was no answer.
pub(super) fn latency_body(buckets: &[u64]) -> Option<LatencyBody> {
    let total: u64 = buckets.iter().sum();
    if total == 0 {
        return None;
    }
    let within = |percent: u64| {
        let wanted = (total * percent).div_ceil(100);
        let mut seen = 0;
        let index = buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        let bound = index.and_then(|index| LATENCY_BUCKETS.get(index));
        // The last bucket has no bound.
        bound.or(LATENCY_BUCKETS.last()).copied().unwrap_or_default()
    };
    Some(LatencyBody { p50_us: within(50), p99_us: within(99) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Connector;
    use crate::observe::accounts::{AccountFacts, account_bodies};
    use crate::observe::links::join_links;
    use crate::observe::model::NodeBody;
    use crate::routing::HashSeed;
    use crate::testing::connector_settings;

    fn report(id: &str, peer: &str) -> ConnectorReport {
        let settings = connector_settings(id, &[peer]);
        Connector::new(settings, HashSeed::Fixed(1)).unwrap().report()
    }

    fn state(reports: &[ConnectorReport]) -> StateBody {
        let nodes = reports.iter().map(|report| NodeBody {
            id: report.node_id.clone(),
            peers: account_bodies(report, |_| false, AccountFacts::default()),
            ..NodeBody::default()
        });
        let mut nodes: Vec<_> = nodes.collect();
        let links = join_links(&mut nodes);
        StateBody { nodes, links, ..StateBody::default() }
    }

    #[test]
    fn figures_are_differences_of_counters() {
        let mut reports = [report("a", "b"), report("b", "a")];
        let mut meter = RateMeter::default();
        let head = || (String::new(), SampledBody::default());
        let state = state(&reports);
        assert_eq!(meter.measure(1_000, &reports, &state, head()), None);
        let [a, b] = &mut reports;
        let stats = &mut a.accounts[0].stats;
        (stats.sent.prepares, stats.received.fulfills, stats.received.rejects[2]) = (500, 300, 100);
        (stats.latency[3], stats.latency[16]) = (399, 1);
        b.accounts[0].stats.sent.prepares = 50;
        b.accounts[0].stats.received.prepares = 490;
        b.accounts[0].balance = -7;
        let rates = meter.measure(3_000, &reports, &state, head()).unwrap();
        let [link] = rates.links.as_slice() else { panic!("{rates:?}") };
        assert_eq!((link.ab_per_second, link.ba_per_second), (250.0, 25.0));
        assert_eq!(link.fulfilled_percent, Some(75.0));
        assert_eq!((link.ab.prepares, link.ab.fulfills, link.ab.rejects.len()), (500, 300, 1));
        assert_eq!(link.latency, Some(LatencyBody { p50_us: 500, p99_us: 500 }));
        assert_eq!(link.balance_b.as_deref(), Some("-7"));
        assert_eq!(rates.nodes[1].packets_per_second, 245.0);
        let rates = meter.measure(4_000, &reports, &state, head()).unwrap();
        assert_eq!((rates.links[0].ab_per_second, rates.links[0].latency), (0.0, None));
        assert_eq!(rates.links[0].fulfilled_percent, None);
        assert_eq!(meter.measure(4_000 + STEP_MS_MAX + 1, &reports, &state, head()), None);
    }

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let check = |buckets: &[(usize, u64)], expected| {
            let mut all = [0; LATENCY_BUCKETS.len() + 1];
            buckets.iter().for_each(|(index, count)| all[*index] = *count);
            assert_eq!(latency_body(&all).map(|l| (l.p50_us, l.p99_us)), expected, "{buckets:?}");
        };
        check(&[], None);
        check(&[(0, 1)], Some((50, 50)));
        check(&[(0, 98), (4, 2)], Some((50, 1_000)));
        check(&[(0, 99), (4, 1)], Some((50, 50)));
        check(&[(16, 5)], Some((30_000_000, 30_000_000)));
    }
}
