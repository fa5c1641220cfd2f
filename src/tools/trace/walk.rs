//! The search for the hops of a path. Every hop keeps some of a packet's time and rejects a packet with less (R02). So
//! the time of a packet decides how far it gets: the walk adds time and finds where another node begins to answer. A
//! function that sends a probe is its only connection to the network.

use super::amounts::{AmountProbes, HopLimit};
use super::probe::{Probe, ProbeAnswer, ProbeMeaning};
use crate::console::Failure;
use crate::tools::rtt_stats::RttStats;

/// How far a hop's clock may be behind ours. A packet that expired this long ago has expired at every hop.
const CLOCKS_APART_MS: i64 = 10_000;
/// The first step of more time. Most hops keep 1 s.
const STEP_MS: i64 = 250;
/// The precision of the limit between two hops. A hop that keeps less time than this is not found.
const RESOLUTION_MS: i64 = 10;
/// Extra time to find out whether a later hop answers where one does not.
const SILENT_HOP_EXTRA_MS: i64 = 5_000;

/// The limits of a walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceLimits {
    pub(super) hops: u32,
    /// The longest lifetime of a packet.
    pub(super) left_ms: i64,
    /// Round trips per hop.
    pub(super) probes: u32,
}

/// A line of the report.
#[derive(Debug, Clone)]
pub(super) enum TraceLine {
    Hop(TraceHop),
    /// A hop that does not answer. `answer`: that of the hop before it.
    Silent {
        number: u32,
        answer: ProbeAnswer,
    },
}

/// A hop that answered.
#[derive(Debug, Clone)]
pub(super) struct TraceHop {
    /// 1 for the node that the trace logs in at.
    pub(super) number: u32,
    /// Its first answer.
    pub(super) answer: ProbeAnswer,
    /// The least time with which a packet gets there.
    pub(super) least_ms: i64,
    pub(super) round_trips: RttStats,
    pub(super) limit: Option<HopLimit>,
}

/// How a walk ends.
#[derive(Debug, Clone)]
pub(super) enum TraceEnd {
    /// More time does not change this answer.
    Answer(ProbeAnswer),
    /// After the last hop, no node answers.
    Silent,
    /// The last hop needs more time than the limit.
    TimeLimit,
    HopLimit,
}

/// An answer, and the time of the probe.
struct TimedAnswer {
    left_ms: i64,
    answer: ProbeAnswer,
}

enum NextHop {
    Hop(TimedAnswer),
    Silent(ProbeAnswer),
    End(TraceEnd),
}

/// Finds one hop after the other, and reports each.
pub(super) async fn walk_path(
    limits: TraceLimits,
    amounts: &mut AmountProbes,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
    report: &mut dyn FnMut(TraceLine) -> Result<(), Failure>,
) -> Result<TraceEnd, Failure> {
    let mut here = probe_with_time(probe, -CLOCKS_APART_MS).await;
    let mut window_ms = STEP_MS;
    let mut number = 1;
    while number <= limits.hops {
        if here.answer.by.is_none() {
            return Ok(match here.answer.meaning() {
                ProbeMeaning::NoAnswerFromNext => {
                    report(TraceLine::Silent { number, answer: here.answer.clone() })?;
                    TraceEnd::Silent
                }
                _ => TraceEnd::Answer(here.answer),
            });
        }
        let round_trips = measure_round_trips(limits.probes, &here, probe).await;
        let limit = amounts.probe_hop(&here.answer, here.left_ms, probe).await;
        let answer = here.answer.clone();
        let least_ms = here.left_ms;
        report(TraceLine::Hop(TraceHop { number, answer, least_ms, round_trips, limit }))?;
        match find_next_hop(&here, window_ms, limits.left_ms, probe).await {
            NextHop::Hop(reply) => {
                // The next hop probably keeps as much time.
                window_ms = (reply.left_ms - here.left_ms.max(0)).max(STEP_MS);
                here = reply;
                number += 1;
            }
            NextHop::End(end) => return Ok(end),
            NextHop::Silent(answer) => {
                let second = probe_past_silent_hop(&here, limits.left_ms, probe).await;
                report(TraceLine::Silent { number: number + 1, answer })?;
                if second.answer.is_same_node(&here.answer) {
                    return Ok(match second.answer.meaning() {
                        ProbeMeaning::Final => TraceEnd::Answer(second.answer),
                        _ => TraceEnd::Silent,
                    });
                }
                here = second;
                number += 2;
            }
        }
    }
    Ok(TraceEnd::HopLimit)
}

/// The first answer that differs from that of `here`.
async fn find_next_hop(
    here: &TimedAnswer,
    step_ms: i64,
    limit_ms: i64,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> NextHop {
    match here.answer.meaning() {
        ProbeMeaning::TooLittleTime => {}
        ProbeMeaning::NoAnswerFromNext => return NextHop::Silent(here.answer.clone()),
        ProbeMeaning::Final => return NextHop::End(TraceEnd::Answer(here.answer.clone())),
    }
    let is_here = |reply: &TimedAnswer| {
        reply.answer.is_same_node(&here.answer)
            && reply.answer.meaning() == ProbeMeaning::TooLittleTime
    };
    let (mut low_ms, mut step_ms) = (here.left_ms, step_ms);
    // Clocks usually agree.
    if low_ms < 0 && is_here(&probe_with_time(probe, 0).await) {
        low_ms = 0;
    }
    let mut high = loop {
        if low_ms >= limit_ms {
            return NextHop::End(TraceEnd::TimeLimit);
        }
        let reply = probe_with_time(probe, (low_ms + step_ms).min(limit_ms)).await;
        if !is_here(&reply) {
            break reply;
        }
        (low_ms, step_ms) = (reply.left_ms, STEP_MS);
    };
    // Other hops may lie between the two.
    while high.left_ms - low_ms > RESOLUTION_MS && !high.answer.is_same_node(&here.answer) {
        let reply = probe_with_time(probe, low_ms.midpoint(high.left_ms)).await;
        if is_here(&reply) {
            low_ms = reply.left_ms;
        } else {
            high = reply;
        }
    }
    match (high.answer.is_same_node(&here.answer), high.answer.meaning()) {
        (true, ProbeMeaning::NoAnswerFromNext) => NextHop::Silent(high.answer),
        (true, _) => NextHop::End(TraceEnd::Answer(high.answer)),
        (false, _) => NextHop::Hop(high),
    }
}

/// Sends a probe with much more time: a hop that does not reject late packets may still forward timely ones.
async fn probe_past_silent_hop(
    here: &TimedAnswer,
    limit_ms: i64,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> TimedAnswer {
    probe_with_time(probe, (here.left_ms.max(0) + SILENT_HOP_EXTRA_MS).min(limit_ms)).await
}

async fn measure_round_trips(
    times: u32,
    here: &TimedAnswer,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> RttStats {
    let mut round_trips = RttStats::default();
    // An answer for which the node waited in vain is no round trip, and would take as long again.
    let times = if here.answer.is_downstream_timeout { 0 } else { times };
    for turn in 0..times {
        // A little more than the least time, so that a slower path does not move the limit between two hops.
        let reserve = if turn == 0 { 0 } else { RESOLUTION_MS / 2 };
        let again = probe_with_time(probe, here.left_ms + reserve).await;
        if again.answer.is_same_node(&here.answer) && !again.answer.is_downstream_timeout {
            round_trips.add(again.answer.after);
        }
    }
    if round_trips.summary().is_none() && !here.answer.is_downstream_timeout {
        round_trips.add(here.answer.after);
    }
    round_trips
}

async fn probe_with_time(
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
    left_ms: i64,
) -> TimedAnswer {
    TimedAnswer { left_ms, answer: probe(Probe { left_ms, amount: 0 }).await }
}
