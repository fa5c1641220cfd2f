//! Nodes that are killed at random moments, with packets in flight on each side, and the books that they have
//! afterwards, beside those of their neighbours and the tallies of both ends.
//!
//! `CRASH_SEED` chooses which nodes are killed, and when; what is in flight then is up to the machine.

mod chain;
mod end;
mod record;

use std::time::Duration;

use chain::{Chain, ChainNode};
use ilp_connector::internals::link::CutNumber;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use record::{Record, check_links};

use crate::peer::TIMEOUT;
use crate::postgres::TestDatabase;
use crate::support::{eventually, print_line};

/// How often a node is killed, with `durability: strict` and `batched`.
const STRICT_KILLS: usize = 200;
const BATCHED_KILLS: usize = 40;
/// The same with books in a database, where a node is killed with its connection.
const DATABASE_KILLS: usize = 40;
/// Chains whose nodes compare their books, the kills in each, and the longest time of a packet in a node.
const COMPARED_ROUNDS: usize = 3;
const COMPARED_KILLS: usize = 6;
const COMPARED_HOLD_MS: u32 = 2_000;
/// The longest time from a payment to a kill, and from a start to a kill before the node listens.
const LIFE_MAX: Duration = Duration::from_millis(30);
const START_MAX: Duration = Duration::from_millis(80);

fn random(test: &str) -> (StdRng, String) {
    let seed = std::env::var("CRASH_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    print_line(&format!("{test}: CRASH_SEED={seed}"));
    (StdRng::seed_from_u64(seed), format!("CRASH_SEED={seed}"))
}

/// Lets traffic go on for a random time.
fn go_on(random: &mut StdRng, longest: Duration) {
    std::thread::park_timeout(longest.mul_f64(random.random_range(0.0..1.0)));
}

#[test]
fn strict_books_bound_every_claim_after_200_kills() {
    kill_strict_nodes("strict_books_bound_every_claim_after_200_kills", STRICT_KILLS, None);
}

#[test]
fn strict_books_in_a_database_bound_every_claim() {
    let name = "strict_books_in_a_database_bound_every_claim";
    let Some(database) = TestDatabase::create(name) else { return };
    kill_strict_nodes(name, DATABASE_KILLS, Some(database));
}

fn kill_strict_nodes(test: &str, kills_wanted: usize, database: Option<TestDatabase>) {
    let (mut random, seed) = random(test);
    let mut chain = Chain::start("strict", database);
    let mut kills = 0;
    while kills < kills_wanted {
        let count = [1, 1, 1, 1, 2, 2, 3].choose(&mut random).copied().unwrap();
        let victims: Vec<usize> = [0, 1, 2].sample(&mut random, count).copied().collect();
        chain.wait_for_payments();
        go_on(&mut random, LIFE_MAX);
        chain.kill(&victims);
        kills += victims.len();
        let check = |chain: &Chain, kills: usize| {
            let result = check_links(&chain.records(), &chain.records());
            result.unwrap_or_else(|error| panic!("{seed}, kill {kills} of {victims:?}: {error}"));
        };
        check(&chain, kills);
        if random.random_ratio(1, 8) {
            // Once more, while it starts.
            chain.nodes[victims[0]].spawn();
            go_on(&mut random, START_MAX);
            chain.nodes[victims[0]].kill();
            chain.wait_written();
            kills += 1;
            check(&chain, kills);
        }
        chain.restart(&victims);
    }
    chain.wait_for_payments();
    for [left, right] in chain.records() {
        assert!(left.open > 0 && right.open > 0, "nothing was in flight: {left:?} {right:?}");
    }
    chain.settle_differences();
}

/// What an end knew, and the newest durable cut of its node, which may lack some of it. The next cut may have been
/// taken before that, and the one after it was not.
struct Sample {
    end: Record,
    cut: CutNumber,
}

#[test]
fn batched_books_lack_no_more_than_the_last_cuts() {
    let (mut random, seed) = random("batched_books_lack_no_more_than_the_last_cuts");
    let mut chain = Chain::start("batched", None);
    // Of a and c: what the end and the books knew of each other when the node was last killed.
    let mut before = [(Record::default(), Record::default()); 2];
    for kill in 0..BATCHED_KILLS {
        let side = kill % 2;
        let (victim, account) = [(0, "alice"), (2, "bob")][side];
        chain.wait_for_payments();
        let mut samples = Vec::new();
        let wanted = random.random_range(0..5);
        // At least one sample that the books must have.
        eventually("two cuts", TIMEOUT, || {
            let end = [&chain.alice, &chain.bob][side].record();
            let cut = chain.nodes[victim].books().cut;
            samples.push(Sample { end, cut });
            let covered = |sample: &&Sample| sample.cut.0 + 2 <= cut.0;
            let count = samples.iter().filter(covered).count();
            if count > wanted { Ok(()) } else { Err(format!("{cut:?}")) }
        });
        let mut victims = vec![victim];
        if random.random_ratio(1, 3) {
            victims.push(1);
        }
        chain.kill(&victims);
        let books = chain.nodes[victim].books();
        let row = ChainNode::record(&books, account);
        let (end_before, row_before) = before[side];
        let covered = samples.iter().filter(|sample| sample.cut.0 + 2 <= books.cut.0);
        for Sample { end, cut } in covered {
            let round =
                format!("{seed}, kill {kill} of {account}'s node: {end:?} at {cut:?}, {row:?}");
            let (proven, booked) = (end.paid - end_before.paid, row.received - row_before.received);
            assert!(proven <= booked, "the books lack a proof older than two cuts; {round}");
            let claims = end.received - end_before.received;
            let on_record = row.paid + row.open - row_before.paid - row_before.open;
            assert!(claims <= on_record, "the books lack a claim older than two cuts; {round}");
        }
        before[side] = ([&chain.alice, &chain.bob][side].record(), row);
        chain.restart(&victims);
    }
    chain.wait_for_payments();
}

/// Nodes compare their books by themselves: after each of these rounds of kills under load, both ends of a link have
/// equal books.
fn kill_and_compare(test: &str, durability: &str) {
    let (mut random, seed) = random(test);
    for round in 0..COMPARED_ROUNDS {
        let keys = "writeOffMax: '1000000000000'";
        let mut chain = Chain::start_with(durability, None, COMPARED_HOLD_MS, keys);
        chain.wait_for_payments();
        chain.wait_compared();
        for _ in 0..COMPARED_KILLS {
            let count = [1, 1, 2].choose(&mut random).copied().unwrap();
            let victims: Vec<usize> = [0, 1, 2].sample(&mut random, count).copied().collect();
            chain.wait_for_payments();
            go_on(&mut random, LIFE_MAX);
            chain.kill(&victims);
            chain.restart(&victims);
        }
        chain.wait_for_payments();
        print_line(&format!("{test}: {seed}, round {round}"));
        chain.wait_for_equal_books();
    }
}

#[test]
fn after_kill_9_strict_books_of_both_ends_are_equal() {
    kill_and_compare("after_kill_9_strict_books_of_both_ends_are_equal", "strict");
}

#[test]
fn after_kill_9_batched_books_of_both_ends_are_equal() {
    kill_and_compare("after_kill_9_batched_books_of_both_ends_are_equal", "batched");
}
