//! What peers do to an exchange of routes, one decision per byte: they come and go, tell what does not fit together or is
//! not theirs, ask for what never was, answer late or twice. What must hold is said, and checked, in
//! `src/routing/ccp/model.rs`.
#![no_main]

use ilp_connector::internals::routing::ccp::model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    model::run(input);
});
