//! Walks over simulated paths.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::amounts::AmountProbes;
use super::probe::{Probe, ProbeAnswer, ProbeOutcome};
use super::walk::{TraceEnd, TraceHop, TraceLimits, TraceLine, walk_path};
use crate::wire::Amount;
use crate::wire::ilp::{AmountTooLarge, ErrorCode};

/// A simulated hop.
#[derive(Clone)]
struct Node {
    name: &'static str,
    keeps_ms: i64,
    maximum: u64,
    /// The share of an amount that it forwards.
    rate: (u64, u64),
    behaviour: Behaviour,
    /// How far its clock is behind.
    late_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// As RFC 27 requires.
    Standard,
    /// R00 for a late packet, as interledger-rs.
    Rs,
    /// No answer to a late packet.
    Mute,
    /// No answers, no forwarding.
    Dead,
    /// A balance that bears no more than 1000.
    LowLiquidity,
}

fn node(name: &'static str) -> Node {
    Node {
        name,
        keeps_ms: 1000,
        maximum: u64::MAX,
        rate: (1, 1),
        behaviour: Behaviour::Standard,
        late_ms: 0,
    }
}

fn rejected(code: ErrorCode, by: &str, data: Vec<u8>) -> ProbeAnswer {
    let outcome = ProbeOutcome::Rejected { code, message: String::new(), data };
    ProbeAnswer {
        by: Some(by.to_owned()),
        outcome,
        after: Duration::from_millis(1),
        is_downstream_timeout: false,
    }
}

/// The answer of a path to a probe.
fn answer(path: &[Node], probe: Probe) -> ProbeAnswer {
    let (mut left_ms, mut amount) = (probe.left_ms, probe.amount);
    let mut before = None;
    for (index, hop) in path.iter().enumerate() {
        let code = if hop.behaviour == Behaviour::Rs { ErrorCode::R00 } else { ErrorCode::R02 };
        let left_here_ms = left_ms + hop.late_ms;
        if hop.behaviour == Behaviour::Dead || hop.behaviour == Behaviour::Mute && left_here_ms <= 0
        {
            return nothing_after(before);
        }
        if amount > hop.maximum {
            let too_large =
                AmountTooLarge { received: Amount(amount), maximum: Amount(hop.maximum) };
            return rejected(ErrorCode::F08, hop.name, too_large.to_bytes().to_vec());
        }
        if left_here_ms <= 0 {
            return rejected(code, hop.name, Vec::new());
        }
        if index + 1 == path.len() {
            let outcome = ProbeOutcome::Fulfilled;
            let by = Some(hop.name.to_owned());
            return match amount {
                0 => ProbeAnswer {
                    by,
                    outcome,
                    after: Duration::from_millis(1),
                    is_downstream_timeout: false,
                },
                _ => rejected(ErrorCode::F06, hop.name, Vec::new()),
            };
        }
        if left_here_ms < 2 * hop.keeps_ms {
            return match hop.behaviour {
                Behaviour::Mute => nothing_after(before),
                _ => rejected(code, hop.name, Vec::new()),
            };
        }
        if hop.behaviour == Behaviour::LowLiquidity && amount > 1000 {
            return rejected(ErrorCode::T04, hop.name, Vec::new());
        }
        left_ms -= hop.keeps_ms;
        amount =
            u64::try_from(u128::from(amount) * u128::from(hop.rate.0) / u128::from(hop.rate.1))
                .unwrap_or(u64::MAX);
        before = Some(hop);
    }
    panic!("an empty path")
}

fn nothing_after(before: Option<&Node>) -> ProbeAnswer {
    let mut answer = rejected(ErrorCode::R00, before.map_or("", |hop| hop.name), Vec::new());
    answer.by = before.map(|hop| hop.name.to_owned());
    answer.is_downstream_timeout = true;
    answer
}

const LIMITS: TraceLimits = TraceLimits { hops: 30, left_ms: 30_000, probes: 3 };

/// The result of a walk. Lines are short: `b 2000` is a hop and the time it needs.
struct Walked {
    lines: Vec<String>,
    hops: Vec<TraceHop>,
    end: TraceEnd,
    largest: u64,
    probes: usize,
}

async fn walked(path: &[Node], limits: TraceLimits, largest: u64) -> Walked {
    let mut amounts = AmountProbes::new(largest);
    let (mut lines, mut hops, mut probes) = (Vec::new(), Vec::new(), 0);
    let mut probe = async |probe| {
        probes += 1;
        answer(path, probe)
    };
    let mut report = |line| {
        match line {
            TraceLine::Hop(hop) => {
                let by = hop.answer.by.clone().unwrap_or_default();
                let rounded_ms = (hop.least_ms.max(0) + 5) / 10 * 10;
                lines.push(format!("{} {by} {rounded_ms}", hop.number));
                hops.push(hop);
            }
            TraceLine::Silent { number, .. } => lines.push(format!("{number} *")),
        }
        Ok(())
    };
    let end = walk_path(limits, &mut amounts, &mut probe, &mut report).await.unwrap();
    Walked { lines, hops, end, largest: amounts.largest_amount(), probes }
}

async fn check(path: &[Node], lines: &[&str], end: &str) {
    let walked = walked(path, LIMITS, u64::MAX).await;
    let near =
        |line: &str| line.rsplit_once(' ').map(|(rest, ms)| (rest.to_owned(), ms.parse::<i64>()));
    assert_eq!(walked.lines.len(), lines.len(), "{:?}", walked.lines);
    for (line, expected) in walked.lines.iter().zip(lines) {
        match (near(line), near(expected)) {
            (Some((is, Ok(ms))), Some((should, Ok(expected_ms)))) => {
                assert_eq!(is, should, "{:?}", walked.lines);
                assert!((ms - expected_ms).abs() <= 10, "{:?}", walked.lines);
            }
            _ => assert_eq!(line, expected),
        }
    }
    let end_is = match walked.end {
        TraceEnd::Answer(ProbeAnswer { outcome: ProbeOutcome::Fulfilled, .. }) => {
            "fulfilled".to_owned()
        }
        TraceEnd::Answer(answer) => format!("{:?}", answer.outcome),
        other => format!("{other:?}"),
    };
    assert!(end_is.contains(end), "{end_is}");
}

#[tokio::test]
async fn hops_in_their_order() {
    check(&[node("a")], &["1 a 0"], "fulfilled").await;
    let usual = [node("a"), node("b"), node("c"), node("d")];
    check(&usual, &["1 a 0", "2 b 2000", "3 c 3000", "4 d 4000"], "fulfilled").await;
    // Hops that keep very different times, and one that sends R00.
    let mut path = usual.clone();
    path[0].keeps_ms = 50;
    path[1].keeps_ms = 40;
    path[2].keeps_ms = 4000;
    path[2].behaviour = Behaviour::Rs;
    check(&path, &["1 a 0", "2 b 100", "3 c 130", "4 d 8090"], "fulfilled").await;
    // Clocks that are behind and ahead.
    let mut path = usual.clone();
    path[0].late_ms = 3000;
    path[2].late_ms = -400;
    check(&path, &["1 a 0", "2 b 0", "3 c 3000", "4 d 4400"], "fulfilled").await;
}

#[tokio::test]
async fn hops_that_do_not_answer() {
    let usual = [node("a"), node("b"), node("c"), node("d")];
    let mut path = usual.clone();
    path[2].behaviour = Behaviour::Mute;
    check(&path, &["1 a 0", "2 b 2000", "3 *", "4 d 7000"], "fulfilled").await;
    path[2].behaviour = Behaviour::Dead;
    check(&path, &["1 a 0", "2 b 2000", "3 *"], "Silent").await;
    path[0].behaviour = Behaviour::Dead;
    check(&path, &["1 *"], "Silent").await;
}

#[tokio::test]
async fn walks_have_an_end() {
    let ring: Vec<Node> = ["a", "b"].iter().cycle().take(100).map(|name| node(name)).collect();
    let patient = TraceLimits { left_ms: 100_000, ..LIMITS };
    let walked_ring = walked(&ring, patient, u64::MAX).await;
    assert!(matches!(walked_ring.end, TraceEnd::HopLimit), "{:?}", walked_ring.end);
    assert_eq!(walked_ring.lines.len(), 30);
    let line: Vec<Node> = ["a", "b", "c"].iter().cycle().take(100).map(|name| node(name)).collect();
    let walked_line = walked(&line, TraceLimits { left_ms: 20_500, ..LIMITS }, 0).await;
    assert!(matches!(walked_line.end, TraceEnd::TimeLimit), "{:?}", walked_line.end);
    assert_eq!(walked_line.lines.len(), 20, "{:?}", walked_line.lines);
}

#[tokio::test]
async fn largest_packets_and_rates() {
    let mut path = [node("a"), node("b"), node("c"), node("d"), node("e")];
    // From scale 9 to 6, and later to another asset.
    path[0].maximum = 10_000_000_000;
    path[1].rate = (1, 1000);
    path[2].maximum = 5_000;
    path[2].rate = (92, 100);
    path[3].maximum = 1_000_000;
    path[4].maximum = 100;
    let seen = walked(&path, LIMITS, u64::MAX).await;
    let maxima: Vec<_> = seen.hops.iter().map(|hop| hop.limit.map(|limit| limit.maximum)).collect();
    assert_eq!(maxima, [Some(10_000_000_000), None, Some(5_000), None, Some(100)]);
    let rates: Vec<_> =
        seen.hops.iter().filter_map(|hop| hop.limit).map(|limit| limit.rate()).collect();
    assert!((rates[0] - 1.0).abs() < 1e-9 && (rates[1] - 0.001).abs() < 1e-9, "{rates:?}");
    assert!((rates[2] - 0.00092).abs() < 1e-7, "{rates:?}");
    assert!((100_000..=110_000).contains(&seen.largest), "{}", seen.largest);
    let none = walked(&path, LIMITS, 0).await;
    assert!(none.hops.iter().all(|hop| hop.limit.is_none()));
    // A low balance hides the limits behind it, but does not stop the walk.
    path[1].behaviour = Behaviour::LowLiquidity;
    path[1].rate = (1, 1);
    let poor = walked(&path, LIMITS, u64::MAX).await;
    assert!(matches!(
        poor.end,
        TraceEnd::Answer(ProbeAnswer { outcome: ProbeOutcome::Fulfilled, .. })
    ));
    assert!(poor.largest <= 1000 && poor.largest > 0, "{}", poor.largest);
}

#[tokio::test]
async fn any_path_is_found_with_a_bounded_number_of_probes() {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut random = StdRng::seed_from_u64(8);
    for round in 0..500 {
        let length = random.random_range(1..=NAMES.len());
        let path: Vec<Node> = NAMES[..length]
            .iter()
            .map(|name| Node {
                keeps_ms: random.random_range(25..3000),
                maximum: 1 << random.random_range(10..64),
                rate: (random.random_range(1..2000), random.random_range(1..2000)),
                ..node(name)
            })
            .collect();
        let seen = walked(&path, TraceLimits { left_ms: 40_000, ..LIMITS }, u64::MAX).await;
        // A hop that needs less time than the previous one leaves cannot be found.
        let mut hops: Vec<_> =
            seen.lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(hops.first(), Some(&"a"), "{round}");
        assert_eq!(hops.last(), Some(&NAMES[length - 1]), "{round} {:?}", seen.lines);
        let shown = hops.clone();
        hops.sort_unstable();
        assert_eq!(shown, hops, "{round}");
        assert!(seen.probes < 80 * length, "{round}: {} probes", seen.probes);
    }
}
