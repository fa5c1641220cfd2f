//! Sequences of session operations, one decision per byte: peers log in, send requests, answer or not, send garbage,
//! lose their sessions and reconnect while time passes. `src/btp/model.rs` checks the invariants: each request gets
//! exactly one answer, and balances add up to zero.
#![no_main]

use ilp_connector::internals::btp::model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    model::run(input);
});
