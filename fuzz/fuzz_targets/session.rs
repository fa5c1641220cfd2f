//! Sequences of session operations, one decision per byte: peers log in, ask, answer or not, send garbage, lose their
//! sessions and come back while time passes. Every request gets exactly one answer, and no money is made or lost; what
//! exactly must hold is said, and checked, in `src/btp/model.rs`.
#![no_main]

use ilp_connector::internals::btp::model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    model::run(input);
});
