//! The search for the hops of a path. Every hop needs some time for itself, and refuses a packet that has less left (R02).
//! So the time that a packet is given says how far it gets: the walk gives more and more, and finds where somebody else
//! begins to answer. All it knows of the world is a function that sends a probe.

use super::amounts::{AmountProbes, HopLimit};
use super::probe::{Probe, ProbeAnswer, ProbeMeaning};
use crate::console::Failure;
use crate::tools::rtt_stats::RttStats;

/// How far a clock on the way may be behind ours: what has expired by that much has expired everywhere.
const CLOCKS_APART_MS: i64 = 10_000;
/// By how much more time is given, at first. The usual hop keeps 1 s.
const STEP_MS: i64 = 250;
/// How closely the limit between two hops is looked for. A hop that keeps less time than this is not seen.
const RESOLUTION_MS: i64 = 10;
/// What is added to see whether somebody behind a hop that does not answer would, with more time.
const SILENT_HOP_EXTRA_MS: i64 = 5_000;

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceLimits {
    /// Hops.
    pub(super) hops: u32,
    /// Time that a packet is given.
    pub(super) left_ms: i64,
    /// Round trips to measure per hop.
    pub(super) probes: u32,
}

/// What is told as the walk goes on.
#[derive(Debug, Clone)]
pub(super) enum TraceLine {
    /// Somebody answered.
    Hop(TraceHop),
    /// Somebody must be there, and does not answer.
    Silent {
        /// Its place.
        number: u32,
        /// The answer of the hop before.
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
    /// Packets with less time left when they leave here do not get there.
    pub(super) least_ms: i64,
    pub(super) round_trips: RttStats,
    /// What it told of amounts.
    pub(super) limit: Option<HopLimit>,
}

/// How a walk ends.
#[derive(Debug, Clone)]
pub(super) enum TraceEnd {
    /// This answer does not change with more time.
    Answer(ProbeAnswer),
    /// Behind the last hop nobody answers.
    Silent,
    /// The last hop wants more time than a packet may be given.
    TimeLimit,
    /// More hops than may be looked at.
    HopLimit,
}

/// An answer, and how much time it took to get it.
struct TimedAnswer {
    left_ms: i64,
    answer: ProbeAnswer,
}

enum NextHop {
    Hop(TimedAnswer),
    Silent(ProbeAnswer),
    End(TraceEnd),
}

/// Finds hop after hop, and tells each.
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
                // Likely the next hop keeps as much.
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

/// The first answer that is another one than that of `here`.
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
    // Clocks agree, as a rule.
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
    // Between the two may be others.
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

/// Gives much more time: who does not refuse what is late may still pass on what is not.
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
    // An answer for which the node waited in vain is no round trip, and costs the same time again.
    let times = if here.answer.is_downstream_timeout { 0 } else { times };
    for turn in 0..times {
        // A little more than the least, so that a slower way does not move the limit between two hops.
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
