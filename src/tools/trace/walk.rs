//! The search for the hops of a path. Every hop needs some time for itself, and refuses a packet that has less left (R02).
//! So the time that a packet is given says how far it gets: the walk gives more and more, and finds where somebody else
//! begins to answer. All it knows of the world is a function that sends a probe.

use super::super::rtt_stats::RttStats;
use super::amounts::{HopAmounts, Visible};
use super::probe::{Probe, ProbeAnswer, ProbeMeaning};
use crate::console::Failure;

/// How far a clock on the way may be behind ours: what has expired by that much has expired everywhere.
const CLOCKS_APART_MS: i64 = 10_000;
/// By how much more time is given, at first. The usual hop keeps 1 s.
const STEP_MS: i64 = 250;
/// How closely the limit between two hops is looked for. A hop that keeps less time than this is not seen.
const RESOLUTION_MS: i64 = 10;
/// What is added to see whether somebody behind a hop that does not answer would, with more time.
const SECOND_CHANCE_MS: i64 = 5_000;

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceLimits {
    /// Hops.
    pub(super) hops: u32,
    /// Time that a packet is given.
    pub(super) left_ms: i64,
    /// Round trips to measure per hop.
    pub(super) measured: u32,
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
    pub(super) visible: Option<Visible>,
}

/// How a walk ends.
#[derive(Debug, Clone)]
pub(super) enum TraceEnd {
    /// This answer does not change with more time.
    Answer(ProbeAnswer),
    /// Behind the last hop nobody answers.
    Silent,
    /// The last hop wants more time than a packet may be given.
    Time,
    /// More hops than may be looked at.
    Hops,
}

/// An answer, and how much time it took to get it.
struct Seen {
    left_ms: i64,
    answer: ProbeAnswer,
}

enum Next {
    Hop(Seen),
    Silent(ProbeAnswer),
    End(TraceEnd),
}

/// Finds hop after hop, and tells each.
pub(super) async fn walk(
    bounds: TraceLimits,
    amounts: &mut HopAmounts,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
    tell: &mut dyn FnMut(TraceLine) -> Result<(), Failure>,
) -> Result<TraceEnd, Failure> {
    let mut here = ask(probe, -CLOCKS_APART_MS).await;
    let mut window_ms = STEP_MS;
    let mut number = 1;
    while number <= bounds.hops {
        if here.answer.by.is_none() {
            return Ok(match here.answer.meaning() {
                ProbeMeaning::NoAnswerFromNext => {
                    tell(TraceLine::Silent { number, answer: here.answer.clone() })?;
                    TraceEnd::Silent
                }
                _ => TraceEnd::Answer(here.answer),
            });
        }
        let round_trips = measure(bounds.measured, &here, probe).await;
        let visible = amounts.look(&here.answer, here.left_ms, probe).await;
        let answer = here.answer.clone();
        let least_ms = here.left_ms;
        tell(TraceLine::Hop(TraceHop { number, answer, least_ms, round_trips, visible }))?;
        match next(&here, window_ms, bounds.left_ms, probe).await {
            Next::Hop(seen) => {
                // Likely the next hop keeps as much.
                window_ms = (seen.left_ms - here.left_ms.max(0)).max(STEP_MS);
                here = seen;
                number += 1;
            }
            Next::End(end) => return Ok(end),
            Next::Silent(answer) => {
                let second = second_chance(&here, bounds.left_ms, probe).await;
                tell(TraceLine::Silent { number: number + 1, answer })?;
                if second.answer.same_node(&here.answer) {
                    return Ok(match second.answer.meaning() {
                        ProbeMeaning::End => TraceEnd::Answer(second.answer),
                        _ => TraceEnd::Silent,
                    });
                }
                here = second;
                number += 2;
            }
        }
    }
    Ok(TraceEnd::Hops)
}

/// The first answer that is another one than that of `here`.
async fn next(
    here: &Seen,
    step_ms: i64,
    limit_ms: i64,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> Next {
    match here.answer.meaning() {
        ProbeMeaning::TooLittleTime => {}
        ProbeMeaning::NoAnswerFromNext => return Next::Silent(here.answer.clone()),
        ProbeMeaning::End => return Next::End(TraceEnd::Answer(here.answer.clone())),
    }
    let is_here = |seen: &Seen| {
        seen.answer.same_node(&here.answer) && seen.answer.meaning() == ProbeMeaning::TooLittleTime
    };
    let (mut low_ms, mut step_ms) = (here.left_ms, step_ms);
    // Clocks agree, as a rule.
    if low_ms < 0 && is_here(&ask(probe, 0).await) {
        low_ms = 0;
    }
    let mut high = loop {
        if low_ms >= limit_ms {
            return Next::End(TraceEnd::Time);
        }
        let seen = ask(probe, (low_ms + step_ms).min(limit_ms)).await;
        if !is_here(&seen) {
            break seen;
        }
        (low_ms, step_ms) = (seen.left_ms, STEP_MS);
    };
    // Between the two may be others.
    while high.left_ms - low_ms > RESOLUTION_MS && !high.answer.same_node(&here.answer) {
        let seen = ask(probe, low_ms.midpoint(high.left_ms)).await;
        if is_here(&seen) {
            low_ms = seen.left_ms;
        } else {
            high = seen;
        }
    }
    match (high.answer.same_node(&here.answer), high.answer.meaning()) {
        (true, ProbeMeaning::NoAnswerFromNext) => Next::Silent(high.answer),
        (true, _) => Next::End(TraceEnd::Answer(high.answer)),
        (false, _) => Next::Hop(high),
    }
}

/// Gives much more time: who does not refuse what is late may still pass on what is not.
async fn second_chance(
    here: &Seen,
    limit_ms: i64,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> Seen {
    ask(probe, (here.left_ms.max(0) + SECOND_CHANCE_MS).min(limit_ms)).await
}

async fn measure(
    times: u32,
    here: &Seen,
    probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer,
) -> RttStats {
    let mut round_trips = RttStats::default();
    // An answer for which somebody waited in vain is no round trip, and costs the same time again.
    let times = if here.answer.waited { 0 } else { times };
    for turn in 0..times {
        // A little more than the least, so that a slower way does not move the limit between two hops.
        let reserve = if turn == 0 { 0 } else { RESOLUTION_MS / 2 };
        let again = ask(probe, here.left_ms + reserve).await;
        if again.answer.same_node(&here.answer) && !again.answer.waited {
            round_trips.add(again.answer.after);
        }
    }
    if round_trips.figures().is_none() && !here.answer.waited {
        round_trips.add(here.answer.after);
    }
    round_trips
}

async fn ask(probe: &mut impl AsyncFnMut(Probe) -> ProbeAnswer, left_ms: i64) -> Seen {
    Seen { left_ms, answer: probe(Probe { left_ms, amount: 0 }).await }
}
