//! Carries a number of packets through the connector in memory, for callgrind to count instructions.
//!
//! `benches/instructions.sh` runs it twice, with N and 2 N packets, so that the cost of the start cancels out.
//! `batched` or `strict` as a second argument measures a connector with a store. With a fixed hash seed and a fixed
//! clock the count repeats exactly.
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "it handles its own bytes")]

#[path = "../in_memory/mod.rs"]
mod in_memory;

use in_memory::{Durability, Node};

/// As many routes as the load bench has.
const ROUTES: u32 = 10_000;
/// Packets that one read of a socket brings at a moderate load.
const BATCH: u32 = 16;

fn main() {
    // `cargo bench` and `cargo test` add flags of their own; what they run is a short check.
    let packets = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000);
    let durability = match std::env::args().next_back().as_deref() {
        Some("batched") => Durability::Batched,
        Some("strict") => Durability::Strict,
        _ => Durability::NoStore,
    };
    Node::new(ROUTES, durability).round_trips(packets, BATCH);
    println!("{packets} packets");
}
