//! The tests that need more than one room: the whole program, other programs, containers.
#![allow(
    clippy::panic,
    reason = "helpers of tests fail their test; clippy exempts only the test functions"
)]

mod cli;
mod house;
mod running;
mod support;
