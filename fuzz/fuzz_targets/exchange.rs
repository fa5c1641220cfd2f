//! Sequences of CCP operations, one decision per byte. `src/routing/ccp/model.rs` describes the operations and checks
//! the invariants.
#![no_main]

use ilp_connector::internals::routing::ccp::model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    model::run(input);
});
